"""Both hands of a clip kept apart: which detection is which hand, where an extractor does not know.

An extractor of hands alone finds two hands in a picture and puts them into two slots as it pleases: the slots change
places within a clip, or both hold one and the same hand while the other is lost. Here the detections of all frames are
assigned to two tracks by the least movement over the whole clip (Viterbi 1967); a hand that is lost is missing (NaN).
A layout with a body is left alone: there the arms tell which hand is which.
"""

from math import hypot, inf, isnan

import numpy as np

from slrcli.features.layout import Group, Layout

ONE_HAND = 0.35  # mean distance of two detections' points, in sizes of a hand, below which they are the same hand
FARTHEST = 4.0  # in sizes of a hand: further movement between two frames costs no more
ARMS_CROSSED = 0.3  # cost of a frame in which the left hand is on the right, in sizes of a hand
CHANGE = 0.25  # cost of a change of slots between two frames, in sizes of a hand, so that none happens without need

Place = tuple[float, float]
NOWHERE: Place = (np.nan, np.nan)


def free_hands(layout: Layout) -> tuple[Group, Group] | None:
    """The two hands of a layout that has no body to tell them apart by; None where there are no such two."""
    hands = [group for group in layout.groups if group.kind == "hand"]
    if len(hands) != 2 or any(group.kind in ("pose", "face") for group in layout.groups):
        return None
    left, right = hands
    return (left, right) if (left.points, left.coordinates) == (right.points, right.coordinates) else None


def assign_hands(x: np.ndarray, layout: Layout) -> np.ndarray:
    """A clip with each hand in a slot of its own.

    The first hand of the layout is the one that is mostly further to the right in the picture: the left hand of a
    signer who faces a camera that does not mirror.

    Args:
        x: float32 `[T, D]`, NaN where a point is missing; not changed.
        layout: meaning of the columns.

    Returns:
        Float32 `[T, D]`; `x` itself where the layout has no two hands without a body, or nothing is to be done.
    """
    hands = free_hands(layout)
    if hands is None:
        return x
    points = np.stack([x[:, hand.start : hand.stop].reshape(len(x), len(hand.points), -1) for hand in hands], axis=1)
    crossed, lost = _tracks(points[..., :2])
    swapped = points[:, ::-1]
    tracks = np.where(crossed[:, None, None, None], swapped, points)
    tracks[lost] = np.nan
    y = x.copy()
    for slot, hand in enumerate(hands):
        y[:, hand.start : hand.stop] = tracks[:, slot].reshape(len(x), -1)
    return y


def changes(x: np.ndarray, layout: Layout) -> tuple[int, int]:
    """How often the slots of a clip `[T, D]` change places, and in how many frames both hold one hand."""
    hands = free_hands(layout)
    if hands is None:
        return 0, 0
    points = np.stack([x[:, hand.start : hand.stop].reshape(len(x), len(hand.points), -1) for hand in hands], axis=1)
    crossed, lost = _tracks(points[..., :2])
    apart = crossed[~lost.any(axis=1)]
    return int((apart[1:] != apart[:-1]).sum()), int((lost.sum(axis=1) & ~np.isnan(points).all((2, 3)).any(1)).sum())


def _tracks(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which slots go to which track.

    Args:
        points: positions in both slots, `[T, 2, P, 2]`.

    Returns:
        Frames whose slots are to change places, bool `[T]`; and tracks that have no hand, bool `[T, 2]`.
    """
    there = ~np.isnan(points).all(axis=(2, 3))
    centres = np.where(there[..., None], _means(points), np.nan)
    size = _size(points)
    together = there.all(axis=1) & (_distance(points) < ONE_HAND * size)
    crossed = np.array(_cheapest(centres.tolist(), there.tolist(), together.tolist(), size), bool)
    lost = ~np.where(crossed[:, None], there[:, ::-1], there)
    lost[together, np.where(crossed[together], 0, 1)] = True  # the one hand goes to the first track, or to the second
    return crossed, lost


def _cheapest(centres: list[list[Place]], there: list[list[bool]], together: list[bool], size: float) -> list[bool]:
    """The cheaper way through all frames of two: slots as they stand, or crossed.

    Each way remembers where it saw either hand last. A frame in which both slots hold one hand says which track that
    is: the first (as they stand) or the second (crossed).
    """
    ways = [(0.0, NOWHERE, NOWHERE), (0.0, NOWHERE, NOWHERE)]
    back: list[tuple[int, int]] = []
    free = True  # to change without a cost
    for places, seen, one in zip(centres, there, together, strict=True):
        found, came = [], []
        for way in (0, 1):
            first, second = (places[way], places[1 - way]) if not one else (places[0], places[0])
            has = (seen[way], seen[1 - way]) if not one else (way == 0, way == 1)
            best = (inf, NOWHERE, NOWHERE)
            origin = 0
            for before in (0, 1):
                cost, *last = ways[before]
                cost += CHANGE * (before != way and not free and not one)
                cost += _moved(first, last[0], size) * has[0] + _moved(second, last[1], size) * has[1]
                cost += ARMS_CROSSED * (has[0] and has[1] and first[0] < second[0])
                if cost < best[0]:
                    best = (cost, tuple(first) if has[0] else last[0], tuple(second) if has[1] else last[1])
                    origin = before
            found.append(best)
            came.append(origin)
        free = one
        ways = found
        back.append((came[0], came[1]))
    way = int(ways[1][0] < ways[0][0])
    path = []
    for came in reversed(back):
        path.append(bool(way))
        way = came[way]
    return path[::-1]


def _moved(place: Place, last: Place, size: float) -> float:
    """How far a hand has come since it was seen last, in sizes of a hand; nothing where it was never seen."""
    if isnan(last[0]) or isnan(place[0]):
        return 0.0
    return min(hypot(place[0] - last[0], place[1] - last[1]) / size, FARTHEST)


def _means(points: np.ndarray) -> np.ndarray:
    """Mean of the points that are there, `[T, 2, P, 2]` -> `[T, 2, 2]`."""
    known = ~np.isnan(points)
    return np.where(known, points, 0).sum(axis=2) / np.maximum(known.sum(axis=2), 1)


def _size(points: np.ndarray) -> float:
    """What a hand measures: twice its points' mean distance from their middle, the median over all detections."""
    away = np.linalg.norm(points - _means(points)[:, :, None], axis=3)
    known = ~np.isnan(away)
    count = known.sum(axis=2)
    spread = np.where(known, away, 0).sum(axis=2)[count > 0] / count[count > 0]
    return max(2 * float(np.median(spread)), 1e-9) if spread.size else 1.0


def _distance(points: np.ndarray) -> np.ndarray:
    """Mean distance of the points of one slot from those of the other, `[T]`; infinite where none is in both."""
    apart = np.linalg.norm(points[:, 0] - points[:, 1], axis=2)
    known = ~np.isnan(apart)
    count = known.sum(axis=1)
    return np.where(count > 0, np.where(known, apart, 0).sum(axis=1) / np.maximum(count, 1), np.inf)
