"""Building blocks that never see padding.

A batch holds clips of differing length, filled up with zeros at the end. What a clip gives must not depend on what it
is batched with, so everything here that looks across frames takes the clips' lengths, or the mask made of them, into
account. Sequences are `[B, C, T]` with a mask `[B, 1, T]` in the convolutional blocks, `[B, T, C]` with lengths
`[B]` in the recurrent ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.models.layers.frames import Dropout
from slrcli.parallel.distributed import summed


def mask(lengths: Tensor, frames: int) -> Tensor:
    """True where a clip has a frame, bool `[B, frames]`, from its length, int64 `[B]`."""
    return torch.arange(frames, device=lengths.device) < lengths.unsqueeze(1)


def channel_mask(lengths: Tensor, frames: int) -> Tensor:
    """The mask that the blocks over channels take, bool `[B, 1, frames]`."""
    return mask(lengths, frames).unsqueeze(1)


def halved(lengths: Tensor | int) -> Tensor | int:
    """Frames left after a step of stride 2: half, rounded up, so that one frame stays one."""
    return (lengths + 1) // 2


class MaskedConv1d(nn.Conv1d):
    """A convolution over time that reads zeros where a clip has ended.

    The kernel must be odd; the padding is chosen so that T frames become ceil(T / stride).
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = True):
        if kernel % 2 == 0:
            raise ValueError(f"the kernel must be odd, not {kernel}")
        super().__init__(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=bias)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x `[B, C, T]`, valid bool `[B, 1, T]` -> `[B, outputs, ceil(T / stride)]`."""
        return super().forward(x.masked_fill(~valid, 0))


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation whose statistics are those of the valid frames alone; parameters as in torch's own.

    A single valid frame is allowed: it has no spread and becomes the bias. Processes that train together share the
    statistics of the whole batch.

    Attributes:
        follow: whether the running statistics move with the batches seen in training.
    """

    follow = True

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x `[B, C, T]`, valid bool `[B, 1, T]` -> `[B, C, T]`; what stands in the padding has no meaning."""
        if not self.training:
            return super().forward(x)
        mean, variance = self._statistics(x, valid)
        factor = self.weight * torch.rsqrt(variance + self.eps)
        return x * factor.unsqueeze(1) + (self.bias - mean * factor).unsqueeze(1)

    def _statistics(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance `[C]` of the valid frames, as precise as the running ones, which follow them."""
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
    """Within it, the running statistics of the batch normalisations inside `module` stay as they are."""
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
    """Each clip backwards within its own length, its padding left where it is: x `[B, T, C]`, lengths `[B]`."""
    frame = torch.arange(x.shape[1], device=x.device).unsqueeze(0)
    mirrored = lengths.unsqueeze(1) - 1 - frame
    source = torch.where(mirrored >= 0, mirrored, frame)
    return x.gather(1, source.unsqueeze(2).expand(-1, -1, x.shape[2]))


class BiLSTM(nn.Module):
    """Layers of LSTMs in both directions, started from zero at the first and at the last valid frame of each clip.

    Sequences are reversed by length rather than packed, which is several times faster on a processor.

    Args:
        inputs: channels that come in.
        hidden: channels of each direction; 2 * hidden come out.
        layers: how many are stacked.
        dropout: share of channels zeroed between two layers.
    """

    def __init__(self, inputs: int, hidden: int, layers: int = 1, dropout: float = 0.0):
        super().__init__()
        widths = [inputs] + [2 * hidden] * (layers - 1)
        self.ahead = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.back = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, inputs]`, lengths `[B]` -> `[B, T, 2 * hidden]`; what stands in the padding has no meaning."""
        for layer, (ahead, back) in enumerate(zip(self.ahead, self.back, strict=True)):
            if layer:
                x = self.dropout(x)
            x = torch.cat([ahead(x)[0], reverse(back(reverse(x, lengths))[0], lengths)], dim=2)
        return x
