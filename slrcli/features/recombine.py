"""Recombined sentences: signs of a clip are exchanged for signs of the same signer from other clips.

The boundaries of signs come from an alignment of the glosses (`slrcli.training.locate`). The sign between two
boundaries is exchanged, with a transition before and after it. All parts are views of the clips they come from, and
missing points stay missing.
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
    """Relative position of the peak within a sign, 0 at its beginning and 1 at its end; roughly the same in all signs.

    A network emits a gloss once it has seen enough of it, which is mostly late in the sign. The outer signs show how
    late: the first sign of a clip begins at the end of a rest pose, and the last one ends where the next begins.

    Args:
        peaks: for each clip, a frame within each of its signs.
        moving: for each clip, the frames between the rest poses.

    Returns:
        A number within `LATENESS`; 0.5 if nothing is known.
    """
    before = sum(max(0, own[0] - start) for own, (start, _) in zip(peaks, moving, strict=True))
    after = sum(max(0, stop - 1 - own[-1]) for own, (_, stop) in zip(peaks, moving, strict=True))
    return min(max(before / (before + after), LATENESS[0]), LATENESS[1]) if before + after else 0.5


def sign_spans(peaks: Sequence[int], moving: tuple[int, int], late: float) -> Signs:
    """The frames of each sign of a clip, `(0, 0)` for a sign that cannot be separated from its neighbour.

    Args:
        peaks: a frame within each sign, in order.
        moving: the frames between the rest poses: the first sign begins and the last one ends there.
        late: the result of `lateness`, which sets the boundary between neighbours.
    """
    between = [first + max(1, ceil((1 - late) * (second - first))) for first, second in pairwise(peaks)]
    cuts = [min(moving[0], peaks[0]), *between, max(moving[1], peaks[-1] + 1)]
    return [
        (first, last) if first <= peak < last else (0, 0)
        for peak, (first, last) in zip(peaks, pairwise(cuts), strict=True)
    ]


def require_signers(signers: Sequence[str]) -> None:
    """Raise a DataError if no signer is named: signs of different people must not be mixed."""
    if not any(signers):
        raise DataError(
            "Signs are exchanged among the clips of one signer, but the annotations name no signer.",
            "augment.recombine",
            "Name the column of the signers (data.columns.signer), or set augment.recombine to 0.",
        )


class SignBank:
    """The signs of all clips, by signer.

    Args:
        signers: signer of each clip; clips without one take no part.
        targets: gloss ids of each clip.
        spans: first frame and the one after the last of every gloss of every clip, clip after clip, int `[N, 2]`;
            0 and 0 if unknown.
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

        A random number of its signs, at least one, is replaced by another take of the same gloss, or by any other gloss
        of the signer.

        Args:
            index: index of the clip.
            clip_of: returns the clip `[T, D]` of an index.
            layout: what the columns mean.
            rng: source of randomness.

        Returns:
            None if there is nothing to exchange, or the result would be too long.
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
