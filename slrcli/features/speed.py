"""The speed of movement of a clip, frame by frame."""

from collections.abc import Sequence

import numpy as np

from slrcli.features.layout import Layout
from slrcli.features.layout.layout import Group


def speed(x: np.ndarray, layout: Layout, groups: Sequence[Group] = ()) -> np.ndarray:
    """Mean movement of the points since the previous frame, `[T]`; 0 in the first frame and where nothing is seen.

    Spatial points (only those in `keep`, if given) are measured in the layout's units, columns of unknown meaning in
    standard deviations.

    Args:
        x: positions `[T, positions]`, NaN where missing.
        layout: what the columns mean.
        groups: groups of the layout; empty: all of them.
    """
    if len(x) < 2:
        return np.zeros(len(x), np.float32)
    steps = np.concatenate([_steps(x, group, layout) for group in groups or layout.groups], axis=1)
    seen = ~np.isnan(steps)
    total = np.where(seen, steps, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return np.concatenate([[0.0], total]).astype(np.float32)


def _steps(x: np.ndarray, group: Group, layout: Layout) -> np.ndarray:
    """Distances from frame to frame `[T - 1, points]` of one group."""
    own = x[:, group.start : group.stop].astype(np.float64)  # the square of a float32 may be too large for one
    own = own.reshape(len(x), len(group.points), len(group.coordinates))
    if not group.spatial:
        seen = ~np.isnan(own)
        count = np.maximum(seen.sum(axis=0), 1)
        mean = np.where(seen, own, 0).sum(axis=0) / count
        spread = np.sqrt(np.where(seen, (own - mean) ** 2, 0).sum(axis=0) / count)
        own = own / np.where(spread > 0, spread, 1)
        return np.abs(np.diff(own, axis=0)).reshape(len(x) - 1, -1)
    points = [group.index(name) for name in group.keep or group.points]
    axes = [group.coordinates.index(name) for name in layout.measured_axes if name in group.coordinates]
    return np.sqrt((np.diff(own[:, points][:, :, axes], axis=0) ** 2).sum(axis=2))
