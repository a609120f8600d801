"""`ensemble`: several small `conv-bilstm` that read the same clip, each in its own way, and are believed on average.

What one network of so few signers makes of a new one hangs on the chance it began with, and several err less together
than each alone (Hansen and Salamon 1990; Lakshminarayanan et al. 2017). They share the frontend and nothing else, and
each is learnt by itself, so that they stay different. Their mean is the geometric one: it says a gloss where all of
them find it likely. Spikes do not meet, so an ensemble wants to be learnt frame by frame (`loss.frames`), where all of
its members learn the same places.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slrcli.errors import UsageError
from slrcli.models.base import Output, SignModel, log_softmax
from slrcli.models.conv_bilstm import ConvBiLSTMLayers, ConvBiLSTMOptions
from slrcli.models.frontend import Frontend
from slrcli.models.layers import Frames, Parts


@dataclass(frozen=True)
class EnsembleOptions(ConvBiLSTMOptions):
    """What may be chosen about `ensemble`.

    Attributes:
        width: of each member; see `ConvBiLSTMOptions`, as for the others.
        members: networks that are averaged.
    """

    width: int = 128
    members: int = 4

    def __post_init__(self):
        super().__post_init__()
        if self.members < 1:
            raise UsageError(f"There cannot be {self.members} members.", "members", "Make it 1 or more.")


class Member(ConvBiLSTMLayers):
    """One of the networks, without a frontend of its own."""

    def __init__(self, inputs: int, vocab_size: int, dropout: float, options: EnsembleOptions):
        super().__init__()
        self.build(inputs, vocab_size, dropout, options)


class Ensemble(SignModel):
    """See the module; T frames become as many as of `conv-bilstm`."""

    def __init__(self, frontend: Frontend, vocab_size: int, dropout: float, options: EnsembleOptions):
        super().__init__(frontend, vocab_size)
        self.members = Parts(Member(frontend.width, vocab_size, dropout, options) for _ in range(options.members))

    @property
    def recurrence(self) -> nn.Module:
        """The first member's."""
        return self.members.first.recurrence

    def output_length(self, frames: Frames) -> Frames:
        return self.members.first.output_length(frames)

    def forward(self, x: Tensor, lengths: Tensor) -> Output:
        x = self.frontend(x, lengths)
        encoded = [member.encode(x, lengths, self.stage) for member in self.members]
        last, inner = (tuple(heads) for heads in zip(*encoded, strict=True))
        return Output(log_softmax(torch.stack(last).mean(dim=0)), self.output_length(lengths), inner, last)
