"""`mobilenetv3-collapsed`: a network whose time axis has collapsed, the control that checks must catch.

Five convolutions of stride 2 divide the frame rate by 32, the mean over the clip replaces all frames, and this single
vector is repeated for every frame. The LSTM after it still makes the output vary, so the variance of the output alone
does not reveal the fault. Not for use as a recogniser.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.models.base import Output, SignModel, log_softmax
from slrcli.models.frontend import Frontend
from slrcli.models.layers import BiLSTM, Frames, channel_mask, masked_mean
from slrcli.models.mobilenetv3 import (
    BLOCKS,
    HIDDEN,
    UPSAMPLED,
    GroupEncoders,
    MobileNetV3Options,
    Trunk,
    initialise,
)

STRIDES = (2, 2, 2, 1, 2, 1)  # of the six blocks; 32 together with the stem's 2


class Collapsed(SignModel):
    """See the module; T frames give T output frames, all identical before the LSTM."""

    recurrence: BiLSTM

    def __init__(self, frontend: Frontend, vocab_size: int, dropout: float, options: MobileNetV3Options):
        super().__init__(frontend, vocab_size)
        pooled, hidden = options.channels(UPSAMPLED), options.channels(HIDDEN)
        shapes = tuple(shape._replace(stride=stride) for shape, stride in zip(BLOCKS, STRIDES, strict=True))
        self.encoders = GroupEncoders(frontend, dropout, options)
        self.trunk = Trunk(self.encoders.width, shapes, options)
        self.pool = AverageOverTime()
        self.pooled = nn.Linear(self.trunk.width, pooled)
        self.dropout = nn.Dropout(dropout)
        self.recurrence = BiLSTM(pooled, hidden, options.lstm_layers, dropout)
        self.classifier = nn.Linear(2 * hidden, vocab_size)
        initialise(self, self.recurrence, self.classifier, options.init)

    def output_length(self, frames: Frames) -> Frames:
        return frames

    def after_frontend(self, x: Tensor, lengths: Tensor) -> Output:
        whole_clip = self.stage(self._collapse, x, lengths)
        repeated = whole_clip.unsqueeze(1).expand(-1, x.shape[1], -1)
        context = self.stage(self.recurrence, repeated, lengths)
        return Output(log_softmax(self.classifier(context)), lengths)

    def _collapse(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, F]` -> one vector per clip, `[B, pooled]`."""
        joined = self.encoders(x).transpose(1, 2)
        narrow, lengths = self.trunk(joined, lengths)
        average = self.pool(narrow, channel_mask(lengths, narrow.shape[2]))
        return self.dropout(F.relu(self.pooled(average)))


class AverageOverTime(nn.Module):
    """The layer at fault; a module, so that checks can name it."""

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x `[B, C, T]`, valid bool `[B, 1, T]` -> `[B, C]`."""
        return masked_mean(x, valid)
