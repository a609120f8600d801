"""Typed values out of the tables of a layout file; what is wrong with one is a DataError that says where it stands."""

import difflib
from collections import Counter
from collections.abc import Iterable

from slrcli.errors import DataError


def typed(table: dict, key: str, kind: type, default, where: str):
    """The value of a key, which has to be of one type (whole numbers pass for others, tuples for lists)."""
    value = table.get(key, default)
    if (kind, type(value)) in ((float, int), (list, tuple)):  # whole numbers; tuples as `to_dict` has them
        return kind(value)
    if key in table and type(value) is not kind:
        raise DataError(f"{key} should be {kind.__name__}, not {value!r}", where)
    return value


def names(table: dict, key: str, where: str) -> tuple[str, ...]:
    """A list of names; numbers are names, too."""
    value = table[key]
    if not isinstance(value, list | tuple) or not all(type(name) in (str, int) for name in value):
        raise DataError(f"{key} is a list of names, not {value!r}", where)
    return tuple(str(name) for name in value)


def pairs(table: dict, where: str) -> list[tuple[str, str]]:
    """The pairs of names under `mirror`."""
    found = typed(table, "mirror", list, [], where)
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in found):
        raise DataError("mirror is a list of pairs of names", where)
    return [names({"mirror": pair}, "mirror", where) for pair in found]


def paths(table: dict, where: str) -> list[tuple[str | int, ...]]:
    """The lines under `limbs`: from point to point, two or more of them."""
    found = typed(table, "limbs", list, [], where)
    for path in found:
        if not isinstance(path, list | tuple) or len(path) < 2 or not all(type(end) in (str, int) for end in path):
            raise DataError(f"limbs are lists of two or more points, not {path!r}", where, 'such as ["neck", "nose"]')
    return [tuple(path) for path in found]


def known_keys(table: dict, known: tuple[str, ...], where: str) -> None:
    """DataError for a key that is not among the known ones."""
    for key in table:
        if key not in known:
            raise DataError(f"unknown key {key!r}{nearest(key, known)}", where, f"known are {', '.join(known)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'nose'?`, or nothing where no name is near."""
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def twice(items: Iterable[str]) -> list[str]:
    """The names that occur more than once."""
    return [name for name, count in Counter(items).items() if count > 1]


def among(items: tuple[str, ...], points: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the names that are points."""
    return tuple(name for name in items if name in points)
