"""`conv-bilstm`: the field's plain baseline, small and quick to learn.

A projection of the features, two convolutions of kernel 5 each followed by pooling by 2 (or only one of them, or
none), and two bidirectional LSTM layers. A second CTC head sits on the convolutions and shares the classifier, whose
weights have unit length (the alignment constraint of Min et al. 2021 with the shared classifier of Hao et al. 2021,
without their distillation).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

from slrcli.errors import UsageError
from slrcli.models.base import Output, SignModel, log_softmax
from slrcli.models.frontend import Frontend, FrontendOptions
from slrcli.models.layers import BiLSTM, ConvBlock, ConvBlocks, Dropout, Frames, NormalisedClassifier, require_centred

CONVOLUTIONS = 2


@dataclass(frozen=True)
class ConvBiLSTMOptions:
    """What may be chosen about `conv-bilstm`.

    Attributes:
        width: channels of the convolutions, and of the two directions of the LSTMs together; even.
        layers: bidirectional LSTM layers.
        kernel: frames that a convolution sees, odd.
        strides: of the two convolutions so many are followed by pooling by 2, which leaves T / 2 ** strides frames.
            With fewer, more output frames fall on a short sign.
        scale: initial factor from a feature's length along a class's direction to its score.
        blank_bias: initial score of the blank against the glosses'. Below 0 it shortens the phase in which
            everything is blank.
        frontend: how stored features become the network's input.
    """

    width: int = 192
    layers: int = 2
    kernel: int = 5
    strides: int = CONVOLUTIONS
    scale: float = 4.0
    blank_bias: float = -2.0
    frontend: FrontendOptions = field(default_factory=FrontendOptions)

    def __post_init__(self):
        if self.width < 2 or self.width % 2:
            raise UsageError(
                f"The width is shared by two directions and cannot be {self.width}.", "width", "Make it even."
            )
        require_centred(self.kernel)
        if self.layers < 1:
            raise UsageError(f"There cannot be {self.layers} layers.", "layers", "Make it 1 or more.")
        if not 0 <= self.strides <= CONVOLUTIONS:
            fix = f"Use 0 to {CONVOLUTIONS}."
            raise UsageError(f"{CONVOLUTIONS} convolutions cannot halve {self.strides} times.", "strides", fix)


class ConvBiLSTMLayers(nn.Module):
    """The layers behind the frontend, as attributes of whatever module has them."""

    def build(self, inputs: int, vocab_size: int, dropout: float, options: ConvBiLSTMOptions) -> None:
        """Make the layers.

        Args:
            inputs: columns that the frontend gives.
            vocab_size: classes, the blank included.
            dropout: share of channels zeroed in training.
            options: see `ConvBiLSTMOptions`.
        """
        width = options.width
        self.project = nn.Linear(inputs, width)
        self.blocks = ConvBlocks(
            ConvBlock(width, width, options.kernel, dropout, pool=place < options.strides)
            for place in range(CONVOLUTIONS)
        )
        self.recurrence = BiLSTM(width, width // 2, options.layers, dropout)
        self.dropout = Dropout(dropout)
        self.classifier = NormalisedClassifier(width, vocab_size, options.scale, options.blank_bias)

    def encode(self, x: Tensor, lengths: Tensor, stage: Callable[..., Tensor]) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the last head and of the inner one, each `[B, T', V]`.

        Args:
            x: what the frontend gives, `[B, T, F]`.
            lengths: frames of each clip, int64 `[B]`.
            stage: runs a part of the layers; see `SignModel.stage`.
        """
        local = stage(self._convolve, x, lengths)
        context = stage(self.recurrence, local, self.output_length(lengths))
        last = log_softmax(self.classifier(self.dropout(context)))
        return last, log_softmax(self.classifier(local))

    def _convolve(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, F]` -> `[B, T', width]`, zero in the padding."""
        return self.blocks(self.project(x), lengths)

    def output_length(self, frames: Frames) -> Frames:
        """T' of T frames, halved and rounded up once for each convolution that halves."""
        return self.blocks.output_length(frames)


class ConvBiLSTM(ConvBiLSTMLayers, SignModel):
    """See the module; T frames become ceil(ceil(T / 2) / 2) by default."""

    def __init__(self, frontend: Frontend, vocab_size: int, dropout: float, options: ConvBiLSTMOptions):
        super().__init__(frontend, vocab_size)
        self.build(frontend.width, vocab_size, dropout, options)

    def forward(self, x: Tensor, lengths: Tensor) -> Output:
        last, inner = self.encode(self.frontend(x, lengths), lengths, self.stage)
        return Output(last, self.output_length(lengths), (inner,))
