"""Frame rates: a clip of one rate read at another, linearly in time, and streams alike.

Frame i of a clip lies at i / fps seconds, so the first frame keeps its place. What is missing stays missing: beside a
gap the nearer frame counts, as in `augment.read_at`.
"""

from collections import deque
from collections.abc import Iterable
from math import floor
from statistics import median_low

import numpy as np

from slrcli.features.augment import read_at
from slrcli.features.layout import Layout

SAME = 0.02  # relative difference up to which two rates count as one: 29.97 and 30, or what a container rounds
EDGE = 1e-6  # frames by which a moment may lie beyond the last frame, from rounding


def pace(fps: float, to: float) -> float:
    """Frames of a clip of `fps` per frame at the rate `to`; 1 if either is unknown (0) or they count as one rate."""
    if fps <= 0 or to <= 0 or abs(fps - to) <= SAME * to:
        return 1.0
    return fps / to


def frames_at(frames: int, factor: float) -> int:
    """Number of frames that `at_pace` makes of a clip."""
    return frames if factor == 1 else floor((frames - 1) / factor + EDGE) + 1


def at_pace(x: np.ndarray, factor: float, layout: Layout) -> np.ndarray:
    """A clip `[T, D]` read at every `factor`-th frame, `[T', D]`; itself for a factor of 1.

    Args:
        x: float32, NaN where a point is missing.
        factor: see `pace`.
        layout: of the columns; stored differences over time become those of the new rate.
    """
    if factor == 1 or not len(x):
        return x
    at = np.minimum(np.arange(frames_at(len(x), factor)) * factor, len(x) - 1)
    nearest = np.round(at)
    y = read_at(x, np.where(np.abs(at - nearest) < EDGE, nearest, at))
    _scale(y, factor, layout)
    return y


def _scale(y: np.ndarray, factor: float, layout: Layout) -> None:
    """Stored differences from frame to frame, in place: a step of the new rate is `factor` old ones long."""
    for order in range(1, layout.stored_derivatives + 1):
        y[:, order * layout.positions : (order + 1) * layout.positions] *= np.float32(factor**order)


def usual_rate(rates: Iterable[float]) -> float:
    """The median of the known rates; 0 if none is known."""
    known = [rate for rate in rates if rate > 0]
    return median_low(known) if known else 0.0


class RunningPace:
    """`at_pace` for frames that arrive in parts: the same rows, each as soon as it is certain.

    Args:
        factor: see `pace`.
        layout: of the columns; rows may lack the stored differences.
    """

    def __init__(self, factor: float, layout: Layout):
        self._factor, self._layout = factor, layout
        self._kept: deque[np.ndarray] = deque()  # frames from `_first` on
        self._first = self._given = 0

    def push(self, frames: np.ndarray) -> np.ndarray:
        """The rows `[m, D]` that the next frames `[n, D]` make certain."""
        self._kept.extend(frames)
        came = self._first + len(self._kept)
        ready = frames_at(came, self._factor) if came else 0
        if ready <= self._given:
            return frames[:0]
        at = np.minimum(np.arange(self._given, ready) * self._factor, came - 1)
        nearest = np.round(at)
        at = np.where(np.abs(at - nearest) < EDGE, nearest, at)
        y = read_at(np.stack(self._kept), at - self._first)
        _scale(y, self._factor, self._layout)
        self._given = ready
        for _ in range(min(floor(ready * self._factor) - self._first, len(self._kept) - 1)):
            self._kept.popleft()
            self._first += 1
        return y
