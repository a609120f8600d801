"""`Group`: points that stand side by side in the columns of a feature array, read from a table of a layout file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from slrcli.errors import DataError
from slrcli.features.layout.values import among, known_keys, names, nearest, twice, typed

KINDS = ("pose", "hand", "face", "features")
AXES = ("x", "y", "z")
CONFIDENCES = ("visibility", "confidence")  # said about a point, no part of its position
MOST_POINTS = 100_000  # that a count makes
GROUP_KEYS = ("name", "kind", "coordinates", "points", "count", "start", "anchor", "keep", "mirror", "limbs")


@dataclass(frozen=True)
class Group:
    """Points that belong together, point after point, each with the same coordinates.

    Attributes:
        name: such as `left_hand`.
        kind: `pose`, `hand`, `face` or `features`.
        points: names of the points, unique within the group.
        coordinates: of each point, such as `("x", "y", "z", "visibility")`.
        start: first column.
        anchor: points whose mean is the group's origin; empty: the body's.
        keep: points worth looking at; empty: all.
    """

    name: str
    kind: str
    points: tuple[str, ...]
    coordinates: tuple[str, ...]
    start: int = 0
    anchor: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.points) * len(self.coordinates)

    @property
    def stop(self) -> int:
        """The column after the last one."""
        return self.start + self.width

    @property
    def columns(self) -> range:
        """All columns of the group."""
        return range(self.start, self.stop)

    @property
    def axes(self) -> tuple[str, ...]:
        """The coordinates that say where a point is (for `features`: all of them), without its confidence."""
        return tuple(name for name in self.coordinates if name not in CONFIDENCES)

    @property
    def spatial(self) -> bool:
        """Whether the points lie in a plane or in space, so that moving and turning them means something."""
        return self.kind != "features"

    def index(self, point: str) -> int:
        """Place of a point within the group; ValueError if it is not there."""
        if point not in self._places:
            raise ValueError(f"group {self.name!r} has no point {point!r}")
        return self._places[point]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {point: place for place, point in enumerate(self.points)}

    def column(self, point: str, coordinate: str) -> int:
        """Column of one coordinate of one point; ValueError if there is none."""
        return self.start + self.index(point) * len(self.coordinates) + self.coordinates.index(coordinate)


def read_group(row: dict, known: Mapping[str, Group], start: int, where: str) -> Group:
    """A group from its table; one of the same name among the `known` groups gives what the table does not say."""
    name = typed(row, "name", str, "", where)
    place = f"{where}, group {name!r}"
    known_keys(row, GROUP_KEYS, place)
    like = known.get(name)
    points = names(row, "points", place) if "points" in row else (like.points if like else ())
    if "count" in row:
        if "points" in row:
            raise DataError("both points and count are given", place, "write one of the two")
        count = typed(row, "count", int, 0, place)
        if count > MOST_POINTS:
            raise DataError(
                f"count is {count:,}, more than {MOST_POINTS:,} points", place, "name the columns that there are"
            )
        points = tuple(str(i) for i in range(count))
    defaults = like or Group(name, "", points, AXES)
    return Group(
        name,
        kind=typed(row, "kind", str, defaults.kind, place),
        points=points,
        coordinates=names(row, "coordinates", place) if "coordinates" in row else defaults.coordinates,
        start=typed(row, "start", int, start, place),
        anchor=names(row, "anchor", place) if "anchor" in row else among(defaults.anchor, points),
        keep=names(row, "keep", place) if "keep" in row else among(defaults.keep, points),
    )


def check_group(group: Group, where: str) -> None:
    """DataError where a group's kind, points, coordinates and lists of points do not hold together."""
    place = f"{where}, group {group.name!r}"
    if group.kind not in KINDS:
        raise DataError(f"kind is {group.kind!r}{nearest(group.kind, KINDS)}", place, f"use {', '.join(KINDS)}")
    if group.spatial and not {"x", "y"} <= set(group.coordinates) <= {*AXES, *CONFIDENCES}:
        fix = 'x and y, then perhaps z, visibility or confidence; a group of anything else has kind = "features"'
        raise DataError(f"a {group.kind} cannot have the coordinates {', '.join(group.coordinates)}", place, fix)
    for label, found in (("point", group.points), ("coordinate", group.coordinates)):
        for name in twice(found):
            raise DataError(f"{label} {name!r} is named twice", place)
    known = set(group.points)
    for key in ("anchor", "keep"):
        for name in getattr(group, key):
            if name not in known:
                raise DataError(f"{key} names an unknown point {name!r}{nearest(name, group.points)}", place)


def check_columns(groups: Sequence[Group], where: str) -> None:
    """DataError unless the groups have names of their own and follow each other without gaps."""
    column, before = 0, "the beginning"
    for group in groups:
        place = f"{where}, group {group.name!r}"
        if not group.name or "." in group.name:
            raise DataError("a group needs a name, without a dot", place)
        if not group.points or not group.coordinates:
            raise DataError("the group has no points or no coordinates", place, "give points or count, and coordinates")
        if group.start != column:
            problem = "overlap" if group.start < column else "are missing between"
            first, last = sorted((group.start, column))
            what = f"columns {first} to {last - 1} {problem} {before} and {group.name!r}"
            raise DataError(what, place, f"leave start out, or write start = {column}, where the group before it ends")
        column, before = group.stop, repr(group.name)
    if twice(group.name for group in groups):
        raise DataError("two groups have the same name", where)
