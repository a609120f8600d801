"""`streaming`: a causal network for running streams.

Two causal convolutions of stride 2 and unidirectional LSTM layers; a step is four frames long. Lookahead is a delay:
with a `lookahead` of n frames, the output for a step is the one that the network gives n frames later (a delayed
recurrent network, Turek et al. 2020, arXiv:1909.00021), and n empty frames follow the end of a clip. Later frames
cannot change an earlier step, so padding needs no mask, and a clip may be processed in chunks of any length: `start`,
`step` and `finish` give the same output as `forward`.

The chunks are output of the frontend, which is causal as well (`Frontend.step`).
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.errors import UsageError
from slrcli.models.base import Output, SignModel, log_softmax
from slrcli.models.frontend import Frontend, FrontendOptions
from slrcli.models.layers import Dropout, FrameConv1d, Frames, NormalisedClassifier, Parts, halved

STRIDE = 4  # frames per step


@dataclass(frozen=True)
class StreamingOptions:
    """The options of `streaming`.

    Attributes:
        width: channels of the convolutions and the LSTMs.
        layers: number of LSTM layers.
        kernel: kernel of the convolutions, each in frames at its own rate; 2 or more.
        lookahead: delay of the output in frames, a multiple of 4; 0 for none.
        scale: initial factor on the projection of a feature onto the direction of a class.
        blank_bias: initial score of the blank relative to the glosses. A negative one shortens the initial phase in
            which the network emits only blanks.
        frontend: options of the frontend.
    """

    width: int = 192
    layers: int = 2
    kernel: int = 5
    lookahead: int = 8
    scale: float = 1.0
    blank_bias: float = -2.0
    frontend: FrontendOptions = field(default_factory=lambda: FrontendOptions(causal=True))

    def __post_init__(self):
        if self.width < 1:
            raise UsageError(f"There cannot be {self.width} channels.", "width", "Make it 1 or more.")
        if self.layers < 1:
            raise UsageError(f"There cannot be {self.layers} layers.", "layers", "Make it 1 or more.")
        if self.kernel < 2:
            raise UsageError(f"A stride of 2 frames skips some with a kernel of {self.kernel}.", "kernel",
                             "Make it 2 or more.")  # fmt: skip
        if self.lookahead < 0 or self.lookahead % STRIDE:
            raise UsageError(
                f"A lookahead of {self.lookahead} frames is not a whole number of steps.",
                "lookahead",
                f"Make it 0 or a multiple of {STRIDE}.",
            )


@dataclass
class Stream:
    """The state of a running clip, updated by `Streaming.step`.

    Attributes:
        tails: per convolution, the past inputs that it still needs, `[1, n, C]`.
        memory: state of the LSTMs; None before the first step.
        frames: frames so far.
        skip: steps still to be dropped: because of the delay, the first ones lie before the clip.
    """

    tails: list[Tensor]
    memory: tuple[Tensor, Tensor] | None
    frames: int
    skip: int


class Streaming(SignModel):
    """See the module; T frames give ceil(T / 4) steps."""

    recurrence: nn.LSTM
    lookahead: int

    def __init__(self, frontend: Frontend, vocab_size: int, dropout: float, options: StreamingOptions):
        super().__init__(frontend, vocab_size)
        width = options.width
        self.lookahead = options.lookahead
        self.blocks = Parts(CausalBlock(inputs, width, options.kernel, dropout) for inputs in (frontend.width, width))
        between = dropout if options.layers > 1 else 0.0
        self.recurrence = nn.LSTM(width, width, options.layers, batch_first=True, dropout=between)
        # On auslan, without it and without lookahead, the network never left the phase of blanks alone.
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        self.classifier = NormalisedClassifier(width, vocab_size, options.scale, options.blank_bias)

    def output_length(self, frames: Frames) -> Frames:
        return halved(halved(frames))

    def after_frontend(self, x: Tensor, lengths: Tensor) -> Output:
        local = self.stage(self._convolve, x)
        context = self.stage(self._remember, local)
        ahead = self.lookahead // STRIDE
        # The inner head has no delay; the outer one is shifted back by its own.
        inner = log_softmax(self.classifier(self.norm(local[:, : local.shape[1] - ahead])))
        outer = log_softmax(self.classifier(self.dropout(self.norm(context[:, ahead:]))))
        return Output(outer, self.output_length(lengths), (inner,))

    def _convolve(self, x: Tensor) -> Tensor:
        """x `[B, T, F]` -> `[B, T' + lookahead / 4, width]`."""
        x = F.pad(x, (0, 0, 0, -x.shape[1] % STRIDE + self.lookahead))
        for block in self.blocks:
            x, _ = block(x, block.nothing(x.shape[0]))  # len(x) would fix the size in an exported graph
        return x

    def _remember(self, x: Tensor) -> Tensor:
        """Steps `[B, S, width]` -> `[B, S, width]`, with context of the steps before."""
        return self.recurrence(x)[0]

    def start(self) -> Stream:
        """The state before the first frame of a clip."""
        tails = [block.nothing(1) for block in self.blocks]
        return Stream(tails, None, 0, self.lookahead // STRIDE)

    def step(self, frames: Tensor, stream: Stream) -> Tensor:
        """Log-probabilities of the steps completed by this chunk, `[S, V]`; S may be 0.

        Args:
            frames: the next frames, output of the frontend, float32 `[T, F]`; T may be 0.
            stream: the state from `start`; updated.
        """
        stream.frames += len(frames)
        x = frames.unsqueeze(0)
        for number, block in enumerate(self.blocks):
            x, stream.tails[number] = block(x, stream.tails[number])
        if not x.shape[1]:
            return log_softmax(x.new_zeros((0, self.vocab_size)))
        context, stream.memory = self.recurrence(x, stream.memory)
        dropped = min(stream.skip, context.shape[1])
        stream.skip -= dropped
        return log_softmax(self.classifier(self.norm(context[0, dropped:])))

    def finish(self, stream: Stream) -> Tensor:
        """Log-probabilities of the remaining steps at the end of the clip, `[S, V]`."""
        missing = -stream.frames % STRIDE + self.lookahead
        return self.step(stream.tails[0].new_zeros((missing, self.blocks.first.conv.in_channels)), stream)


class CausalBlock(nn.Module):
    """A causal convolution of stride 2, layer normalisation, ReLU and dropout."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dropout: float):
        super().__init__()
        self.conv = FrameConv1d(inputs, outputs, kernel, stride=2)
        self.norm = nn.LayerNorm(outputs)
        self.dropout = Dropout(dropout)

    def nothing(self, clips: int) -> Tensor:
        """The past before the first frame of a clip: zeros `[B, kernel - 2, inputs]`."""
        weight = self.conv.weight
        return weight.new_zeros((clips, weight.shape[2] - 2, weight.shape[1]))

    def forward(self, x: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """x `[B, T, inputs]` and the tail before it `[B, n, inputs]` -> `[B, S, outputs]` and the new tail."""
        x = torch.cat([tail, x], dim=1)
        steps = (x.shape[1] - self.conv.kernel_size[0] + 2) // 2
        left = x[:, 2 * steps :]
        if not steps:
            return x.new_zeros((len(x), 0, self.conv.out_channels)), left
        return self.dropout(F.relu(self.norm(self.conv(x)))), left
