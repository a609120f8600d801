"""The convolutional block that several architectures are built of, and what holds for the kernels of all."""

import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.errors import UsageError
from slrcli.models.layers.frames import Dropout, FrameConv1d, apply_mask, halve
from slrcli.models.layers.masked import MaskedBatchNorm1d, halved, mask


def require_centred(kernel: int, unit: str = "frames") -> None:
    """UsageError for a convolution that has no middle, and so would move time.

    Args:
        kernel: how many it sees.
        unit: of what.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise UsageError(f"A convolution cannot be centred on {kernel} {unit}.", "kernel", "Make it odd.")


class ConvBlock(nn.Module):
    """Convolution, normalisation, ReLU and dropout, and perhaps the larger of each pair of frames."""

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

    def output_length(self, frames: Tensor | int) -> Tensor | int:
        """T' of T frames: all, or half of them, rounded up."""
        return halved(frames) if self.pool else frames


class ConvBlocks(nn.ModuleList):
    """Blocks one after the other, each of which sees the clips' ends."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, inputs]`, lengths int64 `[B]` -> `[B, T', outputs]`, zero in the padding."""
        x = apply_mask(x, mask(lengths, x.shape[1]))
        for block in self:
            x = block(x, mask(lengths, x.shape[1]))
            lengths = block.output_length(lengths)
        return x

    def output_length(self, frames: Tensor | int) -> Tensor | int:
        """T' of T frames, halved and rounded up once for each block that pools."""
        for block in self:
            frames = block.output_length(frames)
        return frames
