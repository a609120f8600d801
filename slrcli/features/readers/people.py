"""Finds the signer among several people: the largest person, followed from frame to frame."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from slrcli.errors import DataError

PEOPLE = ("largest", "error")
REACH = 1.0  # how far a person's middle may go from one frame to the next, in sizes of the person


def choose_track(tracks: np.ndarray, people: str, path: Path) -> tuple[int, tuple[str, ...]]:
    """The signer among people with a fixed place in the file, and a note if there was a choice.

    Args:
        tracks: `[T, N, P, C]`, x and y first, NaN where missing.
        people: `largest` or `error`.

    Raises:
        DataError: nobody is seen, or several people are and `people` is `error`.
    """
    sizes = np.array([sum(_box(frame)[1] for frame in tracks[:, n]) for n in range(tracks.shape[1])])
    seen = int((sizes > 0).sum())
    if not seen:
        raise nobody(path)
    return int(sizes.argmax()), _several(seen, people, path)


def follow(frames: Sequence[Sequence[np.ndarray]], people: str, path: Path) -> tuple[list[int | None], tuple[str, ...]]:
    """The signer of each frame, if people have no fixed place in the file; None if the signer is not seen.

    The largest person of all frames is followed in both directions: to the nearest person in the next frame, within the
    distance of one person's size.

    Args:
        frames: for each frame its people, each `[P, C]`, x and y first, NaN where missing.
    """
    boxes = [[_box(person) for person in frame] for frame in frames]
    most = max((len([box for box in frame if box[1] > 0]) for frame in boxes), default=0)
    if not most:
        raise nobody(path)
    notes = _several(most, people, path)
    sizes = {(t, n): box[1] for t, frame in enumerate(boxes) for n, box in enumerate(frame)}
    start, first = max(sizes, key=sizes.__getitem__)
    chosen: list[int | None] = [None] * len(frames)
    chosen[start] = first
    for order in (range(start + 1, len(frames)), range(start - 1, -1, -1)):
        centre, size = boxes[start][first]
        for t in order:
            far = {n: np.linalg.norm(box[0] - centre) for n, box in enumerate(boxes[t]) if box[1] > 0}
            near = min(far, key=far.__getitem__, default=None)
            if near is not None and far[near] <= REACH * size:
                chosen[t] = near
                centre, size = boxes[t][near]
    return chosen, notes


def nobody(path: Path) -> DataError:
    """The error for a file without any person."""
    return DataError("Nobody was seen in any frame.", path, "Extract the clip again, or leave it out.")


def _several(seen: int, people: str, path: Path) -> tuple[str, ...]:
    if seen == 1:
        return ()
    if people == "error":
        raise DataError(f"There are {seen} people in the picture.", path, "Take the largest with --people largest.")
    return (f"There are {seen} people in the picture: the largest was taken.",)


def _box(person: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle and diagonal of what is seen of a person `[P, C]`; 0 for the diagonal where that is nothing."""
    xy = person[:, :2].astype(np.float64)
    xy = xy[np.isfinite(xy).all(axis=1)]
    if not len(xy):
        return np.zeros(2), 0.0
    low, high = xy.min(axis=0), xy.max(axis=0)
    return (low + high) / 2, float(np.linalg.norm(high - low)) or 1e-6
