"""More recognisers with one fault each: those of time behind the recurrence, training, precision, state and cost."""

import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from slrcli.doctor.model.cost import TIMED
from slrcli.models.layers import channel_mask, mask, masked_mean
from support.planted_models import CLASSES, COLUMNS, FAULTS, Sound

# Time before the recurrence


class Repeated(Sound):
    """Something that makes one vector of a clip, repeated for every step."""

    def one_vector(self, local):
        """`[B, T', 16]` -> `[B, 16]`."""
        raise NotImplementedError

    def local(self, x, lengths):
        local = super().local(x, lengths)
        return self.one_vector(local).unsqueeze(1).expand_as(local)


class AdaptivePooling(Repeated):
    lost_at = "pool (AdaptiveAvgPool1d)"

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool1d(1)

    def one_vector(self, local):
        return self.pool(local.transpose(1, 2)).squeeze(2)


class Flattened(Repeated):
    lost_at = "flat (Flatten)"

    def __init__(self):
        super().__init__()
        self.flat, self.narrow, self.dense = nn.Flatten(), nn.AdaptiveAvgPool1d(64), nn.Linear(64, 16)

    def one_vector(self, local):
        return self.dense(self.narrow(self.flat(local.transpose(1, 2)).unsqueeze(1)).squeeze(1))


class SoftmaxOverTime(nn.Module):
    """Attention pooling: one weighted mean of all steps."""

    def __init__(self, channels):
        super().__init__()
        self.score = nn.Linear(channels, 1)

    def forward(self, local, valid):
        weights = self.score(local).masked_fill(~valid, -torch.inf).softmax(1)
        return (weights * local).sum(1)


class SoftmaxPooling(Sound):
    lost_at = "attend (SoftmaxOverTime)"

    def __init__(self):
        super().__init__()
        self.attend = SoftmaxOverTime(16)

    def local(self, x, lengths):
        local = super().local(x, lengths)
        valid = mask(self.output_length(lengths), local.shape[1]).unsqueeze(2)
        return self.attend(local, valid).unsqueeze(1).expand_as(local)


class MeanInTheForwardPass(Sound):
    """No module does it: the place is between two of them."""

    lost_at = "between conv (Conv1d) and lstm (BiLSTM)"

    def local(self, x, lengths):
        local = super().local(x, lengths)
        valid = channel_mask(self.output_length(lengths), local.shape[1])
        return masked_mean(local.transpose(1, 2), valid).unsqueeze(1).expand_as(local)


# Time behind it


class AveragedBehind(Sound):
    lost_at = "between lstm (BiLSTM) and head (Linear)"

    def context(self, local, lengths):
        found = super().context(local, lengths).transpose(1, 2)
        mean = masked_mean(found, channel_mask(lengths, found.shape[2]))
        return mean.unsqueeze(1).expand(-1, found.shape[2], -1)


class SoftmaxPoolingBehind(Sound):
    lost_at = "attend (SoftmaxOverTime)"

    def __init__(self):
        super().__init__()
        self.attend = SoftmaxOverTime(16)

    def context(self, local, lengths):
        found = super().context(local, lengths)
        return self.attend(found, mask(lengths, found.shape[1]).unsqueeze(2)).unsqueeze(1).expand_as(found)


# Order and reach


class FrameByFrame(Sound):
    """A classifier of single frames."""

    def __init__(self):
        super().__init__()
        self.conv, self.lstm = nn.Conv1d(COLUMNS, 16, 1), None

    def output_length(self, frames):
        return frames

    def context(self, local, lengths):
        return local


class AttentionWithoutPositions(FrameByFrame):
    def __init__(self):
        super().__init__()
        self.attend = nn.MultiheadAttention(16, 2, batch_first=True)

    def context(self, local, lengths):
        padding = ~mask(lengths, local.shape[1])
        return local + self.attend(local, local, local, key_padding_mask=padding, need_weights=False)[0]


class SymmetricKernels(FrameByFrame):
    """Sees a wave and its reverse alike."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(COLUMNS, 16, 17, padding=8)

    def local(self, x, lengths):
        even = self.conv.weight + self.conv.weight.flip(2)
        return F.relu(F.conv1d(self.clean(x, lengths).transpose(1, 2), even, self.conv.bias, padding=8)).transpose(1, 2)


class ThreeFrames(FrameByFrame):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(COLUMNS, 16, 3, padding=1)


# Training


class PlainBatchNorm(Sound):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(16)

    def local(self, x, lengths):
        return F.relu(self.norm(self.conv(self.clean(x, lengths).transpose(1, 2)))).transpose(1, 2)


class DeepSigmoids(Sound):
    """A branch whose first layers hardly learn."""

    def __init__(self):
        super().__init__()
        self.deep = nn.Sequential(*(part for _ in range(14) for part in (nn.Linear(16, 16), nn.Sigmoid())))

    def context(self, local, lengths):
        return super().context(local, lengths) + self.deep(local)


class Exploding(Sound):
    """Tiny weights behind an enormous factor: the output is as usual, its slope is not."""

    def __init__(self):
        super().__init__()
        self.side = nn.Parameter(1e-8 * torch.randn(16, 16))

    def context(self, local, lengths):
        return super().context(local, lengths) + local @ (1e7 * self.side)


class ClosedUnits(Sound):
    def __init__(self):
        super().__init__()
        nn.init.constant_(self.conv.bias[:12], -100.0)


class BlankHeadStart(Sound):
    def __init__(self):
        super().__init__()
        nn.init.constant_(self.head.bias[:1], 12.0)


class OtherInTraining(Sound):
    def context(self, local, lengths):
        found = super().context(local, lengths)
        return found.flip(2) if self.training else found


class StatisticsNeverKept(Sound):
    """Normalises by the batch in training, and in evaluation by numbers that nobody ever sets."""

    def local(self, x, lengths):
        local = 0.05 * super().local(x, lengths)
        if not self.training:
            return local
        valid = mask(self.output_length(lengths), local.shape[1])
        kept = local[valid]
        return 3 * (local - kept.mean(0)) / (kept.std(0) + 1e-3)


# Numbers


class MeanOfMissing(Sound):
    """Fills gaps with a mean that is missing itself."""

    def clean(self, x, lengths):
        valid = mask(lengths, x.shape[1]).unsqueeze(2)
        mean = torch.where(valid, x, 0.0).sum(1, keepdim=True) / lengths.view(-1, 1, 1)
        return torch.where(valid, torch.where(x.isnan(), mean, x), 0.0)


class DividesByDeviation(Sound):
    def clean(self, x, lengths):
        """One deviation for all columns, so that a column without movement does no harm."""
        x, valid = super().clean(x, lengths), mask(lengths, x.shape[1]).unsqueeze(2)
        count = lengths.view(-1, 1, 1)
        off = torch.where(valid, x - x.sum(1, keepdim=True) / count, 0.0)
        return off / (off.square().sum((1, 2), keepdim=True) / count).sqrt()


class RootOfEnergy(Sound):
    """The value of a still clip is finite, its gradient is not."""

    def __init__(self):
        super().__init__()
        self.side = nn.Linear(COLUMNS, 16, bias=False)

    def forward(self, x, lengths):
        self.energy = self.side(self.clean(x, lengths)).square().sum(1, keepdim=True) / lengths.view(-1, 1, 1)
        return super().forward(x, lengths)

    def context(self, local, lengths):
        return super().context(local, lengths) + self.energy.sqrt()


class HalfLogSoftmax(Sound):
    def forward(self, x, lengths):
        kept = self.output_length(lengths)
        return self.head(self.context(self.local(x, lengths), kept)).log_softmax(2), kept


class LargeOffset(Sound):
    """What is left of a sum with a thousand is nothing in bfloat16."""

    def context(self, local, lengths):
        found = self.head.weight.new_tensor(4096.0) + F.linear(super().context(local, lengths), torch.eye(16).to(local))
        return 40 * (found - 4096.0)


class SaturatesInHalf(Sound):
    def __init__(self):
        super().__init__()
        self.side = nn.Linear(16, 16)

    def context(self, local, lengths):
        rest = 1 - torch.sigmoid(10 + 0.1 * torch.tanh(self.side(local)))
        return super().context(local, lengths) + 0.01 * rest.log()


# State


class DropsInEvaluation(Sound):
    def context(self, local, lengths):
        return F.dropout(super().context(local, lengths), 0.3)


class NoiseInEvaluation(Sound):
    def local(self, x, lengths):
        local = super().local(x, lengths)
        return local + 0.05 * torch.randn_like(local)


class RemembersTheLastBatch(Sound):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(16))

    def local(self, x, lengths):
        local = super().local(x, lengths) + self.seen
        self.seen = (0.9 * self.seen + local[0, 0]).detach()
        return local


class DrawnTensor(Sound):
    def __init__(self):
        super().__init__()
        self.projection = torch.randn(16, 16)

    def context(self, local, lengths):
        return super().context(local, lengths) + local @ self.projection.to(local)


class ForgottenBuffer(Sound):
    def __init__(self):
        super().__init__()
        self.register_buffer("gain", torch.rand(16), persistent=False)

    def context(self, local, lengths):
        return super().context(local, lengths) * self.gain


class SharedWeights(Sound):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Linear(16, 16), nn.Linear(16, 16)
        self.other.weight = self.one.weight

    def context(self, local, lengths):
        return super().context(self.other(F.relu(self.one(local))), lengths)


class WeightsOfNumpy(Sound):
    def __init__(self):
        super().__init__()
        drawn = np.random.default_rng().normal(size=(CLASSES, 16), scale=0.2)
        self.head.weight = nn.Parameter(torch.from_numpy(drawn).float())


# Cost


class Large(Sound):
    budget = 0.005  # MB


class Slow(Sound):
    """Two seconds and more for two seconds of signing."""

    def local(self, x, lengths):
        if x.shape[:2] == (1, TIMED) and x.dtype == torch.float32:
            time.sleep(TIMED / 25 + 0.05)
        return super().local(x, lengths)


ALL_FAULTS = FAULTS | {
    AdaptivePooling: "SLR-M04",
    Flattened: "SLR-M04",
    SoftmaxPooling: "SLR-M04",
    MeanInTheForwardPass: "SLR-M04",
    Large: "SLR-M08",
    MeanOfMissing: "SLR-M16",
    AveragedBehind: "SLR-M04",
    SoftmaxPoolingBehind: "SLR-M04",
    AttentionWithoutPositions: "SLR-M11",
    DividesByDeviation: "SLR-M16",
    RootOfEnergy: "SLR-M16",
    SaturatesInHalf: "SLR-M17",
    DropsInEvaluation: "SLR-M18",
    NoiseInEvaluation: "SLR-M18",
    RemembersTheLastBatch: "SLR-M18",
    OtherInTraining: "SLR-M13",
    StatisticsNeverKept: "SLR-M13",
    DrawnTensor: "SLR-M20",
    ForgottenBuffer: "SLR-M20",
    SharedWeights: "SLR-M20",
}

# These may be meant: a warning, and no error anywhere.
DOUBTS = {
    FrameByFrame: "SLR-M11",
    SymmetricKernels: "SLR-M11",
    ThreeFrames: "SLR-M12",
    PlainBatchNorm: "SLR-M13",
    DeepSigmoids: "SLR-M05",
    Exploding: "SLR-M05",
    ClosedUnits: "SLR-M05",
    BlankHeadStart: "SLR-M15",
    HalfLogSoftmax: "SLR-M17",
    LargeOffset: "SLR-M17",
    Slow: "SLR-M08",
    WeightsOfNumpy: "SLR-M20",
}
