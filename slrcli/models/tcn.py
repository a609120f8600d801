"""`tcn`: a temporal convolutional network whose receptive field covers a sign and its neighbours.

A linear projection of the features, convolutions of which the first `strides` are followed by pooling by 2, then
residual convolutions of growing dilation. Without recurrence, no information passes from the beginning of a sentence to
its end, so that a sign is recognised independently of its sentence. An inner CTC head on the pooled convolutions, with
a receptive field of about one sign, shares its classifier with the last head, whose receptive field is about two signs
(the alignment constraint of Min et al. 2021 with the shared classifier of Hao et al. 2021). Features and weight vectors
of the classifier have unit length, so that scores are scaled cosines (Wang et al. 2018, arXiv:1801.09414).

The duration of a sign in frames differs between corpora, while receptive fields are fixed in output frames. With
`strides` chosen for about five output frames per sign (`slrcli.config.resolve`), they cover equally many signs in every
corpus.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.errors import UsageError
from slrcli.models.base import Output, SignModel, log_softmax
from slrcli.models.frontend import Frontend, FrontendOptions
from slrcli.models.layers import ConvBlock, ConvBlocks, Dropout, Frames, NormalisedClassifier, mask, require_centred

LEAST_CONVOLUTIONS = 2  # before the inner head, pooled or not; with fewer, its receptive field is shorter than a sign
CONTEXT_KERNEL = 3
MOST_STRIDES = 4


@dataclass(frozen=True)
class TCNOptions:
    """The options of `tcn`.

    Attributes:
        width: channels of the convolutions after the first pooling.
        first: channels before the first pooling, at the full frame rate.
        kernel: kernel of the convolutions before the inner head, each in frames at its own rate; odd.
        strides: number of convolutions followed by pooling by 2, from 1 to 4; T / 2 ** strides frames come out. The
            default is for an unknown corpus.
        dilations: dilations of the residual convolutions after the inner head, in output frames; their kernel is 3.
        scale: initial factor on the cosine between a feature and the direction of a class.
        blank_bias: initial score of the blank relative to the glosses. A negative one shortens the initial phase in
            which the network emits only blanks.
        frontend: options of the frontend.
    """

    width: int = 192
    first: int = 96
    kernel: int = 5
    strides: int = 2
    dilations: tuple[int, ...] = (1, 2)
    scale: float = 32.0
    blank_bias: float = -2.0
    frontend: FrontendOptions = field(default_factory=FrontendOptions)

    def __post_init__(self):
        if min(self.width, self.first) < 1:
            fix = "Make width and first 1 or more."
            raise UsageError(f"There cannot be {min(self.width, self.first)} channels.", "width, first", fix)
        require_centred(self.kernel)
        if not 1 <= self.strides <= MOST_STRIDES:
            raise UsageError(f"The strides cannot be {self.strides}.", "strides", f"Use 1 to {MOST_STRIDES}.")
        if any(dilation < 1 for dilation in self.dilations):
            raise UsageError("Every dilation must be 1 or more.", "dilations", "Write it as [1, 2].")


class TCN(SignModel):
    """See the module; T frames give T / 2 ** strides output frames, rounded up.

    Attributes:
        blocks: the convolutions before the inner head.
        recurrence: the residual convolutions, which see more than a sign; see `SignModel`.
    """

    recurrence: "Context"

    def __init__(self, frontend: Frontend, vocab_size: int, dropout: float, options: TCNOptions):
        super().__init__(frontend, vocab_size)
        self.options = options
        self.project = nn.Linear(frontend.width, options.first)
        count = max(LEAST_CONVOLUTIONS, options.strides)
        widths = [options.first] * LEAST_CONVOLUTIONS + [options.width] * (count - 1)
        self.blocks = ConvBlocks(
            ConvBlock(inputs, outputs, options.kernel, dropout, pool=place < options.strides)
            for place, (inputs, outputs) in enumerate(pairwise(widths))
        )
        self.recurrence = Context(options.width, options.dilations, dropout)
        self.dropout = Dropout(dropout)
        self.classifier = NormalisedClassifier(options.width, vocab_size, options.scale, options.blank_bias)

    def after_frontend(self, x: Tensor, lengths: Tensor) -> Output:
        local = self.stage(self._convolve, x, lengths)
        lengths = self.output_length(lengths)
        context = self.stage(self.recurrence, local, lengths)
        return Output(self._score(context), lengths, (self._score(local),))

    def output_length(self, frames: Frames) -> Frames:
        """Output frames T' of T frames, halved and rounded up per stride."""
        return self.blocks.output_length(frames)

    @property
    def sees(self) -> tuple[int, int]:
        """Receptive fields of the inner and the last head, in input frames."""
        frames, step = 1, 1
        for block in self.blocks:
            frames += (self.options.kernel - 1) * step + block.pool * step  # the convolution, then the pooling
            step *= 1 + block.pool
        return frames, frames + sum(2 * dilation * step for dilation in self.options.dilations)

    def _convolve(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, F]` -> `[B, T', width]`, zero in the padding."""
        return self.blocks(self.project(x), lengths)

    def _score(self, x: Tensor) -> Tensor:
        """Log-probabilities `[B, T', V]` of features `[B, T', width]`; half precision is too coarse for cosines."""
        with torch.autocast(x.device.type, enabled=False):
            x = self.dropout(x).to(self.classifier.weight.dtype)
            return log_softmax(self.classifier(F.normalize(x, dim=2)))


class Context(nn.Module):
    """Residual convolutions of growing dilation over the output frames."""

    def __init__(self, width: int, dilations: tuple[int, ...], dropout: float):
        super().__init__()
        self.blocks = ConvBlocks(
            ConvBlock(width, width, CONTEXT_KERNEL, dropout, dilation=dilation) for dilation in dilations
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T', width]`, zero in the padding, lengths `[B]` -> the same shape, zero in the padding."""
        valid = mask(lengths, x.shape[1])
        for block in self.blocks:
            x = x + block(x, valid)
        return x
