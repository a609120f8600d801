"""From utterances to batches: loading, augmenting, buckets of like length, and the statistics of the train split."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from slrcli.ahead import ahead
from slrcli.config import AugmentConfig
from slrcli.corpus import Utterance
from slrcli.errors import DataError
from slrcli.features.augment import augment
from slrcli.features.clip import check_width, is_blind, load_clip, padded
from slrcli.features.layout import Layout
from slrcli.features.readers import feature_shape
from slrcli.features.recombine import Stock, require_signers
from slrcli.models.frontend import Frontend
from slrcli.parallel import share
from slrcli.paths import minimum_frames
from slrcli.store import is_mapped

POOL_BATCHES = 50  # so many batches' clips are drawn at random and then sorted by length: 1.03x padding, still random
STD_FLOOR = 1e-6
RECOMBINED = 1000  # behind the place of a clip, the stream of chance that its signs are exchanged by


class Batch(NamedTuple):
    """Clips of like length, filled up at the end.

    Attributes:
        x: float32 `[B, T, D]`, NaN where a point is missing, 0 beyond a clip's end.
        lengths: frames of each clip, int64 `[B]`.
        targets: gloss ids of all clips, one after the other, int64 `[sum(target_lengths)]`; none of them blank.
        target_lengths: glosses of each clip, int64 `[B]`.
        index: places of the clips in the data set they come from.
        share: how much its mean counts, where several processes have a part of a batch each; see `parallel.share`.
    """

    x: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    index: tuple[int, ...]
    share: float = 1.0

    def to(self, device: torch.device) -> "Batch":
        """The batch on another device; copies are asynchronous where the memory is pinned."""
        moved = (tensor.to(device, non_blocking=True) for tensor in self[:4])
        return Batch(*moved, self.index, self.share)

    def pinned(self) -> "Batch":
        """The batch in memory from which copies to a CUDA device are asynchronous."""
        return Batch(*(tensor.pin_memory() for tensor in self[:4]), self.index, self.share)


class Clips:
    """The feature arrays of some utterances, read on demand and kept while they fit in the budget of memory.

    Args:
        utterances: each with a feature file.
        layout: what their columns mean.
        max_gap: gaps of missing points up to this many frames are filled.
        hands: each hand is put into a slot of its own (`assign_hands`).
        cache_mb: how much to keep, in 2^20 bytes; clips that are mapped from a packed store need none of it.

    Raises:
        DataError: an utterance without a feature file.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        layout: Layout,
        max_gap: int = 5,
        cache_mb: int = 0,
        hands: bool = False,
    ):
        without = [item.id for item in utterances if item.features is None]
        if without:
            raise DataError(f"{len(without)} utterances have no feature file", ", ".join(without[:5]))
        self.utterances = list(utterances)
        self.layout = layout
        self._preparation = {"max_gap": max_gap, "hands": hands}
        self._room = cache_mb * 2**20
        self._kept: dict[int, np.ndarray] = {}
        self._frames: list[int] | None = None
        self._blind: set[int] = set()

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def frames(self) -> list[int]:
        """Frames of every clip, read from the headers of the files, once."""
        if self._frames is None:
            self._frames = [self._shape(item.features)[0] for item in self.utterances]
        return self._frames

    @property
    def blind(self) -> list[str]:
        """Ids of the clips that were read so far and in which nothing is seen at all."""
        return [self.utterances[index].id for index in sorted(self._blind)]

    def __getitem__(self, index: int) -> np.ndarray:
        """The clip as float32 `[T, D]`, NaN where a point is missing. Not to be changed in place.

        Raises:
            DataError: unreadable, empty, infinite, or not as wide as the layout says.
        """
        if index in self._kept:
            return self._kept[index]
        x = load_clip(self.utterances[index].features, self.layout, **self._preparation)
        if is_blind(x):
            self._blind.add(index)
        if x.nbytes <= self._room and not is_mapped(x):
            self._room -= x.nbytes
            self._kept[index] = x
        return x

    def _shape(self, path: Path) -> tuple[int, int]:
        frames, width = feature_shape(path, self.layout)
        check_width(width, self.layout, path)
        return frames, width


def collate(clips: Sequence[np.ndarray], targets: Sequence[Sequence[int]], index: Sequence[int]) -> Batch:
    """Clips `[T, D]` and their gloss ids as one padded batch.

    Filled in numpy: torch would start a pool of threads for every thread that copies, and leave it behind.
    """
    x, lengths = padded(clips)
    flat = [gloss for target in targets for gloss in target]
    counts = torch.tensor([len(target) for target in targets], dtype=torch.int64)
    return Batch(
        torch.from_numpy(x), torch.from_numpy(lengths), torch.tensor(flat, dtype=torch.int64), counts, tuple(index)
    )


def bucketed(frames: Sequence[int], batch_size: int, rng: np.random.Generator) -> list[list[int]]:
    """Every clip once, in batches of like length and random order.

    Clips are shuffled, sorted by length within pools of `POOL_BATCHES` batches, cut, and the batches shuffled.
    """
    order = rng.permutation(len(frames))
    pool = batch_size * POOL_BATCHES
    batches = []
    for start in range(0, len(order), pool):
        part = sorted(order[start : start + pool].tolist(), key=lambda index: frames[index])
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


class TrainBatches:
    """The train split as augmented batches, another order and other variations in every epoch.

    Everything random of a clip follows from (seed, epoch, its place), not from the order of work, so an epoch can be
    entered in the middle.

    Args:
        clips: the train split.
        targets: gloss ids of each clip.
        options: what is varied.
        output_length: of the model, so that a shortened clip can still carry its glosses.
        batch_size: utterances a batch.
        seed: of everything random.
        views: variants of each clip in a batch, which keep in step: the first of all clips, then the second of all.

    Attributes:
        pinned: whether batches come in pinned memory, as a CUDA device wants them.
        stock: where signs to be exchanged come from; None until somebody has located them.

    Raises:
        DataError: signs are to be exchanged, and nothing says who signs.
    """

    pinned = False

    def __init__(
        self,
        clips: Clips,
        targets: Sequence[Sequence[int]],
        options: AugmentConfig,
        output_length: Callable[[int], int],
        batch_size: int,
        seed: int,
        views: int = 1,
    ):
        self.clips, self.targets, self.options = clips, targets, options
        self.batch_size, self.seed, self.views = batch_size, seed, views
        self.stock: Stock | None = None
        self._least = cache(lambda needed: least_frames(needed, output_length))
        if options.recombine:
            require_signers([item.signer for item in clips.utterances])

    def __len__(self) -> int:
        return -(-len(self.clips) // self.batch_size)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number`, from the `start`-th on, made ahead by a thread."""
        order = bucketed(self.clips.frames, self.batch_size, np.random.default_rng([self.seed, number]))
        return ahead(self._make(indices, number) for indices in order[start:])

    def _make(self, indices: Sequence[int], epoch: int) -> Batch:
        own, weight = share(indices)
        clips, targets = zip(*(self._sentence(index, epoch) for index in own), strict=True)
        varied = [
            self._variant(x, target, index, epoch, view)
            for view in range(self.views)
            for x, target, index in zip(clips, targets, own, strict=True)
        ]
        batch = collate(varied, targets * self.views, own * self.views)._replace(share=weight)
        return batch.pinned() if self.pinned else batch

    def _sentence(self, index: int, epoch: int) -> tuple[np.ndarray, Sequence[int]]:
        """The clip and its gloss ids, perhaps with some of its signs exchanged."""
        if self.stock is not None and self.options.recombine:
            rng = np.random.default_rng([self.seed, epoch, index, RECOMBINED])
            if rng.random() < self.options.recombine:
                made = self.stock.recombined(index, self.clips.__getitem__, self.clips.layout, rng)
                if made and len(made[0]) >= self._least(minimum_frames(made[1])):
                    return made
        return self.clips[index], self.targets[index]

    def _variant(self, x: np.ndarray, target: Sequence[int], index: int, epoch: int, view: int) -> np.ndarray:
        pace = np.random.default_rng([self.seed, epoch, index])
        # counted from 1: zeros at the end of a seed count for nothing, and the first view would draw as the pace does
        rest = np.random.default_rng([self.seed, epoch, index, 1 + view]) if self.views > 1 else None
        return augment(x, self.clips.layout, self.options, pace, self._least(minimum_frames(target)), rest)


def least_frames(needed: int, output_length: Callable[[int], int]) -> int:
    """The fewest input frames from which the model makes `needed` output frames."""
    frames = 1
    while output_length(frames) < needed:
        frames += 1
    return frames


def feature_statistics(
    clips: Clips, frontend: Frontend, advance: Callable[[], None] = lambda: None
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation `[F]` of what the frontend makes of the clips, missing values left out.

    One pass, one clip in memory at a time, sums in float64 about the first clip's mean. A column never seen gets
    mean 0 and deviation 1.
    """
    count = torch.zeros(frontend.width, dtype=torch.float64)
    shift = first = squares = None
    for index in range(len(clips)):
        x = torch.tensor(clips[index])[None]  # a copy: a clip may be a file that is mapped and not to be written to
        values, known = frontend.raw(x, torch.tensor([x.shape[1]]))
        values, known = values[0].double(), known[0]
        if shift is None:
            shift = torch.nan_to_num(values.nanmean(dim=0))
            first, squares = torch.zeros_like(shift), torch.zeros_like(shift)
        centred = torch.where(known, values - shift, 0.0)
        count += known.sum(dim=0)
        first += centred.sum(dim=0)
        squares += centred.square().sum(dim=0)
        advance()
    seen = count.clamp(min=1)
    mean = first / seen
    std = (squares / seen - mean.square()).clamp(min=0).sqrt()
    std = torch.where((count > 0) & (std > STD_FLOOR), std, torch.ones_like(std))
    return (shift + mean).float(), std.float()
