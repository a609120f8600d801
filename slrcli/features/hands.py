"""Assigns detections to hands, for extractors that do not distinguish left and right.

An extractor of hands without a body puts two detections into two slots in any order: the slots are swapped within a
clip, or both hold the same hand while the other is lost. Here the detections of all frames are assigned to two tracks
with the least movement over the whole clip (Viterbi 1967); a lost hand is missing (NaN). Layouts with a body are not
changed: there the arms distinguish the hands.
"""

from collections.abc import Sequence
from math import dist
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from slrcli.features.layout import Layout
from slrcli.features.layout.layout import Group

ONE_HAND = 0.35  # mean distance of two detections' points, in sizes of a hand, below which they are the same hand
FARTHEST = 4.0  # in sizes of a hand: further movement between two frames costs no more
APPEARS = 2.0  # cost of a hand never seen before that takes the other's place: one hand alone, if fast, is not two
ARMS_CROSSED = 0.3  # cost of a frame in which the left hand is on the right, in sizes of a hand
CHANGE = 0.25  # cost of a change of slots between two frames, in sizes of a hand, so that none happens without need

BEYOND = 1e15  # what no picture measures, in any unit; sums of squares of what lies nearer stay finite in float32

Place = tuple[float, float]  # in sizes of a hand, as all costs are


class Sight(NamedTuple):
    """The detections of a frame: place of the hand in each slot, or None, and whether both are the same hand."""

    slots: tuple[Place | None, Place | None]
    together: bool = False

    def tracks(self, crossed: bool) -> tuple[Place | None, Place | None]:
        """The places of both tracks, with the slots as they are or crossed.

        If both slots hold the same hand, it belongs to the first track as they are, and to the second if crossed.
        """
        first, second = self.slots
        if self.together:
            return (None, first) if crossed else (first, None)
        return (second, first) if crossed else (first, second)


class Tracks(NamedTuple):
    """The assignment of the slots of a clip, one truth value per frame.

    Attributes:
        crossed: the slots must be swapped; see `Sight.tracks`.
        together: both slots hold the same hand.
        empty: no slot holds a hand.
    """

    crossed: np.ndarray
    together: np.ndarray
    empty: np.ndarray

    @property
    def changes(self) -> int:
        """Number of swaps of the slots, without frames that do not decide."""
        telling = self.crossed[~self.together & ~self.empty]
        return int((telling[1:] != telling[:-1]).sum())


class _Way(NamedTuple):
    """A way to assign all frames so far: its cost, the last frame's assignment, where each track was seen last."""

    cost: float
    crossed: bool
    seen: tuple[Place | None, Place | None]
    before: "_Way | None"


def free_hands(layout: Layout) -> tuple[Group, Group] | None:
    """The two hands of a layout without a body; None for other layouts."""
    hands = [group for group in layout.groups if group.kind == "hand"]
    if len(hands) != 2 or any(group.kind in ("pose", "face") for group in layout.groups):
        return None
    left, right = hands
    return (left, right) if (left.points, left.coordinates) == (right.points, right.coordinates) else None


def assign_hands(x: np.ndarray, layout: Layout) -> np.ndarray:
    """A clip with each hand in its own slot.

    The first hand of the layout is the one that is mostly further to the right in the picture: the left hand of a
    signer who faces a camera without mirroring. A hand that is alone throughout the clip stays in its slot. Two
    detections of the same hand are replaced by their mean; stored derivatives move with their hand.

    Args:
        x: float32 `[T, D]`, NaN where a point is missing; not changed.
        layout: meaning of the columns.

    Returns:
        Float32 `[T, D]`; `x` itself if the layout is not two hands without a body, or nothing has to change.
    """
    tracks = hand_tracks(x, layout)
    return x if tracks is None else on_tracks(x, layout, tracks)


def on_tracks(x: np.ndarray, layout: Layout, tracks: Tracks) -> np.ndarray:
    """A clip with its hands assigned according to the result of `hand_tracks`; see `assign_hands`."""
    hands = free_hands(layout)
    if hands is None or not (tracks.crossed | tracks.together).any():
        return x
    blocks = layout.positions * np.arange(1 + layout.stored_derivatives)[:, None]
    first, second = ((blocks + np.array(hand.columns)).ravel() for hand in hands)
    crossed, together = tracks.crossed, tracks.together
    y = x.copy()
    y[np.ix_(crossed, first)], y[np.ix_(crossed, second)] = x[np.ix_(crossed, second)], x[np.ix_(crossed, first)]
    both = np.stack([x[np.ix_(together, first)], x[np.ix_(together, second)]])
    known = ~np.isnan(both)
    one = np.where(known, both, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    for slot, columns in enumerate((first, second)):
        here = crossed[together, None] == bool(slot)
        y[np.ix_(together, columns)] = np.where(here, one, np.nan)
    return y


def hand_tracks(x: np.ndarray, layout: Layout) -> Tracks | None:
    """The assignment of the slots of a clip `[T, D]`; None unless the layout is two hands without a body."""
    hands = free_hands(layout)
    if hands is None:
        return None
    points = np.stack([_points(x, hand) for hand in hands], axis=1)
    centres, there = _centres(points)
    size = _size(points, centres)
    together = there.all(axis=1) & (_distance(points) < ONE_HAND * size)
    centres[together] = centres[together].mean(axis=1, keepdims=True)
    sights = [
        Sight((_place(first) if one else None, _place(second) if other else None), same)
        for (first, second), (one, other), same in zip(
            (centres / size).tolist(), there.tolist(), together.tolist(), strict=True
        )
    ]
    _, crossed = cheapest(sights)
    return Tracks(np.array(crossed, bool), together, ~np.any(there, axis=1))


def _place(centre: Sequence[float]) -> Place:
    x, y = centre
    return x, y


def cheapest(sights: Sequence[Sight]) -> tuple[float, list[bool]]:
    """The cheapest assignment of all frames: its cost, and for each frame whether the slots are crossed.

    A path is dropped if another one can continue in the same way at no higher cost, wherever the hands appear next. At
    most two remain after a frame with both hands; if one hand is lost, paths that last saw it in distant places remain.
    """
    ways = [_Way(0.0, False, (None, None), None)]
    free = True  # to change without a cost
    for sight in sights:
        change = 0.0 if free or sight.together else CHANGE
        steps = [_step(way, crossed, sight, change) for way in ways for crossed in (False, True)]
        ways = []
        for step in sorted(steps, key=_cost):
            if not any(_as_good(way, step) for way in ways):
                ways.append(step)
        free = sight.together
    way = ways[0]
    cost, path = way.cost, []
    while way.before is not None:
        path.append(way.crossed)
        way = way.before
    return cost, path[::-1]


def _step(way: _Way, crossed: bool, sight: Sight, change: float) -> _Way:
    """A way gone on by one frame; `change` is what it costs to cross the slots there, or no longer to."""
    first, second = sight.tracks(crossed)
    was, had = way.seen
    cost = way.cost + _arrival(first, was, second is None and had is not None)
    cost += _arrival(second, had, first is None and was is not None)
    if crossed != way.crossed:
        cost += change
    if first is not None and second is not None and first[0] < second[0]:
        cost += ARMS_CROSSED
    return _Way(cost, crossed, (first or was, second or had), way)


def _arrival(place: Place | None, last: Place | None, other_gone: bool) -> float:
    """What it costs that a track is seen in a place: its movement since it was seen last."""
    if place is None:
        return 0.0
    return _apart(place, last) if last is not None else APPEARS * other_gone


def _as_good(way: _Way, other: _Way) -> bool:
    """Whether one way is no dearer than the other, even if it has further to go to wherever the hands are seen next."""
    spare = other.cost - way.cost - CHANGE * (way.crossed != other.crossed)
    for place, last in zip(way.seen, other.seen, strict=True):
        if spare < 0:
            return False
        if place is not last:
            spare -= FARTHEST if place is None or last is None else _apart(place, last)
    return spare >= 0


def _apart(place: Place, last: Place) -> float:
    """Distance of two places, `FARTHEST` at most."""
    return min(dist(place, last), FARTHEST)


_cost = attrgetter("cost")


def _points(x: np.ndarray, hand: Group) -> np.ndarray:
    """Where the points of a hand are in the picture, `[T, P, 2]`; NaN in both coordinates where either is unknown or
    beyond all pictures."""
    columns = [[hand.column(point, axis) for axis in ("x", "y")] for point in hand.points]
    points = x[:, columns]
    return np.where((np.abs(points) < BEYOND).all(axis=2, keepdims=True), points, np.nan)


def _centres(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the points that are known, `[T, 2, P, 2]` -> `[T, 2, 2]`, and where there are any, `[T, 2]`."""
    known = ~np.isnan(points)
    count = known.sum(axis=2)
    return np.where(known, points, 0).sum(axis=2) / np.maximum(count, 1), count[..., 0] > 0


def _size(points: np.ndarray, centres: np.ndarray) -> float:
    """What a hand measures: twice its points' mean distance from their middle, the median over all detections."""
    spread, known = _mean_length(points - centres[:, :, None])
    return max(2 * float(np.median(spread[known])), 1e-9) if known.any() else 1.0


def _distance(points: np.ndarray) -> np.ndarray:
    """Mean distance of the points of one slot from those of the other, `[T]`; infinite where none is in both."""
    apart, known = _mean_length(points[:, 0] - points[:, 1])
    return np.where(known, apart, np.inf)


def _mean_length(ways: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean length of those of `ways [..., P, 2]` that are known, and whether any is, both `[...]`."""
    lengths = np.linalg.norm(ways, axis=-1)
    known = ~np.isnan(lengths)
    count = known.sum(axis=-1)
    return np.where(known, lengths, 0).sum(axis=-1) / np.maximum(count, 1), count > 0
