"""`streaming`: a recogniser that answers while the signing goes on.

Two convolutions of stride 2 and LSTM layers, all of which look back alone. Four frames make a step. What lies ahead is
seen by waiting for it: with a `lookahead` of n frames, the answer for a step is what the network says n frames later
(a delayed recurrent network, Turek et al. 2020, arXiv:1909.00021); the end of a clip is followed by n empty frames.
Nothing that comes later can change an earlier step, so padding needs no mask, and a clip may come in chunks of any
length: `start`, `step` and `finish` give what `forward` gives.

Chunks are frames as the frontend makes them, which is causal as well: `Frontend.step` takes it on from chunk to chunk.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.errors import UsageError
from slrcli.models.base import Output, SignModel, log_softmax
from slrcli.models.frontend import Frontend, FrontendOptions
from slrcli.models.layers import Dropout, FrameConv1d, Frames, NormalisedClassifier, Parts, halved

STRIDE = 4  # frames a step


@dataclass(frozen=True)
class StreamingOptions:
    """What may be chosen about `streaming`.

    Attributes:
        width: channels of the convolutions and of the LSTMs.
        layers: LSTM layers.
        kernel: frames that a convolution sees, at its own rate; 2 or more.
        lookahead: frames that the answer for a step waits for, a multiple of 4; 0 waits for none.
        scale: initial factor from a feature's length along a class's direction to its score.
        blank_bias: initial score of the blank against the glosses'. Below 0 it shortens the phase in which
            everything is blank.
        frontend: how stored features become the network's input.
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
    """How far a clip has come; `Streaming.step` changes it.

    Attributes:
        tails: what each convolution still needs of what it has seen, `[1, n, C]`.
        memory: the LSTMs' state, None before the first step.
        frames: how many have come in.
        skip: steps that are still to be dropped, because what they answer lies before the clip.
    """

    tails: list[Tensor]
    memory: tuple[Tensor, Tensor] | None
    frames: int
    skip: int


class Streaming(SignModel):
    """See the module; T frames become ceil(T / 4) steps."""

    recurrence: nn.LSTM
    lookahead: int

    def __init__(self, frontend: Frontend, vocab_size: int, dropout: float, options: StreamingOptions):
        super().__init__(frontend, vocab_size)
        width = options.width
        self.lookahead = options.lookahead
        self.blocks = Parts(CausalBlock(inputs, width, options.kernel, dropout) for inputs in (frontend.width, width))
        between = dropout if options.layers > 1 else 0.0
        self.recurrence = nn.LSTM(width, width, options.layers, batch_first=True, dropout=between)
        # On auslan, a network without it that waits for nothing did not leave the phase in which all is blank.
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        self.classifier = NormalisedClassifier(width, vocab_size, options.scale, options.blank_bias)

    def output_length(self, frames: Frames) -> Frames:
        return halved(halved(frames))

    def forward(self, x: Tensor, lengths: Tensor) -> Output:
        local = self.stage(self._convolve, x, lengths)
        context = self.stage(self._remember, local)
        ahead = self.lookahead // STRIDE
        # The inner head stands where the frames are that it has seen, the outer one where its answers belong.
        inner = log_softmax(self.classifier(self.norm(local[:, : local.shape[1] - ahead])))
        outer = log_softmax(self.classifier(self.dropout(self.norm(context[:, ahead:]))))
        return Output(outer, self.output_length(lengths), (inner,))

    def _convolve(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, D]` -> `[B, T' + lookahead / 4, width]`."""
        x = self.frontend(x, lengths)
        x = F.pad(x, (0, 0, 0, -x.shape[1] % STRIDE + self.lookahead))
        for block in self.blocks:
            x, _ = block(x, block.nothing(x.shape[0]))  # len(x) would fix the size in an exported graph
        return x

    def _remember(self, x: Tensor) -> Tensor:
        """Steps `[B, S, width]` -> `[B, S, width]`, each knowing of those before it."""
        return self.recurrence(x)[0]

    def start(self) -> Stream:
        """The state before the first frame of a clip."""
        tails = [block.nothing(1) for block in self.blocks]
        return Stream(tails, None, 0, self.lookahead // STRIDE)

    def step(self, frames: Tensor, stream: Stream) -> Tensor:
        """Log-probabilities of the steps that can be answered now, `[S, V]`; S may be 0.

        Args:
            frames: the next ones, as the frontend makes them, float32 `[T, F]`; T may be 0.
            stream: from `start`; it is brought up to date.
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
        """Log-probabilities of the steps that were still waiting for frames, `[S, V]`; the clip is over."""
        missing = -stream.frames % STRIDE + self.lookahead
        return self.step(stream.tails[0].new_zeros((missing, self.blocks.first.conv.in_channels)), stream)


class CausalBlock(nn.Module):
    """A convolution of stride 2 that sees nothing later than its own two frames; normalisation, ReLU and dropout."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dropout: float):
        super().__init__()
        self.conv = FrameConv1d(inputs, outputs, kernel, stride=2)
        self.norm = nn.LayerNorm(outputs)
        self.dropout = Dropout(dropout)

    def nothing(self, clips: int) -> Tensor:
        """What stands before a clip's first frame: zeros `[B, kernel - 2, inputs]`."""
        weight = self.conv.weight
        return weight.new_zeros((clips, weight.shape[2] - 2, weight.shape[1]))

    def forward(self, x: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """x `[B, T, inputs]` after what was left, `[B, n, inputs]` -> `[B, S, outputs]` and what is left now."""
        x = torch.cat([tail, x], dim=1)
        steps = (x.shape[1] - self.conv.kernel_size[0] + 2) // 2
        left = x[:, 2 * steps :]
        if not steps:
            return x.new_zeros((len(x), 0, self.conv.out_channels)), left
        return self.dropout(F.relu(self.norm(self.conv(x)))), left
