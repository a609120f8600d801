"""Settings as text: TOML files and `section.key=value`."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from slrcli.errors import UsageError


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        UsageError: the file is missing or is not TOML; the message carries line and column.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError("The configuration file cannot be read.", str(path), error.strerror or "") from error
    except RecursionError as error:
        raise UsageError("The configuration file is nested deeper than any settings.", str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The configuration file is not TOML: {error}.", str(path)) from error


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
            raise UsageError(f"'{text}' sets nothing.", "--set", fix)
        try:
            parsed = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
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
        table[key] = value
    return sections
