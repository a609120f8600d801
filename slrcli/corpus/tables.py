"""Annotation tables: text -> rows -> utterances.

Columns are found by name, in any order; a row that does not fit is named with its line, never guessed at.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from slrcli.corpus.utterances import Utterance, split_name
from slrcli.errors import DataError
from slrcli.transcripts.delimited import column, need_column, open_table, read_text, rows, separator
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
RENAME = "rename one, or name it in corpus.toml or with slr corpus --column"


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
    mark = separator(text)
    names: list[str] = []
    try:
        for number, cells in rows(text, table):
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
    return TableFacts(table, tuple(names), mark, tuple(sorted(damaged)), twice, marked, endings)


def _undecodable(data: bytes) -> Iterator[tuple[int, str]]:
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
    """Id -> split, of a table that says no more.

    Raises:
        DataError: like `read_table`.
    """
    names, lines = open_table(read_text(table), table)
    id_column, split_column = (need_column(names, wanted, table, RENAME) for wanted in (ID_COLUMNS, SPLIT_COLUMNS))
    return {cells[id_column].strip(): split_name(cells[split_column]) for _, cells in lines}


def has_columns(table: Path, named: Mapping[str, str] | None = None) -> bool:
    """Whether the header of a file names ids and glosses; never raises for what the file holds."""
    wanted = wanted_columns(named)
    with table.open("rb") as file:
        first = file.readline(65536).decode("utf-8-sig", "replace")
    names = [name.strip().lower() for name in first.split(separator(first))]
    names = [name.strip('"') for name in names]
    return column(names, wanted["id"]) is not None and column(names, wanted["glosses"]) is not None


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
