"""`mobilenetv3-collapsed`: a network that has lost time, kept as the control that checks must catch.

Five steps of stride 2 leave a thirty-second of the frames, their average over the clip replaces them all, and that one
vector is repeated for every frame. The LSTM behind makes the output vary all the same, which is why looking at the
output's variance alone does not find the fault. Never train it for its results.
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

STRIDES = (2, 2, 2, 1, 2, 1)  # of the six blocks; with the stem's 2 they make 32


class Collapsed(SignModel):
    """See the module; T frames stay T, all alike before the LSTM."""

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

    def forward(self, x: Tensor, lengths: Tensor) -> Output:
        whole_clip = self.stage(self._collapse, x, lengths)
        repeated = whole_clip.unsqueeze(1).expand(-1, x.shape[1], -1)
        context = self.stage(self.recurrence, repeated, lengths)
        return Output(log_softmax(self.classifier(context)), lengths)

    def _collapse(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, D]` -> one vector a clip, `[B, pooled]`."""
        joined = self.encoders(self.frontend(x, lengths)).transpose(1, 2)
        narrow, lengths = self.trunk(joined, lengths)
        average = self.pool(narrow, channel_mask(lengths, narrow.shape[2]))
        return self.dropout(F.relu(self.pooled(average)))


class AverageOverTime(nn.Module):
    """The layer at fault; a module, so that it has a name in the network."""

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """x `[B, C, T]`, valid bool `[B, 1, T]` -> `[B, C]`."""
        return masked_mean(x, valid)
