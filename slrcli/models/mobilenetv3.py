"""`mobilenetv3`: an encoder per group of points, MobileNetV3 blocks over time, one bidirectional LSTM.

The encoded groups are concatenated (384 channels) and pass through a stem of 16 channels and six inverted residual
blocks (Howard et al. 2019, in one dimension) at a quarter of the frame rate. A transposed convolution restores the full
frame rate for the LSTM, so that T frames give T output frames. Convolutions followed by batch normalisation have no
bias, except the two after the blocks; a block that does not widen its input has no expanding convolution. With 101
classes, the network has 14,180,464 parameters on `mediapipe-6516`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.config import nearest
from slrcli.errors import UsageError
from slrcli.glosses.vocabulary import BLANK
from slrcli.models.base import Output, SignModel, log_softmax
from slrcli.models.frontend import Frontend, FrontendOptions
from slrcli.models.layers import (
    BiLSTM,
    Dropout,
    Frames,
    MaskedBatchNorm1d,
    MaskedConv1d,
    SqueezeExcite,
    channel_mask,
    halved,
)

ENCODED = {"pose": 64, "hand": 128, "face": 64, "temporal": 128, "features": 256}  # channels per block of columns
ENCODED_OTHERWISE = 64
STEM, UPSAMPLED, HIDDEN = 16, 128, 128  # channels; HIDDEN per direction of the LSTM
EVERYTHING = FrontendOptions(body=False, keep=False, hands=False, derivatives=3, presence=False)
INITS = ("local", "forerunner")
CLASS_LENGTH = 8.0  # norm of a class's weight vector under the `local` initialisation


class BlockShape(NamedTuple):
    """An inverted residual block: inner and output channels, kernel, stride, squeeze-and-excitation, activation."""

    expansion: int
    outputs: int
    kernel: int
    stride: int
    excite: bool
    activation: Callable[[Tensor], Tensor]


BLOCKS = (
    BlockShape(16, 16, 3, 1, True, F.relu),
    BlockShape(72, 24, 3, 2, False, F.relu),
    BlockShape(88, 24, 3, 1, False, F.relu),
    BlockShape(96, 40, 5, 1, True, F.hardswish),
    BlockShape(240, 40, 5, 1, True, F.hardswish),
    BlockShape(120, 48, 5, 1, True, F.hardswish),
)


@dataclass(frozen=True)
class MobileNetV3Options:
    """The options of `mobilenetv3`; all but `init` change the parameters of the network.

    Attributes:
        width: factor on the channels of all layers except the classes, rounded to multiples of 8.
        lstm_layers: number of bidirectional LSTM layers.
        cross_modal_attention: attention between the groups of a frame before they are concatenated.
        init: initialisation of the weights, `local` or `forerunner`; see `initialise`.
        frontend: options of the frontend; by default, all points with three derivatives.
    """

    width: float = 1.0
    lstm_layers: int = 1
    cross_modal_attention: bool = False
    init: str = "local"
    frontend: FrontendOptions = EVERYTHING

    def __post_init__(self):
        if self.width <= 0:
            raise UsageError(f"The factor on the channels cannot be {self.width}.", "width", "Make it larger than 0.")
        if self.lstm_layers < 1:
            raise UsageError(f"There cannot be {self.lstm_layers} layers.", "lstm_layers", "Make it 1 or more.")
        if self.init not in INITS:
            raise UsageError(f"There is no initialisation '{self.init}'.", "init", nearest(self.init, INITS))

    def channels(self, count: int) -> int:
        """The number of channels at this width, for `count` at a width of 1."""
        return max(8, 8 * round(count * self.width / 8))


class MobileNetV3(SignModel):
    """See the module; T frames give T output frames."""

    recurrence: BiLSTM
    late = 2  # a step is centred on the first of the four frames that it stands for

    def __init__(self, frontend: Frontend, vocab_size: int, dropout: float, options: MobileNetV3Options):
        super().__init__(frontend, vocab_size)
        upsampled, hidden = options.channels(UPSAMPLED), options.channels(HIDDEN)
        self.encoders = GroupEncoders(frontend, dropout, options)
        self.trunk = Trunk(self.encoders.width, BLOCKS, options)
        self.upsample = nn.ConvTranspose1d(self.trunk.width, upsampled, kernel_size=4, stride=4)
        self.upsample_norm = MaskedBatchNorm1d(upsampled)
        self.smooth = MaskedConv1d(upsampled, upsampled, 3)
        self.smooth_norm = MaskedBatchNorm1d(upsampled)
        self.dropout = Dropout(dropout)
        self.recurrence = BiLSTM(upsampled, hidden, options.lstm_layers, dropout)
        self.classifier = nn.Linear(2 * hidden, vocab_size)
        initialise(self, self.recurrence, self.classifier, options.init)

    def output_length(self, frames: Frames) -> Frames:
        return frames

    def after_frontend(self, x: Tensor, lengths: Tensor) -> Output:
        joined = self.stage(self._encode, x)
        local = self.stage(self._convolve, joined, lengths)
        context = self.stage(self.recurrence, local, lengths)
        return Output(log_softmax(self.classifier(context)), lengths)

    def _encode(self, x: Tensor) -> Tensor:
        """x `[B, T, F]` -> the encoded groups, concatenated, `[B, joined, T]`."""
        return self.encoders(x).transpose(1, 2)

    def _convolve(self, joined: Tensor, lengths: Tensor) -> Tensor:
        """`[B, joined, T]` -> `[B, T, upsampled]`, by way of a quarter of the frame rate."""
        frames = joined.shape[2]
        valid = channel_mask(lengths, frames)
        narrow, _ = self.trunk(joined, lengths)
        # 4 * ceil(T / 4) frames come back, never fewer than T
        x = self.upsample(narrow)[:, :, :frames]
        x = F.relu(self.upsample_norm(x, valid))
        x = F.relu(self.smooth_norm(self.smooth(x, valid), valid))
        return self.dropout(x).transpose(1, 2)


class GroupEncoders(nn.Module):
    """A small frame-wise network per block of the frontend's columns; their outputs are concatenated."""

    def __init__(self, frontend: Frontend, dropout: float, options: MobileNetV3Options):
        super().__init__()
        self.inputs = list(frontend.groups.values())
        widths = [options.channels(ENCODED.get(name, ENCODED_OTHERWISE)) for name in frontend.groups]
        self.parts = nn.ModuleDict(
            {
                name: encoder(inputs, outputs, dropout)
                for (name, inputs), outputs in zip(frontend.groups.items(), widths, strict=True)
            }
        )
        self.attention = CrossModalAttention(widths, options.channels(128)) if options.cross_modal_attention else None
        self.width = sum(widths)

    def forward(self, x: Tensor) -> Tensor:
        """x `[B, T, F]`, the frontend's features -> `[B, T, width]`."""
        blocks = x.split(self.inputs, dim=-1)
        encoded = [part(block) for part, block in zip(self.parts.values(), blocks, strict=True)]
        if self.attention is not None:
            encoded = self.attention(encoded)
        return torch.cat(encoded, dim=-1)


def encoder(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Two linear layers with layer normalisation; the inner width is the mean of `inputs` and `outputs`."""
    middle = (inputs + outputs) // 2
    return nn.Sequential(
        nn.Linear(inputs, middle),
        nn.LayerNorm(middle),
        nn.ReLU(),
        Dropout(dropout),
        nn.Linear(middle, outputs),
        nn.LayerNorm(outputs),
    )


class CrossModalAttention(nn.Module):
    """Self-attention between the groups of a frame, with a residual connection."""

    def __init__(self, widths: list[int], channels: int, heads: int = 4):
        super().__init__()
        self.enter = nn.ModuleList(nn.Linear(width, channels) for width in widths)
        self.attend = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.leave = nn.ModuleList(nn.Linear(channels, width) for width in widths)

    def forward(self, groups: list[Tensor]) -> list[Tensor]:
        """The groups, each `[B, T, width]`, in the shapes in which they come in."""
        tokens = torch.stack([enter(x) for enter, x in zip(self.enter, groups, strict=True)], dim=2)
        batch, frames, count, channels = tokens.shape
        tokens = tokens.reshape(batch * frames, count, channels)
        learnt = self.attend(tokens, tokens, tokens, need_weights=False)[0].reshape(batch, frames, count, channels)
        return [x + leave(learnt[:, :, i]) for i, (x, leave) in enumerate(zip(groups, self.leave, strict=True))]


class Trunk(nn.Module):
    """The stem and the inverted residual blocks; each layer of stride 2 halves the frame rate."""

    def __init__(self, inputs: int, shapes: tuple[BlockShape, ...], options: MobileNetV3Options):
        super().__init__()
        channels = options.channels(STEM)
        self.stem = MaskedConv1d(inputs, channels, 3, stride=2, bias=False)
        self.stem_norm = MaskedBatchNorm1d(channels)
        self.blocks = nn.ModuleList()
        for shape in shapes:
            shape = shape._replace(expansion=options.channels(shape.expansion), outputs=options.channels(shape.outputs))
            self.blocks.append(InvertedResidual(channels, shape))
            channels = shape.outputs
        self.width = channels

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x `[B, inputs, T]`, lengths `[B]` -> `[B, width, T']` and the output lengths `[B]`."""
        x = self.stem(x, channel_mask(lengths, x.shape[2]))
        lengths = halved(lengths)
        x = F.hardswish(self.stem_norm(x, channel_mask(lengths, x.shape[2])))
        for block in self.blocks:
            x = block(x, channel_mask(lengths, x.shape[2]))
            lengths = halved(lengths) if block.stride == 2 else lengths
        return x, lengths


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution over time, gate, projection; residual if the shapes agree."""

    def __init__(self, inputs: int, shape: BlockShape):
        super().__init__()
        inner, outputs, kernel, self.stride, excite, self.activation = shape
        self.expand = MaskedConv1d(inputs, inner, 1, bias=False) if inner != inputs else None
        self.expand_norm = MaskedBatchNorm1d(inner) if inner != inputs else None
        self.along = MaskedConv1d(inner, inner, kernel, self.stride, groups=inner, bias=False)
        self.along_norm = MaskedBatchNorm1d(inner)
        self.gate = SqueezeExcite(inner) if excite else None
        self.narrow = MaskedConv1d(inner, outputs, 1, bias=False)
        self.narrow_norm = MaskedBatchNorm1d(outputs)
        self.residual = self.stride == 1 and inputs == outputs

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x `[B, inputs, T]`, valid bool `[B, 1, T]` -> `[B, outputs, ceil(T / stride)]`."""
        before = x
        if self.expand is not None and self.expand_norm is not None:
            x = self.activation(self.expand_norm(self.expand(x, valid), valid))
        x = self.along(x, valid)
        valid = valid[:, :, :: self.stride]
        x = self.activation(self.along_norm(x, valid))
        if self.gate is not None:
            x = self.gate(x, valid)
        x = self.narrow_norm(self.narrow(x, valid), valid)
        return before + x if self.residual else x


def initialise(model: SignModel, recurrence: BiLSTM, classifier: nn.Linear, init: str) -> None:
    """Initialise the weights of a model that ends in `recurrence` and `classifier`.

    `forerunner`: weights of linear layers with a standard deviation of 0.01. At the full frame rate nearly every frame
    is blank; with so weak a classifier, the network emits only blanks within an epoch and for dozens of epochs after.
    `local`: torch's defaults, except for an LSTM that starts with little memory and a classifier with large weights.
    """
    if classifier.weight.is_meta:  # filled from a checkpoint later; initialising would load half of torch's compiler
        return
    if init == "forerunner":
        _draw_as_forerunner(model)
    else:
        _draw_local(recurrence, classifier)


def _draw_as_forerunner(model: nn.Module) -> None:
    for part in model.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.01)
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Conv1d | nn.ConvTranspose1d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


@torch.no_grad()
def _draw_local(recurrence: BiLSTM, classifier: nn.Linear) -> None:
    """Open input and output gates, nearly closed forget gates, little recurrence; large weights for the classes.

    The scores then differ between frames from the first step on, which ends the phase of blanks alone.
    """
    for lstm in (*recurrence.ahead, *recurrence.back):
        lstm.weight_ih_l0.mul_(2.0)
        lstm.weight_hh_l0.mul_(0.2)
        lstm.bias_hh_l0.zero_()
        gates = torch.tensor([1.0, -2.0, 0.0, 1.0])  # in, forget, candidate, out
        lstm.bias_ih_l0.copy_(gates.repeat_interleave(lstm.hidden_size))
    classifier.weight.mul_(CLASS_LENGTH / classifier.weight.norm(dim=1, keepdim=True))
    classifier.bias[BLANK] = 0.0  # at full frame rate a blank that starts below the glosses only costs time
