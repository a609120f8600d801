"""Single settings: a field with its description and bounds, values checked and put over it, hints at known names."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import field, fields, is_dataclass, replace
from types import UnionType
from typing import Any, get_args, get_origin

from slrcli.config.retired import renamed, without_retired
from slrcli.errors import UsageError


def setting(default: Any, text: str, least: float | None = None, most: float | None = None) -> Any:
    """A field with its one-line description, which `--help` shows as well, and its bounds, both inclusive."""
    metadata = {"help": text, "least": least, "most": most}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def merge(config: Any, sections: Mapping[str, Any], where: str) -> Any:
    """A dataclass of sections with the values of `sections` (section -> key -> value) put over it."""
    known = {item.name for item in fields(config)}
    for section, values in sections.items():
        if section not in known:
            raise UsageError(f"There is no section [{section}].", where, nearest(section, known))
        if not isinstance(values, Mapping):
            raise UsageError(f"[{section}] is a section and wants key = value lines.", where)
        values = without_retired(section, renamed(section, values), where)
        part = getattr(config, section)
        config = replace(config, **{section: merge_section(part, values, f"{where}, [{section}]")})
    return config


def merge_section(part: Any, values: Mapping[str, Any], where: str) -> Any:
    """One dataclass with some of its values replaced, their types checked; dictionaries are merged key by key.

    Raises:
        UsageError: an unknown key (with the nearest known name) or a value of the wrong type.
    """
    known = {item.name: item for item in fields(part)}
    changed = {}
    for key, value in values.items():
        if key not in known:
            raise UsageError(f"There is no setting '{key}'.", where, nearest(key, known))
        wanted = known[key].type
        if is_dataclass(getattr(part, key)) and isinstance(value, Mapping):
            changed[key] = merge_section(getattr(part, key), value, f"{where} {key}")
        elif isinstance(value, Mapping) and isinstance(getattr(part, key), Mapping):
            changed[key] = joined(getattr(part, key), value)
        else:
            changed[key] = coerce(value, wanted, f"{where} {key}")
    return replace(part, **changed)


def joined(table: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """One table with the values of another put over it, tables within them as well."""
    both = {key: joined(table[key], value) for key, value in other.items()
            if isinstance(value, Mapping) and isinstance(table.get(key), Mapping)}  # fmt: skip
    return {**table, **other, **both}


def changed_settings(part: Any) -> dict[str, Any]:
    """The settings of a section that are not at their defaults."""
    plain = type(part)()
    values = {item.name: getattr(part, item.name) for item in fields(part)}
    return {name: value for name, value in values.items() if value != getattr(plain, name)}


def coerce(value: Any, wanted: Any, where: str) -> Any:
    """`value` as the type `wanted`; whole numbers pass as float, lists as tuple, nothing else is bent."""
    origin = get_origin(wanted)
    if origin is tuple:
        inner = [item for item in get_args(wanted) if item is not Ellipsis]
        open_ended = Ellipsis in get_args(wanted)
        if isinstance(value, list | tuple) and (open_ended or len(value) == len(inner)):
            kinds = inner * len(value) if open_ended else inner
            return tuple(coerce(item, kind, where) for item, kind in zip(value, kinds, strict=False))
        raise UsageError(f"Expected {len(inner)} values, got {value!r}.", where)
    if origin is UnionType:
        return value if value is None else coerce(value, get_args(wanted)[0], where)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = origin or wanted
    if not isinstance(value, plain) or (plain is not bool and isinstance(value, bool)):
        raise UsageError(f"Expected {plain.__name__}, got {value!r}.", where)
    return value


def check_section(part: Any, prefix: str) -> None:
    """UsageError for a number of one dataclass beyond the bounds of its setting, named with `prefix` before it."""
    for item in fields(part):
        value, least, most = getattr(part, item.name), item.metadata["least"], item.metadata["most"]
        if least is not None and not least <= value <= (float("inf") if most is None else most):
            allowed = f"at least {least}" if most is None else f"from {least} to {most}"
            raise UsageError(f"{item.name} must be {allowed}, not {value}.", f"{prefix}{item.name}")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a mistyped name: the nearest known one, or all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(names)}."


def versioned(kind: str, name: str, known: Mapping[str, Any], fix: str, also: str = "") -> Any:
    """The one of `known` that a name means, which may carry a version (`sclite@1`).

    Args:
        kind: what they are, for people.
        name: what the user typed.
        known: name -> something with a `version` and a `signature`.
        fix: what to do where the version is another one.
        also: what else could be typed, behind the nearest name.

    Raises:
        UsageError: no such name (with the nearest one), or a version that this program does not have.
    """
    plain, _, version = name.partition("@")
    if plain not in known:
        raise UsageError(f"there is no {kind} {plain!r}", fix=f"{nearest(plain, known)}{also}")
    found = known[plain]
    if version and version != str(found.version):
        raise UsageError(f"the {kind} {name} is asked for, and this version of slr has {found.signature}", fix=fix)
    return found
