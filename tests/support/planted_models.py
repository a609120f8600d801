"""Small recognisers, one sound and the others each with one fault, for the tests of `slr check model`."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from slrcli.doctor.model.probe import ModelContext
from slrcli.findings import Level
from slrcli.models.layers import BiLSTM, mask

COLUMNS, CLASSES = 6, 11


class Sound(nn.Module):
    """A small recogniser as a user may write one: plain torch, a plain tuple as its output. Faults come below."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(COLUMNS, 16, 5, stride=2, padding=2)
        self.lstm = BiLSTM(16, 8)
        self.head = nn.Linear(16, CLASSES)

    def output_length(self, frames):
        return (frames + 1) // 2

    def clean(self, x, lengths):
        return torch.where(mask(lengths, x.shape[1]).unsqueeze(2), x.nan_to_num(), 0.0)

    def local(self, x, lengths):
        """One vector a step, `[B, T', 16]`."""
        return F.relu(self.conv(self.clean(x, lengths).transpose(1, 2))).transpose(1, 2)

    def context(self, local, lengths):
        return self.lstm(local, lengths)

    def forward(self, x, lengths):
        kept = self.output_length(lengths)
        scores = self.head(self.context(self.local(x, lengths), kept))
        return scores.float().log_softmax(2), kept


class FramesFirst(Sound):
    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs.transpose(0, 1), kept


class ClassTooMany(Sound):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16, CLASSES + 1)


class LengthsAsFloats(Sound):
    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs, kept.float()


class LengthsBeyondTheOutput(Sound):
    def forward(self, x, lengths):
        return super().forward(x, lengths)[0], lengths


class InnerHeadOfAnotherRate(Sound):
    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs, kept, (log_probs[:, ::2],)


class OneTensor(Sound):
    def forward(self, x, lengths):
        return super().forward(x, lengths)[0]


class OneAnswerAClip(Sound):
    """A classifier of whole clips."""

    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs.mean(1), kept


class SqueezesTheBatch(Sound):
    """A batch of one clip loses its axis."""

    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs.squeeze(), kept


class RoundsDown(Sound):
    """Says a frame less than comes out where the number is odd."""

    def output_length(self, frames):
        return frames // 2


class SaysAnotherLength(Sound):
    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs[:, : kept.max() - 1], kept - 1 if kept.min() > 1 else kept


class NeedsFiveFrames(Sound):
    def local(self, x, lengths):
        if x.shape[1] < 5:
            raise RuntimeError("Kernel size can't be greater than actual input size")
        return super().local(x, lengths)


class LengthsOfTheLongest(Sound):
    """Correct for a clip alone; in a batch all clips seem as long as the longest."""

    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs, torch.full_like(kept, log_probs.shape[1])


class Scores(Sound):
    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs + 1, kept


class Probabilities(Sound):
    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs.exp(), kept


class HalfPrecision(Sound):
    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs.bfloat16().double().log_softmax(2), kept


class LogOfZero(Sound):
    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs.masked_fill(torch.arange(CLASSES) == 3, -torch.inf), kept


class UnnormalisedInnerHead(Sound):
    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        return log_probs, kept, (log_probs * 2,)


class PooledOverTime(Sound):
    """Every step gets the clip's mean; the LSTM behind makes variance out of it all the same."""

    def local(self, x, lengths):
        valid = mask(lengths, x.shape[1]).unsqueeze(2)
        mean = (self.clean(x, lengths) * valid).sum(1) / lengths.unsqueeze(1)
        mean = F.relu(mean @ self.conv.weight.sum(2).T + self.conv.bias)
        return mean.unsqueeze(1).expand(-1, (x.shape[1] + 1) // 2, -1)


class MostlyPooled(Sound):
    """Some of time is left in variance, but a local change acts nearly as strongly far away."""

    def local(self, x, lengths):
        local = super().local(x, lengths)
        valid = mask(self.output_length(lengths), local.shape[1]).unsqueeze(2)
        mean = (local * valid).sum(1, keepdim=True) / valid.sum(1, keepdim=True)
        return 0.05 * local + 3 * mean


class Dead(Sound):
    def local(self, x, lengths):
        return 0 * super().local(x, lengths) + self.conv.bias


class NanWhenTrained(Sound):
    def context(self, local, lengths):
        local = super().context(local, lengths)
        return local * torch.nan if self.training else local


class RootOfZero(Sound):
    """The value is finite, the slope of the root is not."""

    def context(self, local, lengths):
        return super().context(local, lengths) + (0 * local).sqrt()


class CutOff(Sound):
    def local(self, x, lengths):
        return super().local(x, lengths).detach()


class UnusedLayer(Sound):
    def __init__(self):
        super().__init__()
        self.forgotten = nn.Linear(3, 3)


class FactorOfZero(Sound):
    def __init__(self):
        super().__init__()
        self.side = nn.Linear(16, 16)
        self.register_buffer("factor", torch.zeros(()))

    def context(self, local, lengths):
        return super().context(local, lengths) + self.factor * self.side(local)


class Frozen(Sound):
    def __init__(self):
        super().__init__()
        self.requires_grad_(False)


class BackwardLstmReadsPadding(Sound):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(16, 8, batch_first=True, bidirectional=True)

    def context(self, local, lengths):
        return self.lstm(local)[0]


class ConvReadsPadding(Sound):
    """A second convolution without a mask: the bias of the first has filled the padding."""

    def __init__(self):
        super().__init__()
        self.second = nn.Conv1d(16, 16, 3, padding=1)

    def context(self, local, lengths):
        return super().context(self.second((local + 0.5).transpose(1, 2)).transpose(1, 2), lengths)


class MeanReadsPadding(Sound):
    """A gate of the kind of squeeze-and-excitation that takes the mean over padding as well."""

    def context(self, local, lengths):
        return super().context(local * torch.sigmoid(local.mean(1, keepdim=True)), lengths)


class LeaksBeyondFour(Sound):
    """A layer that takes clips four at a time, and lets the first four into the next."""

    def context(self, local, lengths):
        return super().context(torch.cat([local[:4], local[4:] + 0.1 * local[:-4]]), lengths)


class LosesTheLastFrame(Sound):
    def clean(self, x, lengths):
        return super().clean(x, lengths - 1)


class Backwards(Sound):
    """As if the backward direction of a recurrence had not been turned back."""

    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        steps = torch.arange(log_probs.shape[1])
        turned = torch.where(steps < kept[:, None], kept[:, None] - 1 - steps, steps)
        return log_probs.gather(1, turned.unsqueeze(2).expand_as(log_probs)), kept


class StepLate(Sound):
    """As if the answers had been moved to wait for what comes."""

    moved = 1

    def forward(self, x, lengths):
        log_probs, kept = super().forward(x, lengths)
        steps = torch.arange(log_probs.shape[1]).expand(log_probs.shape[:2])
        source = torch.minimum((steps - self.moved).clamp(min=0), kept[:, None] - 1)
        return log_probs.gather(1, source.unsqueeze(2).expand_as(log_probs)), kept


class StepEarly(StepLate):
    moved = -1


class NanSpreads(Sound):
    def clean(self, x, lengths):
        return torch.where(mask(lengths, x.shape[1]).unsqueeze(2), x, 0.0)


FAULTS = {
    FramesFirst: "SLR-M01",
    ClassTooMany: "SLR-M01",
    LengthsAsFloats: "SLR-M01",
    LengthsBeyondTheOutput: "SLR-M01",
    InnerHeadOfAnotherRate: "SLR-M01",
    OneTensor: "SLR-M01",
    OneAnswerAClip: "SLR-M01",
    SqueezesTheBatch: "SLR-M02",
    RoundsDown: "SLR-M02",
    SaysAnotherLength: "SLR-M02",
    NeedsFiveFrames: "SLR-M02",
    LengthsOfTheLongest: "SLR-M02",
    Scores: "SLR-M03",
    Probabilities: "SLR-M03",
    HalfPrecision: "SLR-M03",
    LogOfZero: "SLR-M03",
    UnnormalisedInnerHead: "SLR-M03",
    PooledOverTime: "SLR-M04",
    MostlyPooled: "SLR-M04",
    NanWhenTrained: "SLR-M05",
    RootOfZero: "SLR-M05",
    CutOff: "SLR-M05",
    UnusedLayer: "SLR-M05",
    FactorOfZero: "SLR-M05",
    Frozen: "SLR-M05",
    BackwardLstmReadsPadding: "SLR-M07",
    ConvReadsPadding: "SLR-M07",
    MeanReadsPadding: "SLR-M07",
    LeaksBeyondFour: "SLR-M07",
    Backwards: "SLR-M11",
    StepLate: "SLR-M23",
    StepEarly: "SLR-M23",
    LosesTheLastFrame: "SLR-M12",
    NanSpreads: "SLR-M16",
}


# Sound ones, in which what enters the recurrence is harder to find


class PackedLstm(Sound):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(16, 8, bidirectional=True)  # frames first

    def context(self, local, lengths):
        packed = pack_padded_sequence(local.transpose(0, 1), lengths, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0])[0].transpose(0, 1)


class FramesFirstGru(PackedLstm):
    def __init__(self):
        super().__init__()
        self.lstm = nn.GRU(16, 8, bidirectional=True)

    def context(self, local, lengths):
        return self.lstm(local.transpose(0, 1))[0].transpose(0, 1)


class Attention(Sound):
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 16, batch_first=True)
        self.lstm = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def context(self, local, lengths):
        return self.lstm(local)


class ConvolutionAsClassifier(Sound):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = None, nn.Conv1d(16, CLASSES, 1)

    def forward(self, x, lengths):
        local = self.local(x, lengths).transpose(1, 2)
        return self.head(local).transpose(1, 2).float().log_softmax(2), self.output_length(lengths)


class RaggedAttention(Sound):
    """In evaluation, torch passes nested tensors between the layers of such an encoder."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 16, batch_first=True), 2)

    def context(self, local, lengths):
        return self.lstm(local, src_key_padding_mask=~mask(lengths, local.shape[1]))


class ConvolutionsAlone(Sound):
    def __init__(self):
        super().__init__()
        del self.lstm

    def context(self, local, lengths):
        return local


def context_of(model, **kwargs):
    """A context for a model that its own class makes again."""
    return ModelContext(model, COLUMNS, CLASSES, **{"build": type(model), **kwargs})


def made(kind):
    torch.manual_seed(3)
    return kind()


def errors(examination):
    return {finding.code for finding in examination.findings if finding.level is Level.ERROR}
