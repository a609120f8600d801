"""Settings as values: how a section's are declared, merged, checked and read from text.

Settings that were removed or renamed are known here as well: what was written with them still loads. Asking for a
removed one is an error that says why it went; a renamed one is read under its new name.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import field, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin

from slrcli.errors import UsageError
from slrcli.files import read_bytes


class Retired(NamedTuple):
    """`off` is the value at which the setting did nothing, `reason` why it went."""

    off: Any
    reason: str


_NOTHING = "It made no corpus better."

RETIRED: dict[str, Retired] = {
    "optim.mean_from": Retired(1.0, f"{_NOTHING} optim.ema keeps an EMA of the weights."),
    "loss.prior": Retired(0.0, _NOTHING),
    "loss.blank_penalty": Retired(0.0, _NOTHING),
    "distill.readings": Retired(4, "Four readings of the teacher always count."),
    "augment.turn": Retired(0.0, _NOTHING),
    "augment.noise": Retired(0.0, _NOTHING),
    "augment.hand_drop": Retired(0.0, f"{_NOTHING} augment.point_drop leaves points out."),
    "augment.finger_drop": Retired(0.0, f"{_NOTHING} augment.point_drop leaves points out."),
    "augment.face_drop": Retired(0.0, f"{_NOTHING} augment.point_drop leaves points out."),
}


RENAMED: dict[str, str] = {"optim.average": "ema", "model.options.halvings": "strides"}


def renamed(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a section under the names that its settings have now, those of tables within it as well."""
    return {
        RENAMED.get(f"{section}.{key}", key): renamed(f"{section}.{key}", value)
        if isinstance(value, Mapping)
        else value
        for key, value in values.items()
    }


def without_retired(section: str, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values of a section that is still to be used, less the retired settings that were off.

    Raises:
        UsageError: a retired setting that is on; nothing does any more what it asks for.
    """
    for key, value in values.items():
        gone = RETIRED.get(f"{section}.{key}")
        if gone and (isinstance(value, bool) or value != gone.off):
            fix = f"{gone.reason} Leave it out."
            raise UsageError(f"The setting '{section}.{key}' was removed.", where, fix)
    return {key: value for key, value in values.items() if f"{section}.{key}" not in RETIRED}


# Settings that came later, with what was done before: what was trained without them was trained so.
CAME_LATER: dict[str, Any] = {"data.assign_hands": False}


def as_begun(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of a run as they were when it began: settings that came later stand there as what was done then."""
    told = dict(sections)
    for name, before in CAME_LATER.items():
        section, key = name.split(".")
        if isinstance(values := told.get(section, {}), Mapping):  # what is no section is refused where it is read
            told[section] = {key: before, **values}
    return told


def without_all_retired(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of what was trained long ago, less all retired settings: they have done what they did."""
    return {
        section: {key: value for key, value in values.items() if f"{section}.{key}" not in RETIRED}
        if isinstance(values, Mapping)
        else values
        for section, values in sections.items()
    }


def setting(
    default: Any,
    text: str,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    listed: str | tuple[str, ...] = (),
    flags: tuple[str, ...] = (),
    metavar: str | None = None,
    shown: str = "",
) -> Any:
    """A field with all that help, pages and checks say of it.

    Args:
        default: its value where nobody says otherwise.
        text: its description, whole sentences.
        least, most: bounds of a number, both inclusive.
        choices: the only values there are.
        listed: values that help and shell completion show, where others are possible too: the values themselves, or the
            name of the registry that knows them (`slrcli.config.names`).
        flags: its names on the command line; `--` and the field's own name where none are given.
        metavar: what stands for its value in help, in place of its type.
        shown: its default for help, where the value alone would mislead.
    """
    metadata = {"help": text, "least": least, "most": most, "choices": choices, "listed": listed or choices,
                "flags": flags, "metavar": metavar, "shown": shown}  # fmt: skip
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
            raise UsageError(f"[{section}] must be a section of key = value lines.", where)
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
    try:
        return replace(part, **changed)
    except ValueError as error:  # of a section that checks itself
        raise UsageError(f"{error}.", where) from error


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


TOO_LARGE = 1 << 63  # of whole numbers
MOST_TOML = 64 << 20  # bytes


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
        if abs(value) >= TOO_LARGE:
            raise UsageError("The number is too large.", where)
        return float(value)
    plain = origin or wanted
    if not isinstance(value, plain) or (plain is not bool and isinstance(value, bool)):
        raise UsageError(f"Expected {plain.__name__}, got {value!r}.", where)
    if plain is int and abs(value) >= TOO_LARGE:
        raise UsageError("The number is too large.", where)
    return value


def check_section(part: Any, prefix: str) -> None:
    """UsageError for a value of one dataclass that its setting does not allow, named with `prefix` before it."""
    for item in fields(part):
        value, least, most = getattr(part, item.name), item.metadata["least"], item.metadata["most"]
        if least is not None and not least <= value <= (float("inf") if most is None else most):
            allowed = f"at least {least}" if most is None else f"from {least} to {most}"
            raise UsageError(f"{item.name} must be {allowed}, not {value}.", f"{prefix}{item.name}")
        choices = item.metadata["choices"]
        if choices and value not in choices:
            what = f"There is no {item.name.replace('_', ' ')} '{value}'."
            raise UsageError(what, f"{prefix}{item.name}", nearest(str(value), choices))


MOST_DEEP = 200  # layers, members and other parts of a network that stand one behind or beside the other
MOST_WIDE = 65_536  # channels, and whatever else is counted
DEEP = ("layers", "lstm_layers", "members", "inner", "dilations")


def check_sizes(options: Any, where: str) -> None:
    """UsageError for options of an architecture that ask for a network no machine can hold.

    Args:
        options: a dataclass, which may hold others.
        where: whose they are.
    """
    for item in fields(options):
        value = getattr(options, item.name)
        if is_dataclass(value):
            check_sizes(value, f"{where}, {item.name}")
            continue
        most = MOST_DEEP if item.name in DEEP else MOST_WIDE
        numbers = value if isinstance(value, tuple) else (value,)
        if len(numbers) > most or any(isinstance(number, int | float) and abs(number) > most for number in numbers):
            raise UsageError(f"{item.name} is larger than {most:,}.", where, "Choose a smaller network.")


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
        raise UsageError(f"There is no {kind} {plain!r}.", fix=f"{nearest(plain, known)}{also}")
    found = known[plain]
    if version and version != str(found.version):
        what = f"This version of slr has {found.signature}, not the {kind} {name}."
        raise UsageError(what, fix=fix)
    return found


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        UsageError: the file is missing or is not TOML; the message carries line and column.
    """
    try:
        return tomllib.loads(read_bytes(path, MOST_TOML).decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"The configuration file cannot be read: {error.strerror}.", str(path)) from error
    except RecursionError as error:
        raise UsageError("The configuration file is nested too deeply.", str(path)) from error
    except ValueError as error:  # also of a number with thousands of digits
        raise UsageError(f"The configuration file is not TOML: {error}.", str(path)) from error


def toml_text(values: Mapping[str, Any]) -> str:
    """TOML that is read back to the same values; what would steer a terminal or not be seen stands as an escape."""
    import tomli_w  # only needed where something is written

    return "".join(char if char == "\n" or char.isprintable() else _escaped(char) for char in tomli_w.dumps(values))


def _escaped(char: str) -> str:
    number = ord(char)
    if 0xD800 <= number < 0xE000:  # a byte of a path that is no text: TOML has no escape for it
        return char
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def read_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Sections from `section.key=value` texts, the values as TOML writes them; a bare word is a string.

    Raises:
        UsageError: a text without `=` or without a section.
    """
    values: dict[str, Any] = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        *tables, key = name.strip().split(".")
        if not equals or not tables or not key:
            fix = "Write it as section.key=value, such as optim.schedule=linear."
            raise UsageError(f"'{text}' is not an assignment.", "--set", fix)
        try:
            parsed = tomllib.loads(f"value = {value}")["value"]
        except (ValueError, RecursionError):
            parsed = value.strip()
        values[name.strip()] = parsed
    return sections_of(values)


def sections_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables from values by their dotted names: `{"optim.lr": 1e-3}` becomes `{"optim": {"lr": 1e-3}}`."""
    sections: dict[str, Any] = {}
    for name, value in values.items():
        *tables, key = name.split(".")
        table = sections
        for part in tables:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise UsageError(f"'{part}' is a setting and not a section.", name, "Give one of the two.")
        table[key] = value
    return sections
