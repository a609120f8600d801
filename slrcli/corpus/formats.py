"""Corpus formats: which tables to read, recognised by their names.

| format | tables | columns |
|---|---|---|
| phoenix2014 | `[annotations/[manual/]][phoenix2014.]{split}.corpus.csv` | id, folder, signer, annotation |
| phoenix2014-si5 | the same with `{split}.SI5.corpus.csv`; used only where it is named | the same |
| phoenix2014t | the same with `PHOENIX-2014-T.{split}.corpus.csv` | name, video, speaker, orth, ... |
| csl-daily | `[sentence_label/]video_map.txt` and `split_1.txt` beside it | name, gloss, ...; name, split |
| table | `[annotations/]{split}.csv` (.tsv, .txt), or one table for all | id, glosses, path, signer, split |

Columns are found by name. What a table separates by `|` or tabs is split by hand; only commas and semicolons come with
quotes. To add a format, write its line in `FORMATS`, and whatever it needs beyond a table for each split in `_rows`.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from slrcli.config import nearest
from slrcli.corpus.finder import Finder
from slrcli.corpus.tables import Row, has_columns, read_splits, read_table
from slrcli.corpus.utterances import CANONICAL, SHOWN_IDS, SPLITS, Corpus, Utterance, ordered, split_name
from slrcli.errors import DataError, UsageError

_SPLIT = f"(?P<split>{'|'.join(CANONICAL)})"
_CSL_SPLITS = "split_1.txt"
_CSL_SIGNER = re.compile(r"_(P\d+)_")


@dataclass(frozen=True)
class Format:
    """Where the tables of a format lie."""

    name: str
    tables: str  # their name, for people
    pattern: re.Pattern[str]  # their whole name, in any case
    places: tuple[str, ...]  # folders below the corpus, the first that has any wins
    automatic: bool = True  # may be chosen without being named


def _format(name: str, tables: str, pattern: str, places: tuple[str, ...], automatic: bool = True) -> Format:
    return Format(name, tables, re.compile(pattern, re.IGNORECASE), places, automatic)


_OLD = r"(?:phoenix-?2014\.)?"
_PHOENIX = ("annotations/manual", "annotations", "")
FORMATS: dict[str, Format] = {
    item.name: item
    for item in (
        _format("phoenix2014", "{split}.corpus.csv", _OLD + rf"{_SPLIT}\.corpus\.csv", _PHOENIX),
        _format("phoenix2014-si5", "{split}.SI5.corpus.csv", _OLD + rf"{_SPLIT}\.SI5\.corpus\.csv", _PHOENIX, False),
        _format(
            "phoenix2014t", "PHOENIX-2014-T.{split}.corpus.csv", rf"phoenix-?2014-?T\.{_SPLIT}\.corpus\.csv", _PHOENIX
        ),
        _format("csl-daily", "video_map.txt", r"video_map\.txt", ("sentence_label", "annotations", "")),
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
) -> Corpus:
    """Read the tables of a corpus and look up its feature files; no feature file is opened.

    Args:
        data_dir: the folder of the corpus.
        format: one of `FORMATS`; "auto" recognises it by the names of the tables.
        annotations: a table, or a folder of tables, that is not found by itself.
        features: the folder of the feature files, where it is not `data_dir` or `features` below it.

    Raises:
        DataError: no or several formats are recognised, or a table cannot be read (with its line).
        UsageError: there is no such format.
    """
    root = _existing_folder(data_dir, "--data-dir")
    name, tables = find_tables(root, format, annotations)
    splits: dict[str, list[Utterance]] = {}
    place = _existing_folder(features, "--features") if features else None
    finder = Finder(root, place, SPLITS, path_first=name == "table")
    notes: list[str] = []
    for table, split in tables:
        if split:
            splits.setdefault(split, [])
        for row in _rows(table, split, name, notes):
            item = row.utterance
            found = finder.find(item.split, item.id, row.path)
            splits.setdefault(item.split, []).append(replace(item, features=found))
    if not any(splits.values()):
        raise DataError(
            "the annotation tables hold no utterance", tables[0][0], "a line for each goes below the header"
        )
    if name == "table" and set(splits) == {"train"}:
        notes.append("all utterances are taken as train: no column and no file name says otherwise")
    paths = tuple(path for path, _ in tables)
    return Corpus(name, root, ordered(splits), paths, {key: finder.folders(key) for key in splits}, tuple(notes))


def find_tables(
    data_dir: str | Path, format: str = "auto", annotations: str | Path | None = None
) -> tuple[str, list[tuple[Path, str]]]:
    """The format of a corpus and its annotation tables, each with the split that its name says; none is read.

    Raises:
        DataError, UsageError: like `open_corpus`, except for what a table holds.
    """
    root = _existing_folder(data_dir, "--data-dir")
    if format != "auto" and format not in FORMATS:
        raise UsageError(f"there is no corpus format {format!r}", "--format", nearest(format, FORMATS))
    return _tables(root, format, Path(annotations) if annotations else None)


def _existing_folder(path: str | Path, option: str) -> Path:
    if not str(path):
        raise UsageError("no folder of a corpus is named", option, "give the folder that holds it")
    if Path(path).is_file():
        raise DataError("a folder is wanted, and this is a file", f"{option} {path}", "a table goes to --annotations")
    if not Path(path).is_dir():
        raise DataError("there is no such folder", f"{option} {path}", "check the name")
    return Path(path)


# Which tables to read.


def _tables(root: Path, format: str, annotations: Path | None) -> tuple[str, _Tables]:
    """Format and tables; where several formats lie side by side, the user has to choose."""
    if annotations is not None and not annotations.is_dir():
        return _named_table(annotations, format)
    start = annotations or root
    if format != "auto":
        tables = _find(FORMATS[format], start)
        if not tables:
            raise DataError(
                f"no table of the format {format} is found", start, f"looked for {_places(FORMATS[format])}"
            )
        return format, tables
    found = {name: tables for name, item in FORMATS.items() if name != "table" and (tables := _find(item, start))}
    automatic = [name for name in found if FORMATS[name].automatic]
    if len(automatic) == 1:
        return automatic[0], found[automatic[0]]
    if found:
        what = "several corpora lie here" if automatic else "this split must be chosen by name"
        raise DataError(f"{what}: {', '.join(found)}", start, f"choose one, for example --format {next(iter(found))}")
    tables = _find(FORMATS["table"], start)
    if not tables:
        raise DataError("no annotation table is found", start, _where_else(start))
    return "table", tables


def _named_table(path: Path, format: str) -> tuple[str, _Tables]:
    """The format of a table that the user points at goes by its name, unless it is said."""
    matches = {name: match for name, item in FORMATS.items() if (match := item.pattern.fullmatch(path.name))}
    name = next(iter(matches), "table") if format == "auto" else format
    match = matches.get(name) or next(iter(matches.values()), None)
    return name, [(path, split_name((match.groupdict().get("split") or "") if match else ""))]


def _find(format: Format, root: Path) -> _Tables:
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
                raise DataError(f"two tables for one split: {both}", folder, "remove one, or use --annotations FILE")
            tables[split] = folder / name
        if format.name == "table":
            tables = tables if all(map(has_columns, tables.values())) else {}
            tables = tables or _single_table(folder)
        if tables:
            return [(path, split) for split, path in tables.items()]
    return []


def _single_table(folder: Path) -> dict[str, Path]:
    """The only .csv or .tsv of a folder whose header names ids and glosses."""
    tables = [folder / name for name in _names(folder) if name.lower().endswith((".csv", ".tsv"))]
    tables = [path for path in tables if has_columns(path)]
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables[:SHOWN_IDS])
        raise DataError(f"{len(tables)} tables could be the annotations: {names}", folder, "use --annotations FILE")
    return {"": tables[0]} if tables else {}


def _names(folder: Path) -> list[str]:
    """The names of the files in a folder, which need not exist."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"cannot list the folder: {error.strerror}", folder, "check its rights") from error


def _places(format: Format) -> str:
    return f"{format.tables} in {', '.join(place or 'the folder itself' for place in format.places)}"


def _where_else(root: Path) -> str:
    """A hint: perhaps the corpus lies one folder deeper, as in some archives."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir())[:100]:
        for name, item in FORMATS.items():
            if name != "table" and _find(item, folder):
                return f"{folder} looks like {name}; use --data-dir {folder}"
    return f"known formats: {', '.join(FORMATS)}; or name the table with --annotations FILE"


def _rows(table: Path, split: str, format: str, notes: list[str]) -> Iterator[Row]:
    """The rows of a table; CSL-Daily keeps splits in a second file and the signer in the name."""
    if format != "csl-daily":
        yield from read_table(table, split)
        return
    split_of = read_splits(table.with_name(_CSL_SPLITS))
    left_out = 0
    for row in read_table(table, "train"):
        item = row.utterance
        signer = _CSL_SIGNER.search(item.id)
        if item.id in split_of:
            item = replace(item, split=split_of[item.id], signer=signer[1] if signer else item.signer)
            yield replace(row, utterance=item)
        else:
            left_out += 1
    if left_out:
        notes.append(f"{left_out} utterances of {table.name} have no split in {_CSL_SPLITS} and are left out")
