"""What every transcript format agrees on: names of columns, what an id and a gloss may hold."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from slrcli.errors import DataError, UsageError

FORMATS = ("stm", "ctm", "trn", "csv", "tsv", "jsonl", "txt")
ID_COLUMNS = ("id", "name")
GLOSS_COLUMNS = ("glosses", "gloss", "annotation", "orth")
SIGNER_COLUMNS = ("signer", "speaker")

LABEL = "<all>"
EMPTY = ";; no glosses in "  # a ctm has no line for an utterance without glosses; this comment keeps its id
COMMENT = ";;"


class Timed(Protocol):
    """Glosses with their places: what a decoder's hypothesis offers."""

    glosses: Sequence[str]
    spans: Sequence[tuple[int, int]]
    confidences: Sequence[float]
    score: float


def format_of(path: str | Path, format: str = "auto") -> str:
    """The format that was named, or the one that the file's suffix means.

    Raises:
        DataError: the path is a folder.
        UsageError: there is no such format, or a name that means none.
    """
    if Path(path).is_dir():
        raise DataError("this is a folder, not a file of transcripts", str(path), "name a file in it")
    name = Path(path).suffix.lstrip(".").lower() if format == "auto" else format
    if name not in FORMATS:
        what = f"unknown transcript format {name!r}" if name else "the name does not say which format the file has"
        raise UsageError(what, str(path), f"use one of {', '.join(FORMATS)}, as suffix or as the format's name")
    return name


def is_timed(item: Sequence[str] | Timed) -> bool:
    """Whether it has spans, as hypotheses do."""
    return hasattr(item, "spans")


def glosses_of(item: Sequence[str] | Timed) -> list[str]:
    """The glosses of either form; TypeError for a string."""
    if isinstance(item, str):
        raise TypeError("a transcript is a list of glosses, not a string")
    return list(item.glosses if is_timed(item) else item)


def is_time(word: str) -> bool:
    """Whether it reads as seconds."""
    try:
        return not math.isnan(float(word))
    except ValueError:
        return False


def is_label(word: str) -> bool:
    """Whether stm would take it for a label, `<o,f0,male>`."""
    return word.startswith("<") and word.endswith(">")


def check_word(word: str, kind: str, where: str) -> None:
    """DataError if a gloss (or signer, or id) is empty, holds white space or cannot be written as UTF-8."""
    if not word or any(character.isspace() or _is_unwritable(character) for character in word):
        raise DataError(
            f"the {kind} {word!r} is empty or holds white space", where, "join its parts, for example with '-'"
        )


def check_id(id: str, spaces: bool) -> None:
    """Ids may hold blanks inside where the format allows it; never at their ends, never other white space."""
    inner = id.replace(" ", "") if spaces else id
    if id != id.strip():
        raise DataError(f"the id {id!r} begins or ends with white space", fix="rename it")
    check_word(inner, "id", id)
    if id.startswith(COMMENT):
        raise DataError(f"the id {id} would be read as a comment", fix="rename it")


def _is_unwritable(character: str) -> bool:
    """A byte order mark, which readers drop, or half of a character, which UTF-8 cannot hold."""
    return character == "\ufeff" or "\ud800" <= character <= "\udfff"
