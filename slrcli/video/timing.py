"""Resamples frames with uneven times to a constant frame rate."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

import numpy as np

LONGEST_GAP = 0.5  # seconds; what moves unseen for longer is not on a straight line
EARLY = 1.01  # of the wanted step: by so much the times of a container are rounded
UNEVEN = 1.5  # steps that differ from the usual one by more than this factor make the frame rate variable


class Evenly:
    """Rows at a constant frame rate, from rows with times, by linear interpolation between the two nearest in time.

    If one of the two lacks a point, the nearer one is taken; within longer gaps everything is missing.

    Args:
        fps: rows per second of the result.
    """

    def __init__(self, fps: float):
        self.fps = fps
        self._count = 0  # rows given so far; the next stands for _count / fps
        self._last: tuple[float, np.ndarray] | None = None

    def push(self, time: float, row: np.ndarray) -> np.ndarray:
        """The rows `[n, ...]` that a new input row makes final.

        Args:
            time: seconds since the beginning, later than the previous one.
            row: float32, of any shape.
        """
        if self._last is None:
            self._count = max(self._count, int(np.ceil(time * self.fps - 1e-6)))
        before, start = self._last or (time, row)
        self._last = time, row
        out = []
        while self._count / self.fps <= time + 1e-6:
            out.append(_between(before, start, time, row, self._count / self.fps))
            self._count += 1
        return np.stack(out) if out else np.empty((0, *row.shape), row.dtype)


def _between(t0: float, a: np.ndarray, t1: float, b: np.ndarray, time: float) -> np.ndarray:
    weight = np.float32((time - t0) / (t1 - t0)) if t1 > t0 else np.float32(1)
    if 1e-4 < weight < 1 - 1e-4:
        if t1 - t0 > LONGEST_GAP:
            return np.full_like(a, np.nan)
        line = (1 - weight) * a + weight * b
        return np.where(np.isnan(line), a if weight < 0.5 else b, line)
    return a if weight < 0.5 else b


class Timed(Protocol):
    """Anything with the second at which it is shown."""

    @property
    def time(self) -> float:
        """Seconds since the beginning."""


Item = TypeVar("Item", bound=Timed)


def thinned(frames: Iterable[Item], fps: float) -> Iterator[Item]:
    """As few of the frames as leave `fps` of them per second, by their times alone; the first and the last are kept.

    A frame is left out if those on either side that stay are no further apart than the wanted step. 0: all frames.
    """
    step = EARLY / fps if fps else 0.0
    kept: float | None = None
    waiting: Item | None = None
    for frame in frames:
        if waiting is not None and (kept is None or frame.time - kept > step):
            yield waiting
            kept = waiting.time
        waiting = frame
    if waiting is not None:
        yield waiting


def frame_rate(times: np.ndarray) -> float:
    """Frames per second of `times [T]` in seconds; 0 for a single frame."""
    return (len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0


def variation(times: np.ndarray) -> str:
    """The range of the time steps of a variable frame rate; "" for an even one."""
    steps = np.diff(times)
    if len(steps) < 2:
        return ""
    usual = float(np.median(steps))
    if steps.max() <= UNEVEN * usual and steps.min() >= usual / UNEVEN:
        return ""
    return f"{1000 * steps.min():.0f} to {1000 * steps.max():.0f} ms from frame to frame"
