"""Delimited text, for transcripts and annotation tables: encodings, separators, rows and line numbers.

The separator is what a first line `sep=;` names (spreadsheets write it), else the first of `|`, tab, comma and
semicolon in the header. Tables with commas and semicolons have quotes; in one with tabs, a cell that is quoted as a
whole loses its quotes; bars are split as they are. Rows whose cells are all blank are skipped, and so are blank cells
beyond the last named column.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from slrcli.errors import DataError
from slrcli.files import read_bytes

SEPARATORS = "|\t,;"  # in this order
_NAMED = re.compile(r'\A\n*"?sep=(?P<mark>[^\w\s"]|\t)"?[,;\t|]*(?:\n|\Z)', re.IGNORECASE)
_BOMS = (  # those of UTF-32 begin like those of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNITS = 4  # characters of ASCII at the beginning of a file by which UTF-16 is recognised where no mark names it
Lines = Iterator[tuple[int, list[str]]]  # line number, counted from 1, and cells


def read_text(path: str | Path, pipes: bool = False) -> str:
    """The text of a file in UTF-8 or UTF-16, with line feeds as line endings and without a byte order mark.

    With `pipes`, what a pipe brings is such a text, too.

    Raises:
        DataError: the file cannot be read, or is in another encoding; names the line.
    """
    try:
        data = read_bytes(path, pipes=pipes)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"The file cannot be read: {reason}.", str(path), "Check its name and permissions.") from error
    try:
        return decoded(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        name = error.encoding.upper()
        what = f"The text is not {name}: byte {data[error.start]:#04x} at position {error.start}."
        raise DataError(what, f"{path}, line {line}", "Save the file as UTF-8.") from error


def decoded(data: bytes, errors: str = "strict") -> str:
    """The text of bytes, as `read_text` returns it; `errors` as in `bytes.decode`."""
    encoding, start = encoding_of(data)
    return data[start:].decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")


def encoding_of(data: bytes) -> tuple[str, int]:
    """The encoding of a text (UTF-8 unless it shows another one), and the number of bytes of its byte order mark."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name, len(mark)
    first, second = data[: 2 * _UNITS : 2], data[1 : 2 * _UNITS : 2]
    for letters, zeros, name in ((first, second, "utf-16-le"), (second, first, "utf-16-be")):
        if zeros == bytes(_UNITS) and 0 not in letters:
            return name, 0
    return "utf-8", 0


def separator(text: str) -> str:
    """The character between the columns of a table, by its first line `sep=` or by its header."""
    named = _NAMED.match(text)
    if named:
        return named["mark"]
    header = text.lstrip("\n ").split("\n", 1)[0]
    return next((mark for mark in SEPARATORS if mark in header), ",")


def rows(text: str, path: str | Path) -> Lines:
    """The rows that are not blank, including the header, each with the number of its first line.

    Raises:
        DataError: a quote is not closed.
    """
    mark = separator(text)
    text = _NAMED.sub(lambda named: "\n" * named[0].count("\n"), text)  # blank, so that lines keep their numbers
    numbered = _split(text, mark) if mark in "|\t" else _quoted(text, mark, path)
    yield from ((number, cells) for number, cells in numbered if any(cell.strip() for cell in cells))


def _split(text: str, mark: str) -> Lines:
    for number, line in enumerate(text.split("\n"), 1):
        cells = line.split(mark)
        yield number, cells if mark == "|" else list(map(unquoted, cells))


def unquoted(cell: str) -> str:
    """A cell without its quotes, if it is quoted as a whole, with every quote within it doubled."""
    whole = re.fullmatch(r'\s*"((?:[^"]|"")*)"\s*', cell)
    return whole[1].replace('""', '"') if whole else cell


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
    names = column_names(header)
    return names, _fitting(found, len(names), path)


def column_names(header: Iterable[str]) -> list[str]:
    """The names in a header, in lower case, up to the last column that has one."""
    names = [name.strip().lower() for name in header]
    while names and not names[-1]:
        names.pop()
    return names


def fitted(cells: Sequence[str], width: int) -> list[str]:
    """The cells of a row without blank ones beyond the named columns."""
    extra = any(cell.strip() for cell in cells[width:])
    return list(cells if extra else cells[:width])


def _fitting(found: Lines, width: int, path: str | Path) -> Lines:
    for number, cells in found:
        cells = fitted(cells, width)
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
