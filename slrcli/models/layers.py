"""Layers shared by architectures: convolutions over time, padding-aware blocks, recurrent layers, the classifier.

A batch consists of clips of different lengths, padded with zeros at the end. The output for a clip must not depend on
the rest of its batch, so every layer that mixes frames takes the lengths of the clips, or a mask, into account.
Sequences are `[B, T, C]`, with lengths `[B]` or a mask `[B, T]`; the masked layers for channels first take `[B, C, T]`
with a mask `[B, 1, T]`.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.errors import UsageError
from slrcli.glosses.vocabulary import BLANK
from slrcli.parallel.distributed import summed

BYTE = 256
Frames = TypeVar("Frames", int, Tensor)  # number of frames: of one clip, or int64 `[B]` of a batch
Part = TypeVar("Part", bound=nn.Module)


def apply_mask(x: Tensor, valid: Tensor) -> Tensor:
    """x `[B, T, C]`, finite, with zeros where `valid`, bool `[B, T]`, is false (faster as a product than as a fill)."""
    return x * valid.unsqueeze(2).to(x.dtype)


class FrameConv1d(nn.Conv1d):
    """A convolution over time of `[B, T, C]` with zero padding; parameters as in `nn.Conv1d`."""

    def forward(self, x: Tensor) -> Tensor:
        """x `[B, T, inputs]` -> `[B, steps, outputs]`."""
        stride, padding, dilation = (1, *self.stride), (0, *self.padding), (1, *self.dilation)
        return _over_row(F.conv2d, x, self.weight.unsqueeze(2), self.bias, stride, padding, dilation, self.groups)


def halve(x: Tensor) -> Tensor:
    """Max pooling by 2, in which an odd last frame stays: `[B, T, C]` -> `[B, ceil(T / 2), C]`."""
    return _over_row(F.max_pool2d, x, (1, 2), ceil_mode=True)


def _over_row(function: Callable[..., Tensor], x: Tensor, *args, **kwargs) -> Tensor:
    """`function` of x `[B, T, C]` as images of a single row, with channels last in memory.

    Torch convolves these faster than sequences `[B, C, T]`, and pools them ten times faster.
    """
    return function(x.transpose(1, 2).unsqueeze(2), *args, **kwargs).squeeze(2).transpose(1, 2)


class Dropout(nn.Dropout):
    """Dropout that draws one random byte per value on the CPU.

    The dropout probability is rounded to 1/256 there, and the scale matches the rounded one. Torch's own dropout draws
    a double per value, which took a tenth of a training step.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        dropped = round(self.p * BYTE)
        if not self.training or x.device.type != "cpu" or not 0 < dropped < BYTE:
            return super().forward(x)
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
        noise = words.view(torch.uint8)[: x.numel()].view(x.shape)
        return x * (noise >= dropped).to(x.dtype).mul_(BYTE / (BYTE - dropped))


def mask(lengths: Tensor, frames: int) -> Tensor:
    """The mask of the valid frames, bool `[B, frames]`, from the lengths, int64 `[B]`."""
    return torch.arange(frames, device=lengths.device) < lengths.unsqueeze(1)


def channel_mask(lengths: Tensor, frames: int) -> Tensor:
    """The mask of the valid frames for layers with channels first, bool `[B, 1, frames]`."""
    return mask(lengths, frames).unsqueeze(1)


def halved(lengths: Frames) -> Frames:
    """Frames after a layer of stride 2: half, rounded up."""
    return (lengths + 1) // 2


class MaskedConv1d(nn.Conv1d):
    """A convolution over time with channels first, which treats the frames after the end of a clip as zeros.

    The padding is chosen so that T frames become ceil(T / stride).

    Raises:
        ValueError: the kernel is even.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = True):
        if kernel % 2 == 0:
            raise ValueError(f"the kernel must be odd, not {kernel}")
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=bias)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:  # type: ignore[override]  # torch's knows no padding
        """x `[B, C, T]`, valid bool `[B, 1, T]` -> `[B, outputs, ceil(T / stride)]`."""
        return super().forward(x.masked_fill(~valid, 0))


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation with statistics of the valid frames only; parameters as in torch's own.

    A single valid frame has zero variance and becomes the bias. Processes that train together share the statistics of
    the whole batch.

    Attributes:
        follow: whether training batches update the running statistics.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float
    follow = True

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:  # type: ignore[override]  # torch's knows no padding
        """x `[B, C, T]`, valid bool `[B, 1, T]` -> `[B, C, T]`, undefined in the padding."""
        if not self.training:
            return super().forward(x)
        mean, variance = self._statistics(x, valid)
        factor = self.weight * torch.rsqrt(variance + self.eps)
        return x * factor.unsqueeze(1) + (self.bias - mean * factor).unsqueeze(1)

    def _statistics(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance `[C]` of the valid frames, in the precision of the running ones, which they update."""
        x = x.to(self.running_mean.dtype)
        weight, count = valid.to(x.dtype), summed(valid.sum())
        mean = summed((x * weight).sum((0, 2))) / count
        deviation = (x - mean.unsqueeze(1)) * weight
        variance = summed(deviation.square().sum((0, 2))) / count
        if self.follow:
            self._update(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        return mean, variance

    def _update(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(unbiased_variance, self.momentum)
        self.num_batches_tracked += 1


@contextmanager
def statistics_held(module: nn.Module) -> Iterator[None]:
    """A context in which the running statistics of the batch normalisations in `module` are not updated."""
    norms = [part for part in module.modules() if isinstance(part, MaskedBatchNorm1d)]
    for norm in norms:
        norm.follow = False
    try:
        yield
    finally:
        for norm in norms:
            norm.follow = True


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate computed from the clip's mean over its valid frames (Hu et al. 2018).

    The gate is MobileNetV3's: two linear layers with ReLU between and a hard sigmoid after.
    """

    def __init__(self, channels: int, reduction: int = 4):
        super().__init__()
        inner = max(1, channels // reduction)
        self.squeeze = nn.Linear(channels, inner)
        self.excite = nn.Linear(inner, channels)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x `[B, C, T]`, valid bool `[B, 1, T]` -> `[B, C, T]`."""
        gate = F.hardsigmoid(self.excite(F.relu(self.squeeze(masked_mean(x, valid)))))
        return x * gate.unsqueeze(2)


def masked_mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid frames: x `[B, C, T]`, valid bool `[B, 1, T]` -> `[B, C]`."""
    return x.masked_fill(~valid, 0).sum(2) / valid.sum(2).clamp(min=1)


def reverse(x: Tensor, lengths: Tensor) -> Tensor:
    """Each clip reversed within its length, with the padding left in place: x `[B, T, C]`, lengths `[B]`."""
    frame = torch.arange(x.shape[1], device=x.device).unsqueeze(0)
    mirrored = lengths.unsqueeze(1) - 1 - frame
    source = torch.where(mirrored >= 0, mirrored, frame)
    return x.gather(1, source.unsqueeze(2).expand(-1, -1, x.shape[2]))


class BiLSTM(nn.Module):
    """Bidirectional LSTM layers that start from zero at the first and at the last valid frame of each clip.

    Sequences are reversed by length instead of packed, which is several times faster on the CPU.

    Args:
        inputs: input channels.
        hidden: channels per direction; the output has 2 * hidden.
        layers: number of layers.
        dropout: dropout probability between layers.
    """

    def __init__(self, inputs: int, hidden: int, layers: int = 1, dropout: float = 0.0):
        super().__init__()
        widths = [inputs] + [2 * hidden] * (layers - 1)
        self.ahead = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.back = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, inputs]`, lengths `[B]` -> `[B, T, 2 * hidden]`, undefined in the padding."""
        for layer, (ahead, back) in enumerate(zip(self.ahead, self.back, strict=True)):
            if layer:
                x = self.dropout(x)
            x = torch.cat([ahead(x)[0], reverse(back(reverse(x, lengths))[0], lengths)], dim=2)
        return x


class NormalisedClassifier(nn.Module):
    """A linear classifier with weight vectors of unit length, one learnt scale, and a bias per class.

    Args:
        inputs: channels of a feature.
        classes: number of classes, including the blank.
        scale: initial scale.
        blank_bias: initial bias of the blank; that of the glosses is 0.
    """

    def __init__(self, inputs: int, classes: int, scale: float, blank_bias: float):
        super().__init__()
        weight = torch.empty(classes, inputs)
        # Without memory (a checkpoint fills it) nothing is drawn; to try would load half of torch's compiler.
        self.weight = nn.Parameter(weight if weight.is_meta else weight.normal_())
        self.scale = nn.Parameter(torch.tensor(float(scale)))
        self.bias = nn.Parameter(torch.zeros(classes))
        with torch.no_grad():
            self.bias[BLANK] = blank_bias

    def forward(self, x: Tensor) -> Tensor:
        """x `[..., inputs]` -> scores `[..., classes]`."""
        return F.linear(x, self.scale * F.normalize(self.weight, dim=1), self.bias)


def require_centred(kernel: int, unit: str = "frames") -> None:
    """UsageError for an even kernel, which has no centre and would shift time.

    Args:
        kernel: size of the kernel.
        unit: unit of the kernel for the message, in the plural.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise UsageError(f"A convolution cannot be centred on {kernel} {unit}.", "kernel", "Make it odd.")


class ConvBlock(nn.Module):
    """Convolution, batch normalisation, ReLU and dropout, then max pooling by 2 if `pool`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, dropout: float, dilation: int = 1, pool: bool = False):
        super().__init__()
        around = dilation * (kernel // 2)
        self.conv = FrameConv1d(inputs, outputs, kernel, padding=around, dilation=dilation, bias=False)
        self.norm = MaskedBatchNorm1d(outputs)
        self.dropout = Dropout(dropout)
        self.pool = pool

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x `[B, T, inputs]`, zero in the padding, valid bool `[B, T]` -> `[B, T', outputs]`, zero in the padding."""
        x = self.norm(self.conv(x).transpose(1, 2), valid.unsqueeze(1)).transpose(1, 2)
        x = apply_mask(self.dropout(F.relu(x)), valid)
        return halve(x) if self.pool else x  # nothing is below the zeros of the padding

    def output_length(self, frames: Frames) -> Frames:
        """Output frames T' of T frames: T, or half of it rounded up with pooling."""
        return halved(frames) if self.pool else frames


class Parts(nn.ModuleList, Generic[Part]):
    """A `ModuleList` of modules of one class that keeps their type for type checkers."""

    def __init__(self, parts: Iterable[Part]):
        super().__init__(parts)

    def __iter__(self) -> Iterator[Part]:
        return cast(Iterator[Part], super().__iter__())

    @property
    def first(self) -> Part:
        """The first module."""
        return next(iter(self))


class ConvBlocks(Parts[ConvBlock]):
    """A sequence of blocks, each of which masks the padding."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, inputs]`, lengths int64 `[B]` -> `[B, T', outputs]`, zero in the padding."""
        x = apply_mask(x, mask(lengths, x.shape[1]))
        for block in self:
            x = block(x, mask(lengths, x.shape[1]))
            lengths = block.output_length(lengths)
        return x

    def output_length(self, frames: Frames) -> Frames:
        """Output frames T' of T frames, halved and rounded up per pooling block."""
        for block in self:
            frames = block.output_length(frames)
        return frames
