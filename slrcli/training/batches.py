"""From clips to the batches of training: augmented, in buckets of like length; the statistics of the train split.

How an epoch is ordered says `order`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from slrcli.config import AugmentConfig
from slrcli.corpus.clips import Batch, Clips, collate, expect
from slrcli.ctc.paths import minimum_frames
from slrcli.features.augment import added, augment
from slrcli.features.recombine import SignBank, require_signers
from slrcli.models.frontend import Frontend
from slrcli.parallel.distributed import share, size
from slrcli.parallel.prefetch import prefetch
from slrcli.parallel.threads import torch_threads
from slrcli.training.order import bucketed, by_shard

STD_FLOOR = 1e-6
RECOMBINED = 1000  # behind the place of a clip, the stream of chance that its signs are exchanged by


class TrainBatches:
    """The train split as augmented batches, another order and other variations in every epoch.

    Everything random of a clip follows from (seed, epoch, its place), not from the order of work, so an epoch can be
    entered in the middle.

    Args:
        clips: the train split.
        targets: gloss ids of each clip.
        options: what is varied.
        output_length: of the model, so that a shortened clip can still carry its glosses.
        batch_size: utterances per batch.
        seed: of everything random.
        views: variants of each clip in a batch, which keep in step: the first of all clips, then the second of all.
        shards: the places of the clips of each shard, if an epoch reads shard by shard; None: clips in any order.

    Attributes:
        pinned: whether batches come in pinned memory, as a CUDA device wants them.
        frontend: of the network, if the thread that makes the batches is to apply it.
        sign_bank: where signs to be exchanged come from; None until somebody has located them.

    Raises:
        DataError: signs are to be exchanged, and the signers are unknown.
    """

    pinned = False
    frontend: Frontend | None = None

    def __init__(
        self,
        clips: Clips,
        targets: Sequence[Sequence[int]],
        options: AugmentConfig,
        output_length: Callable[[int], int],
        batch_size: int,
        seed: int,
        views: int = 1,
        shards: Sequence[Sequence[int]] | None = None,
    ):
        self.shards = shards
        self.clips, self.targets, self.options = clips, targets, options
        self.batch_size, self.seed, self.views = batch_size, seed, views
        self.sign_bank: SignBank | None = None
        self._least = cache(lambda needed: least_frames(needed, output_length))
        for name in options.added:
            added(name)  # one that is missing is missed before the first batch
        if options.recombine:
            require_signers([item.signer for item in clips.utterances])

    def __len__(self) -> int:
        return -(-len(self.clips) // self.batch_size)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of epoch `number`, from the `start`-th on, made ahead by a thread."""
        rng = np.random.default_rng([self.seed, number])
        if self.shards is None:
            order = iter(bucketed(self.clips.frames, self.batch_size, rng))
        else:
            order = by_shard(self.shards, self.clips.length, self.batch_size, rng, size(), self._coming)
        return prefetch(self._make(indices, number) for indices in islice(order, start, None))

    def _coming(self, shards: Sequence[int]) -> None:
        expect(self.clips.utterances, [self.shards[number] for number in shards] if self.shards else ())

    def _make(self, indices: Sequence[int], epoch: int) -> Batch:
        own, weight = share(indices)
        clips, targets = zip(*(self._sentence(index, epoch) for index in own), strict=True)
        varied = [
            self._variant(x, target, index, epoch, view)
            for view in range(self.views)
            for x, target, index in zip(clips, targets, own, strict=True)
        ]
        batch = replace(collate(varied, targets * self.views, own * self.views), share=weight)
        if self.frontend is not None:
            with torch.no_grad(), torch_threads(1):
                batch = replace(batch, features=self.frontend(batch.x, batch.lengths))
        return batch.pinned() if self.pinned else batch

    def _sentence(self, index: int, epoch: int) -> tuple[np.ndarray, Sequence[int]]:
        """The clip and its gloss ids, perhaps with some of its signs exchanged."""
        if self.sign_bank is not None and self.options.recombine:
            rng = np.random.default_rng([self.seed, epoch, index, RECOMBINED])
            if rng.random() < self.options.recombine:
                made = self.sign_bank.recombined(index, self.clips.__getitem__, self.clips.layout, rng)
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


SAMPLE_CLIPS, SAMPLE_FRAMES = 64, 128  # spread over a corpus and over a clip: what values are usual is seen in these
TAIL = 0.25  # share of the values at either end that is not asked for what is usual: one fault may fill a whole clip
FAR = 200.0  # times the range of the others: so far from it a value is a fault, and would decide mean and deviation


def feature_statistics(
    clips: Clips, frontend: Frontend, seen: Callable[[int, np.ndarray, int], None] = lambda *_: None
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation `[F]` of what the frontend makes of the clips, missing values left out.

    One pass, one clip in memory at a time, sums in float64 about the first clip's mean. A column never seen gets
    mean 0 and deviation 1. Values far beyond `usual_range` count as missing.

    Args:
        clips: of train.
        frontend: on the CPU.
        seen: is called with the place of each clip, the clip, and how many of its frames have such values.
    """
    low, high = usual_range(clips, frontend)
    count, shift, first, squares = torch.zeros((4, frontend.width), dtype=torch.float64)
    for index in range(len(clips)):
        clip = clips[index]
        x = torch.tensor(clip)[None]  # a copy: a clip may be a file that is mapped and not to be written to
        values, known = frontend.raw(x, torch.tensor([x.shape[1]]))
        values, known = values[0].double(), known[0]
        odd = known & ~((values >= low) & (values <= high))
        if odd.any():
            values, known = torch.where(odd, math.nan, values), known & ~odd
        if not index:
            shift = torch.nan_to_num(values.nanmean(dim=0))
        centred = torch.where(known, values - shift, 0.0)
        count += known.sum(dim=0)
        first += centred.sum(dim=0)
        squares += centred.square().sum(dim=0)
        seen(index, clip, int(odd.any(dim=1).sum()))
    most = count.clamp(min=1)
    mean = first / most
    std = (squares / most - mean.square()).clamp(min=0).sqrt()
    std = torch.where((count > 0) & (std > STD_FLOOR), std, torch.ones_like(std))
    return (shift + mean).float(), std.float()


def usual_range(clips: Clips, frontend: Frontend) -> tuple[Tensor, Tensor]:
    """The lowest and the highest value `[F]`, float64, that is believed of each column of the frontend.

    Half of the values of some clips lie between the quartiles, beyond which `FAR` times their distance is allowed.
    Where a column hardly changes, the median distance of all columns counts instead of its own.
    """
    places = np.unique(np.linspace(0, len(clips) - 1, min(len(clips), SAMPLE_CLIPS)).round().astype(int))
    found = []
    for index in places.tolist():
        x = torch.tensor(clips[index])[None]
        values, known = frontend.raw(x, torch.tensor([x.shape[1]]))
        step = -(-x.shape[1] // SAMPLE_FRAMES)
        found.append(
            torch.where(known[0], values[0], math.nan)[::step].double().nan_to_num(math.nan, math.nan, math.nan)
        )
    sample = torch.cat(found).sort(dim=0).values  # NaN last
    count = (~sample.isnan()).sum(dim=0)
    low, high = (
        sample.gather(0, (share * (count - 1).clamp(min=0)).round().long()[None])[0].nan_to_num()
        for share in (TAIL, 1 - TAIL)
    )
    width = high - low
    typical = width[width > 0].median() if bool((width > 0).any()) else torch.tensor(1.0, dtype=torch.float64)
    reach = FAR * torch.maximum(width, typical)
    never = torch.where(count > 0, reach, math.inf)  # what the sample does not have may be anything
    return low - never, high + never
