"""What readers give and what writers take: one utterance with as much as is known of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from slrcli.errors import DataError, UsageError


@dataclass(frozen=True)
class Segment:
    """One utterance as a file holds it; `signer` is empty where the format has none, `line` counts from 1.

    `confidences` holds one number per gloss, or nothing where the file has none.
    """

    id: str
    glosses: tuple[str, ...]
    signer: str = ""
    line: int = 0
    confidences: tuple[float, ...] = ()


class Row(NamedTuple):
    """A gloss: frames (the end exclusive) and seconds; the peak is where it is likeliest, None where not known."""

    gloss: str
    start_frame: int
    end_frame: int
    peak_frame: int | None
    start: float
    end: float
    peak: float | None
    confidence: float


class Timed(Protocol):
    """Glosses with their places in frames: what a decoder's hypothesis offers."""

    glosses: Sequence[str]
    spans: Sequence[tuple[int, int]]
    confidences: Sequence[float]
    score: float
    peaks: Sequence[int]


class Entry(Protocol):
    """What every writer takes; `rows` is None where no seconds are known, `hypothesis` where no frames are."""

    id: str
    signer: str
    glosses: Sequence[str]
    hypothesis: Timed | None
    rows: Sequence[Row] | None
    media: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values: a line of JSON lines."""


@dataclass(frozen=True)
class Untimed:
    """An `Entry` without seconds: glosses alone, or a hypothesis of a clip whose frame rate is not known."""

    id: str
    glosses: Sequence[str]
    signer: str = ""
    hypothesis: Timed | None = None
    rows = media = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values; spans in frames, confidences and score where there is a hypothesis."""
        record: dict[str, Any] = {"id": self.id, "glosses": list(self.glosses)}
        if (found := self.hypothesis) is not None:
            record["spans"] = [list(span) for span in found.spans]
            record["confidences"] = list(found.confidences)
            record["score"] = found.score
        return record


def rows_of(entry: Entry, format: str) -> Sequence[Row]:
    """The glosses with their seconds, for a format that cannot do without.

    Raises:
        DataError: the glosses have no places.
        UsageError: they have, but the frame rate is not known.
    """
    if not entry.glosses:
        return ()
    if entry.rows is not None:
        return entry.rows
    if entry.hypothesis is None:
        raise DataError(f"{format} needs times, and these glosses have none.", entry.id, "Write stm, csv, jsonl or txt.")
    what = f"{format} holds seconds, and the frame rate is not known."
    raise UsageError(what, entry.id, "Give the frame rate (--fps).")


def number(word: object) -> float:
    """The number that stands there, NaN if there is none."""
    try:
        return float(word)
    except (TypeError, ValueError):
        return math.nan


def complete(confidences: Sequence[float], count: int) -> tuple[float, ...]:
    """One confidence per gloss, or none at all where one is missing."""
    found = tuple(confidences)
    return () if len(found) != count or any(math.isnan(one) for one in found) else found


def misfit(path: str, line: int, format: str, shape: str) -> DataError:
    """The error of a line that is not of the format."""
    return DataError(f"The line does not fit the format {format}.", f"{path}, line {line}", f"It should read: {shape}.")
