"""`Recording`: one clip as read from its file; `fit` converts it to another layout, point by point, by name.

Points that both layouts name are copied; the others are missing. Positions are converted between pixels and fractions
of the picture (x of its width, y of its height), which needs the picture's size. Depth is copied as it is: extractors
estimate it on a scale of their own. Visibility and confidence are interchangeable.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from slrcli.errors import DataError
from slrcli.features.augment import derivatives
from slrcli.features.hands import assign_hands
from slrcli.features.layout import Layout
from slrcli.features.layout.layout import CONFIDENCES, Group
from slrcli.features.rate import at_pace

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Recording:
    """One clip.

    Attributes:
        values: float32 `[T, D]`, NaN where a point is missing.
        layout: the meaning of the columns; None if the file does not say.
        fps: frames per second; 0 if unknown.
        size: width and height of the picture in pixels, if known.
        notes: remarks for the user on how it was read.
    """

    values: np.ndarray
    layout: Layout | None = None
    fps: float = 0.0
    size: Size | None = None
    notes: tuple[str, ...] = ()


def same_columns(one: Layout, other: Layout) -> bool:
    """Whether arrays of both layouts mean the same, column by column."""
    return (one.units, one.stored_derivatives) == (other.units, other.stored_derivatives) and [
        (group.name, group.points, group.coordinates) for group in one.groups
    ] == [(group.name, group.points, group.coordinates) for group in other.groups]


def fit(recording: Recording, layout: Layout, where: str = "") -> Recording:
    """The recording in `layout`; unchanged if its own layout is unknown or has the same columns.

    Raises:
        DataError: the layouts have no common point, or the units cannot be converted.
    """
    own = recording.layout
    if own is None or same_columns(own, layout) or (layout.width == own.width and layout.meaningless):
        return replace(recording, layout=layout)
    values = zeros_to_nan(recording.values, own) if own.zero_is_missing else recording.values
    x = np.full((len(values), layout.positions), np.nan, np.float32)
    taken = 0
    for group in layout.groups:
        source = own.by_name.get(group.name)
        if source is None:
            continue
        places = [(source.index(p), group.index(p)) for p in group.points if p in source.points]
        taken += len(places)
        if not places:
            continue
        here, there = map(list, zip(*places, strict=True))
        points = values[:, source.start : source.stop].reshape(len(x), len(source.points), -1)[:, here]
        target = x[:, group.start : group.stop].reshape(len(x), len(group.points), -1)
        for index, found in _coordinates(points, source, group):
            target[:, there, index] = found * _factor(
                group.coordinates[index], source, own.units, recording.size, layout, where
            )
    if not taken:
        raise DataError(
            f"The file has the points of {own.name}, and none of layout {layout.name}.",
            where,
            "Name a layout of the same extractor; slr layout lists the layouts.",
        )
    notes = recording.notes
    if taken < len(layout.point_names):
        notes += (f"{taken} of {len(layout.point_names)} points of {layout.name} are in the file; the others are NaN.",)
    if layout.stored_derivatives:
        x = np.hstack([x, derivatives(x, layout.stored_derivatives)])
    return replace(recording, values=x, layout=layout, notes=notes)


def _coordinates(points: np.ndarray, source: Group, group: Group) -> Iterator[tuple[int, np.ndarray]]:
    """The coordinates that `group` wants of `points [T, P, C]`: their places and, where there are any, values `[T, P]`.

    A confidence that the source does not give is 1 where the point was seen.
    """
    for index, name in enumerate(group.coordinates):
        if name in source.coordinates:
            yield index, points[..., source.coordinates.index(name)]
        elif name in CONFIDENCES:
            given = [source.coordinates.index(other) for other in CONFIDENCES if other in source.coordinates]
            seen = np.where(np.isnan(points).any(axis=2), np.float32(np.nan), np.float32(1))
            yield index, points[..., given[0]] if given else seen


def _factor(
    coordinate: str, source: Group, own_units: str, size: tuple[int, int] | None, layout: Layout, where: str
) -> float:
    """What turns a coordinate from the recording's units into the layout's."""
    units = own_units, layout.units
    if units[0] == units[1] or not source.spatial or coordinate not in ("x", "y"):
        return 1.0
    if set(units) != {"image", "pixels"}:
        what = f"The units {units[0]} cannot be converted to {units[1]}, the units of layout {layout.name}."
        raise DataError(what, where, "Name a layout with the same units.")
    if not size or not all(size):
        what = f"To convert {units[0]} to {units[1]} units, the picture size is needed, which the file does not say."
        raise DataError(what, where, "Give it with slr convert --size WIDTHxHEIGHT.")
    extent = size["xy".index(coordinate)]
    return 1 / extent if units[1] == "image" else float(extent)


MAX_GAP = 5  # frames; what moves for longer than this unseen is not on a straight line


def prepare(
    x: np.ndarray, layout: Layout, max_gap: int = MAX_GAP, hands: bool = False, factor: float = 1.0
) -> np.ndarray:
    """A clip with NaN where a point is missing, and short gaps filled.

    A point is missing if it is NaN or infinite, or if all its coordinates are exactly zero and the layout says that
    zero means missing. Gaps of at most `max_gap` frames between two seen frames are interpolated linearly, each column
    by itself; stored derivatives are left as they are.

    Args:
        x: float32 `[T, D]`; not changed, and returned itself if nothing is missing.
        layout: meaning of the D columns.
        max_gap: longest gap that is filled, in frames; 0 fills nothing.
        hands: first put each hand into a slot of its own, if the layout has no body (`assign_hands`).
        factor: frames per frame of the result, before gaps are filled (`rate.pace`).

    Returns:
        Float32 `[T, D]`; with another factor than 1, `[T', D]`.

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
    if finite.all():
        return at_pace(x, factor, layout)
    x = at_pace(np.where(finite, x, np.float32(np.nan)), factor, layout)
    if max_gap > 0:
        _close_gaps(x[:, : layout.positions], max_gap)
    return x


def fill_gaps(x: np.ndarray, max_gap: int) -> np.ndarray:
    """`x [T, N]` with every run of at most `max_gap` NaN between seen values of a column interpolated linearly."""
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
    """`x` with NaN in all coordinates of points that are exactly zero; a copy only if there are any."""
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
