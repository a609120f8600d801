"""Sentences put together anew: signs of a clip exchanged for signs that the same signer makes in other clips.

The boundaries of signs come from an alignment of the glosses (`slrcli.training.locate`). What is exchanged is the sign
between two boundaries; before it and after it stands the movement of a hand from the one clip's pose to the other's.
All parts are views of the clips they come from, and what is missing in them stays missing.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil

import numpy as np

from slrcli.errors import DataError
from slrcli.features.layout import Layout
from slrcli.features.motion import join

LATENESS = (0.2, 0.8)  # between these lies the place of a peak within its sign, whatever the outer signs say
BRIDGE = (2, 5)  # fewest and most frames from a part of one clip to that of another
ANOTHER = 0.5  # of the exchanged signs so many become another gloss that the signer has signed
LONGEST = 2.0  # times as long as it was a clip may become: batches are made of clips of like length

Signs = list[tuple[int, int]]  # of each gloss of a clip its first frame and the one after its last


def lateness(peaks: Sequence[Sequence[int]], moving: Sequence[tuple[int, int]]) -> float:
    """How far into a sign its peak stands, from 0 at its beginning to 1 at its end: by and large the same in all signs.

    A network says a gloss when it has seen enough of it, which is mostly late in the sign. How late, the outer signs
    tell: the first one of a clip begins where the rest pose ends, and the last one ends where the next one begins.

    Args:
        peaks: of each clip, a frame within each of its signs.
        moving: of each clip, the frames between the rest poses.

    Returns:
        A number within `LATENESS`; the middle of a sign where nothing is known.
    """
    before = sum(max(0, own[0] - start) for own, (start, _) in zip(peaks, moving, strict=True))
    after = sum(max(0, stop - 1 - own[-1]) for own, (_, stop) in zip(peaks, moving, strict=True))
    return min(max(before / (before + after), LATENESS[0]), LATENESS[1]) if before + after else 0.5


def sign_spans(peaks: Sequence[int], moving: tuple[int, int], late: float) -> Signs:
    """The frames of each sign of a clip, `(0, 0)` where the place of one cannot be told from its neighbour's.

    Args:
        peaks: a frame within each sign, in their order.
        moving: the frames between the rest poses: the first sign begins there, and the last one ends.
        late: what `lateness` says; neighbours are parted accordingly.
    """
    between = [first + max(1, ceil((1 - late) * (second - first))) for first, second in pairwise(peaks)]
    cuts = [min(moving[0], peaks[0]), *between, max(moving[1], peaks[-1] + 1)]
    return [
        (first, last) if first <= peak < last else (0, 0)
        for peak, (first, last) in zip(peaks, pairwise(cuts), strict=True)
    ]


def require_signers(signers: Sequence[str]) -> None:
    """DataError where nobody is named: signs of different people are not to be mixed."""
    if not any(signers):
        raise DataError(
            "Signs are exchanged among the clips of one signer, and the annotations name no signer.",
            "augment.recombine",
            "Name the column of the signers (data.columns.signer), or leave augment.recombine at 0.",
        )


class SignBank:
    """The signs of all clips, by who signs them.

    Args:
        signers: of each clip; a clip without one neither gives nor takes.
        targets: gloss ids of each clip.
        spans: first frame and the one after the last of every gloss of every clip, clip after clip, int `[N, 2]`;
            0 and 0 where the place is not known.
    """

    def __init__(self, signers: Sequence[str], targets: Sequence[Sequence[int]], spans: np.ndarray):
        self.spans = spans
        self._targets = targets
        self._first = np.concatenate([[0], np.cumsum([len(target) for target in targets])])
        if spans.shape != (self._first[-1], 2):
            raise ValueError(f"{self._first[-1]} glosses have spans of shape {spans.shape}")
        self._signers = signers
        self._clip = np.repeat(np.arange(len(targets)), np.diff(self._first))
        self._places: dict[str, dict[int, np.ndarray]] = {}  # signer -> gloss -> numbers of its spans
        glosses = np.array([gloss for target in targets for gloss in target], np.int64)
        people = np.array(signers)[self._clip] if len(glosses) else np.zeros(0, str)
        usable = np.flatnonzero((spans[:, 1] > 0) & (people != ""))
        for signer in np.unique(people[usable]):
            own = usable[people[usable] == signer]
            known, which = np.unique(glosses[own], return_inverse=True)
            order = np.argsort(which, kind="stable")
            parts = np.split(own[order], np.cumsum(np.bincount(which))[:-1])
            self._places[str(signer)] = dict(zip(known.tolist(), parts, strict=True))

    def recombined(
        self, index: int, clip_of: Callable[[int], np.ndarray], layout: Layout, rng: np.random.Generator
    ) -> tuple[np.ndarray, list[int]] | None:
        """A clip with some of its signs exchanged, float32 `[T', D]`, and its gloss ids.

        Any number of its signs, at least one, gives way to another take of the same gloss, or to any other gloss of
        the signer.

        Args:
            index: place of the clip.
            clip_of: gives the clip `[T, D]` at a place.
            layout: what the columns mean.
            rng: decides.

        Returns:
            None where there is nothing to exchange, or what comes out would be too long.
        """
        places, target, own = self._places.get(self._signers[index], {}), list(self._targets[index]), self._first[index]
        possible = [place for place in range(len(target)) if self.spans[own + place, 1] > 0]
        if not (places and possible):
            return None
        count = rng.integers(1, len(possible) + 1)
        parts: list[tuple[int, int, int]] = []  # clip, first frame, the one after the last
        at = 0
        for place in sorted(rng.choice(possible, count, replace=False).tolist()):
            drawn = self._draw(places, target[place], int(own) + place, rng)
            if drawn is None:
                continue
            start, stop = self.spans[own + place].tolist()
            parts += [(index, at, start), (int(self._clip[drawn[1]]), *self.spans[drawn[1]].tolist())]
            target[place], at = drawn[0], stop
        if not parts:
            return None
        clips = {clip: clip_of(clip) for clip in {index, *(clip for clip, *_ in parts)}}
        frames = len(clips[index])
        parts = [part for part in [*parts, (index, at, frames)] if part[2] > part[1]]
        gaps = rng.integers(BRIDGE[0], BRIDGE[1] + 1, len(parts) - 1).tolist()
        if sum(stop - start for _, start, stop in parts) + sum(gaps) > LONGEST * frames:
            return None
        pieces = [clips[clip][start:stop, : layout.positions] for clip, start, stop in parts]
        return join(pieces, gaps, layout)[0], target

    @staticmethod
    def _draw(places: dict[int, np.ndarray], gloss: int, own: int, rng: np.random.Generator) -> tuple[int, int] | None:
        """A gloss and the number of one of its signs, not the one that is there; None where there is no other."""
        if rng.random() < ANOTHER:
            gloss = list(places)[rng.integers(len(places))]
        others = places[gloss][places[gloss] != own]
        return (gloss, int(others[rng.integers(len(others))])) if len(others) else None
