"""The form of a packed store: a folder of plain arrays and tables, which numpy and pandas read without slr.

    shard-00000.npy   `[frames, columns]`, float32 or float16: clips one after the other
    shard-00000.tsv   a line per clip, in the same order: `COLUMNS`
    manifest.json     layouts, what the clips of each shard share, hashes; complete once everything else is there

The header of a shard is exactly what `numpy.save` writes, so it is compared instead of parsed.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from slrcli.errors import DataError, understood
from slrcli.files import stays_below

SUFFIX = ".slrpack"
MANIFEST = "manifest.json"
VERSION = 2  # 1 was a file of its own format, see `old`
DTYPES: dict[str, np.dtype] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
COLUMNS = ("id", "first", "frames", "fps", "width", "height", "hash")
NOWHERE = -1  # number of the layout of clips that have none
HEADER_BYTES = 128
LARGEST = 2 << 30  # bytes of one clip, as for every other feature file
MOST_BYTES = 256 << 20  # of a manifest or a table
AGAIN = "Pack the corpus again with slr pack."
DAMAGED = "The packed store is damaged"
_OURS = re.compile(r"shard-\d+\.(npy|tsv)|manifest\.json|\.lock")


@dataclass(frozen=True)
class Shard:
    """A shard, as the manifest describes it; all its clips are of one form.

    Attributes:
        columns: of the array.
        dtype: of the values, one of `DTYPES`.
        derived: number of blocks of differences over time that were left out and are computed again on reading.
        layout: number of the layout in the manifest; `NOWHERE` without one.
        clips, frames: their numbers.
        lost, lost_derived: largest rounding error by float16, of a value and of a difference computed from such values.
        table: hash of the table, which has the hashes of the clips.
        sources: fingerprint of the source files of its clips.
    """

    columns: int
    dtype: str = "float32"
    derived: int = 0
    layout: int = NOWHERE
    clips: int = 1
    frames: int = 1
    lost: float = 0.0
    lost_derived: float = 0.0
    table: str = ""
    sources: str = ""

    @property
    def kind(self) -> np.dtype:
        """The type of its values."""
        return DTYPES[self.dtype]

    @property
    def size(self) -> int:
        """Size of its array file."""
        return HEADER_BYTES + self.frames * self.columns * self.kind.itemsize

    def header(self) -> bytes:
        """The header of its array file, as `numpy.save` writes it."""
        text = f"{{'descr': '{self.kind.str}', 'fortran_order': False, 'shape': ({self.frames}, {self.columns}), }}"
        return b"\x93NUMPY\x01\x00" + (HEADER_BYTES - 10).to_bytes(2, "little") + f"{text:117}\n".encode()


class Entry(NamedTuple):
    """A clip: its shard, the first of its rows there, their number, and what its file said of itself (0: unknown)."""

    shard: Shard
    first: int
    frames: int
    fps: float = 0.0
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Manifest:
    """The manifest of a store.

    Attributes:
        layouts: as plain values.
        shards: number -> shard.
        settings: fingerprint of the settings of packing.
        sources: fingerprint of all sources.
        digest: hash of the content; empty until the store is complete.
    """

    layouts: Sequence[Any]
    shards: Mapping[int, Shard]
    settings: str
    sources: str = ""
    digest: str = ""

    def text(self) -> str:
        """The file."""
        shards = {name_of(number): asdict(shard) for number, shard in sorted(self.shards.items())}
        return json.dumps({"version": VERSION, **vars(self), "shards": shards}, indent=1) + "\n"

    def content(self) -> str:
        """Hash of layouts and shards, and through them of everything; not of where it came from."""
        shards = [{**asdict(shard), "sources": ""} for shard in self.shards.values()]
        return digest_of(json.dumps([self.layouts, shards]).encode())


def read_manifest(data: bytes, where: str) -> Manifest:
    """The manifest of a file.

    Raises:
        DataError: it is not one, is of another version, or is damaged.
    """
    with understood(f"{DAMAGED}: the manifest cannot be read", where, AGAIN):
        table = json.loads(data)
        version = table.pop("version")
        if version != VERSION:
            raise DataError(f"The packed store has version {version}, but slr reads version {VERSION}.", where, AGAIN)
        shards = {int(name.removeprefix("shard-")): Shard(**about) for name, about in table["shards"].items()}
        found = Manifest(**{**table, "shards": shards})
        for number, shard in shards.items():
            counts = (shard.columns, shard.derived, shard.layout, shard.clips, shard.frames)
            texts, errors = (shard.table, shard.sources, shard.dtype), (shard.lost, shard.lost_derived)
            faults = {
                "counts are not whole numbers": any(type(count) is not int for count in counts),
                "hashes are not texts": any(type(text) is not str for text in texts),
                "rounding errors are not numbers": any(type(error) not in (float, int) for error in errors),
                "it has no frames or no columns": min(shard.clips, shard.columns) < 1 or shard.frames < shard.clips,
                "it is of an unknown type": shard.dtype not in DTYPES,
                "it has more differences than there are": not 0 <= shard.derived <= 3,
                "it refers to a layout that is not there": not NOWHERE <= shard.layout < len(found.layouts),
            }
            if wrong := [what for what, fault in faults.items() if fault]:
                raise DataError(f"{DAMAGED}: in shard {number:,}, {wrong[0]}.", where, AGAIN)
    return found


def name_of(number: int) -> str:
    """Name of the files of a shard, without suffix."""
    return f"shard-{number:05}"


def digest_of(data: Any) -> str:
    """Hash of bytes, as hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def fingerprint(names: Iterable[str], stamps: Mapping[str, tuple[int, int]]) -> str:
    """Hash of clips and of the size and time of change of their source files."""
    return digest_of(repr([(name, stamps.get(name)) for name in names]).encode())


def is_name(name: str) -> bool:
    """Whether a clip may have a name: it leads to a place below the store, where no file of the store is."""
    return stays_below(name) and not _OURS.fullmatch(name)


def table_text(rows: Iterable[Sequence[Any]]) -> str:
    """The table of a shard, of rows as `COLUMNS` names their cells."""
    text = io.StringIO()
    csv.writer(text, "excel-tab", lineterminator="\n").writerows([COLUMNS, *rows])
    return text.getvalue()


def read_table(data: bytes, shard: Shard, where: str) -> dict[str, tuple[Entry, str]]:
    """The clips of a table by their names, with their hashes.

    Raises:
        DataError: it is not what was written, does not fit its shard, or has names that lead elsewhere.
    """
    if digest_of(data) != shard.table:
        raise DataError(f"{DAMAGED}: a table is not what was written.", where, AGAIN)
    found: dict[str, tuple[Entry, str]] = {}
    end, most = 0, LARGEST // 4 // (shard.columns * (1 + shard.derived))
    with understood(f"{DAMAGED}: a table cannot be read", where, AGAIN):
        head, *rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), "excel-tab")
        if tuple(head) != COLUMNS:
            raise ValueError("the head is another")
        for name, first, frames, fps, width, height, digest in rows:
            entry = Entry(shard, int(first), int(frames), float(fps), int(width), int(height))
            if entry.first != end or not 0 < entry.frames <= most:
                raise ValueError(f"the clip {name[:80]!r} overlaps another, leaves a gap, or has an impossible length")
            if name in found or not is_name(name):
                raise ValueError(f"the name {name[:80]!r} is invalid")
            found[name] = entry, digest
            end += entry.frames
        if end != shard.frames or len(found) != shard.clips:
            raise ValueError(f"{len(found):,} clips end at frame {end:,}, the shard at {shard.frames:,}")
    return found
