"""Annotation tables: their columns, found by name, and their rows as utterances.

Columns of other names are named in `corpus.toml` (see `settings`). Tables separated by `|` or tabs are split as they
are; only those with commas and semicolons have quotes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from slrcli.corpus.utterances import SPLITS, Utterance, split_name
from slrcli.errors import DataError, shortened
from slrcli.files import RENAME_FILE, below, open_regular, read_bytes, stays_below
from slrcli.transcripts.cells import separated_text, split_columns
from slrcli.transcripts.delimited import (
    column,
    column_names,
    decoded,
    encoding_of,
    fitted,
    need_column,
    open_table,
    read_text,
    rows,
    separator,
    unquoted,
)
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
HEADER_BYTES = 65536  # read of a file to see the names of its columns
RENAME = "Rename one, or name it in corpus.toml or with slr corpus --column"


@dataclass(frozen=True)
class Row:
    """One row: the utterance, still without features, its path column (which may be empty), and its cell of glosses."""

    utterance: Utterance
    path: str
    cell: str = ""


def read_table(table: Path, split: str) -> list[Row]:
    """The rows of an annotation table that stands alone; arguments and errors are those of `read_rows`."""
    return with_glosses([list(read_rows(table, split))])[0]


def with_glosses(tables: Sequence[Sequence[Row]], notes: list[str] | None = None) -> list[list[Row]]:
    """The rows of the tables of one corpus with their glosses, which are separated in one way in all tables.

    Args:
        tables: the rows of each, from `read_rows`.
        notes: gets a sentence where anything but blanks separates glosses.

    Raises:
        DataError: a gloss holds white space; names table and line.
    """
    where = [[f"{row.utterance.table}, line {row.utterance.line}" for row in own] for own in tables]
    found = split_columns([[row.cell for row in own] for own in tables], where)
    parted: dict[str, dict[str, None]] = {}
    done = []
    for own, (sentences, mark) in zip(tables, found, strict=True):
        pairs = list(zip(own, sentences, strict=True))
        done.append([replace(row, utterance=replace(row.utterance, glosses=glosses)) for row, glosses in pairs])
        if mark and (row := next((row for row, glosses in pairs if tuple(row.cell.split()) != glosses), None)):
            parted.setdefault(mark, {})[row.utterance.table.name if row.utterance.table else ""] = None
    if notes is not None:
        notes += [
            f"The glosses of {', '.join(names)} are separated by {separated_text(mark)}."
            for mark, names in parted.items()
        ]
    return done


def read_rows(
    table: Path, split: str, named: Mapping[str, str] | None = None, unlabelled: bool = False
) -> Iterator[Row]:
    """The rows of an annotation table, still without glosses: see `with_glosses`.

    Args:
        table: UTF-8 or UTF-16 text with a header; `|`, tab, comma or semicolon between columns.
        split: the split of all rows; "" if a column names it (without such a column, all are train).
        named: id, glosses, signer, path or split -> the name of the column in this table.
        unlabelled: whether the table may lack a column of glosses, as for test splits with secret references.

    Raises:
        DataError: the table cannot be read, a column is missing, or a row does not fit; names the line.
    """
    names, lines = open_table(read_text(table), table)
    wanted = wanted_columns(named)
    id_column = need_column(names, wanted["id"], table, RENAME)
    find_glosses = column if unlabelled else partial(need_column, path=table, fix=RENAME)
    gloss_column = find_glosses(names, wanted["glosses"])
    for key in named or {}:
        need_column(names, wanted[key], table, RENAME)
    signer_column, path_column = (column(names, wanted[key]) for key in ("signer", "path"))
    split_column = None if split else column(names, wanted["split"])
    for number, cells in lines:
        id = cells[id_column].strip()
        check_id(id, f"{table}, line {number}")
        own = split or ("train" if split_column is None else split_name(cells[split_column]))
        if own not in SPLITS:
            check_split(own, f"{table}, line {number}")
        signer = "" if signer_column is None else cells[signer_column].strip()
        path = "" if path_column is None else cells[path_column].strip()
        cell = "" if gloss_column is None else cells[gloss_column]
        yield Row(Utterance(id, (), None, signer, own, number, table), path, cell)


def wanted_columns(named: Mapping[str, str] | None) -> dict[str, tuple[str, ...]]:
    """The possible names of each column, in lower case; a column named by the user has only that name."""
    return {**_KNOWN, **{key: (name.strip().lower(),) for key, name in (named or {}).items()}}


@dataclass(frozen=True)
class TableFacts:
    """The form of an annotation table as a file, with all of its faults, not only the first.

    Attributes:
        table: the file.
        columns: names in its header, in lower case.
        separator: the character between columns.
        damaged: `(line, what is wrong)` of every line that cannot be read; 0 stands for the whole file.
        twice: names of columns that occur more than once in the header; the first is read.
        marked: whether it begins with a byte order mark.
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
    """All faults of an annotation table; the content of the file never raises an error.

    Raises:
        DataError: the file cannot be opened.
    """
    try:
        data = read_bytes(table)
    except OSError as error:
        raise DataError(
            f"The table cannot be read: {error.strerror}.", table, "Check its name and permissions."
        ) from error
    content = data.replace(b"\0", b"")  # line ends of UTF-16 as well
    crlf, lf = content.count(b"\r\n"), content.count(b"\n")
    counts = {"CRLF": crlf, "LF": lf - crlf, "CR": content.count(b"\r") - crlf}
    endings = tuple(name for name, count in counts.items() if count)
    encoding, start = encoding_of(data)
    damaged = [(number, f"The text is not UTF-8 ({problem}).") for number, problem in _undecodable(data, encoding)]
    text = decoded(data, "replace")
    mark = separator(text)
    names: list[str] = []
    try:
        for number, cells in rows(text, table):
            if not names:
                names = column_names(cells)
            elif len(cells := fitted(cells, len(names))) != len(names):
                damaged.append((number, f"The line has {len(cells)} columns, the header {len(names)}."))
            elif problem := _bad_id(cells, names, table, number):
                damaged.append((number, problem))
    except DataError as problem:
        damaged.append((0, problem.what))
    twice = tuple(dict.fromkeys(name for name in names if names.count(name) > 1))
    return TableFacts(table, tuple(names), mark, tuple(sorted(damaged)), twice, start > 0, endings)


def _undecodable(data: bytes, encoding: str) -> Iterator[tuple[int, str]]:
    if encoding != "utf-8":
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            yield number, f"byte {line[error.start]:#04x}"


def _bad_id(cells: Sequence[str], names: Sequence[str], table: Path, number: int) -> str:
    place = column(names, ID_COLUMNS)
    try:
        if place is not None:
            check_id(cells[place].strip(), f"{table}, line {number}")
    except DataError as problem:
        return problem.what
    return ""


def read_splits(table: Path) -> dict[str, str]:
    """Id -> split, from a table with only these two columns.

    Raises:
        DataError: like `read_rows`.
    """
    names, lines = open_table(read_text(table), table)
    id_column, split_column = (need_column(names, wanted, table, RENAME) for wanted in (ID_COLUMNS, SPLIT_COLUMNS))
    found = {}
    for number, cells in lines:
        own = found[cells[id_column].strip()] = split_name(cells[split_column])
        check_split(own, f"{table}, line {number}")
    return found


def has_columns(table: Path, named: Mapping[str, str] | None = None) -> bool:
    """Whether the header of a file names ids and glosses; the content of the file never raises an error."""
    return not lacking(table, named)


def lacking(table: Path, named: Mapping[str, str] | None = None) -> str:
    """Why a file is no annotation table, in words after its name; "" if its header names ids and glosses."""
    with open_regular(table) as file:
        start = decoded(file.read(HEADER_BYTES), "replace")
    mark = separator(start)
    lines = (line for line in start.split("\n") if line.strip() and not line.lower().strip('"').startswith("sep="))
    names = column_names(unquoted(name) for name in next(lines, "").split(mark))
    wanted = wanted_columns(named)
    missing = [" or ".join(wanted[key]) for key in ("id", "glosses") if column(names, wanted[key]) is None]
    return f"has no column {' and none '.join(missing)}, but {', '.join(names) or 'nothing'}" if missing else ""


def check_id(id: str, where: str) -> None:
    """Refuse an id that could lead out of a folder, or that cannot be a file name.

    Raises:
        DataError: it is empty, absolute, climbs (`..`), or holds a backslash or a control character.
    """
    if not id:
        raise DataError("An utterance has no id.", where, "Give every row an id.")
    if not stays_below(id):
        raise DataError(f"The id {shortened(id, 200)!r} cannot be a file name.", where, RENAME_FILE)


MOST_LETTERS = 60  # of the name of a split, which tables and folders are named after


def check_split(name: str, where: str) -> None:
    """Refuse a name of a split that no file could have.

    Raises:
        DataError: it is empty, longer than `MOST_LETTERS`, a path, or no name of a file on some system.
    """
    if not name:
        raise DataError("The row names no split.", where, "Write train, dev or test.")
    if "/" in name or len(name) > MOST_LETTERS:
        what = f"The split {shortened(name, 80)!r} cannot be a file name."
        raise DataError(what, where, "Write train, dev or test, or another short name.")
    below("", name, where=where)
