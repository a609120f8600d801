"""Delimited text, for transcripts and annotation tables: separators, rows and line numbers.

The separator is the first of `|`, tab, comma and semicolon in the header. Only tables with commas and semicolons have
quotes. Rows whose cells are all blank are skipped.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from slrcli.errors import DataError

SEPARATORS = "|\t,;"  # in this order
Lines = Iterator[tuple[int, list[str]]]  # line number, counted from 1, and cells


def read_text(path: str | Path) -> str:
    """The text of a UTF-8 file, with line feeds as line endings and without a byte order mark.

    Raises:
        DataError: the file cannot be read, or is not UTF-8; names the line.
    """
    try:
        data = Path(path).read_bytes()
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"The text is not UTF-8: byte {data[error.start]:#04x} at position {error.start}."
        raise DataError(what, f"{path}, line {line}", "Save the file as UTF-8.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"The file cannot be read: {reason}.", str(path), "Check its name and permissions.") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def separator(text: str) -> str:
    """The character between the columns of a table, by its header: the first line that is not blank."""
    header = text.lstrip("\n ").split("\n", 1)[0]
    return next((mark for mark in SEPARATORS if mark in header), ",")


def rows(text: str, path: str | Path) -> Lines:
    """The rows that are not blank, including the header, each with the number of its first line.

    Raises:
        DataError: a quote is not closed.
    """
    mark = separator(text)
    numbered = _quoted(text, mark, path) if mark in ",;" else _split(text, mark)
    yield from ((number, cells) for number, cells in numbered if any(cell.strip() for cell in cells))


def _split(text: str, mark: str) -> Lines:
    yield from ((number, line.split(mark)) for number, line in enumerate(text.split("\n"), 1))


def _quoted(text: str, mark: str, path: str | Path) -> Lines:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    last = 0  # a quoted cell may go over several lines; the row is named by its first
    try:
        for cells in reader:
            yield last + 1, cells
            last = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"This is not a table: {error}.", f"{path}, line {reader.line_num}", "Correct the line."
        ) from error


def open_table(text: str, path: str | Path) -> tuple[list[str], Lines]:
    """Names of the columns in lower case, and the rows below them, each as wide as the header.

    Raises:
        DataError: there is no header, or (while the rows are read) a row has another width.
    """
    found = rows(text, path)
    _, header = next(found, (0, []))
    if not header:
        raise DataError("The table is empty.", str(path), "Name the columns in the first line.")
    names = [name.strip().lower() for name in header]
    return names, _fitting(found, len(names), path)


def _fitting(found: Lines, width: int, path: str | Path) -> Lines:
    for number, cells in found:
        if len(cells) != width:
            what = f"The line has {len(cells)} columns, the header {width}."
            raise DataError(what, f"{path}, line {number}", "Correct the line.")
        yield number, cells


def column(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    """The index of the first of the `wanted` names in the header; None if there is none."""
    return next((names.index(name) for name in wanted if name in names), None)


def need_column(names: Sequence[str], wanted: Sequence[str], path: str | Path, fix: str = "Rename one") -> int:
    """Like `column`, with a DataError if there is none; `fix` is a sentence without a full stop."""
    found = column(names, wanted)
    if found is None:
        what = f"No column is named {' or '.join(wanted)}."
        raise DataError(what, f"{path}, line 1", f"{fix}. The header has: {', '.join(names)}.")
    return found
