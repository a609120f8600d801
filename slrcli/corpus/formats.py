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

To add a format, write its line in `FORMATS`, and whatever it needs beyond a table per split in `_rows`.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from slrcli.config import nearest
from slrcli.corpus.finder import Finder
from slrcli.corpus.settings import settings_for
from slrcli.corpus.tables import Row, has_columns, lacking, read_rows, read_splits, with_glosses
from slrcli.corpus.utterances import CANONICAL, SPLITS, Corpus, Utterance, ordered, split_name
from slrcli.errors import SHOWN_IDS, DataError, UsageError
from slrcli.features.readers import is_bundle
from slrcli.features.store import local_folder, store_of

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
        data_dir: the folder of the corpus, or the address of one in an object store.
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
    folder = local_folder(path)
    if os.path.isfile(folder):
        raise DataError("This is a file, not a folder.", f"{option} {path}", "Name a table with --annotations.")
    if not os.path.isdir(folder):  # false also of a name that is too long to be one, about which `Path` raises
        raise DataError("There is no such folder.", f"{option} {path}", "Check the name.")
    return folder


# Which tables to read.


def _tables(root: Path, format: str, annotations: Path | None, columns: Mapping[str, str]) -> tuple[str, _Tables]:
    """Format and tables; where several formats lie side by side, the user has to choose."""
    if format != "auto" and format not in FORMATS:
        raise UsageError(f"There is no corpus format {format!r}.", "--format", nearest(format, FORMATS))
    if annotations is not None and not os.path.isdir(annotations):
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
    reasons = {path: lacking(path, columns) for path in tables if path not in used}
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
