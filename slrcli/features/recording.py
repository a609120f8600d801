"""`Recording`: one clip as its file tells it; `fit` brings it into another layout, point by point, by name.

Points that both layouts name go over; the others are missing. Positions are turned between pixels and shares of the
picture (x by its width, y by its height), for which the size of the picture must be known. Depth goes over as it is:
extractors guess it, on a scale of their own. Visibility and confidence stand for each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from slrcli.errors import DataError
from slrcli.features.augment import derivatives
from slrcli.features.landmarks import zeros_to_nan
from slrcli.features.layout import Layout
from slrcli.features.layout.layout import CONFIDENCES, Group

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Recording:
    """One clip.

    Attributes:
        values: float32 `[T, D]`, NaN where a point is missing.
        layout: the meaning of the columns; None where the file does not say.
        fps: frames a second; 0 if unknown.
        size: width and height of the picture in pixels, if known.
        notes: what a person should know about how it was read.
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
    """The recording in `layout`; unchanged where its own layout is unknown or of the same columns.

    Raises:
        DataError: no point in common, or units that cannot be turned into each other.
    """
    own = recording.layout
    if own is None or same_columns(own, layout) or (layout.width == own.width and _meaningless(layout)):
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
            f"no point of layout {layout.name} is in the file, which has the points of {own.name}",
            where,
            "name a layout of the same extractor; slr layout lists them",
        )
    notes = recording.notes
    if taken < len(layout.point_names):
        notes += (f"{taken} of {len(layout.point_names)} points of {layout.name} are in the file; the others are NaN",)
    if layout.stored_derivatives:
        x = np.hstack([x, derivatives(x, layout.stored_derivatives)])
    return replace(recording, values=x, layout=layout, notes=notes)


def _meaningless(layout: Layout) -> bool:
    """Whether nothing is known about the columns, as in `generic_layout`."""
    return layout.name == f"generic-{layout.width}"


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
        what = f"{units[0]} cannot be turned into {units[1]}, the units of layout {layout.name}"
        raise DataError(what, where, "name a layout of the same units")
    if not size or not all(size):
        what = (
            f"the size of the picture is needed to turn {units[0]} units into {units[1]}, and the file does not say it"
        )
        raise DataError(what, where, "slr convert --size WIDTHxHEIGHT says it")
    extent = size["xy".index(coordinate)]
    return 1 / extent if units[1] == "image" else float(extent)
