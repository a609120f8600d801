"""The results of readers and the input of writers: one utterance with all that is known of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from slrcli.errors import DataError, UsageError


@dataclass(frozen=True)
class Segment:
    """One utterance in a file; `signer` is empty if the format has none, `line` counts from 1.

    `confidences` holds one number per gloss, or is empty if the file has none. `separator` is what separates the
    glosses if it is not blanks: a mark, or `lists` (see `cells`).
    """

    id: str
    glosses: tuple[str, ...]
    signer: str = ""
    line: int = 0
    confidences: tuple[float, ...] = ()
    separator: str = ""


class Row(NamedTuple):
    """A gloss with its frames (end exclusive) and seconds; its peak is the likeliest frame, None if not known."""

    gloss: str
    start_frame: int
    end_frame: int
    peak_frame: int | None
    start: float
    end: float
    peak: float | None
    confidence: float


@runtime_checkable
class Timed(Protocol):
    """Glosses with their frames, such as a decoder's hypothesis."""

    @property
    def glosses(self) -> Sequence[str]: ...
    @property
    def spans(self) -> Sequence[tuple[int, int]]: ...
    @property
    def confidences(self) -> Sequence[float]: ...
    @property
    def score(self) -> float: ...
    @property
    def peaks(self) -> Sequence[int]: ...


class Entry(Protocol):
    """The input of every writer; `rows` is None if no seconds are known, `hypothesis` if no frames are."""

    @property
    def id(self) -> str: ...
    @property
    def signer(self) -> str: ...
    @property
    def glosses(self) -> Sequence[str]: ...
    @property
    def hypothesis(self) -> Timed | None: ...
    @property
    def rows(self) -> Sequence[Row] | None: ...
    @property
    def media(self) -> Path | None: ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values: a line of a JSON Lines file."""


@dataclass(frozen=True)
class Untimed:
    """An `Entry` without seconds: only glosses, or a hypothesis of a clip with unknown frame rate."""

    id: str
    glosses: Sequence[str]
    signer: str = ""
    hypothesis: Timed | None = None
    rows = media = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values; with spans in frames, confidences and score if there is a hypothesis."""
        record: dict[str, Any] = {"id": self.id, "glosses": list(self.glosses)}
        if (found := self.hypothesis) is not None:
            record["spans"] = [list(span) for span in found.spans]
            record["confidences"] = list(found.confidences)
            record["score"] = found.score
        return record


def rows_of(entry: Entry, format: str) -> Sequence[Row]:
    """The glosses with their seconds, for formats that need them.

    Raises:
        DataError: the glosses have no times.
        UsageError: the glosses have frames, but the frame rate is not known.
    """
    if not entry.glosses:
        return ()
    if entry.rows is not None:
        return entry.rows
    if entry.hypothesis is None:
        what = f"The format {format} needs times, and these glosses have none."
        raise DataError(what, entry.id, "Write stm, csv, jsonl or txt.")
    what = f"The format {format} holds seconds, and the frame rate is not known."
    raise UsageError(what, entry.id, "Give the frame rate with --fps.")


def number(word: Any) -> float:
    """A word as a number; NaN if it is none."""
    try:
        return float(word)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def complete(confidences: Sequence[float], count: int) -> tuple[float, ...]:
    """One confidence per gloss, or none at all if one is missing."""
    found = tuple(confidences)
    return () if len(found) != count or any(math.isnan(one) for one in found) else found


def misfit(path: str, line: int, format: str, shape: str) -> DataError:
    """The error for a line that does not fit the format."""
    return DataError(f"The line does not fit the format {format}.", f"{path}, line {line}", f"It should read: {shape}")
