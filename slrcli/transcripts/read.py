"""Transcripts out of files."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from slrcli.errors import DataError
from slrcli.transcripts.words import (
    COMMENT,
    EMPTY,
    GLOSS_COLUMNS,
    ID_COLUMNS,
    SIGNER_COLUMNS,
    check_word,
    format_of,
    is_label,
    is_time,
)


@dataclass(frozen=True)
class Segment:
    """One utterance as a file holds it; `signer` is empty where the format has none, `line` counts from 1.

    `confidences` holds one number a gloss, or nothing where the file has none.
    """

    id: str
    glosses: tuple[str, ...]
    signer: str = ""
    line: int = 0
    confidences: tuple[float, ...] = ()


def read_transcripts(path: str | Path, format: str = "auto") -> dict[str, list[str]]:
    """The glosses of every utterance in a file, in the file's order; see `read_segments`."""
    return {segment.id: list(segment.glosses) for segment in read_segments(path, format)}


def read_lines(path: str | Path, format: str = "auto") -> dict[str, list[str]]:
    """The glosses of every utterance under its number in the file, "1" the first, for files whose ids do not agree.

    Of a `txt` file every line is read as glosses alone, an empty line as an utterance without glosses.

    Raises:
        DataError, UsageError: as `read_segments`.
    """
    if format_of(path, format) == "txt":
        lines = _read_text(path).removesuffix("\n").split("\n")
        return {str(number): line.split() for number, line in enumerate(lines, 1)}
    return {str(number): list(one.glosses) for number, one in enumerate(read_segments(path, format), 1)}


def read_segments(path: str | Path, format: str = "auto") -> list[Segment]:
    """The utterances of a file.

    Args:
        path: UTF-8 text; a byte order mark and any line ends are tolerated.
        format: one of `FORMATS`; "auto" goes by the suffix.

    Raises:
        DataError: the file cannot be read, a line does not fit the format, an id occurs twice; names file and line.
        UsageError: unknown format.
    """
    format = format_of(path, format)
    reader = _READERS[format]
    lines = {}
    segments = []
    for segment in reader(_read_text(path), str(path)):
        where = f"{path}, line {segment.line}"
        if not segment.id:
            raise DataError("an utterance without an id", where, "give every line an id")
        if segment.id in lines:
            more = ", in the hypotheses too: they are not divided among segments by time" if format == "stm" else ""
            raise DataError(
                f"the id {segment.id} occurs twice, first in line {lines[segment.id]}", where, f"make ids unique{more}"
            )
        lines[segment.id] = segment.line
        segments.append(segment)
    return segments


# Reading: each takes the text and the file's name and yields segments.


def _read_stm(text: str, path: str) -> Iterator[Segment]:
    for number, words in _words(text):
        if len(words) < 5 or not is_time(words[3]) or not is_time(words[4]):
            if any(is_time(start) and is_time(end) for start, end in pairwise(words[4:])):
                what = "the signer's name has blanks; sclite and VAC's scorer would take a time behind it for a gloss"
                raise DataError(what, f"{path}, line {number}", "join the parts of the name, for example with _")
            raise _misfit(path, number, "stm", "id channel signer start end gloss ...")
        glosses = words[5:]
        if glosses and is_label(glosses[0]):
            del glosses[0]
        yield Segment(words[0], tuple(glosses), words[2], number)


def _read_ctm(text: str, path: str) -> Iterator[Segment]:
    found: dict[str, tuple[int, list[tuple[float, str, float]]]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(EMPTY):
            found.setdefault(line[len(EMPTY) :].strip(), (number, []))
            continue
        words = line.split()
        if not words or words[0].startswith(COMMENT):
            continue
        if len(words) < 5 or not is_time(words[2]) or not is_time(words[3]):
            raise _misfit(path, number, "ctm", "id channel start duration gloss")
        found.setdefault(words[0], (number, []))[1].append((float(words[2]), words[4], _number(words[5:6])))
    for id, (number, timed) in found.items():
        timed.sort(key=lambda gloss: gloss[0])  # stable: glosses of one moment stay in the file's order
        _, glosses, sure = zip(*timed, strict=True) if timed else ((), (), ())
        yield Segment(id, glosses, line=number, confidences=_complete(sure))


def _read_trn(text: str, path: str) -> Iterator[Segment]:
    for number, words in _words(text, comments=False):
        *glosses, last = words
        if len(last) < 3 or not (last.startswith("(") and last.endswith(")")):
            raise _misfit(path, number, "trn", "gloss ... (id)")
        yield Segment(last[1:-1], tuple(glosses), line=number)


def _read_txt(text: str, path: str) -> Iterator[Segment]:
    for number, (id, *glosses) in _words(text, comments=False):
        yield Segment(id, tuple(glosses), line=number)


def _read_table(text: str, path: str) -> Iterator[Segment]:
    rows = _rows(text, path)
    number, header = next(rows, (0, []))
    if not header:
        raise DataError("the table is empty", path, "the first line must name the columns")
    names = [name.strip().lower() for name in header]
    id_column, gloss_column = (_column(names, wanted, path) for wanted in (ID_COLUMNS, GLOSS_COLUMNS))
    signer_column = next((names.index(name) for name in SIGNER_COLUMNS if name in names), None)
    for number, row in rows:
        if len(row) != len(names):
            raise DataError(
                f"{len(row)} columns, the header has {len(names)}", f"{path}, line {number}", "mend the line"
            )
        signer = "" if signer_column is None else row[signer_column].strip()
        yield Segment(row[id_column].strip(), tuple(row[gloss_column].split()), signer, number)


def _read_jsonl(text: str, path: str) -> Iterator[Segment]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"not JSON: {error}", where, "one JSON object a line") from error
        id, glosses = _id_and_glosses(record)
        if not isinstance(id, str) or not isinstance(glosses, list) or not all(isinstance(one, str) for one in glosses):
            raise _misfit(path, number, "jsonl", '{"id": "...", "glosses": ["...", "..."]}')
        for gloss in glosses:
            check_word(gloss, "gloss", where)
        sure = record.get("confidences")
        sure = [_number([one]) for one in sure] if isinstance(sure, list) and len(sure) == len(glosses) else []
        yield Segment(id, tuple(glosses), line=number, confidences=_complete(sure))


Reader = Callable[[str, str], Iterator[Segment]]
_READERS: dict[str, Reader] = {
    "stm": _read_stm,
    "ctm": _read_ctm,
    "trn": _read_trn,
    "csv": _read_table,
    "tsv": _read_table,
    "jsonl": _read_jsonl,
    "txt": _read_txt,
}


def _read_text(path: str | Path) -> str:
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 text (byte {error.start})", str(path), "save the file as UTF-8") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"cannot read the file: {reason}", str(path), "check the name and the rights") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _words(text: str, comments: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Number and words of every line that has any; lines from `;;` on are left out where the format has comments."""
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if words and not (comments and words[0].startswith(COMMENT)):
            yield number, words


def _rows(text: str, path: str) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of every line of a table that is not blank. Only commas come with quotes."""
    header = text.split("\n", 1)[0]
    separator = next((mark for mark in "|\t" if mark in header), ",")
    if separator != ",":
        yield from ((number, line.split(separator)) for number, line in enumerate(text.split("\n"), 1) if line.strip())
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise DataError(f"not a table: {error}", f"{path}, line {reader.line_num}", "mend the line") from error


def _column(names: list[str], wanted: tuple[str, ...], path: str) -> int:
    for name in wanted:
        if name in names:
            return names.index(name)
    raise DataError(
        f"no column is named {' or '.join(wanted)}",
        f"{path}, line 1",
        f"the header names {', '.join(names)}; rename one",
    )


def _id_and_glosses(record: Any) -> tuple[Any, Any]:
    if not isinstance(record, dict):
        return None, None
    id, glosses = (
        next((record[name] for name in names if name in record), None) for names in (ID_COLUMNS, GLOSS_COLUMNS)
    )
    return id, glosses.split() if isinstance(glosses, str) else glosses


def _misfit(path: str, number: int, format: str, shape: str) -> DataError:
    return DataError(f"the line does not fit the format {format}", f"{path}, line {number}", f"it should read: {shape}")


def _number(words: list) -> float:
    """The number that stands there, NaN if there is none."""
    try:
        return float(words[0])
    except (IndexError, TypeError, ValueError):
        return math.nan


def _complete(confidences) -> tuple[float, ...]:
    """All of them, or none if one is missing."""
    found = tuple(confidences)
    return () if any(math.isnan(one) for one in found) else found
