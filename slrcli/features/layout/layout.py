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
    keep = ["nose", ...]                    # the points used by a recogniser that selects; absent: all
    mirror = [["left_shoulder", "right_shoulder"]]
    limbs = [["left_shoulder", "right_shoulder"], ["nose", "neck", "hip"]]  # lines from point to point, as drawn

`like = "mediapipe-1629"` starts from another layout: groups of the same name inherit the keys that they lack.
`stored_derivatives = 3` says that three more copies of all columns (velocities and so on) follow. Lines between groups
are written outside of them: `limbs = [["pose.left_wrist", "left_hand.wrist"]]`.
"""

import difflib
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

from slrcli.config import read_toml
from slrcli.errors import DataError, UsageError


def typed(table: dict, key: str, kind: type, default, where: str):
    """The value of a key, checked for its type (integers are accepted as floats, tuples as lists)."""
    value = table.get(key, default)
    if (kind, type(value)) in ((float, int), (list, tuple)):  # whole numbers; tuples as `to_dict` has them
        try:
            return kind(value)
        except OverflowError as error:
            raise DataError(f"The key {key} is too large a number.", where) from error
    if key in table and type(value) is not kind:
        raise DataError(f"The key {key} must be of type {kind.__name__}, not {value!r}.", where)
    return value


def names(table: dict, key: str, where: str) -> tuple[str, ...]:
    """A list of names; numbers count as names."""
    value = table[key]
    if not isinstance(value, list | tuple) or not all(type(name) in (str, int) for name in value):
        raise DataError(f"The key {key} must be a list of names, not {value!r}.", where)
    return tuple(str(name) for name in value)


def pairs(table: dict, where: str) -> list[tuple[str, str]]:
    """The pairs of names under `mirror`."""
    found = typed(table, "mirror", list, [], where)
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in found):
        raise DataError("The key mirror must be a list of pairs of names.", where)
    return [(first, second) for first, second in (names({"mirror": pair}, "mirror", where) for pair in found)]


def paths(table: dict, where: str) -> list[tuple[str | int, ...]]:
    """The lines under `limbs`: lists of two or more points."""
    found = typed(table, "limbs", list, [], where)
    for path in found:
        if not isinstance(path, list | tuple) or len(path) < 2 or not all(type(end) in (str, int) for end in path):
            what = f"Each of the limbs must be a list of two or more points, not {path!r}."
            raise DataError(what, where, 'For example: limbs = [["neck", "nose"]].')
    return [tuple(path) for path in found]


def known_keys(table: dict, known: tuple[str, ...], where: str) -> None:
    """Raise a DataError for an unknown key."""
    for key in table:
        if key not in known:
            raise DataError(f"The key {key!r} is unknown.{nearest(key, known)}", where, f"Known: {', '.join(known)}.")


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'nose'?`, to follow a sentence, or "" if no name is similar."""
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f" Did you mean {close[0]!r}?" if close else ""


def twice(items: Iterable[str]) -> list[str]:
    """The names that occur more than once."""
    return [name for name, count in Counter(items).items() if count > 1]


def among(items: tuple[str, ...], points: tuple[str, ...]) -> tuple[str, ...]:
    """The names that are points."""
    return tuple(name for name in items if name in points)


KINDS = ("pose", "hand", "face", "features")
AXES = ("x", "y", "z")
CONFIDENCES = ("visibility", "confidence")  # of a point, not part of its position
MOST_POINTS = 100_000  # that a count makes
GROUP_KEYS = ("name", "kind", "coordinates", "points", "count", "start", "anchor", "keep", "mirror", "limbs")


@dataclass(frozen=True)
class Group:
    """A group of points, stored one after the other, all with the same coordinates.

    Attributes:
        name: such as `left_hand`.
        kind: `pose`, `hand`, `face` or `features`.
        points: names of the points, unique within the group.
        coordinates: of each point, such as `("x", "y", "z", "visibility")`.
        start: first column.
        anchor: points whose mean is the group's origin; empty: that of the body.
        keep: points used by a recogniser that selects; empty: all.
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
        """The coordinates of a point's position (for `features`: all of them), without its confidence."""
        return tuple(name for name in self.coordinates if name not in CONFIDENCES)

    @property
    def spatial(self) -> bool:
        """Whether the points lie in a plane or in space, so that they can be moved and rotated."""
        return self.kind != "features"

    def index(self, point: str) -> int:
        """Index of a point within the group; ValueError if there is no such point."""
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
    """A group from its table; missing keys are taken from the `known` group of the same name."""
    name = typed(row, "name", str, "", where)
    place = f"{where}, group {name!r}"
    known_keys(row, GROUP_KEYS, place)
    like = known.get(name)
    points = names(row, "points", place) if "points" in row else (like.points if like else ())
    if "count" in row:
        if "points" in row:
            raise DataError("The group has both points and count.", place, "Give one of the two.")
        count = typed(row, "count", int, 0, place)
        if count > MOST_POINTS:
            raise DataError(
                f"The count is {count:,}, more than {MOST_POINTS:,} points.",
                place,
                "Describe the columns of the files.",
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
    """Raise a DataError if a group's kind, points, coordinates and lists of points are inconsistent."""
    place = f"{where}, group {group.name!r}"
    if group.kind not in KINDS:
        what = f"There is no kind {group.kind!r}.{nearest(group.kind, KINDS)}"
        raise DataError(what, place, f"Use {', '.join(KINDS)}.")
    if group.spatial and not {"x", "y"} <= set(group.coordinates) <= {*AXES, *CONFIDENCES}:
        fix = 'Use "x", "y" and optionally "z", "visibility", "confidence"; for anything else, set kind = "features".'
        raise DataError(f"A {group.kind} cannot have the coordinates {', '.join(group.coordinates)}.", place, fix)
    named = (("point", group.points), ("coordinate", group.coordinates), ("kept point", group.keep))
    for label, found in named:
        for name in twice(found):
            raise DataError(f"The {label} {name!r} is named twice.", place)
    known = set(group.points)
    for key in ("anchor", "keep"):
        for name in getattr(group, key):
            if name not in known:
                raise DataError(f"The key {key} names an unknown point {name!r}.{nearest(name, group.points)}", place)


def check_columns(groups: Sequence[Group], where: str) -> None:
    """Raise a DataError unless the groups have distinct names and follow each other without gaps."""
    column, before = 0, "the beginning"
    for group in groups:
        place = f"{where}, group {group.name!r}"
        if not group.name or "." in group.name:
            raise DataError("A group needs a name without a dot.", place)
        if not group.points or not group.coordinates:
            what = "The group has no points or no coordinates."
            raise DataError(what, place, "Give points or count, and coordinates.")
        if group.start != column:
            problem = "overlap" if group.start < column else "are missing between"
            first, last = sorted((group.start, column))
            what = f"Columns {first} to {last - 1} {problem} {before} and {group.name!r}."
            raise DataError(what, place, f"Leave start out, or write start = {column}, the end of the previous group.")
        column, before = group.stop, repr(group.name)
    if twice(group.name for group in groups):
        raise DataError("Two groups have the same name.", where)


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
USUAL = ("mediapipe-1629",)  # the one that is guessed, of several layouts with the same width
LAYOUT_KEYS = ("name", "like", "groups", "mirror", "shoulders", "limbs", "width", *TYPES)


@dataclass(frozen=True)
class Layout:
    """The meaning of every column of a feature array `[T, width]`.

    Attributes:
        name: of the layout.
        groups: in the order of their columns, without gaps.
        mirror: pairs of points (`group.point`) that are swapped in a mirror; others stay.
        shoulders: two points (`group.point`), of which the first has the smaller x if the signer faces the camera and
            the body is to be turned; empty if there are none.
        units: `image` (fractions of the picture), `pixels`, `metres` or `none`.
        turn: whether positions are truly three-dimensional, so that the body can be turned to the front about y.
        zero_is_missing: whether a point whose coordinates are all exactly zero was not seen.
        stored_derivatives: number of blocks of derivatives after the position columns.
        fps: usual frames per second; 0 if unknown.
        description: one sentence for users.
        limbs: pairs of point numbers (see `point_names`) connected by a line, in the order of drawing; a recogniser
            uses the directions of those of pose and hands.
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
    def meaningless(self) -> bool:
        """Whether nothing is known about the columns, as in `generic_layout`."""
        return self.name == f"generic-{self.width}"

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
        """The axes used for distances: depth counts only if it is measured, not estimated from a picture."""
        return AXES if self.units == "metres" else AXES[:2]

    @cached_property
    def by_name(self) -> dict[str, Group]:
        """Groups by their names."""
        return {group.name: group for group in self.groups}

    @cached_property
    def point_names(self) -> tuple[str, ...]:
        """All points as `group.point`, group after group; the number of a point is its index here."""
        return tuple(f"{group.name}.{point}" for group in self.groups for point in group.points)

    def find(self, qualified: str) -> tuple[Group, str]:
        """The group and the bare name of a point written `group.point`; KeyError if there is no such point."""
        name, _, point = qualified.partition(".")
        group = self.by_name.get(name)
        if group is None or point not in group.points:
            raise KeyError(qualified)
        return group, point

    def to_dict(self) -> dict:
        """Everything as plain values; `Layout.from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, table: dict, where: str = "") -> "Layout":
        """A layout from the table of a layout file; a DataError if it is invalid."""
        return _check(_build(table, where), table, where)


def generic_layout(width: int) -> Layout:
    """A layout of `width` features of unknown meaning: one group with one value per feature."""
    if width < 1:
        raise ValueError(f"a layout needs at least one column, not {width}")
    group = Group("features", "features", tuple(str(i) for i in range(width)), ("value",))
    return Layout(f"generic-{width}", (group,), description=f"{width} features per frame, of unknown meaning")


def list_layouts() -> list[str]:
    """Names of the shipped layouts, `generic` (any width) last."""
    folder = resources.files("slrcli.features.layout")
    names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return [*names, "generic"]


def load_layout(name_or_path: str | Path, width: int | None = None) -> Layout:
    """A layout by its name (`generic` takes `width`, or write `generic-22`), or from a user's own TOML file.

    Raises:
        UsageError: no layout has that name, or the file cannot be read or is not TOML.
        DataError: the layout is inconsistent.
    """
    name = str(name_or_path)
    if name.endswith(".toml") or "/" in name or "\\" in name:
        path = Path(name_or_path)
        return Layout.from_dict({"name": path.stem, **read_toml(path)}, str(path))
    if name in list_layouts()[:-1]:
        return _shipped(name)
    generic, _, digits = name.partition("-")
    columns = digits if digits.isdecimal() else width if name == generic else None
    if generic == "generic" and columns:
        return generic_layout(int(columns))
    raise UsageError(
        f"There is no layout {name!r}.{nearest(name, list_layouts())}",
        fix=f"Use one of {', '.join(list_layouts())} (generic-N for N columns), or the path of a .toml file.",
    )


def layouts_of_width(width: int) -> list[Layout]:
    """The shipped layouts of `width` columns, the default one first."""
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
        fix = "Add a [[groups]] table with name, kind and points."
        raise DataError("A layout needs at least one group.", where, fix)
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
        raise DataError(f"The key like names no shipped layout: {name!r}.", where, f"Use {', '.join(shipped)}.")
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


def _limbs(layout: Layout, rows: Sequence[dict], table: dict, where: str) -> Iterable[tuple[int, int]]:
    """What is drawn, as numbers of points: what came along, then the lines of the groups, then those between groups."""
    yield from layout.limbs
    numbers = {name: number for number, name in enumerate(layout.point_names)}
    for row, group in zip(rows, layout.groups, strict=True):
        place = f"{where}, group {group.name!r}"
        own = {point: numbers[f"{group.name}.{point}"] for point in group.points}
        for path in paths(row, place):
            yield from _pairwise([_number(str(point), own, place) for point in path], path, place)
    for path in paths(table, where):
        ends = [
            point if isinstance(point, int) and point in range(len(numbers)) else _number(point, numbers, where)
            for point in path
        ]
        yield from _pairwise(ends, path, where)


def _number(point: str | int, numbers: dict[str, int], where: str) -> int:
    if point not in numbers:
        raise DataError(f"The limbs name an unknown point {point!r}.{nearest(str(point), numbers)}", where)
    return numbers[str(point)]


def _pairwise(ends: list[int], path: tuple, where: str) -> Iterable[tuple[int, int]]:
    for pair in pairwise(ends):
        if pair[0] == pair[1]:
            raise DataError(f"A limb leads from a point to itself: {list(path)!r}.", where)
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
        raise DataError(f"The groups have {layout.width} columns, but the key width says {table['width']}.", where)
    for group in layout.groups:
        check_group(group, where)
    _check_references(layout, where)
    if layout.units not in UNITS:
        what = f"There are no units {layout.units!r}.{nearest(layout.units, UNITS)}"
        raise DataError(what, where, f"Use {', '.join(UNITS)}.")
    if not 0 <= layout.stored_derivatives <= 3:
        raise DataError(f"The key stored_derivatives must be 0 to 3, not {layout.stored_derivatives}.", where)
    if layout.turn and not (layout.shoulders and "z" in layout.find(layout.shoulders[0])[0].coordinates):
        raise DataError("The key turn needs shoulders with x and z.", where, "Name two shoulders, or leave turn out.")
    return layout


def _check_references(layout: Layout, where: str) -> None:
    known = dict.fromkeys(layout.point_names)
    mirrored = [name for pair in layout.mirror for name in pair]
    for key, found in (("shoulders", layout.shoulders), ("mirror", mirrored)):
        for name in found:
            if name not in known:
                raise DataError(f"The key {key} names an unknown point {name!r}.{nearest(name, known)}", where)
    if len(layout.shoulders) not in (0, 2) or len(set(layout.shoulders)) != len(layout.shoulders):
        raise DataError("The key shoulders must name two different points.", where)
    for name in twice(mirrored):
        raise DataError(f"The key mirror names {name!r} more than once.", where, "Give every point one mirror image.")
    for a, b in layout.mirror:
        if layout.find(a)[0].coordinates != layout.find(b)[0].coordinates:
            raise DataError(f"{a!r} and {b!r} cannot mirror each other: their coordinates differ.", where)
