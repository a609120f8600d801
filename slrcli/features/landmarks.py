"""What is missing in a clip, said as NaN, and short gaps closed.

Extractors lose a hand for a frame or two all the time, and some write zeros where they saw nothing. This is done once
a clip, before augmentation and before the network's frontend, which does all normalising.
"""

import numpy as np

from slrcli.features.layout import Group, Layout

MAX_GAP = 5  # frames; what moves for longer than this unseen is not on a straight line


def prepare(x: np.ndarray, layout: Layout, max_gap: int = MAX_GAP) -> np.ndarray:
    """A clip with NaN where a point is missing, and short gaps filled.

    A point is missing where it is NaN or infinite, and where all its coordinates are exactly zero if the layout says
    that zero means missing. Gaps of at most `max_gap` frames between two seen frames are filled on a straight line,
    each column by itself; stored derivatives are left as they are.

    Args:
        x: float32 `[T, D]`; not changed, but returned as it is where nothing is missing.
        layout: meaning of the D columns.
        max_gap: frames; 0 fills nothing.

    Returns:
        Float32 `[T, D]`.

    Raises:
        ValueError: D is not the layout's width.
    """
    if x.ndim != 2 or x.shape[1] != layout.width:
        raise ValueError(f"features of shape {x.shape} do not fit layout {layout.name} with {layout.width} columns")
    if layout.zero_is_missing:
        x = zeros_to_nan(x, layout)
    if not np.isfinite(x).all():
        x = np.where(np.isfinite(x), x, np.float32(np.nan))
        if max_gap > 0:
            x[:, : layout.positions] = fill_gaps(x[:, : layout.positions], max_gap)
    return x


def fill_gaps(x: np.ndarray, max_gap: int) -> np.ndarray:
    """`x [T, N]` with every run of at most `max_gap` NaN in a column, seen before and after, replaced by a line."""
    columns = np.flatnonzero(np.isnan(x).any(axis=0))
    if not columns.size:
        return x
    part = x[:, columns]
    frames = np.arange(len(x))[:, None]
    missing = np.isnan(part)
    before = np.maximum.accumulate(np.where(missing, -1, frames), axis=0)
    after = np.minimum.accumulate(np.where(missing, len(x), frames)[::-1], axis=0)[::-1]
    short = missing & (before >= 0) & (after < len(x)) & (after - before - 1 <= max_gap)
    t, column = np.nonzero(short)
    start, stop = before[t, column], after[t, column]
    weight = ((t - start) / (stop - start)).astype(x.dtype)
    part[t, column] = (1 - weight) * part[start, column] + weight * part[stop, column]
    filled = x.copy()
    filled[:, columns] = part
    return filled


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
