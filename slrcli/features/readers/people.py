"""Finds the signer among several people: the largest person, followed from frame to frame.

Place and size of a person are quantiles over the points of the body and medians over time, so that one stray point or
one bad frame decides nothing. What is left of the signer is cleaned of points that leap away from the body.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from slrcli.errors import DataError

PEOPLE = ("largest", "error")
REACH = 1.0  # how far a person's middle may go from one frame to the next, in sizes of the person
RESIZED = 0.5  # cost of a person who becomes e times as large from one frame to the next, in sizes of the person
INNER = 0.2, 0.8  # quantiles between which a person is measured
FEW = 4  # points of the body, below which all points of a person are measured
LEAP, AROUND = 1.0, 3  # sizes of the person from where the point was within so many frames before and after
UNUSUAL = 4.0  # times the point's own usual distance from there: a fast point at few frames per second does not leap
BLOCK = 1024  # frames that are looked at together
SEEN_AROUND = 3  # frames of these that must show a point before it can be called out of place


class Place(NamedTuple):
    """Where a person is in a frame: the middle, and the size; 0 for a person of whom nothing is seen."""

    middle: np.ndarray
    size: float


def choose_track(tracks: np.ndarray, people: str, path: Path, body: slice = slice(None)) -> tuple[int, tuple[str, ...]]:
    """The signer among people with a fixed place in the file, and a note if there was a choice.

    Args:
        tracks: `[T, N, P, C]`, x and y first, NaN where missing.
        people: `largest` or `error`.
        path: of the file.
        body: the points by which people are measured.

    Raises:
        DataError: nobody is seen, or several people are and `people` is `error`.
    """
    sizes = [_weight(places_of(tracks[:, n], body)[1]) for n in range(tracks.shape[1])]
    seen = int((np.array(sizes) > 0).sum())
    if not seen:
        raise nobody(path)
    return int(np.argmax(sizes)), _several(seen, people, path)


def follow(
    frames: Sequence[Sequence[np.ndarray]], people: str, path: Path, body: slice = slice(None)
) -> tuple[list[int | None], tuple[str, ...]]:
    """The signer of each frame, if people have no fixed place in the file; None if the signer is not seen.

    Everybody is followed from frame to frame, within the distance of one person's size. The signer is the one with the
    largest product of median size and number of frames.

    Args:
        frames: for each frame its people, each `[P, C]`, x and y first, NaN where missing.
        people: `largest` or `error`.
        path: of the file.
        body: the points by which people are measured.
    """
    everybody = [person for frame in frames for person in frame]
    found = map(Place, *places_of(np.stack(everybody), body)) if everybody else iter(())
    places = [[next(found) for _ in frame] for frame in frames]
    most = max((len([place for place in frame if place.size > 0]) for frame in places), default=0)
    if not most:
        raise nobody(path)
    notes = _several(most, people, path)
    best = max(_tracks(places), key=lambda track: _weight([places[t][n].size for t, n in track.items()]))
    return [best.get(t) for t in range(len(frames))], notes


def without_leaps(person: np.ndarray, body: slice = slice(None)) -> tuple[np.ndarray, tuple[str, ...]]:
    """The signer without points that leap away from the body and come back, and a note of how many there were.

    A point is refused if it is further than the size of the person from where it is in the frames around, both
    relative to the middle of the person, and much further than it usually is. Hands do not come so far in so short a
    time.

    Args:
        person: `[T, P, C]`, x and y first, NaN where missing; not changed.
        body: the points by which the person is measured.
    """
    middles, sizes = places_of(person, body)
    if not sizes.any():
        return person, ()
    limit = LEAP * float(np.median(sizes[sizes > 0]))
    far = np.concatenate([_far(person, middles, start) for start in range(0, len(person), BLOCK)])
    leaps = (far > limit) & (far > UNUSUAL * _median(far.T))
    if not leaps.any():
        return person, ()
    cleaned = person.copy()
    cleaned[leaps] = np.nan
    count, where = int(leaps.sum()), int(leaps.any(axis=1).sum())
    points = "1 point leaps" if count == 1 else f"{count:,} points leap"
    frames = "1 frame" if where == 1 else f"{where:,} frames"
    return cleaned, (f"{points} away from the body in {frames}: left out as not seen.",)


def _far(person: np.ndarray, middles: np.ndarray, start: int) -> np.ndarray:
    """How far points are from where they are in the frames around, both relative to the middle of the person.

    `[BLOCK, P]` from the frame `start` on, NaN where either is not known: windows take many times as much memory as
    what they lie over.
    """
    first, last = max(0, start - AROUND), min(len(person), start + BLOCK + AROUND)
    relative = person[first:last, :, :2].astype(np.float64) - middles[first:last, None]
    missing = AROUND - (start - first), AROUND - (last - min(len(person), start + BLOCK))
    padded = np.pad(relative, (missing, (0, 0), (0, 0)), constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1, axis=0)  # [BLOCK, P, 2, window]
    usual = _median(np.delete(around, AROUND, axis=-1))
    return np.linalg.norm(padded[AROUND : len(padded) - AROUND] - usual, axis=2)


def nobody(path: Path) -> DataError:
    """The error for a file without any person."""
    return DataError("Nobody was seen in any frame.", path, "Extract the clip again, or leave it out.")


def _tracks(places: Sequence[Sequence[Place]]) -> list[dict[int, int]]:
    """Everybody who is seen, as their number by frame; the nearest pairs of last and new place are joined first."""
    tracks: list[dict[int, int]] = []
    last: list[Place] = []
    for t, frame in enumerate(places):
        seen = {n: place for n, place in enumerate(frame) if place.size > 0}
        steps = [
            (step, which, n)
            for which, before in enumerate(last)
            for n, place in seen.items()
            if (step := _step(before, place)) is not None
        ]
        taken: set[int] = set()
        for _, which, n in sorted(steps):
            if n in seen and which not in taken:
                taken.add(which)
                tracks[which][t], last[which] = n, seen.pop(n)
        for n, place in seen.items():
            tracks.append({t: n})
            last.append(place)
    return tracks


def _step(before: Place, now: Place) -> float | None:
    """How unlikely it is that this is the same person, in sizes; None if it is too far."""
    far = float(np.linalg.norm(now.middle - before.middle))
    if far > REACH * before.size:
        return None
    return far / before.size + RESIZED * abs(float(np.log(now.size / before.size)))


def _weight(sizes: Sequence[float] | np.ndarray) -> float:
    """What makes a person the signer: median size times the number of frames that show the person."""
    seen = [size for size in sizes if size > 0]
    return float(np.median(seen)) * len(seen) if seen else 0.0


def _several(seen: int, people: str, path: Path) -> tuple[str, ...]:
    if seen == 1:
        return ()
    if people == "error":
        raise DataError(f"There are {seen} people in the picture.", path, "Take the largest with --people largest.")
    return (f"There are {seen} people in the picture: the largest was taken.",)


def places_of(persons: np.ndarray, body: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
    """Medians `[N, 2]` and sizes `[N]` of what is seen of the body of persons `[N, P, C]`.

    Of persons of whose body too little is seen, all points count; size and median of nobody are 0.
    """
    xy = persons[..., :2].astype(np.float64)
    known = np.isfinite(xy.sum(axis=2))
    own = np.zeros_like(known)
    own[:, body] = known[:, body]
    counted = np.where(own.sum(axis=1, keepdims=True) >= FEW, own, known)
    count = counted.sum(axis=1)
    ordered = np.sort(np.where(counted[..., None], xy, np.nan), axis=1)  # NaN comes last
    low, middle, high = (_quantile(ordered, count, share) for share in (INNER[0], 0.5, INNER[1]))
    sizes = np.linalg.norm(high - low, axis=1) / (INNER[1] - INNER[0])
    seen = count > 0
    return np.where(seen[:, None], middle, 0.0), np.where(seen, np.where(sizes > 0, sizes, 1e-6), 0.0)


def _quantile(ordered: np.ndarray, count: np.ndarray, share: float) -> np.ndarray:
    """The quantiles `[N, 2]` of the first `count` of ordered values `[N, P, 2]`, interpolated."""
    place = np.maximum(count - 1, 0) * share
    first = place.astype(int)
    second = np.minimum(first + 1, np.maximum(count - 1, 0))
    low, high = (np.take_along_axis(ordered, at[:, None, None], axis=1)[:, 0] for at in (first, second))
    return low + (high - low) * (place - first)[:, None]


def _median(values: np.ndarray) -> np.ndarray:
    """Median over the last axis, without what is missing; NaN where fewer than `SEEN_AROUND` values are known."""
    ordered = np.sort(values, axis=-1)  # NaN comes last
    count = (~np.isnan(values)).sum(axis=-1, keepdims=True)
    middle = [np.take_along_axis(ordered, np.maximum(at, 0), axis=-1) for at in ((count - 1) // 2, count // 2)]
    return np.where(count >= SEEN_AROUND, (middle[0] + middle[1]) / 2, np.nan)[..., 0]
