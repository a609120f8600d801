"""`Layout`: which column of a feature array is which coordinate of which point, read from `layouts/*.toml`.

A layout file names groups of points one after the other, as they stand in the columns:

    units = "image"                         # image, pixels, metres or none; y is the vertical axis
    zero_is_missing = true                  # a point whose coordinates are all exactly zero was not seen
    shoulders = ["pose.left_shoulder", "pose.right_shoulder"]
    mirror = [["left_hand", "right_hand"]]  # two groups (point by point), or two points as "group.point"

    [[groups]]
    name = "pose"
    kind = "pose"                           # pose, hand, face, or features (never centred, scaled or turned)
    coordinates = ["x", "y", "z"]           # of every point, in the order of the columns
    points = ["nose", "left_shoulder", ...] # or count = 468 for points named 0 to 467
    anchor = ["left_shoulder", "right_shoulder"]    # their mean is the group's origin
    keep = ["nose", ...]                    # what a recogniser looks at when it selects; absent: all
    mirror = [["left_shoulder", "right_shoulder"]]

`like = "mediapipe-1629"` starts from another layout: groups of the same name take over what they do not say
themselves. `stored_derivatives = 3` says that so many copies of all columns (velocities and so on) follow.
"""

import difflib
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path

from slrcli.config import read_toml
from slrcli.errors import DataError, UsageError

KINDS = ("pose", "hand", "face", "features")
UNITS = ("image", "pixels", "metres", "none")
AXES = ("x", "y", "z")
CONFIDENCES = ("visibility", "confidence")  # said about a point, no part of its position

GROUP_KEYS = ("name", "kind", "coordinates", "points", "count", "start", "anchor", "keep", "mirror")
TYPES = {
    "units": str,
    "turn": bool,
    "zero_is_missing": bool,
    "stored_derivatives": int,
    "fps": float,
    "description": str,
}
LAYOUT_KEYS = ("name", "like", "groups", "mirror", "shoulders", "width", *TYPES)


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
        return self.points.index(point)

    def column(self, point: str, coordinate: str) -> int:
        """Column of one coordinate of one point; ValueError if there is none."""
        return self.start + self.index(point) * len(self.coordinates) + self.coordinates.index(coordinate)


@dataclass(frozen=True)
class Layout:
    """The meaning of every column of a feature array `[T, width]`.

    Attributes:
        name: of the layout.
        groups: in the order of their columns, without gaps.
        mirror: pairs of points (`group.point`) that change places in a mirror; others stay.
        shoulders: two points (`group.point`), the first at smaller x when the signer faces the camera and the body
            is to be turned; empty if there are none.
        units: `image` (shares of the picture), `pixels`, `metres` or `none`.
        turn: the positions are truly three-dimensional, so the body may be turned to the front about the y axis.
        zero_is_missing: a point whose coordinates are all exactly zero was not seen.
        stored_derivatives: how many derivatives of all position columns follow them.
        fps: usual frames a second; 0 if unknown.
        description: one sentence for people.
    """

    name: str
    groups: tuple[Group, ...]
    mirror: tuple[tuple[str, str], ...] = ()
    shoulders: tuple[str, ...] = ()
    units: str = "none"
    turn: bool = False
    zero_is_missing: bool = False
    stored_derivatives: int = 0
    fps: float = 0.0
    description: str = ""

    @property
    def positions(self) -> int:
        """Number of columns before any stored derivative."""
        return self.groups[-1].stop

    @property
    def width(self) -> int:
        """D: number of columns of a feature array, stored derivatives included."""
        return self.positions * (1 + self.stored_derivatives)

    @property
    def spatial(self) -> bool:
        """Whether any group is made of points in a plane or in space."""
        return any(group.spatial for group in self.groups)

    @property
    def measured_axes(self) -> tuple[str, ...]:
        """The axes in which distances are taken: depth counts only where it is measured, not guessed from a picture."""
        return AXES if self.units == "metres" else AXES[:2]

    @cached_property
    def by_name(self) -> dict[str, Group]:
        """Groups by their names."""
        return {group.name: group for group in self.groups}

    def find(self, qualified: str) -> tuple[Group, str]:
        """The group and the bare name of a point written `group.point`; KeyError if there is no such point."""
        name, _, point = qualified.partition(".")
        group = self.by_name.get(name)
        if group is None or point not in group.points:
            raise KeyError(qualified)
        return group, point

    def to_dict(self) -> dict:
        """Everything as plain tables, sequences, strings and numbers; `Layout.from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: dict, where: str = "") -> "Layout":
        """A layout from a table such as a layout file holds; DataError says what is wrong with it."""
        return _check(_build(table, where), table, where)


def generic_layout(width: int) -> Layout:
    """A layout of `width` features of unknown meaning: one group, one number each, nothing to turn or mirror."""
    if width < 1:
        raise ValueError(f"a layout needs at least one column, not {width}")
    group = Group("features", "features", tuple(str(i) for i in range(width)), ("value",))
    return Layout(f"generic-{width}", (group,), description=f"{width} features a frame, of unknown meaning")


def list_layouts() -> list[str]:
    """Names of the layouts that come along, `generic` (any width) last."""
    folder = resources.files("slrcli.features") / "layouts"
    names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return [*names, "generic"]


def load_layout(name_or_path: str | Path, width: int | None = None) -> Layout:
    """A layout by its name (`generic` takes `width`, or write `generic-22`), or from a user's own TOML file.

    Raises:
        UsageError: no layout has that name, or the file cannot be read or is not TOML.
        DataError: what the layout says does not hold together.
    """
    name = str(name_or_path)
    if name.endswith(".toml") or "/" in name or "\\" in name:
        path = Path(name_or_path)
        return Layout.from_dict({"name": path.stem, **read_toml(path)}, str(path))
    if name in list_layouts()[:-1]:
        return _shipped(name)
    generic, _, digits = name.partition("-")
    if generic == "generic" and (digits.isdecimal() or (name == generic and width)):
        return generic_layout(int(digits or width))
    raise UsageError(
        f"there is no layout named {name!r}{_nearest(name, list_layouts())}",
        fix=f"use one of {', '.join(list_layouts())} (generic-N for N columns), or the path of a .toml file",
    )


def guess_layout(width: int) -> Layout:
    """The layout that has `width` columns, else a generic one."""
    shipped = map(_shipped, list_layouts()[:-1])
    return next((layout for layout in shipped if layout.width == width), None) or generic_layout(width)


@lru_cache
def _shipped(name: str) -> Layout:
    text = (resources.files("slrcli.features") / "layouts" / f"{name}.toml").read_text(encoding="utf-8")
    return Layout.from_dict({"name": name, **tomllib.loads(text)}, f"layout {name}")


def _build(table: dict, where: str) -> Layout:
    _known_keys(table, LAYOUT_KEYS, where)
    base = _base(table["like"], where) if "like" in table else None
    rows = table.get("groups", [{"name": group.name} for group in base.groups] if base else None)
    if not isinstance(rows, list | tuple) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError("a layout needs at least one group", where, "add a [[groups]] table with name, kind and points")
    groups: list[Group] = []
    for row in rows:
        groups.append(_group(row, base, groups[-1].stop if groups else 0, where))
    layout = Layout(_typed(table, "name", str, "", where), tuple(groups))
    if base:
        layout = _inherit(layout, base)
    pairs = [tuple(f"{row.get('name')}.{point}" for point in pair) for row in rows for pair in _pairs(row, where)]
    pairs += [pair for names in _pairs(table, where) for pair in _expand(names, layout)]
    given = {key: _typed(table, key, kind, None, where) for key, kind in TYPES.items() if key in table}
    if pairs:
        given["mirror"] = tuple(dict.fromkeys(layout.mirror + tuple(pairs)))
    if "shoulders" in table:
        given["shoulders"] = _names(table, "shoulders", where)
    return replace(layout, **given)


def _group(row: dict, base: Layout | None, start: int, where: str) -> Group:
    name = _typed(row, "name", str, "", where)
    place = f"{where}, group {name!r}"
    _known_keys(row, GROUP_KEYS, place)
    like = base.by_name.get(name) if base else None
    points = _names(row, "points", place) if "points" in row else (like.points if like else ())
    if "count" in row:
        if "points" in row:
            raise DataError("both points and count are given", place, "write one of the two")
        points = tuple(str(i) for i in range(_typed(row, "count", int, 0, place)))
    defaults = like or Group(name, "", points, AXES)
    return Group(
        name,
        kind=_typed(row, "kind", str, defaults.kind, place),
        points=points,
        coordinates=_names(row, "coordinates", place) if "coordinates" in row else defaults.coordinates,
        start=_typed(row, "start", int, start, place),
        anchor=_names(row, "anchor", place) if "anchor" in row else _among(defaults.anchor, points),
        keep=_names(row, "keep", place) if "keep" in row else _among(defaults.keep, points),
    )


def _base(name: object, where: str) -> Layout:
    shipped = list_layouts()[:-1]
    if name not in shipped:
        raise DataError(f"like names no shipped layout: {name!r}", where, f"use {', '.join(shipped)}")
    return _shipped(name)


def _inherit(layout: Layout, base: Layout) -> Layout:
    """What `like` brings along for the whole layout, as far as its points are here."""
    here = {f"{group.name}.{point}" for group in layout.groups for point in group.points}
    return replace(
        base,
        name=layout.name,
        groups=layout.groups,
        mirror=tuple(pair for pair in base.mirror if here.issuperset(pair)),
        shoulders=base.shoulders if here.issuperset(base.shoulders) else (),
    )


def _expand(names: tuple[str, str], layout: Layout) -> Iterable[tuple[str, str]]:
    """Two groups become pairs of points of the same place; two points stay as they are."""
    first, second = (layout.by_name.get(name) for name in names)
    if first is None or second is None or len(first.points) != len(second.points):
        return [names]
    return [(f"{names[0]}.{a}", f"{names[1]}.{b}") for a, b in zip(first.points, second.points, strict=True)]


def _check(layout: Layout, table: dict, where: str) -> Layout:
    _check_columns(layout, table, where)
    for group in layout.groups:
        place = f"{where}, group {group.name!r}"
        if group.kind not in KINDS:
            raise DataError(f"kind is {group.kind!r}{_nearest(group.kind, KINDS)}", place, f"use {', '.join(KINDS)}")
        if group.spatial and not {"x", "y"} <= set(group.coordinates) <= {*AXES, *CONFIDENCES}:
            fix = 'x and y, then perhaps z, visibility or confidence; a group of anything else has kind = "features"'
            raise DataError(f"a {group.kind} cannot have the coordinates {', '.join(group.coordinates)}", place, fix)
        for label, names in (("point", group.points), ("coordinate", group.coordinates)):
            for name in _twice(names):
                raise DataError(f"{label} {name!r} is named twice", place)
        for key in ("anchor", "keep"):
            for name in getattr(group, key):
                if name not in group.points:
                    raise DataError(f"{key} names an unknown point {name!r}{_nearest(name, group.points)}", place)
    _check_references(layout, where)
    if layout.units not in UNITS:
        raise DataError(f"units are {layout.units!r}{_nearest(layout.units, UNITS)}", where, f"use {', '.join(UNITS)}")
    if not 0 <= layout.stored_derivatives <= 3:
        raise DataError(f"stored_derivatives is 0 to 3, not {layout.stored_derivatives}", where)
    if layout.turn and not (layout.shoulders and "z" in layout.find(layout.shoulders[0])[0].coordinates):
        raise DataError("turn needs shoulders with x and z", where, "name two shoulders, or leave turn out")
    return layout


def _check_columns(layout: Layout, table: dict, where: str) -> None:
    column, before = 0, "the beginning"
    for group in layout.groups:
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
    if len(layout.by_name) < len(layout.groups):
        raise DataError("two groups have the same name", where)
    if "width" in table and table["width"] != layout.width:
        raise DataError(f"the groups make {layout.width} columns, width says {table['width']}", where)


def _check_references(layout: Layout, where: str) -> None:
    known = [f"{group.name}.{point}" for group in layout.groups for point in group.points]
    for key, names in (("shoulders", layout.shoulders), ("mirror", [name for pair in layout.mirror for name in pair])):
        for name in names:
            if name not in known:
                raise DataError(f"{key} names an unknown point {name!r}{_nearest(name, known)}", where)
    if len(layout.shoulders) not in (0, 2) or len(set(layout.shoulders)) != len(layout.shoulders):
        raise DataError("shoulders are two different points", where)
    for name in _twice(name for pair in layout.mirror for name in pair):
        raise DataError(f"mirror names {name!r} more than once", where, "a point has one mirror image")
    for a, b in layout.mirror:
        if layout.find(a)[0].coordinates != layout.find(b)[0].coordinates:
            raise DataError(f"{a!r} and {b!r} cannot mirror each other: their coordinates differ", where)


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _among(names: tuple[str, ...], points: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name in points)


def _names(table: dict, key: str, where: str) -> tuple[str, ...]:
    value = table[key]
    if not isinstance(value, list | tuple) or not all(type(name) in (str, int) for name in value):
        raise DataError(f"{key} is a list of names, not {value!r}", where)
    return tuple(str(name) for name in value)


def _pairs(table: dict, where: str) -> list[tuple[str, str]]:
    pairs = _typed(table, "mirror", list, [], where)
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise DataError("mirror is a list of pairs of names", where)
    return [_names({"mirror": pair}, "mirror", where) for pair in pairs]


def _typed(table: dict, key: str, kind: type, default, where: str):
    value = table.get(key, default)
    if (kind, type(value)) in ((float, int), (list, tuple)):  # whole numbers; tuples as `to_dict` has them
        return kind(value)
    if key in table and type(value) is not kind:
        raise DataError(f"{key} should be {kind.__name__}, not {value!r}", where)
    return value


def _known_keys(table: dict, known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise DataError(f"unknown key {key!r}{_nearest(key, known)}", where, f"known are {', '.join(known)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
