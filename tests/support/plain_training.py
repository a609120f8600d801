"""The forerunner's recogniser and the loop that trains it, written the plain way: what ours is measured against.

Nothing here knows of padding and nothing is tuned: torch's own layers, packed sequences for the LSTM, batches drawn at
random and padded to the longest, positions and derivatives read as they are stored, everything in float32, AdamW as
torch makes it when nobody asks for more. Parameters are named as in `slrcli.models.mobilenetv3`, so that weights can be
carried over; on clips of one length both networks are the same function.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset

ENCODERS = {"pose": (99, 64), "hand": (126, 128), "face": (1404, 64), "temporal": (4887, 128)}
BLOCKS = (  # channels inside, channels out, frames seen, step, gated, activation
    (16, 16, 3, 1, True, F.relu),
    (72, 24, 3, 2, False, F.relu),
    (88, 24, 3, 1, False, F.relu),
    (96, 40, 5, 1, True, F.hardswish),
    (240, 40, 5, 1, True, F.hardswish),
    (120, 48, 5, 1, True, F.hardswish),
)


class PlainRecogniser(nn.Module):
    """Features `[B, T, F]` -> log-probabilities `[B, T, V]`, without a thought of where a clip ends.

    Args:
        encoders: block of columns -> its width and the channels made of it.
        classes: V.
        dropout: as everywhere.
        mean, std: of the features, `[F]`.
    """

    def __init__(self, encoders: dict[str, tuple[int, int]], classes: int, dropout: float, mean: Tensor, std: Tensor):
        super().__init__()
        self.inputs = [width for width, _ in encoders.values()]
        self.register_buffer("mean", mean.clone())
        self.register_buffer("std", std.clone())
        self.encoders = nn.ModuleDict({name: _encoder(*sizes, dropout) for name, sizes in encoders.items()})
        joined = sum(outputs for _, outputs in encoders.values())
        self.stem = nn.Conv1d(joined, 16, 3, stride=2, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm1d(16)
        before = [16, *(outputs for _, outputs, *_ in BLOCKS)]
        self.blocks = nn.ModuleList(PlainBlock(inputs, *shape) for inputs, shape in zip(before, BLOCKS, strict=False))
        self.upsample = nn.ConvTranspose1d(48, 128, 4, stride=4)
        self.upsample_norm = nn.BatchNorm1d(128)
        self.smooth = nn.Conv1d(128, 128, 3, padding=1)
        self.smooth_norm = nn.BatchNorm1d(128)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(128, 128, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(256, classes)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x `[B, T, F]`, lengths `[B]`."""
        frames = x.shape[1]
        blocks = ((x - self.mean) / self.std).split(self.inputs, dim=2)
        joined = torch.cat([part(block) for part, block in zip(self.encoders.values(), blocks, strict=True)], dim=2)
        x = F.hardswish(self.stem_norm(self.stem(joined.transpose(1, 2))))
        for block in self.blocks:
            x = block(x)
        x = F.relu(self.upsample_norm(self.upsample(x)[:, :, :frames]))
        x = self.dropout(F.relu(self.smooth_norm(self.smooth(x)))).transpose(1, 2)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        x, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=frames)
        return self.classifier(x).log_softmax(dim=2)


class PlainBlock(nn.Module):
    """An inverted residual block (Howard et al. 2019), in one dimension."""

    def __init__(self, inputs, inner, outputs, kernel, stride, gated, activation):
        super().__init__()
        widens = inner != inputs
        self.expand = nn.Conv1d(inputs, inner, 1, bias=False) if widens else None
        self.expand_norm = nn.BatchNorm1d(inner) if widens else None
        self.along = nn.Conv1d(inner, inner, kernel, stride, padding=kernel // 2, groups=inner, bias=False)
        self.along_norm = nn.BatchNorm1d(inner)
        self.squeeze = nn.Linear(inner, max(1, inner // 4)) if gated else None
        self.excite = nn.Linear(max(1, inner // 4), inner) if gated else None
        self.narrow = nn.Conv1d(inner, outputs, 1, bias=False)
        self.narrow_norm = nn.BatchNorm1d(outputs)
        self.residual = stride == 1 and inputs == outputs
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """x `[B, C, T]` -> `[B, outputs, ceil(T / stride)]`."""
        before = x
        if self.expand is not None:
            x = self.activation(self.expand_norm(self.expand(x)))
        x = self.activation(self.along_norm(self.along(x)))
        if self.squeeze is not None:
            x = x * F.hardsigmoid(self.excite(F.relu(self.squeeze(x.mean(dim=2))))).unsqueeze(2)
        x = self.narrow_norm(self.narrow(x))
        return before + x if self.residual else x


def _encoder(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    middle = (inputs + outputs) // 2
    return nn.Sequential(
        nn.Linear(inputs, middle), nn.LayerNorm(middle), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(middle, outputs), nn.LayerNorm(outputs),
    )  # fmt: skip


def plain_twin(model: nn.Module, dropout: float) -> PlainRecogniser:
    """The plain network with the weights of one of ours, of the architecture `mobilenetv3`."""
    blocks = {
        name: (width, model.encoders.parts[name][4].out_features) for name, width in model.frontend.groups.items()
    }
    twin = PlainRecogniser(blocks, model.vocab_size, dropout, model.frontend.mean, model.frontend.std)
    weights = {plain_name(name): tensor for name, tensor in model.state_dict().items()}
    twin.load_state_dict({name: tensor for name, tensor in weights.items() if not name.startswith("frontend.")}
                         | {"mean": twin.mean, "std": twin.std})  # fmt: skip
    return twin


def plain_name(name: str) -> str:
    """What a parameter of ours is called in the plain network."""
    parts = (
        ("encoders.parts.", "encoders."), ("trunk.", ""), (".gate.", "."),
        ("recurrence.ahead.0.", "lstm."), ("recurrence.back.0.", "lstm.reverse."),
    )  # fmt: skip
    for ours, plain in parts:
        name = name.replace(ours, plain)
    return f"{name.replace('.reverse.', '.')}_reverse" if ".reverse." in name else name


class StoredClips(Dataset):
    """Files `[T, F]` with positions and derivatives, and the ids of their glosses."""

    def __init__(self, paths: Sequence[Path], targets: Sequence[Sequence[int]]):
        self.paths, self.targets = paths, targets

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(np.load(self.paths[index])), torch.tensor(self.targets[index])


def plain_batch(items: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Clips and glosses padded to the longest, with the lengths of both."""
    clips, targets = zip(*items, strict=True)
    frames, counts = (torch.tensor([len(item) for item in items]) for items in (clips, targets))
    return pad_sequence(clips, batch_first=True), frames, pad_sequence(targets, batch_first=True), counts


class PlainLoop:
    """Trains a plain network.

    Args:
        model: whose `forward(x, lengths)` gives log-probabilities.
        lr, weight_decay, clip_norm: of the optimiser.
    """

    def __init__(self, model: nn.Module, lr: float, weight_decay: float, clip_norm: float):
        self.model, self.clip_norm = model, clip_norm
        self.optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
        self.criterion = nn.CTCLoss(blank=0, zero_infinity=True)

    def epoch(self, clips: StoredClips, batch_size: int) -> Iterator[int]:
        """One pass in random order; after each step the unpadded frames that it learnt from."""
        self.model.train()
        device = next(self.model.parameters()).device
        for batch in DataLoader(clips, batch_size, shuffle=True, collate_fn=plain_batch):
            self.step(*(item.to(device) for item in batch))
            yield int(batch[1].sum())

    def step(self, x: Tensor, frames: Tensor, targets: Tensor, counts: Tensor) -> float:
        """Learn from a batch; its loss."""
        self.optimiser.zero_grad()
        log_probs = self.model(x, frames).permute(1, 0, 2)
        loss = self.criterion(log_probs, targets, frames, counts)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimiser.step()
        return loss.item()
