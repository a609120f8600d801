"""`Finding`: the one form in which every check and every monitor says what it saw."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Level(StrEnum):
    """How bad it is. Only `ERROR` makes a check fail; `NOTE` is a measurement worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Names(str):
    """The first few of many names as a text, with all of them as `items`.

    Attributes:
        items: all names, each with what is said of it.
        clips: id -> reason, where the finding is about single clips, each of which could be left out.
    """

    items: tuple[str, ...] = ()
    clips: Mapping[str, str] = MappingProxyType({})

    @classmethod
    def of(cls, text: str, items: Iterable[object], clips: Mapping[str, str] | None = None) -> "Names":
        """`text`, which stands for all of the items."""
        names = cls(text)
        names.items = tuple(map(str, items))
        names.clips = clips or {}
        return names


@dataclass(frozen=True)
class Finding:
    """One thing that a check saw.

    Attributes:
        level: error, warning or note.
        code: stable name of the check that speaks, such as `SLR-M03` (M model, D data, V vocabulary, T training).
        what: what was seen, with the numbers.
        where: the layer, file, id or split; may be empty.
        fix: what to do about it; empty for a note.
    """

    level: Level
    code: str
    what: str
    where: str = ""
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The finding as a plain dictionary, for `--json`; `items` has all clips that `where` only counts."""
        values = {name: str(value) if isinstance(value, Names) else value for name, value in vars(self).items()}
        return {**values, "items": list(self.where.items)} if isinstance(self.where, Names) else values


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether any finding is an error, which is what exit code 1 means."""
    return any(finding.level is Level.ERROR for finding in findings)
