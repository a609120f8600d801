"""Annotation tables: text -> rows -> utterances.

Columns are found by name, in any order; a row that does not fit is named with its line, never guessed at.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slrcli.corpus.utterances import Utterance, split_name
from slrcli.errors import DataError
from slrcli.transcripts.words import GLOSS_COLUMNS, ID_COLUMNS, SIGNER_COLUMNS

PATH_COLUMNS = ("path", "features", "file", "folder", "video")
SPLIT_COLUMNS = ("split", "subset")
_KNOWN = {
    "id": ID_COLUMNS,
    "glosses": GLOSS_COLUMNS,
    "signer": SIGNER_COLUMNS,
    "path": PATH_COLUMNS,
    "split": SPLIT_COLUMNS,
}
_Lines = Iterator[tuple[int, list[str]]]  # line number, counted from 1, and cells


@dataclass(frozen=True)
class Row:
    """One row: the utterance, still without features, and what its path column says (or nothing)."""

    utterance: Utterance
    path: str


def read_table(
    table: Path, split: str, named: Mapping[str, str] | None = None, unlabelled: bool = False
) -> Iterator[Row]:
    """The rows of an annotation table.

    Args:
        table: UTF-8 text with a header; `|`, tab, comma or semicolon between columns.
        split: the split of all rows; "" where a column says it (without such a column, all are train).
        named: id, glosses, signer, path or split -> the name that the column has in this table.
        unlabelled: the table may lack a column of glosses, as those of test splits that are kept secret do.

    Raises:
        DataError: the table cannot be read, a column is missing, or a row does not fit; names the line.
    """
    names, rows = _open(table)
    wanted = wanted_columns(named)
    id_column = _need(names, wanted["id"], table)
    gloss_column = _have(names, wanted["glosses"]) if unlabelled else _need(names, wanted["glosses"], table)
    for key in named or {}:
        _need(names, wanted[key], table)
    signer_column, path_column = (_have(names, wanted[key]) for key in ("signer", "path"))
    split_column = None if split else _have(names, wanted["split"])
    for number, cells in rows:
        id = cells[id_column].strip()
        check_id(id, f"{table}, line {number}")
        own = split or ("train" if split_column is None else split_name(cells[split_column]))
        if not own:
            raise DataError("the row names no split", f"{table}, line {number}", "write train, dev or test")
        signer = "" if signer_column is None else cells[signer_column].strip()
        path = "" if path_column is None else cells[path_column].strip()
        glosses = () if gloss_column is None else tuple(cells[gloss_column].split())
        yield Row(Utterance(id, glosses, None, signer, own, number, table), path)


def wanted_columns(named: Mapping[str, str] | None) -> dict[str, tuple[str, ...]]:
    """The names, in lower case, that each column may have; one that the user named has that name alone."""
    return {**_KNOWN, **{key: (name.strip().lower(),) for key, name in (named or {}).items()}}


@dataclass(frozen=True)
class TableFacts:
    """What an annotation table looks like as a file: all that is wrong with it, not the first alone.

    Attributes:
        table: the file.
        columns: names in its header, lower case.
        separator: what stands between columns.
        damaged: `(line, what is wrong)` of every line that cannot be read.
        twice: names of columns that stand more than once in the header; the first is read.
        marked: it begins with a byte order mark.
        endings: the line endings in use: CRLF, LF, CR.
    """

    table: Path
    columns: tuple[str, ...] = ()
    separator: str = ""
    damaged: tuple[tuple[int, str], ...] = ()
    twice: tuple[str, ...] = ()
    marked: bool = False
    endings: tuple[str, ...] = ()


def inspect_table(table: Path) -> TableFacts:
    """All that is wrong with an annotation table; never raises for what the file holds.

    Raises:
        DataError: the file cannot be opened.
    """
    try:
        data = table.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the table: {error.strerror}", table, "check the name and the rights") from error
    crlf, lf = data.count(b"\r\n"), data.count(b"\n")
    counts = {"CRLF": crlf, "LF": lf - crlf, "CR": data.count(b"\r") - crlf}
    endings = tuple(name for name, count in counts.items() if count)
    damaged = [(number, f"not UTF-8 text ({problem})") for number, problem in _undecodable(data)]
    text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    header = text.split("\n", 1)[0]
    separator = _separator(header)
    names: list[str] = []
    try:
        for number, cells in _rows(text, table):
            if not names:
                names = [name.strip().lower() for name in cells]
            elif len(cells) != len(names):
                damaged.append((number, f"{len(cells)} columns, the header has {len(names)}"))
            elif problem := _bad_id(cells, names, table, number):
                damaged.append((number, problem))
    except DataError as problem:
        damaged.append((0, problem.what))
    twice = tuple(dict.fromkeys(name for name in names if names.count(name) > 1))
    marked = data.startswith(b"\xef\xbb\xbf")
    return TableFacts(table, tuple(names), separator, tuple(sorted(damaged)), twice, marked, endings)


def _undecodable(data: bytes) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            yield number, f"byte {line[error.start]:#04x}"


def _bad_id(cells: Sequence[str], names: Sequence[str], table: Path, number: int) -> str:
    column = _have(names, ID_COLUMNS)
    try:
        if column is not None:
            check_id(cells[column].strip(), f"{table}, line {number}")
    except DataError as problem:
        return problem.what
    return ""


def read_splits(table: Path) -> dict[str, str]:
    """Id -> split, of a table that says no more.

    Raises:
        DataError: like `read_table`.
    """
    names, rows = _open(table)
    id_column, split_column = (_need(names, wanted, table) for wanted in (ID_COLUMNS, SPLIT_COLUMNS))
    return {cells[id_column].strip(): split_name(cells[split_column]) for _, cells in rows}


def has_columns(table: Path, named: Mapping[str, str] | None = None) -> bool:
    """Whether the header of a file names ids and glosses; never raises for what the file holds."""
    wanted = wanted_columns(named)
    with table.open("rb") as file:
        first = file.readline(65536).decode("utf-8-sig", "replace")
    names = [name.strip().lower() for name in first.split(_separator(first))]
    names = [name.strip('"') for name in names]
    return _have(names, wanted["id"]) is not None and _have(names, wanted["glosses"]) is not None


def check_id(id: str, where: str) -> None:
    """Refuse an id that could lead out of a folder, or that no file can be called.

    Raises:
        DataError: it is empty, absolute, climbs (`..`), or holds a backslash or a control character.
    """
    parts = id.split("/")
    if not id:
        raise DataError("an utterance without an id", where, "give every row an id")
    if (
        any(part in ("", ".", "..") for part in parts)
        or "\\" in id
        or not id.replace("\u3000", "").isprintable()
        or id[1:2] == ":"
    ):
        raise DataError(f"the id {id!r} cannot be the name of a file", where, "rename it: letters, digits, -, _ and .")


def _open(table: Path) -> tuple[list[str], _Lines]:
    """Names of the columns, and the rows that are not blank, each as wide as the header."""
    rows = _rows(_text(table), table)
    _, header = next(rows, (0, []))
    names = [name.strip().lower() for name in header]
    if not any(names):
        raise DataError("the table is empty", table, "the first line must name the columns")
    return names, _fitting(rows, len(names), table)


def _fitting(rows: _Lines, width: int, table: Path) -> _Lines:
    for number, cells in rows:
        if len(cells) != width:
            raise DataError(f"{len(cells)} columns, the header has {width}", f"{table}, line {number}", "mend the line")
        yield number, cells


def _text(table: Path) -> str:
    try:
        data = table.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read the table: {error.strerror}", table, "check the name and the rights") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"not UTF-8 text: byte {data[error.start]:#04x} at position {error.start}"
        raise DataError(what, f"{table}, line {line}", "save the table as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _rows(text: str, table: Path) -> _Lines:
    separator = _separator(text.split("\n", 1)[0])
    if separator in "|\t":
        lines = enumerate(text.split("\n"), 1)
        yield from ((number, line.split(separator)) for number, line in lines if line.strip())
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    last = 0  # a quoted cell may go over several lines; the row is named by its first
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield last + 1, cells
            last = reader.line_num
    except csv.Error as error:
        raise DataError(f"not a table: {error}", f"{table}, line {reader.line_num}", "mend the line") from error


def _separator(header: str) -> str:
    return next((mark for mark in "|\t,;" if mark in header), ",")


def _have(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _need(names: Sequence[str], wanted: Sequence[str], table: Path) -> int:
    found = _have(names, wanted)
    if found is None:
        here = ", ".join(names)
        raise DataError(
            f"no column is named {' or '.join(wanted)}",
            f"{table}, line 1",
            f"rename one, or name it in corpus.toml or with slr corpus --column; the header has: {here}",
        )
    return found
