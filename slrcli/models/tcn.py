"""`tcn`: a temporal convolutional network whose decisions see a sign and its neighbours, and no more.

A projection of the features, `halvings` convolutions each followed by pooling by 2, then residual convolutions of
growing dilation. There is no recurrence, so nothing can carry the beginning of a sentence to its end: what is read is
the sign that is there, whatever sentence it stands in. An inner CTC head sits on the pooled convolutions, which see
about one sign, and shares the classifier with the last one. Features and weights of the classifier have unit length
(Wang et al. 2018, arXiv:1801.09414).
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.errors import UsageError
from slrcli.models.base import Output, SignModel, log_softmax
from slrcli.models.frames import Dropout, FrameConv1d, keep, halve
from slrcli.models.frontend import Frontend, FrontendOptions
from slrcli.models.heads import UnitClassifier
from slrcli.models.masked import BiLSTM, MaskedBatchNorm1d, halved, mask


@dataclass(frozen=True)
class TCNOptions:
    width: int = 192
    first: int = 96
    kernel: int = 5
    halvings: int = 2
    dilations: tuple[int, ...] = (1, 2)
    scale: float = 32.0
    blank_bias: float = -2.0
    window: int = 0
    margin: int = 0
    lstm: int = 1
    frontend: FrontendOptions = field(default_factory=FrontendOptions)


class TCN(SignModel):
    """See the module; T frames become T / 2 ** halvings, rounded up."""

    def __init__(self, frontend: Frontend, vocab_size: int, dropout: float, options: TCNOptions):
        super().__init__(frontend, vocab_size)
        width, first = options.width, options.first
        self.options = options
        self.project = nn.Linear(frontend.width, first)
        widths = [first] * max(1, options.halvings) + [width]
        if options.halvings > 2:
            widths = [first, first] + [width] * (options.halvings - 1)
        self.blocks = nn.ModuleList(
            Block(widths[i], widths[i + 1], options.kernel, dropout, halves=True) for i in range(options.halvings)
        )
        self.context = nn.ModuleList(Block(width, width, 3, dropout, d, residual=True) for d in options.dilations)
        self.recurrence = BiLSTM(width, width // 2, options.lstm, dropout) if options.window else nn.Identity()
        self.dropout = Dropout(dropout)
        self.classifier = UnitClassifier(width, vocab_size, options.scale if options.scale else 4.0, options.blank_bias)

    def score(self, x: Tensor) -> Tensor:
        x = self.dropout(x)
        if self.options.scale:
            x = F.normalize(x.float(), dim=2)
        return log_softmax(self.classifier(x))

    def forward(self, x: Tensor, lengths: Tensor) -> Output:
        x = self.frontend(x, lengths)
        x = keep(self.project(x), mask(lengths, x.shape[1]))
        for block in self.blocks:
            x = block(x, mask(lengths, x.shape[1]))
            lengths = halved(lengths)
        inner = self.score(x)
        valid = mask(lengths, x.shape[1])
        for block in self.context:
            x = block(x, valid)
        if self.options.window:
            x = self.windows(x)
        return Output(self.score(x), lengths, (inner,))

    def windows(self, x: Tensor) -> Tensor:
        size, margin = self.options.window, self.options.margin
        batch, frames, width = x.shape
        count = -(-frames // size)
        padded = F.pad(x, (0, 0, margin, count * size - frames + margin))
        cut = padded.unfold(1, size + 2 * margin, size).transpose(2, 3).reshape(batch * count, size + 2 * margin, width)
        y = self.recurrence(cut, torch.full((cut.shape[0],), cut.shape[1]))[:, margin : margin + size]
        return x + y.reshape(batch, count * size, width)[:, :frames]

    def output_length(self, frames: Tensor | int) -> Tensor | int:
        for _ in self.blocks:
            frames = halved(frames)
        return frames


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel, dropout, dilation=1, halves=False, residual=False):
        super().__init__()
        self.conv = FrameConv1d(
            inputs, outputs, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False
        )
        self.norm = MaskedBatchNorm1d(outputs)
        self.dropout = Dropout(dropout)
        self.halves, self.residual = halves, residual

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        y = self.norm(self.conv(x).transpose(1, 2), valid.unsqueeze(1)).transpose(1, 2)
        y = keep(self.dropout(F.relu(y)), valid)
        y = x + y if self.residual else y
        return halve(y) if self.halves else y
