"""Gloss sequences in files: stm, ctm, trn, tables, JSON lines and plain text, read and written.

In memory a set of transcripts is `dict[id, list[gloss]]`. Glosses and ids are never repaired: what a format cannot hold
is refused, so that what was written is what will be read.

| format | a line | source |
|---|---|---|
| stm | `id channel signer start end [<label>] gloss ...` | NIST sclite; Phoenix's references |
| ctm | `id channel start duration gloss [confidence]`, in seconds | NIST sclite |
| trn | `gloss ... (id)` | NIST sclite |
| csv, tsv | a header that names the columns; split at `|`, tab or comma, whichever the header holds | |
| jsonl | `{"id": ..., "glosses": [...]}`, with spans and confidences where known | |
| txt | `id gloss ...` | |
"""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from slrcli.errors import DataError, UsageError
from slrcli.files import atomic_write_text

ID_COLUMNS = ("id", "name")
GLOSS_COLUMNS = ("glosses", "gloss", "annotation", "orth")
SIGNER_COLUMNS = ("signer", "speaker")

_NO_LIMIT = "1.79769e+308"  # the largest double, how Phoenix's stm files say "to the end"
_LABEL = "<all>"
_EMPTY = ";; no glosses in "  # a ctm has no line for an utterance without glosses; this comment keeps its id
_COMMENT = ";;"


class Timed(Protocol):
    """Glosses with their places: what a decoder's hypothesis offers."""

    glosses: Sequence[str]
    spans: Sequence[tuple[int, int]]
    confidences: Sequence[float]
    score: float


@dataclass(frozen=True)
class Segment:
    """One utterance as a file holds it; `signer` is empty where the format has none, `line` counts from 1."""

    id: str
    glosses: tuple[str, ...]
    signer: str = ""
    line: int = 0


def read_transcripts(path: str | Path, format: str = "auto") -> dict[str, list[str]]:
    """The glosses of every utterance in a file, in the file's order; see `read_segments`."""
    return {segment.id: list(segment.glosses) for segment in read_segments(path, format)}


def read_segments(path: str | Path, format: str = "auto") -> list[Segment]:
    """The utterances of a file.

    Args:
        path: UTF-8 text; a byte order mark and any line ends are tolerated.
        format: one of `FORMATS`; "auto" goes by the suffix.

    Raises:
        DataError: the file cannot be read, a line does not fit the format, an id occurs twice; names file and line.
        UsageError: unknown format.
    """
    reader = _READERS[format_of(path, format)]
    lines = {}
    segments = []
    for segment in reader(_read_text(path), str(path)):
        where = f"{path}, line {segment.line}"
        if not segment.id:
            raise DataError("an utterance without an id", where, "give every line an id")
        if segment.id in lines:
            raise DataError(
                f"the id {segment.id} occurs twice, first in line {lines[segment.id]}", where, "make ids unique"
            )
        lines[segment.id] = segment.line
        segments.append(segment)
    return segments


def write_transcripts(
    path: str | Path,
    transcripts: Mapping[str, Sequence[str] | Timed],
    format: str = "auto",
    fps: float | None = None,
    signers: Mapping[str, str] | None = None,
) -> None:
    """Write gloss lists or hypotheses; the file appears whole or not at all.

    Args:
        path: where to.
        transcripts: id -> glosses or a hypothesis; its spans (in frames) and confidences go where the format has room.
        format: one of `FORMATS`; "auto" goes by the suffix.
        fps: frames per second; ctm, which holds seconds, needs it.
        signers: id -> signer, for stm.

    Raises:
        DataError: an id or a gloss that the format cannot hold, or a ctm of glosses without times.
        UsageError: unknown format, or a ctm without `fps`.
    """
    format = format_of(path, format)
    for id, item in transcripts.items():
        _check_id(id, spaces=format in {"csv", "tsv", "jsonl"})
        for gloss in _glosses(item):
            _check_word(gloss, "gloss", id)
    lines = _WRITERS[format](transcripts, fps, signers or {})
    atomic_write_text(path, "".join(f"{line}\n" for line in lines))


# Reading: each takes the text and the file's name and yields segments.


def _read_stm(text: str, path: str) -> Iterator[Segment]:
    for number, words in _words(text):
        if len(words) < 5 or not _is_time(words[3]) or not _is_time(words[4]):
            raise _misfit(path, number, "stm", "id channel signer start end gloss ...")
        glosses = words[5:]
        if glosses and _is_label(glosses[0]):
            del glosses[0]
        yield Segment(words[0], tuple(glosses), words[2], number)


def _read_ctm(text: str, path: str) -> Iterator[Segment]:
    found: dict[str, tuple[int, list[tuple[float, str]]]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(_EMPTY):
            found.setdefault(line[len(_EMPTY) :].strip(), (number, []))
            continue
        words = line.split()
        if not words or words[0].startswith(_COMMENT):
            continue
        if len(words) < 5 or not _is_time(words[2]) or not _is_time(words[3]):
            raise _misfit(path, number, "ctm", "id channel start duration gloss")
        found.setdefault(words[0], (number, []))[1].append((float(words[2]), words[4]))
    for id, (number, timed) in found.items():
        timed.sort(key=lambda pair: pair[0])  # stable: glosses of one moment stay in the file's order
        yield Segment(id, tuple(gloss for _, gloss in timed), line=number)


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
            _check_word(gloss, "gloss", where)
        yield Segment(id, tuple(glosses), line=number)


# Writing: each takes the transcripts, the frame rate and the signers and yields lines.

_Items = Mapping[str, Sequence[str] | Timed]


def _write_stm(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    for id, item in items.items():
        signer = signers.get(id) or "unknown"
        _check_word(signer, "signer", id)
        glosses = _glosses(item)
        label = [_LABEL] if glosses and _is_label(glosses[0]) else []  # or the first gloss would be read as a label
        yield " ".join([id, "1", signer, "0.0", _NO_LIMIT, *label, *glosses])


def _write_ctm(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    if not fps or not math.isfinite(fps) or fps < 0:
        raise UsageError("a ctm holds seconds, and the frame rate is not known", fix="give the frame rate (--fps)")
    for id, item in items.items():
        if not _glosses(item):
            yield _EMPTY + id
        elif not _is_timed(item):
            raise DataError("a ctm needs times, and these glosses have none", id, "write stm, csv, jsonl or txt")
        else:
            for gloss, (start, end), confidence in zip(item.glosses, item.spans, item.confidences, strict=True):
                yield f"{id} 1 {start / fps:.3f} {(end - start) / fps:.3f} {gloss} {confidence:.4f}"


def _write_trn(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    for id, item in items.items():
        yield " ".join([*_glosses(item), f"({id})"])


def _write_txt(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    for id, item in items.items():
        yield " ".join([id, *_glosses(item)])


def _write_csv(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    for row in _table_rows(items):
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="").writerow(row)
        yield buffer.getvalue()


def _write_tsv(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    yield from ("\t".join(row) for row in _table_rows(items))


def _write_jsonl(items: _Items, fps: float | None, signers: Mapping[str, str]) -> Iterator[str]:
    for id, item in items.items():
        record: dict[str, Any] = {"id": id, "glosses": _glosses(item)}
        if _is_timed(item):
            record["spans"] = [list(span) for span in item.spans]
            record["confidences"] = list(item.confidences)
            record["score"] = item.score if math.isfinite(item.score) else None
        yield json.dumps(record, ensure_ascii=False, allow_nan=False)


Reader = Callable[[str, str], Iterator[Segment]]
Writer = Callable[[_Items, float | None, Mapping[str, str]], Iterator[str]]
_READERS: dict[str, Reader] = {
    "stm": _read_stm,
    "ctm": _read_ctm,
    "trn": _read_trn,
    "csv": _read_table,
    "tsv": _read_table,
    "jsonl": _read_jsonl,
    "txt": _read_txt,
}
_WRITERS: dict[str, Writer] = {
    "stm": _write_stm,
    "ctm": _write_ctm,
    "trn": _write_trn,
    "csv": _write_csv,
    "tsv": _write_tsv,
    "jsonl": _write_jsonl,
    "txt": _write_txt,
}
FORMATS = tuple(_READERS)


def format_of(path: str | Path, format: str = "auto") -> str:
    """The format that was named, or the one that the file's suffix means; UsageError if there is none such."""
    name = Path(path).suffix.lstrip(".").lower() if format == "auto" else format
    if name not in FORMATS:
        raise UsageError(f"unknown transcript format {name!r}", str(path), f"use one of {', '.join(FORMATS)}")
    return name


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
        if words and not (comments and words[0].startswith(_COMMENT)):
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


def _table_rows(items: _Items) -> Iterator[list[str]]:
    """Header and rows; spans as `start-end` in frames, beside confidences, where any item has them."""
    timed = any(map(_is_timed, items.values()))
    yield ["id", "glosses", "spans", "confidences"] if timed else ["id", "glosses"]
    for id, item in items.items():
        row = [id, " ".join(_glosses(item))]
        if timed:
            spans, confidences = (item.spans, item.confidences) if _is_timed(item) else ((), ())
            row += [" ".join(f"{start}-{end}" for start, end in spans), " ".join(f"{one:.4f}" for one in confidences)]
        yield row


def _id_and_glosses(record: Any) -> tuple[Any, Any]:
    if not isinstance(record, dict):
        return None, None
    id, glosses = (
        next((record[name] for name in names if name in record), None) for names in (ID_COLUMNS, GLOSS_COLUMNS)
    )
    return id, glosses.split() if isinstance(glosses, str) else glosses


def _is_timed(item: Sequence[str] | Timed) -> bool:
    return hasattr(item, "spans")


def _glosses(item: Sequence[str] | Timed) -> list[str]:
    if isinstance(item, str):
        raise TypeError("a transcript is a list of glosses, not a string")
    return list(item.glosses if _is_timed(item) else item)


def _is_time(word: str) -> bool:
    try:
        return not math.isnan(float(word))
    except ValueError:
        return False


def _is_label(word: str) -> bool:
    return word.startswith("<") and word.endswith(">")


def _misfit(path: str, number: int, format: str, shape: str) -> DataError:
    return DataError(f"the line does not fit the format {format}", f"{path}, line {number}", f"it should read: {shape}")


def _check_word(word: str, kind: str, where: str) -> None:
    if not word or any(character.isspace() or _is_unwritable(character) for character in word):
        raise DataError(
            f"the {kind} {word!r} is empty or holds white space", where, "join its parts, for example with '-'"
        )


def _check_id(id: str, spaces: bool) -> None:
    """Ids may hold blanks inside where the format allows it; never at their ends, never other white space."""
    inner = id.replace(" ", "") if spaces else id
    if id != id.strip():
        raise DataError(f"the id {id!r} begins or ends with white space", fix="rename it")
    _check_word(inner, "id", id)
    if id.startswith(_COMMENT):
        raise DataError(f"the id {id} would be read as a comment", fix="rename it")


def _is_unwritable(character: str) -> bool:
    """A byte order mark, which readers drop, or half of a character, which UTF-8 cannot hold."""
    return character == "\ufeff" or "\ud800" <= character <= "\udfff"
