"""The clips of some utterances: read on demand, and put together into batches."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from slrcli.console import Console
from slrcli.corpus import Utterance
from slrcli.errors import DataError, UsageError, first_five
from slrcli.features.clip import check_width, is_empty, is_mapped, load_at, padded
from slrcli.features.layout import Layout
from slrcli.features.rate import frames_at, pace
from slrcli.features.readers import feature_shape, frame_rate
from slrcli.features.store import array_of, fetch_ahead, store_of

TOGETHER = 8  # shards that are read at a time: 2 GB with shards of 256 MB
ORDERED_BYTES = 16 << 30  # of packed features from which on clips are read shard by shard if nobody says how


@dataclass(frozen=True, eq=False)
class Batch:
    """Clips of similar length, padded at the end.

    Attributes:
        x: float32 `[B, T, D]`, NaN where a point is missing, 0 beyond a clip's end.
        lengths: frames of each clip, int64 `[B]`.
        targets: gloss ids of all clips, one after the other, int64 `[sum(target_lengths)]`; none of them blank.
        target_lengths: glosses of each clip, int64 `[B]`.
        index: positions of the clips in their data set.
        share: weight of its mean, where several processes hold a part of a batch each; see
            `parallel.distributed.share`.
        features: what the network's frontend makes of x, `[B, T, F]`, where that is known already.
    """

    x: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    index: tuple[int, ...]
    share: float = 1.0
    features: Tensor | None = None

    def to(self, device: torch.device) -> "Batch":
        """The batch on another device; copies are asynchronous where the memory is pinned."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> "Batch":
        """The batch in memory from which copies to a CUDA device are asynchronous."""
        return self._each(Tensor.pin_memory)

    def _each(self, changed: Callable[[Tensor], Tensor]) -> "Batch":
        return replace(
            self,
            x=changed(self.x),
            lengths=changed(self.lengths),
            targets=changed(self.targets),
            target_lengths=changed(self.target_lengths),
        )


class Clips:
    """The feature arrays of some utterances, read on demand and kept while they fit in the cache.

    Args:
        utterances: each with a feature file.
        layout: what their columns mean.
        max_gap: longest gap of missing points that is filled, in frames.
        hands: whether each hand is put into a slot of its own (`assign_hands`).
        cache_mb: size of the cache in MiB; clips mapped from a packed store need none of it.
        to: frames per second at which all clips are read; 0: at those of their files.
        fps: frames per second of files that do not say it; 0: unknown.

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
        to: float = 0.0,
        fps: float = 0.0,
    ):
        without = [item.id for item in utterances if item.features is None]
        if without:
            raise DataError(f"{len(without)} utterances have no feature file.", ", ".join(without[:5]))
        self.utterances = list(utterances)
        self.layout = layout
        self.to = to
        self._max_gap, self._hands, self._fps = max_gap, hands, fps
        self._room = cache_mb * 2**20
        self._kept: dict[int, np.ndarray] = {}
        self._rates: dict[int, float] = {}
        self._own: list[int] | None = None
        self._frames: list[int] | None = None
        self._empty: set[int] = set()

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def frames(self) -> list[int]:
        """Frames of every clip at the rate that it is read at; from the headers of the files, which are read once."""
        if self._frames is None:
            self._frames = [frames_at(count, self.pace(index)) for index, count in enumerate(self.own_frames)]
        return self._frames

    def length(self, index: int) -> int:
        """Frames of one clip, as in `frames`."""
        if self._frames is not None:
            return self._frames[index]
        return frames_at(self._shape(self.utterances[index].file)[0], self.pace(index))

    @property
    def own_frames(self) -> list[int]:
        """Frames of every file."""
        if self._own is None:
            self._own = [self._shape(item.file)[0] for item in self.utterances]
        return self._own

    def rate(self, index: int) -> float:
        """Frames per second of a file: as it says itself, else as given; 0 if unknown."""
        return self.own_rate(index) or self._fps

    def own_rate(self, index: int) -> float:
        """Frames per second of a file as it says itself; else 0."""
        if index not in self._rates:
            self._rates[index] = frame_rate(self.utterances[index].file)
        return self._rates[index]

    def pace(self, index: int) -> float:
        """Frames of a file per frame of its clip."""
        return pace(self.rate(index), self.to) if self.to else 1.0

    @property
    def empty(self) -> list[str]:
        """Ids of the clips read so far in which nobody is seen."""
        return [self.utterances[index].id for index in sorted(self._empty)]

    def __getitem__(self, index: int) -> np.ndarray:
        """The clip as float32 `[T, D]`, NaN where a point is missing. It must not be changed in place.

        Raises:
            DataError: the clip is unreadable or empty, holds infinite values, or is not as wide as the layout says.
        """
        if index in self._kept:
            return self._kept[index]
        file = self.utterances[index].file
        x = load_at(file, self.layout, self._fps, self.to, self._max_gap, self._hands).x
        if is_empty(x):
            self._empty.add(index)
        if x.nbytes <= self._room and not is_mapped(x):
            self._room -= x.nbytes
            self._kept[index] = x
        return x

    def batches(self, batch_size: int) -> Iterator[list[int]]:
        """The places of all clips, each once, as `by_length` puts them together.

        Those of a packed corpus larger than memory come some shards at a time, each of which is read once.
        """
        for group in shard_groups(self.utterances):
            for part in by_length([self.frames[index] for index in group], batch_size):
                yield [group[place] for place in part]

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


def by_length(frames: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Every clip once, in batches of similar length, the longest first: memory runs out at once or never."""
    order = sorted(range(len(frames)), key=lambda index: -frames[index])
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def shards_of(utterances: Sequence[Utterance], order: str) -> list[list[int]] | None:
    """The places of the clips of each shard, where an epoch goes shard by shard; None where it does not.

    Args:
        utterances: of train.
        order: `shuffled`, `shards`, or `auto`: from `ORDERED_BYTES` of packed features on.

    Raises:
        UsageError: `shards` of a corpus that is not packed.
    """
    if order == "shuffled":
        return None
    found: dict[tuple[str, int], list[int]] = {}
    total = 0
    for index, item in enumerate(utterances):
        inside = store_of(item.file)
        if inside is None or not inside[0].shards:
            if order == "shards":
                what = "Only a packed corpus has shards to go by."
                raise UsageError(what, "optim.order", "Pack it with slr pack, or leave optim.order at auto.")
            return None
        store, name = inside
        number = store.number(name)
        if (key := (str(store.path), number)) not in found:
            found[key] = []
            total += store.shards[number].size
        found[key].append(index)
    return list(found.values()) if order == "shards" or total >= ORDERED_BYTES else None


def shard_groups(utterances: Sequence[Utterance]) -> Iterator[Sequence[int]]:
    """The places of all clips, those of `TOGETHER` shards at a time where `shards_of` goes by shards by itself."""
    shards = shards_of(utterances, "auto")
    if shards is None:
        yield range(len(utterances))
        return
    for start in range(0, len(shards), TOGETHER):
        expect(utterances, shards[start + TOGETHER : start + 2 * TOGETHER])
        yield sorted(chain.from_iterable(shards[start : start + TOGETHER]))


def expect(utterances: Sequence[Utterance], shards: Sequence[Sequence[int]]) -> None:
    """Let shards of a remote corpus be copied while those before them are read."""
    fetch_ahead(array for shard in shards if (array := array_of(utterances[shard[0]].file)))


def note_rates(clips: Clips, split: str, whose: str, console: Console) -> None:
    """Note how many clips are read at another frame rate than that of their files, and at which."""
    rates = Counter(float(f"{clips.rate(index):.4g}") for index in range(len(clips)) if clips.pace(index) != 1)
    if rates:
        found = ", ".join(f"{count} at {rate:g}" for rate, count in sorted(rates.items()))
        console.note(
            f"{rates.total()} of {len(clips)} {split} clips are resampled to {clips.to:.4g} frames per second, the "
            f"rate of {whose}; they are recorded otherwise ({found})."
        )


def warn_empty(clips: Clips, split: str, console: Console) -> None:
    """Warn of clips in which nobody is seen, after they were read.

    Raises:
        DataError: nobody is seen in any of them.
    """
    empty = clips.empty
    if not empty:
        return
    some = first_five(empty)
    if len(empty) == len(clips):
        fix = "Look at one with slr show, and run slr check data."
        raise DataError(f"No person was seen in any of the {split} clips: all their values are missing.", some, fix)
    console.warn(f"No person was seen in {len(empty)} of {len(clips)} {split} clips (every value is missing): {some}")
