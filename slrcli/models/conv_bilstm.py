"""`conv-bilstm`: the standard baseline of the field, small and quick to train.

A linear projection of the features, two convolutions of kernel 5 with up to two poolings by 2, and two bidirectional
LSTM layers. An inner CTC head on the convolutions shares the classifier, whose weight vectors have unit length (the
alignment constraint of Min et al. 2021 with the shared classifier of Hao et al. 2021, without their distillation).
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
    """The options of `conv-bilstm`.

    Attributes:
        width: channels of the convolutions, and of both directions of an LSTM layer together; even.
        layers: number of bidirectional LSTM layers.
        kernel: kernel of the convolutions in frames, odd.
        strides: number of convolutions followed by pooling by 2, at most 2; T / 2 ** strides frames come out. Fewer
            give a short sign more output frames.
        scale: initial factor on the projection of a feature onto the direction of a class.
        blank_bias: initial score of the blank relative to the glosses. A negative one shortens the initial phase in
            which the network emits only blanks.
        frontend: options of the frontend.
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
    """The layers after the frontend, a mixin for modules that hold them."""

    def build(self, inputs: int, vocab_size: int, dropout: float, options: ConvBiLSTMOptions) -> None:
        """Create the layers.

        Args:
            inputs: columns of the frontend's output.
            vocab_size: number of classes, including the blank.
            dropout: dropout probability.
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
        """Log-probabilities of the last and the inner head, each `[B, T', V]`.

        Args:
            x: output of the frontend, `[B, T, F]`.
            lengths: frames of each clip, int64 `[B]`.
            stage: runs a part of the network; see `SignModel.stage`.
        """
        local = stage(self._convolve, x, lengths)
        context = stage(self.recurrence, local, self.output_length(lengths))
        last = log_softmax(self.classifier(self.dropout(context)))
        return last, log_softmax(self.classifier(local))

    def _convolve(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, F]` -> `[B, T', width]`, zero in the padding."""
        return self.blocks(self.project(x), lengths)

    def output_length(self, frames: Frames) -> Frames:
        """Output frames T' of T frames, halved and rounded up per pooling."""
        return self.blocks.output_length(frames)


class ConvBiLSTM(ConvBiLSTMLayers, SignModel):
    """See the module; T frames give ceil(ceil(T / 2) / 2) output frames by default."""

    def __init__(self, frontend: Frontend, vocab_size: int, dropout: float, options: ConvBiLSTMOptions):
        super().__init__(frontend, vocab_size)
        self.build(frontend.width, vocab_size, dropout, options)

    def after_frontend(self, x: Tensor, lengths: Tensor) -> Output:
        last, inner = self.encode(x, lengths, self.stage)
        return Output(last, self.output_length(lengths), (inner,))
