"""Corpus formats: which tables to read, recognised by their names.

| format | tables | columns |
|---|---|---|
| phoenix2014 | `[annotations/[manual/]][phoenix2014.]{split}.corpus.csv` | id, folder, signer, annotation |
| phoenix2014-si5 | the same with `{split}.SI5.corpus.csv`; used only where it is named | the same |
| phoenix2014t | the same with `PHOENIX-2014-T.{split}.corpus.csv` | name, video, speaker, orth, ... |
| csl-daily | `[sentence_label/]video_map.txt` and `split_1.txt` beside it | name, gloss, ...; name, split |
| isharah-si | `[annotations_v2/[isharah1000/]]SI/{split}.txt` (or .csv), `SI_test.txt`; unseen signers | id, gloss |
| isharah-us | the same in `US`; unseen sentences | id, gloss |
| how2sign | `how2sign_[realigned_]{split}.csv`; English words, so it has to be named | SENTENCE_NAME, SENTENCE |
| isl-cslrt | `[corpus_csv_files/]ISL Corpus sign glosses.csv`; a folder per sentence | Sentence, SIGN GLOSSES |
| table | `[annotations/]{split}.csv` (.tsv, .txt), or one table for all | id, glosses, path, signer, split |

Columns are found by name; others are named in `corpus.toml` (see `CorpusSettings`). Tables separated by `|` or tabs
are split as they are; only those with commas and semicolons have quotes. To add a format, write its line in `FORMATS`,
and whatever it needs beyond a table per split in `_rows`.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from slrcli.config import nearest, read_toml, toml_text
from slrcli.corpus.finder import Finder
from slrcli.corpus.utterances import CANONICAL, SPLITS, Corpus, Utterance, ordered, split_name
from slrcli.errors import SHOWN_IDS, DataError, SlrError, UsageError, shortened
from slrcli.features.layout import load_layout
from slrcli.features.readers import is_bundle
from slrcli.features.store import store_of
from slrcli.files import RENAME_FILE, atomic_write_text, below, open_regular, read_bytes, stays_below
from slrcli.glosses import get_normaliser
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

NAME = "corpus.toml"
LAYOUT = "layout.toml"
MOST_FPS = 1000.0
COLUMNS = ("id", "glosses", "signer", "path", "split")
TOLD = ("layout", "fps", "normaliser")
KEYS = ("format", "annotations", "features", "layout", "fps", "normaliser", "columns")


@dataclass(frozen=True)
class CorpusSettings:
    """How to read a corpus; empty fields are detected."""

    format: str = "auto"
    annotations: Path | None = None
    features: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    layout: str = ""
    fps: float = 0.0
    normaliser: str = ""


def settings_for(
    root: Path, format: str, annotations: Path | None, features: Path | None, columns: Mapping[str, str] | None
) -> CorpusSettings:
    """The given settings, completed by those of the corpus's own `corpus.toml`.

    Raises:
        UsageError: a column has an unknown key, or the file is not TOML.
        DataError: the file holds an unknown key or an impossible value.
    """
    for key in columns or {}:
        if key not in COLUMNS:
            raise UsageError(f"There is no column {key!r} that could be named.", "--column", nearest(key, COLUMNS))
    own = read_settings(root)
    return CorpusSettings(
        format if format != "auto" else own.format,
        annotations or own.annotations,
        features or own.features,
        {**own.columns, **(columns or {})},
    )


def told(root: str | Path) -> dict[str, Any]:
    """What `corpus.toml` says about features and glosses, as settings of `DataConfig`: layout, fps, normaliser.

    Empty if the folder does not exist; opening the corpus reports that. Raises like `settings_for`.
    """
    if not str(root) or not Path(root).is_dir():
        return {}
    own = read_settings(Path(root))
    return {key: value for key in TOLD if (value := getattr(own, key))}


def read_settings(root: Path) -> CorpusSettings:
    """The settings in `root/corpus.toml`; empty ones without that file. Raises like `settings_for`."""
    path = root / NAME
    beside = str(root / LAYOUT) if (root / LAYOUT).is_file() else ""
    if not path.is_file():
        return CorpusSettings(layout=beside)
    table = read_toml(path)
    for key in table:
        if key not in KEYS:
            raise DataError(f"The key {key!r} is unknown.", path, nearest(key, KEYS))
    columns = _typed(table, "columns", dict, path)
    for key, name in columns.items():
        if key not in COLUMNS or not isinstance(name, str):
            raise DataError(
                f"The section [columns] cannot hold {key} = {name!r}.", path, f"Known columns: {', '.join(COLUMNS)}."
            )
    annotations, features = (_typed(table, key, str, path) for key in ("annotations", "features"))
    return CorpusSettings(
        _typed(table, "format", str, path) or "auto",
        root / annotations if annotations else None,
        root / features if features else None,
        columns,
        _layout(root, _typed(table, "layout", str, path), path) or beside,
        _rate(table, path),
        _known(_typed(table, "normaliser", str, path), get_normaliser, path),
    )


def write_settings(root: Path, **values: Any) -> None:
    """Write `root/corpus.toml` with some of its keys."""
    atomic_write_text(root / NAME, toml_text(values))


def _layout(root: Path, name: str, path: Path) -> str:
    """A shipped name as it is, a file as seen from the folder of the corpus."""
    if name.endswith(".toml"):
        return str(root / name)
    return name if name in ("auto", "generic") else _known(name, load_layout, path)


def _known(name: str, find: Callable[[str], Any], path: Path) -> str:
    """The name, if there is one and something goes by it; DataError if nothing does."""
    try:
        if name:
            find(name)
    except SlrError as error:
        raise DataError(error.what, path, error.fix) from error
    return name


def _rate(table: Mapping[str, Any], path: Path) -> float:
    """Frames per second, 0 where nothing is said; DataError for what is no rate."""
    rate = table.get("fps", 0.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < MOST_FPS:
        raise DataError(
            f"The frame rate (fps) cannot be {rate!r}.", path, "Give the frames per second, such as fps = 25.0."
        )
    return float(rate)


def _typed(table: Mapping[str, Any], key: str, kind: type, path: Path) -> Any:
    value = table.get(key, kind())
    if not isinstance(value, kind):
        raise DataError(f"The key {key} must be a {'table' if kind is dict else 'text'}, not {value!r}.", path)
    return value


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
    return not _lacking(table, named)


def _lacking(table: Path, named: Mapping[str, str] | None = None) -> str:
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


_SPLIT = f"(?P<split>{'|'.join(CANONICAL)})"
_CSL_SPLITS = "split_1.txt"
# Who signs, in the names of utterances: S000004_P0003_T00, and 14_0004 (signer 14, sentence 4).
_SIGNERS = {
    "csl-daily": re.compile(r"_(P\d+)_"),
    "isharah-si": re.compile(r"(\d+)_"),
    "isharah-us": re.compile(r"(\d+)_"),
}


class NoTableError(DataError):
    """A folder without any annotation table."""


@dataclass(frozen=True)
class Format:
    """Where the tables of a format lie."""

    name: str
    tables: str  # their name, for people
    pattern: re.Pattern[str]  # their whole name, in any case
    places: tuple[str, ...]  # folders below the corpus, the first that has any wins
    automatic: bool = True  # may be chosen without being named
    columns: Mapping[str, str] = field(default_factory=dict)  # those that are called otherwise than anywhere else
    unlabelled: bool = False  # tables may lack glosses
    takes: bool = False  # a row may be a folder of clips, which all sign its glosses


def _format(name: str, tables: str, pattern: str, places: tuple[str, ...], **more) -> Format:
    return Format(name, tables, re.compile(pattern, re.IGNORECASE), places, **more)


def _isharah(task: str) -> Format:
    sizes = [f"annotations_v2/isharah{size}/{task}" for size in (2000, 1000, 500)]  # the largest that is there
    places = (f"annotations_v2/{task}", *sizes, f"annotations/{task}", task)
    pattern = rf"(?:{task}_)?{_SPLIT}\.(?:txt|csv)"
    return _format(f"isharah-{task.lower()}", f"{task}/{{split}}.txt", pattern, places, unlabelled=True)


_OLD = r"(?:phoenix-?2014\.)?"
_PHOENIX = ("annotations/manual", "annotations", "")
FORMATS: dict[str, Format] = {
    item.name: item
    for item in (
        _format("phoenix2014", "{split}.corpus.csv", _OLD + rf"{_SPLIT}\.corpus\.csv", _PHOENIX),
        _format(
            "phoenix2014-si5",
            "{split}.SI5.corpus.csv",
            _OLD + rf"{_SPLIT}\.SI5\.corpus\.csv",
            _PHOENIX,
            automatic=False,
        ),
        _format(
            "phoenix2014t", "PHOENIX-2014-T.{split}.corpus.csv", rf"phoenix-?2014-?T\.{_SPLIT}\.corpus\.csv", _PHOENIX
        ),
        _format("csl-daily", "video_map.txt", r"video_map\.txt", ("sentence_label", "annotations", "")),
        _isharah("SI"),
        _isharah("US"),
        _format(
            "how2sign",
            "how2sign_realigned_{split}.csv",
            rf"how2sign_(?:realigned_)?{_SPLIT}\.(?:csv|tsv)",
            ("annotations", ""),
            automatic=False,
            columns={"id": "SENTENCE_NAME", "glosses": "SENTENCE"},
        ),
        _format(
            "isl-cslrt",
            "ISL Corpus sign glosses.csv",
            r"ISL Corpus sign glosses\.csv",
            ("corpus_csv_files", "annotations", ""),
            columns={"id": "Sentence", "glosses": "SIGN GLOSSES"},
            takes=True,
        ),
        _format(
            "table",
            "{split}.csv, .tsv or .txt with columns id and glosses",
            rf"{_SPLIT}\.(?:csv|tsv|txt)",
            ("annotations", ""),
        ),
    )
}
_Tables = list[tuple[Path, str]]  # table, and its split where the file's name says it


def open_corpus(
    data_dir: str | Path,
    format: str = "auto",
    annotations: str | Path | None = None,
    features: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> Corpus:
    """Read the tables of a corpus and look up its feature files; no feature file is opened.

    Args:
        data_dir: the folder of the corpus.
        format: one of `FORMATS`; "auto" recognises it by the names of the tables.
        annotations: a table, or a folder of tables, if they are not found by themselves.
        features: the folder of the feature files, if it is not `data_dir` or `features` below it.
        columns: id, glosses, signer, path or split -> the name of that column, if it is not recognised.

    The corpus's own `corpus.toml`, if there is one, gives what is not given here.

    Raises:
        DataError: no format or several are recognised, or a table cannot be read (names the line).
        UsageError: there is no such format.
    """
    root = _existing_folder(data_dir, "--data-dir")
    settings = settings_for(root, format, _path(annotations), _path(features), columns)
    name, tables = _tables(root, settings.format, settings.annotations, settings.columns)
    bundle = settings.features if settings.features and is_bundle(settings.features) else None
    place = bundle or (_existing_folder(settings.features, "--features") if settings.features else None)
    finder = Finder(root, place, SPLITS, path_first=name == "table")
    splits: dict[str, list[Utterance]] = {}
    notes: list[str] = []
    if len(finder.sets) > 1:
        sets = ", ".join(path.name for path in finder.sets)
        notes.append(f"Several sets of features are in {root / 'features'}: {sets}. Name one with --features.")
    splits.update({split: [] for _, split in tables if split})
    read = [list(_rows(table, split, FORMATS[name], settings.columns, notes)) for table, split in tables]
    separated: list[str] = []
    for row in chain(*with_glosses(read, separated)):
        for item in _located(row, finder, FORMATS[name].takes):
            splits.setdefault(item.split, []).append(item)
    notes += _passed_over({table.parent for table, _ in tables}, {table for table, _ in tables}, settings.columns)
    notes += separated
    if not any(splits.values()):
        raise DataError(
            "The annotation tables hold no utterance.", tables[0][0], "Write one line per utterance below the header."
        )
    if set(splits) == {"train"} and name in ("table", "isl-cslrt"):
        notes.append("All utterances are taken as train: no column and no file name says otherwise.")
    paths = tuple(path for path, _ in tables)
    return Corpus(name, root, ordered(splits), paths, {key: finder.folders(key) for key in splits}, tuple(notes))


def find_tables(
    data_dir: str | Path,
    format: str = "auto",
    annotations: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> tuple[str, _Tables]:
    """The format of a corpus and its annotation tables, each with the split in its name; none is read.

    Raises:
        DataError, UsageError: like `open_corpus`, except for what a table holds.
    """
    root = _existing_folder(data_dir, "--data-dir")
    settings = settings_for(root, format, _path(annotations), None, columns)
    return _tables(root, settings.format, settings.annotations, settings.columns)


def annotation_files(corpus: Corpus) -> list[Path]:
    """All annotation files of a corpus: its tables, and the file of splits that CSL-Daily keeps beside them."""
    beside = [table.with_name(_CSL_SPLITS) for table in corpus.tables if corpus.format == "csl-daily"]
    return [*corpus.tables, *beside]


def _path(given: str | Path | None) -> Path | None:
    return Path(given) if given else None


def _existing_folder(path: str | Path, option: str) -> Path:
    if not str(path):
        raise UsageError("No corpus folder is named.", option, "Name the folder that holds the corpus.")
    if Path(path).is_file():
        raise DataError("This is a file, not a folder.", f"{option} {path}", "Name a table with --annotations.")
    if not Path(path).is_dir():
        raise DataError("There is no such folder.", f"{option} {path}", "Check the name.")
    return Path(path)


# Which tables to read.


def _tables(root: Path, format: str, annotations: Path | None, columns: Mapping[str, str]) -> tuple[str, _Tables]:
    """Format and tables; where several formats lie side by side, the user has to choose."""
    if format != "auto" and format not in FORMATS:
        raise UsageError(f"There is no corpus format {format!r}.", "--format", nearest(format, FORMATS))
    if annotations is not None and not annotations.is_dir():
        return _named_table(annotations, format)
    start = annotations or root
    if format != "auto":
        tables = _find(FORMATS[format], start, columns)
        if not tables:
            raise DataError(
                f"No table of the format {format} was found.", start, f"Expected {_places(FORMATS[format])}."
            )
        return format, tables
    found = {
        name: tables for name, item in FORMATS.items() if name != "table" and (tables := _find(item, start, columns))
    }
    automatic = [name for name in found if FORMATS[name].automatic]
    if len(automatic) == 1:
        return automatic[0], found[automatic[0]]
    if found:
        what = "Several corpora are in this folder" if automatic else "This format must be named"
        raise DataError(f"{what}: {', '.join(found)}.", start, f"Choose one, for example --format {next(iter(found))}.")
    tables = _find(FORMATS["table"], start, columns)
    if not tables:
        places = [start / place for place in FORMATS["table"].places]
        seen = " ".join(["No annotation table was found.", *_passed_over(places, (), columns)])
        raise NoTableError(seen, start, _where_else(start))
    return "table", tables


def _named_table(path: Path, format: str) -> tuple[str, _Tables]:
    """The format of a table that the user points at goes by its name, unless it is said."""
    matches = {name: match for name, item in FORMATS.items() if (match := item.pattern.fullmatch(path.name))}
    name = next(iter(matches), "table") if format == "auto" else format
    match = matches.get(name) or next(iter(matches.values()), None)
    return name, [(path, split_name((match.groupdict().get("split") or "") if match else ""))]


def _find(format: Format, root: Path, columns: Mapping[str, str]) -> _Tables:
    """The tables of the first place that has any, one for each split."""
    for place in format.places:
        folder = root / place
        tables: dict[str, Path] = {}
        for name in _names(folder):
            match = format.pattern.fullmatch(name)
            if not match:
                continue
            split = split_name(match.groupdict().get("split") or "")
            if split in tables:
                both = f"{tables[split].name} and {name}"
                raise DataError(
                    f"Two tables belong to one split: {both}.", folder, "Remove one, or use --annotations FILE."
                )
            tables[split] = folder / name
        if format.name == "table":
            tables = tables if all(has_columns(path, columns) for path in tables.values()) else {}
            tables = tables or _single_table(folder, columns)
        if tables:
            return [(path, split) for split, path in tables.items()]
    return []


def _single_table(folder: Path, columns: Mapping[str, str]) -> dict[str, Path]:
    """The only .csv or .tsv of a folder whose header names ids and glosses."""
    tables = [folder / name for name in _names(folder) if name.lower().endswith((".csv", ".tsv"))]
    tables = [path for path in tables if has_columns(path, columns)]
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables[:SHOWN_IDS])
        raise DataError(
            f"{len(tables)} tables could be the annotations: {names}.", folder, "Name one with --annotations FILE."
        )
    return {"": tables[0]} if tables else {}


def _passed_over(folders: Iterable[Path], used: Collection[Path], columns: Mapping[str, str]) -> list[str]:
    """A sentence for each of the first tables in some folders that cannot be annotations, with the reason."""
    tables = [folder / name for folder in folders for name in _names(folder) if name.lower().endswith((".csv", ".tsv"))]
    reasons = {path: _lacking(path, columns) for path in tables if path not in used}
    told = [f"The table {path.name} was passed over: it {reason}." for path, reason in reasons.items() if reason]
    return told[:SHOWN_IDS]


def _names(folder: Path) -> list[str]:
    """The names of the files in a folder, which need not exist."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"The folder cannot be listed: {error.strerror}.", folder, "Check its permissions.") from error


def _places(format: Format) -> str:
    return f"{format.tables} in {', '.join(place or 'the folder itself' for place in format.places)}"


def _where_else(root: Path) -> str:
    """A hint: perhaps the corpus lies one folder deeper, as in some archives."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir())[:100]:
        for name, item in FORMATS.items():
            with suppress(DataError):  # what is wrong there is said where somebody asks for it
                if _find(item, folder, {}):
                    named = "" if item.automatic or name == "table" else f" --format {name}"
                    return (
                        f"{folder} looks like {'a corpus' if name == 'table' else name}: use --data-dir {folder}{named}"
                    )
    held = [name for name in _names(root) if is_bundle(root / name)]
    if held:
        return f"Where these files hold the glosses, make tables of them: slr corpus {' '.join(held[:3])} --out DIR."
    others = "Name the table with --annotations FILE, and its columns in corpus.toml or with slr corpus --column."
    simplest = "The simplest table is annotations.csv with the columns id and glosses."
    return f"{simplest} Known formats: {', '.join(FORMATS)}. {others}"


def _rows(table: Path, split: str, format: Format, columns: Mapping[str, str], notes: list[str]) -> Iterator[Row]:
    """The rows of a table; CSL-Daily keeps splits in a second file, and some formats the signer in the name."""
    rows = read_rows(table, split, {**format.columns, **columns}, format.unlabelled)
    signers = _SIGNERS.get(format.name)
    if signers:
        rows = (_signed(row, signers) for row in rows)
    if format.name != "csl-daily":
        yield from rows
        return
    split_of = read_splits(table.with_name(_CSL_SPLITS))
    left_out = 0
    for row in rows:
        if row.utterance.id in split_of:
            yield replace(row, utterance=replace(row.utterance, split=split_of[row.utterance.id]))
        else:
            left_out += 1
    if left_out:
        notes.append(f"{left_out} utterances of {table.name} have no split in {_CSL_SPLITS} and are left out.")


def _signed(row: Row, signers: re.Pattern[str]) -> Row:
    found = signers.search(row.utterance.id)
    signer = row.utterance.signer or (found[1] if found else "")
    return replace(row, utterance=replace(row.utterance, signer=signer))


def _located(row: Row, finder: Finder, takes: bool) -> Iterator[Utterance]:
    """The utterance of a row with its feature file; of a folder of takes, an utterance for each file in it."""
    item = row.utterance
    found = finder.find(item.split, item.id, row.path)
    several = finder.takes(item.split, item.id) if takes and found is None else []
    for file in several:
        name = file.name if store_of(file) else file.stem
        yield replace(item, id=f"{item.id}/{name}", features=file)
    if not several:
        yield replace(item, features=found)
