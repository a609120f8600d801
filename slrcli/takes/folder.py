"""The corpus that takes are kept in, whole after each of them.

    corpus.toml               layout and frame rate, with the first take
    annotations.csv           id,signer,split,glosses
    features/SIGNER-0001.npy  float32 [T, D]

The features of a take are written before its row, so that a row without features is never found. A file whose row was
not written is replaced by the next take.
"""

import csv
import io
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from slrcli.corpus.formats import open_corpus
from slrcli.corpus.settings import NAME, told, write_settings
from slrcli.corpus.tables import check_id, check_split
from slrcli.errors import DataError, UsageError
from slrcli.features.recording import Recording
from slrcli.features.writers import write_recording
from slrcli.files import atomic_write_text, below, folder_names
from slrcli.takes.take import Take
from slrcli.transcripts.cells import gloss_cells
from slrcli.transcripts.delimited import open_table, read_text

TABLE = "annotations.csv"
FEATURES = "features"
HEADER = ("id", "signer", "split", "glosses")
ANOTHER = "Name another folder, or the one that slr record has begun."


@dataclass(frozen=True)
class Kept:
    """A take that is kept: a row of the table."""

    id: str
    signer: str
    split: str
    glosses: tuple[str, ...]


@dataclass
class Folder:
    """The folder of takes.

    Attributes:
        root: the folder.
        layout: of the features: a shipped name, or a TOML file.
        fps: frames per second of the features; 0: the first take says it.
        kept: all takes so far.
    """

    root: Path
    layout: str
    fps: float
    kept: list[Kept] = field(default_factory=list)

    @classmethod
    def open(cls, root: Path, layout: str = "", fps: float = 0.0) -> "Folder":
        """A folder of takes, which need not exist yet.

        Args:
            root: the folder.
            layout, fps: what takes are to have; of a folder that has begun its own count where nothing is said.

        Raises:
            DataError: the folder contains another corpus, or its table cannot be read.
            UsageError: takes in it have another layout or frame rate.
        """
        if root.is_file():
            raise DataError("This is a file, not a folder.", root, "Name another folder.")
        if not (root / NAME).is_file():
            there = [name for name in (TABLE, "annotations") if (root / name).exists()]
            if there:
                raise DataError("The folder already contains a corpus.", root / there[0], ANOTHER)
            return cls(root, layout, fps)
        if not _has_table(root):
            raise DataError("The folder already contains another corpus.", root, ANOTHER)
        own = told(root)
        if "layout" not in own or "fps" not in own:
            raise DataError("The corpus does not say its layout and its fps.", root / NAME, ANOTHER)
        for flag, wanted, is_now in (("--layout", layout, own["layout"]), ("--fps", fps, own["fps"])):
            if wanted and wanted != is_now and not _same_file(wanted, is_now):
                what = f"The takes in {root} have {flag.removeprefix('--')} {is_now}, not {wanted}."
                raise UsageError(what, flag, "Leave it out, or record into another folder.")
        splits = open_corpus(root).splits if (root / TABLE).is_file() else {}
        rows = (
            (item.line, Kept(item.id, item.signer, split, item.glosses)) for split in splits for item in splits[split]
        )
        return cls(root, own["layout"], own["fps"], [row for _, row in sorted(rows, key=lambda row: row[0])])

    def counts(self, signer: str, split: str) -> Counter[tuple[str, ...]]:
        """How often each sentence has been recorded by a signer for a split."""
        return Counter(item.glosses for item in self.kept if (item.signer, item.split) == (signer, split))

    def keep(self, take: Take, glosses: tuple[str, ...], signer: str, split: str) -> Kept:
        """Write a take and its row.

        Raises:
            SlrError: they cannot be written; the corpus is what it was before.
        """
        new = Kept(self._next_id(signer), signer, split, glosses)
        text = _table([*self.kept, new])
        write_recording(below(self.root / FEATURES, new.id, ".npy"), Recording(take.features))
        if not (self.root / NAME).is_file():
            named = os.path.abspath(self.layout) if self.layout.endswith(".toml") else self.layout
            write_settings(
                self.root, format="table", annotations=TABLE, features=FEATURES, layout=named, fps=float(take.fps)
            )
        atomic_write_text(self.root / TABLE, text)
        self.kept.append(new)
        return new

    def _next_id(self, signer: str) -> str:
        (stem,) = folder_names([signer])
        pattern = re.compile(rf"{re.escape(stem)}-(\d+)", re.IGNORECASE)
        taken = (int(found[1]) for item in self.kept if (found := pattern.fullmatch(item.id)))
        return f"{stem}-{max(taken, default=0) + 1:04d}"


def check_names(signer: str, split: str) -> None:
    """UsageError for a signer or a split that a table cannot hold."""
    for flag, name, check in (("--signer", signer, check_id), ("--split", split, check_split)):
        try:
            check(name, flag)
        except DataError as error:
            raise UsageError(error.what, flag, error.fix) from error


def _table(kept: list[Kept]) -> str:
    """The table of takes, with one way to separate glosses in all rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    cells = gloss_cells([item.glosses for item in kept])
    writer.writerows((item.id, item.signer, item.split, cell) for item, cell in zip(kept, cells, strict=True))
    return text.getvalue()


def _has_table(root: Path) -> bool:
    """Whether the table of a corpus is one of takes; without one, none has been kept."""
    if not (root / TABLE).is_file():
        return not (root / "annotations").exists()
    return tuple(open_table(read_text(root / TABLE), root / TABLE)[0]) == HEADER


def _same_file(wanted: object, is_now: object) -> bool:
    return str(wanted).endswith(".toml") and os.path.abspath(str(wanted)) == os.path.abspath(str(is_now))
