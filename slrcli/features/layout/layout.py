"""`Layout`: which column of a feature array is which coordinate of which point, read from the TOML files beside it.

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
    limbs = [["left_shoulder", "right_shoulder"], ["nose", "neck", "hip"]]  # lines from point to point, as drawn

`like = "mediapipe-1629"` starts from another layout: groups of the same name take over what they do not say
themselves. `stored_derivatives = 3` says that so many copies of all columns (velocities and so on) follow. Lines
between groups stand outside of them: `limbs = [["pose.left_wrist", "left_hand.wrist"]]`.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

from slrcli.config import read_toml
from slrcli.errors import DataError, UsageError
from slrcli.features.layout.group import AXES, CONFIDENCES, KINDS, Group, check_columns, check_group, read_group
from slrcli.features.layout.values import known_keys, names, nearest, pairs, paths, twice, typed

__all__ = [
    "AXES",
    "CONFIDENCES",
    "KINDS",
    "UNITS",
    "Group",
    "Layout",
    "generic_layout",
    "guess_layout",
    "layouts_of_width",
    "list_layouts",
    "load_layout",
]

UNITS = ("image", "pixels", "metres", "none")
TYPES = {
    "units": str,
    "turn": bool,
    "zero_is_missing": bool,
    "stored_derivatives": int,
    "fps": float,
    "description": str,
}
USUAL = ("mediapipe-1629",)  # of layouts of one width, those that are guessed
LAYOUT_KEYS = ("name", "like", "groups", "mirror", "shoulders", "limbs", "width", *TYPES)


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
        limbs: pairs of numbers of points (see `point_names`) that a line joins, in the order of drawing; a recogniser
            looks at where those of pose and hands point.
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
    limbs: tuple[tuple[int, int], ...] = ()

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

    @cached_property
    def point_names(self) -> tuple[str, ...]:
        """All points as `group.point`, group after group; a point's number is its place in here."""
        return tuple(f"{group.name}.{point}" for group in self.groups for point in group.points)

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
    folder = resources.files("slrcli.features.layout")
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
        f"there is no layout named {name!r}{nearest(name, list_layouts())}",
        fix=f"use one of {', '.join(list_layouts())} (generic-N for N columns), or the path of a .toml file",
    )


def layouts_of_width(width: int) -> list[Layout]:
    """The shipped layouts of `width` columns, the one that is meant where nobody says otherwise first."""
    found = [layout for layout in map(_shipped, list_layouts()[:-1]) if layout.width == width]
    return sorted(found, key=lambda layout: layout.name not in USUAL)


def guess_layout(width: int) -> Layout:
    """The layout that has `width` columns, else a generic one."""
    return next(iter(layouts_of_width(width)), None) or generic_layout(width)


@lru_cache
def _shipped(name: str) -> Layout:
    text = (resources.files("slrcli.features.layout") / f"{name}.toml").read_text(encoding="utf-8")
    return Layout.from_dict({"name": name, **tomllib.loads(text)}, f"layout {name}")


def _build(table: dict, where: str) -> Layout:
    known_keys(table, LAYOUT_KEYS, where)
    base = _base(table["like"], where) if "like" in table else None
    rows = table.get("groups", [{"name": group.name} for group in base.groups] if base else None)
    if not isinstance(rows, list | tuple) or not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError("a layout needs at least one group", where, "add a [[groups]] table with name, kind and points")
    groups: list[Group] = []
    for row in rows:
        groups.append(read_group(row, base.by_name if base else {}, groups[-1].stop if groups else 0, where))
    layout = Layout(typed(table, "name", str, "", where), tuple(groups))
    if base:
        drawn = [row.get("name") for row in rows if "limbs" in row]
        layout = _inherit(layout, base, drawn)
    swapped = [tuple(f"{row.get('name')}.{point}" for point in pair) for row in rows for pair in pairs(row, where)]
    swapped += [pair for ends in pairs(table, where) for pair in _expand(ends, layout)]
    given = {key: typed(table, key, kind, None, where) for key, kind in TYPES.items() if key in table}
    if swapped:
        given["mirror"] = tuple(dict.fromkeys(layout.mirror + tuple(swapped)))
    if "shoulders" in table:
        given["shoulders"] = names(table, "shoulders", where)
    return replace(layout, limbs=tuple(_limbs(layout, rows, table, where)), **given)


def _base(name: object, where: str) -> Layout:
    shipped = list_layouts()[:-1]
    if name not in shipped:
        raise DataError(f"like names no shipped layout: {name!r}", where, f"use {', '.join(shipped)}")
    return _shipped(name)


def _inherit(layout: Layout, base: Layout, drawn: list[str]) -> Layout:
    """What `like` brings along for the whole layout, as far as its points are here.

    Limbs within a group that has its own (`drawn`) do not come along.
    """
    here = {name: number for number, name in enumerate(layout.point_names)}
    limbs = [(base.point_names[a], base.point_names[b]) for a, b in base.limbs]
    limbs = [ends for ends in limbs if not ({end.partition(".")[0] for end in ends} <= set(drawn))]
    return replace(
        base,
        name=layout.name,
        groups=layout.groups,
        mirror=tuple(pair for pair in base.mirror if here.keys() >= set(pair)),
        shoulders=base.shoulders if here.keys() >= set(base.shoulders) else (),
        limbs=tuple((here[a], here[b]) for a, b in limbs if a in here and b in here),
    )


def _limbs(layout: Layout, rows: list[dict], table: dict, where: str) -> Iterable[tuple[int, int]]:
    """What is drawn, as numbers of points: what came along, then the lines of the groups, then those between groups."""
    yield from layout.limbs
    numbers = {name: number for number, name in enumerate(layout.point_names)}
    for row, group in zip(rows, layout.groups, strict=True):
        place = f"{where}, group {group.name!r}"
        own = {point: numbers[f"{group.name}.{point}"] for point in group.points}
        for path in paths(row, place):
            yield from _pairwise([_number(str(point), own, place) for point in path], path, place)
    for path in paths(table, where):
        ends = [point if point in range(len(numbers)) else _number(point, numbers, where) for point in path]
        yield from _pairwise(ends, path, where)


def _number(point: str | int, numbers: dict[str, int], where: str) -> int:
    if point not in numbers:
        raise DataError(f"limbs name an unknown point {point!r}{nearest(point, numbers)}", where)
    return numbers[point]


def _pairwise(ends: list[int], path: tuple, where: str) -> Iterable[tuple[int, int]]:
    for pair in pairwise(ends):
        if pair[0] == pair[1]:
            raise DataError(f"limbs lead from a point to itself: {list(path)!r}", where)
        yield pair


def _expand(ends: tuple[str, str], layout: Layout) -> Iterable[tuple[str, str]]:
    """Two groups become pairs of points of the same place; two points stay as they are."""
    first, second = (layout.by_name.get(name) for name in ends)
    if first is None or second is None or len(first.points) != len(second.points):
        return [ends]
    return [(f"{ends[0]}.{a}", f"{ends[1]}.{b}") for a, b in zip(first.points, second.points, strict=True)]


def _check(layout: Layout, table: dict, where: str) -> Layout:
    check_columns(layout.groups, where)
    if "width" in table and table["width"] != layout.width:
        raise DataError(f"the groups make {layout.width} columns, width says {table['width']}", where)
    for group in layout.groups:
        check_group(group, where)
    _check_references(layout, where)
    if layout.units not in UNITS:
        raise DataError(f"units are {layout.units!r}{nearest(layout.units, UNITS)}", where, f"use {', '.join(UNITS)}")
    if not 0 <= layout.stored_derivatives <= 3:
        raise DataError(f"stored_derivatives is 0 to 3, not {layout.stored_derivatives}", where)
    if layout.turn and not (layout.shoulders and "z" in layout.find(layout.shoulders[0])[0].coordinates):
        raise DataError("turn needs shoulders with x and z", where, "name two shoulders, or leave turn out")
    return layout


def _check_references(layout: Layout, where: str) -> None:
    known = dict.fromkeys(layout.point_names)
    mirrored = [name for pair in layout.mirror for name in pair]
    for key, found in (("shoulders", layout.shoulders), ("mirror", mirrored)):
        for name in found:
            if name not in known:
                raise DataError(f"{key} names an unknown point {name!r}{nearest(name, known)}", where)
    if len(layout.shoulders) not in (0, 2) or len(set(layout.shoulders)) != len(layout.shoulders):
        raise DataError("shoulders are two different points", where)
    for name in twice(mirrored):
        raise DataError(f"mirror names {name!r} more than once", where, "a point has one mirror image")
    for a, b in layout.mirror:
        if layout.find(a)[0].coordinates != layout.find(b)[0].coordinates:
            raise DataError(f"{a!r} and {b!r} cannot mirror each other: their coordinates differ", where)
