"""`ensemble`: several small `conv-bilstm` networks whose log-probabilities are averaged.

With few training signers, the error on a new signer depends much on the random initialisation, and the mean of several
networks errs less than each of them (Hansen and Salamon 1990; Lakshminarayanan et al. 2017). The members share only
the frontend, and each has its own loss, so that they stay diverse. Their geometric mean favours a gloss that all of
them find likely. The CTC spikes of different networks do not coincide, so an ensemble should be trained with
`loss.frames`, which gives all members the same frame-wise targets.
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
    """The options of `ensemble`: those of `ConvBiLSTMOptions` for each member, and their number.

    Attributes:
        width: channels of each member.
        members: number of networks that are averaged.
    """

    width: int = 128
    members: int = 4

    def __post_init__(self):
        super().__post_init__()
        if self.members < 1:
            raise UsageError(f"There cannot be {self.members} members.", "members", "Make it 1 or more.")


class Member(ConvBiLSTMLayers):
    """One member: a network without the frontend."""

    def __init__(self, inputs: int, vocab_size: int, dropout: float, options: EnsembleOptions):
        super().__init__()
        self.build(inputs, vocab_size, dropout, options)


class Ensemble(SignModel):
    """See the module; as many output frames as `conv-bilstm`."""

    def __init__(self, frontend: Frontend, vocab_size: int, dropout: float, options: EnsembleOptions):
        super().__init__(frontend, vocab_size)
        self.members = Parts(Member(frontend.width, vocab_size, dropout, options) for _ in range(options.members))

    @property
    def recurrence(self) -> nn.Module:
        """The recurrence of the first member."""
        return self.members.first.recurrence

    def output_length(self, frames: Frames) -> Frames:
        return self.members.first.output_length(frames)

    def after_frontend(self, x: Tensor, lengths: Tensor) -> Output:
        encoded = [member.encode(x, lengths, self.stage) for member in self.members]
        last, inner = (tuple(heads) for heads in zip(*encoded, strict=True))
        return Output(log_softmax(torch.stack(last).mean(dim=0)), self.output_length(lengths), inner, last)
