"""Writes annotation tables, which refer to the features where they are, in the Phoenix-2014 format if it will do."""

import csv
import io
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from slrcli.corpus.formats import annotation_files
from slrcli.corpus.settings import told, write_settings
from slrcli.corpus.tables import check_id, check_split
from slrcli.corpus.utterances import SPLITS, Corpus, Utterance
from slrcli.errors import DataError, shortened
from slrcli.features.readers import holder_of
from slrcli.files import atomic_write_bytes, atomic_write_text, below
from slrcli.transcripts.cells import gloss_cells

HEADER = "id|folder|signer|annotation"
ALL = "all.csv"  # one table of all splits
Entry = tuple[str, str, str, Sequence[str]]  # id, path of the features, signer, glosses


def write_table(out: Path, split: str, entries: Iterable[Entry]) -> Path:
    """Write `annotations/{split}.corpus.csv` below `out`.

    Raises:
        DataError: the table cannot hold an id, a signer or a gloss, or the format knows no such split.
    """
    if split not in SPLITS:
        what = f"The split {shortened(split, 80)!r} is none of {', '.join(SPLITS)}."
        raise DataError(what, out, "Rename it in the tables, or let slr make new splits with --split-by.")
    entries = list(entries)
    texts = gloss_cells([glosses for *_, glosses in entries])
    rows = [HEADER, *(_row(entry, text) for entry, text in zip(entries, texts, strict=True))]
    table = below(out / "annotations", split, ".corpus.csv")
    atomic_write_text(table, "\n".join(rows) + "\n")
    return table


def require_room(out: Path) -> None:
    """Raise a DataError if a folder already holds a corpus, or is a file."""
    if out.is_file():
        raise DataError("This is a file, not a folder.", out, "Choose another name.")
    for part in ("annotations", "features"):
        if (out / part).exists():
            raise DataError(
                "The folder already holds a corpus.", out / part, "Choose another folder, or remove the corpus."
            )


def write_division(out: Path, corpus: Corpus, splits: Mapping[str, Sequence[Utterance]]) -> list[Path]:
    """Write new tables for the utterances of a corpus, and a `corpus.toml` that names the folder of the features.

    Args:
        out: a folder without a corpus; created if necessary.
        corpus: the source of the utterances.
        splits: split -> its utterances.

    Returns:
        The tables.

    Raises:
        DataError: `out` holds a corpus, or a table cannot hold an id, a signer or a gloss.
    """
    require_room(out)
    base = _base(corpus)  # None: nothing is known of features, which are looked for below `out` then
    entries = {
        split: [(item.id, _reference(item, base), item.signer, item.glosses) for item in utterances]
        for split, utterances in splits.items()
    }
    if set(splits) <= set(SPLITS):
        format, tables = "phoenix2014", [write_table(out, split, rows) for split, rows in entries.items()]
    else:  # whose files are found by the names of their splits, which are three
        format, tables = "table", [_write_all(out, entries)]
    write_settings(out, format=format, **({"features": str(base)} if base else {}), **_carried(corpus.root))
    return tables


def _write_all(out: Path, entries: Mapping[str, Sequence[Entry]]) -> Path:
    """Write one table of all splits, whatever their names, which a column holds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "path", "signer", "split", "glosses"))
    texts = iter(gloss_cells([glosses for rows in entries.values() for *_, glosses in rows]))
    for split, rows in entries.items():
        check_split(split, str(out))
        for id, path, signer, _ in rows:
            check_id(id, id)
            writer.writerow((id, path, signer, split, next(texts)))
    table = out / "annotations" / ALL
    atomic_write_text(table, text.getvalue())
    return table


def copy_annotations(out: Path, corpus: Corpus, start: Path, columns: Mapping[str, str]) -> list[Path]:
    """Copy the annotation files of a corpus unchanged, with a `corpus.toml` to read them in the same way.

    Args:
        out: the folder of the copy.
        corpus: the corpus that was read.
        start: the folder that was searched for tables, or the one table.
        columns: the columns that had to be named.

    Returns:
        The copies.
    """
    below = Path() if start == corpus.root else Path("annotations")
    base = start if start.is_dir() else start.parent
    copies = []
    for file in annotation_files(corpus):
        copies.append(out / below / file.relative_to(base))
        atomic_write_bytes(copies[-1], file.read_bytes())
    where = {} if start == corpus.root else {"annotations": str(below if start.is_dir() else below / start.name)}
    named = {"columns": dict(columns)} if columns else {}
    write_settings(out, format=corpus.format, **where, **named, **_carried(corpus.root))
    return copies


def _carried(root: Path) -> dict[str, Any]:
    """What a corpus says of its features and glosses, for another folder to say it as well."""
    own = told(root)
    layout = own.get("layout", "")
    return own | ({"layout": os.path.abspath(layout)} if layout.endswith(".toml") else {})


def _base(corpus: Corpus) -> Path | None:
    """The folder, absolute, below which all feature files of a corpus lie; None if none was found."""
    found = [
        os.path.abspath(_folder(item.features)) for items in corpus.splits.values() for item in items if item.features
    ]
    if not found:
        return None
    base = Path(os.path.commonpath(found))
    # A folder of one split would be looked into for its own sake; the paths in the tables begin above it.
    return base.parent if len(set(found)) == 1 else base


def _folder(features: Path) -> Path:
    """The folder that holds a feature file, or the file of several clips that one is in."""
    return (holder_of(features) or features).parent


def _reference(item: Utterance, base: Path | None) -> str:
    if item.features is None or base is None:
        return item.id
    return PurePath(os.path.relpath(os.path.abspath(item.features), base)).as_posix()


def _row(entry: Entry, text: str) -> str:
    id, folder, signer, _ = entry
    check_id(id, id)
    cells = (id, folder, signer, text)
    for cell in cells:
        if "|" in cell or any(unicodedata.category(character) == "Cc" for character in cell):
            raise DataError(f"The table cannot hold {cell!r}: its columns are separated by '|'.", id, "Rename it.")
    return "|".join(cells)
