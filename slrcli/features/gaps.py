"""Fills short gaps in a stream of frames, like `slrcli.features.recording` in a complete clip."""

import numpy as np

from slrcli.features.layout import Layout
from slrcli.features.recording import fill_gaps, prepare


class StreamingGaps:
    """Prepares a clip that arrives in parts: all results together equal `prepare` of the complete clip.

    A frame is returned once it is final. It waits while a point has just gone missing, until that point is seen again
    or has been missing for longer than `max_gap` frames; so for at most `max_gap` frames.

    Args:
        layout: of the columns.
        max_gap: longest gap that is filled, in frames; 0 fills nothing and never waits.
    """

    def __init__(self, layout: Layout, max_gap: int):
        self._layout, self._max_gap = layout, max_gap
        self._rows: np.ndarray | None = None  # those that wait, and before them those that a gap may begin after
        self._handed_on = 0  # so many of them

    def push(self, frames: np.ndarray) -> np.ndarray:
        """Add the next frames `[n, D]`; returns those that are now final, `[m, D]`."""
        found = prepare(frames, self._layout, 0)
        if not self._max_gap or not len(frames):
            return found
        rows = found if self._rows is None else np.concatenate([self._rows, found])
        return self._settled(rows, len(rows) - self._waiting(rows))

    def finish(self) -> np.ndarray:
        """End the stream; returns the frames that were still waiting."""
        if self._rows is None:
            return np.zeros((0, self._layout.width), np.float32)
        return self._settled(self._rows, len(self._rows))

    def _waiting(self, rows: np.ndarray) -> int:
        """Frames at the end that may yet be filled: the longest gap that is open and not too long."""
        missing = np.isnan(rows[:, : self._layout.positions])
        open_for = np.where(missing.all(axis=0), 0, missing[::-1].argmin(axis=0))
        return int(open_for[open_for <= self._max_gap].max(initial=0))

    def _settled(self, rows: np.ndarray, stop: int) -> np.ndarray:
        """The rows up to `stop` that were not handed on yet, filled; those after them wait."""
        filled = rows.copy()
        filled[:, : self._layout.positions] = fill_gaps(rows[:, : self._layout.positions], self._max_gap)
        found = filled[self._handed_on : stop]
        kept = max(0, stop - self._max_gap - 1)
        self._rows, self._handed_on = rows[kept:], stop - kept
        return found
