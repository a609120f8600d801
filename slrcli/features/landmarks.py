"""What is missing in a clip, said as NaN, and short gaps closed.

Extractors lose a hand for a frame or two all the time, and some write zeros where they saw nothing. This is done once
a clip, before augmentation and before the network's frontend, which does all normalising.
"""

import numpy as np

from slrcli.features.hands import assign_hands
from slrcli.features.layout import Layout
from slrcli.features.layout.layout import Group

MAX_GAP = 5  # frames; what moves for longer than this unseen is not on a straight line


def prepare(x: np.ndarray, layout: Layout, max_gap: int = MAX_GAP, hands: bool = False) -> np.ndarray:
    """A clip with NaN where a point is missing, and short gaps filled.

    A point is missing where it is NaN or infinite, and where all its coordinates are exactly zero if the layout says
    that zero means missing. Gaps of at most `max_gap` frames between two seen frames are filled on a straight line,
    each column by itself; stored derivatives are left as they are.

    Args:
        x: float32 `[T, D]`; not changed, but returned as it is where nothing is missing.
        layout: meaning of the D columns.
        max_gap: frames; 0 fills nothing.
        hands: put each hand into a slot of its own first, where the layout has no body (`assign_hands`).

    Returns:
        Float32 `[T, D]`.

    Raises:
        ValueError: D is not the layout's width.
    """
    if x.ndim != 2 or x.shape[1] != layout.width:
        raise ValueError(f"features of shape {x.shape} do not fit layout {layout.name} with {layout.width} columns")
    if layout.zero_is_missing:
        x = zeros_to_nan(x, layout)
    if hands:
        x = assign_hands(x, layout)
    finite = np.isfinite(x)
    if not finite.all():
        x = np.where(finite, x, np.float32(np.nan))
        if max_gap > 0:
            _close_gaps(x[:, : layout.positions], max_gap)
    return x


def fill_gaps(x: np.ndarray, max_gap: int) -> np.ndarray:
    """`x [T, N]` with every run of at most `max_gap` NaN in a column, seen before and after, replaced by a line."""
    filled = x.copy()
    _close_gaps(filled, max_gap)
    return filled


def _close_gaps(x: np.ndarray, max_gap: int) -> None:
    """`fill_gaps` in place. Work is done where a column turns from seen to missing or back, which is rare."""
    missing = np.isnan(x)
    columns = np.flatnonzero(missing.any(axis=0))
    if not columns.size or len(x) < 3:
        return
    missing = np.ascontiguousarray(missing[:, columns].T)  # [columns, T]: a column's turns lie one after the other
    column, last = np.divmod(np.flatnonzero(missing[:, 1:] != missing[:, :-1]), len(x) - 1)
    opens = missing[column[:-1], last[:-1] + 1]  # turns after whose frame `last` a column goes missing
    length = last[1:] - last[:-1]
    short = np.flatnonzero(opens & (column[1:] == column[:-1]) & (length <= max_gap))
    length = length[short]
    run = np.repeat(short, length)  # of every frame that is filled
    step = np.arange(1, len(run) + 1) - np.repeat(length.cumsum() - length, length)
    before, after, column = last[run], last[run + 1] + 1, columns[column[run]]
    weight = (step / (after - before)).astype(x.dtype)
    x[before + step, column] = (1 - weight) * x[before, column] + weight * x[after, column]


def missing_share(x: np.ndarray, group: Group) -> float:
    """Share of a group's points that are missing (any coordinate NaN) over a prepared clip `x [T, D]`, 0 to 1."""
    points = x[:, group.start : group.stop].reshape(len(x), len(group.points), len(group.coordinates))
    return float(np.isnan(points).any(axis=2).mean())


def zeros_to_nan(x: np.ndarray, layout: Layout) -> np.ndarray:
    """`x` with NaN in all coordinates of points that lie exactly at zero; a copy only where there are any."""
    fresh = False
    for group in layout.groups:
        own = x[:, group.start : group.stop]
        step = len(group.coordinates)
        zero = own[:, ::step] == 0  # [T, P], the first coordinate; the others are looked at only where it is zero
        if not zero.any():
            continue
        for i in range(1, step):
            zero &= own[:, i::step] == 0
        if zero.any():
            x, fresh = (x if fresh else x.copy()), True
            x[:, group.start : group.stop][np.repeat(zero, step, axis=1)] = np.nan
    return x
