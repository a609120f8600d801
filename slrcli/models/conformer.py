"""`conformer`: convolutions that quarter the frame rate, then layers that join a look nearby with one further off.

Each layer (after Gulati et al. 2020) adds to what comes in, one after the other, a convolution of each channel over
time, attention to the steps within a window, and two linear layers. Attention looks a bounded way back and ahead, so
that time and memory grow with the length of a clip and not with its square, and knows where a step stands against
another by a learnt bias for each distance. Everything is normalised over the channels of one step (Ba et al. 2016),
which no padding can enter. Inner CTC heads (Lee and Watanabe 2021, arXiv:2102.03216) share the classifier.
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
    """What may be chosen about `conformer`. A step is what four frames become.

    Attributes:
        width: channels, a multiple of `heads`.
        layers: conformer layers.
        heads: of the attention.
        window: steps that attention looks back, and as many ahead.
        kernel: steps that a layer's convolution sees, odd.
        expand: inner width of the two linear layers of a layer, as a multiple of `width`.
        inner: CTC heads on inner layers, evenly spread; fewer than `layers`.
        scale: initial factor from a feature's length along a class's direction to its score.
        blank_bias: initial score of the blank against the glosses'. Below 0 it shortens the phase in which
            everything is blank.
        frontend: how stored features become the network's input.
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
    """See the module; T frames become ceil(ceil(T / 2) / 2) steps."""

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
        """The first layer: behind it, a step knows of others far off."""
        return self.layers[0]

    def output_length(self, frames: Frames) -> Frames:
        return halved(halved(frames))

    def forward(self, x: Tensor, lengths: Tensor) -> Output:
        x = self.stage(self._narrow, x, lengths)
        lengths = self.output_length(lengths)
        valid, inner = mask(lengths, x.shape[1]), []
        for number, layer in enumerate(self.layers, 1):
            x = self.stage(layer, x, valid)
            if number in self.heads_after:
                inner.append(self._classify(x))
        return Output(self._classify(x), lengths, tuple(inner))

    def _narrow(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, D]` -> `[B, T', width]`."""
        return self.stem(self.frontend(x, lengths), lengths)

    def _classify(self, x: Tensor) -> Tensor:
        """Steps `[B, T', width]` -> log-probabilities `[B, T', V]`."""
        return log_softmax(self.classifier(self.norm(x)))


class Stem(nn.Module):
    """Two convolutions of stride 2, each normalised; cheap, since no layer works at the full frame rate."""

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
    """Convolution, attention and feed-forward, each added to what comes in."""

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
        """x `[B, T, C]`, valid bool `[B, T]` -> `[B, T, C]`; what stands in the padding has no meaning."""
        x = x + self.dropout(self.convolution(x, valid))
        x = x + self.dropout(self.attention(x, valid))
        return x + self.dropout(self.feed(x))


class Convolution(nn.Module):
    """A gate, a convolution of each channel over time, and a mix of the channels."""

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
    """Attention of every step to the steps at most `window` before and after it.

    The clip is cut into pieces of `window` steps; each looks at itself and its two neighbours, less what is too far.
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
        """For each step of a piece and each of the three pieces it looks at: whether that is in the window, bool
        `[window, 3 * window]`, and the bias `[heads, window, 3 * window]`."""
        window, device = self.window, self.by_distance.device
        distance = torch.arange(-window, 2 * window, device=device) - torch.arange(window, device=device).unsqueeze(1)
        return distance.abs() <= window, self.by_distance[:, (distance + window).clamp(0, 2 * window)]


def with_neighbours(pieces: Tensor, dim: int) -> Tensor:
    """Each of the pieces along axis 1 with the ones before and after it joined on along `dim`; zeros at the ends."""
    around = F.pad(pieces, (0, 0) * (pieces.dim() - 2) + (1, 1))
    return torch.cat([around[:, :-2], pieces, around[:, 2:]], dim=dim)
