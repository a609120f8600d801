"""`conformer`: convolutions that quarter the frame rate, then layers of convolution and windowed self-attention.

Each layer (after Gulati et al. 2020) has three residual parts: a depthwise convolution over time, self-attention within
a window, and a feed-forward network of two linear layers. Because the window is bounded, time and memory are linear in
the length of a clip instead of quadratic. Positions enter as a learnt bias per relative distance. Layer normalisation
over the channels of a step (Ba et al. 2016) is independent of padding. Inner CTC heads (Lee and Watanabe 2021,
arXiv:2102.03216) share the classifier.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.errors import UsageError
from slrcli.models.base import Output, SignModel, log_softmax
from slrcli.models.frontend import Frontend, FrontendOptions
from slrcli.models.layers import (
    Dropout,
    FrameConv1d,
    Frames,
    NormalisedClassifier,
    apply_mask,
    halved,
    mask,
    require_centred,
)


@dataclass(frozen=True)
class ConformerOptions:
    """The options of `conformer`. A step is an output frame, four input frames long.

    Attributes:
        width: channels, a multiple of `heads`.
        layers: number of conformer layers.
        heads: attention heads.
        window: reach of the attention in steps, in both directions.
        kernel: kernel of the convolution in a layer, in steps; odd.
        expand: inner width of the feed-forward network, as a multiple of `width`.
        inner: number of inner CTC heads, evenly spaced over the layers; less than `layers`.
        scale: initial factor on the projection of a feature onto the direction of a class.
        blank_bias: initial score of the blank relative to the glosses. A negative one shortens the initial phase in
            which the network emits only blanks.
        frontend: options of the frontend.
    """

    width: int = 144
    layers: int = 4
    heads: int = 4
    window: int = 16
    kernel: int = 15
    expand: int = 4
    inner: int = 1
    scale: float = 1.0
    blank_bias: float = -2.0
    frontend: FrontendOptions = field(default_factory=FrontendOptions)

    def __post_init__(self):
        for name in ("width", "layers", "heads", "window", "expand"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} cannot be {getattr(self, name)}.", name, "Make it 1 or more.")
        if self.width % self.heads:
            raise UsageError(
                f"{self.heads} heads cannot share a width of {self.width}.", "width", "Make it a multiple of the heads."
            )
        require_centred(self.kernel, "steps")
        if not 0 <= self.inner < self.layers:
            raise UsageError(
                f"{self.layers} layers cannot have {self.inner} inner heads.", "inner", "Make it smaller than layers."
            )


class Conformer(SignModel):
    """See the module; T frames give ceil(ceil(T / 2) / 2) steps."""

    late = 2  # the convolutions of the stem centre step t on frame 4 t, the first of the four that it stands for

    def __init__(self, frontend: Frontend, vocab_size: int, dropout: float, options: ConformerOptions):
        super().__init__(frontend, vocab_size)
        width = options.width
        self.stem = Stem(frontend.width, width, dropout)
        self.layers = nn.ModuleList(Layer(options, dropout) for _ in range(options.layers))
        self.norm = nn.LayerNorm(width)
        self.classifier = NormalisedClassifier(width, vocab_size, options.scale, options.blank_bias)
        self.heads_after = {round(i * options.layers / (options.inner + 1)) for i in range(1, options.inner + 1)}

    @property
    def recurrence(self) -> nn.Module:
        """The first layer, whose attention brings in context."""
        return self.layers[0]

    def output_length(self, frames: Frames) -> Frames:
        return halved(halved(frames))

    def after_frontend(self, x: Tensor, lengths: Tensor) -> Output:
        x = self.stage(self.stem, x, lengths)
        lengths = self.output_length(lengths)
        valid, inner = mask(lengths, x.shape[1]), []
        for number, layer in enumerate(self.layers, 1):
            x = self.stage(layer, x, valid)
            if number in self.heads_after:
                inner.append(self._classify(x))
        return Output(self._classify(x), lengths, tuple(inner))

    def _classify(self, x: Tensor) -> Tensor:
        """Steps `[B, T', width]` -> log-probabilities `[B, T', V]`."""
        return log_softmax(self.classifier(self.norm(x)))


class Stem(nn.Module):
    """Two convolutions of stride 2 with layer normalisation, so that no layer runs at the full frame rate."""

    def __init__(self, inputs: int, width: int, dropout: float):
        super().__init__()
        self.first = FrameConv1d(inputs, width, 3, stride=2, padding=1)
        self.first_norm = nn.LayerNorm(width)
        self.second = FrameConv1d(width, width, 5, stride=2, padding=2)
        self.second_norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, inputs]`, 0 in the padding, lengths `[B]` -> `[B, ceil(ceil(T / 2) / 2), width]`."""
        x = F.silu(self.first_norm(self.first(x)))
        x = apply_mask(x, mask(halved(lengths), x.shape[1]))
        return self.dropout(F.silu(self.second_norm(self.second(x))))


class Layer(nn.Module):
    """Convolution, attention and feed-forward network, each with a residual connection."""

    def __init__(self, options: ConformerOptions, dropout: float):
        super().__init__()
        self.convolution = Convolution(options.width, options.kernel)
        self.attention = WindowedAttention(options.width, options.heads, options.window)
        self.feed = nn.Sequential(
            nn.LayerNorm(options.width),
            nn.Linear(options.width, options.expand * options.width),
            nn.SiLU(),
            nn.Linear(options.expand * options.width, options.width),
        )
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x `[B, T, C]`, valid bool `[B, T]` -> `[B, T, C]`, undefined in the padding."""
        x = x + self.dropout(self.convolution(x, valid))
        x = x + self.dropout(self.attention(x, valid))
        return x + self.dropout(self.feed(x))


class Convolution(nn.Module):
    """A gated linear unit, a depthwise convolution over time, and a pointwise linear layer."""

    def __init__(self, width: int, kernel: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.over_time = FrameConv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.inner_norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x `[B, T, C]`, valid bool `[B, T]` -> `[B, T, C]`."""
        x = apply_mask(F.glu(self.gate(self.norm(x)), dim=2), valid)
        return self.mix(F.silu(self.inner_norm(self.over_time(x))))


class WindowedAttention(nn.Module):
    """Self-attention of each step to the steps at most `window` before and after it.

    The clip is divided into blocks of `window` steps. Each block attends to itself and its two neighbours, with the
    steps beyond the window masked.
    """

    def __init__(self, width: int, heads: int, window: int):
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.by_distance = nn.Parameter(torch.zeros(heads, 2 * window + 1))  # from `window` before to `window` after

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x `[B, T, C]`, valid bool `[B, T]` -> `[B, T, C]`."""
        clips, frames, width = x.shape
        beyond = -frames % self.window
        x = self.queries_keys_values(self.norm(F.pad(x, (0, 0, 0, beyond))))
        pieces = x.view(clips, -1, self.window, 3, self.heads, width // self.heads)
        queries, keys, values = pieces.permute(3, 0, 1, 4, 2, 5)  # each [B, pieces, heads, window, C / heads]
        allowed = F.pad(valid, (0, beyond)).view(clips, -1, 1, 1, self.window)
        near, bias = self._by_distance()
        allowed = near & with_neighbours(allowed, 4)
        scores = (queries * queries.shape[-1] ** -0.5) @ with_neighbours(keys, 3).transpose(3, 4)
        scores = (scores + bias).float()
        weights = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min).softmax(4)
        found = weights.to(values.dtype) @ with_neighbours(values, 3)
        return self.mix(found.transpose(2, 3).reshape(clips, -1, width)[:, :frames])

    def _by_distance(self) -> tuple[Tensor, Tensor]:
        """The mask of the window, bool `[window, 3 * window]`, and the bias, `[heads, window, 3 * window]`: for each
        step of a block against the steps of the three blocks that it attends to."""
        window, device = self.window, self.by_distance.device
        distance = torch.arange(-window, 2 * window, device=device) - torch.arange(window, device=device).unsqueeze(1)
        return distance.abs() <= window, self.by_distance[:, (distance + window).clamp(0, 2 * window)]


def with_neighbours(pieces: Tensor, dim: int) -> Tensor:
    """Each block along axis 1 concatenated with its two neighbours along `dim`; zeros beyond both ends."""
    around = F.pad(pieces, (0, 0) * (pieces.dim() - 2) + (1, 1))
    return torch.cat([around[:, :-2], pieces, around[:, 2:]], dim=dim)
