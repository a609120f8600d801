"""The form of a packed store, and checks of its consistency.

    header   128 bytes: `HEADER`
    clips    one after the other in the order of the index, each `[frames, columns]` in row-major order
    index    records of all clips; ends of their names; hashes of the names, sorted; the record of each hash; the names;
             a text of JSON with what several clips share

Each clip and each part begins at a multiple of 64 bytes.

All numbers are little-endian. The index is last and the header is filled in after it, so an unfinished file is
recognised. Opening it parses nothing clip by clip: the parts of the index are mapped as arrays.
"""

import hashlib
import json
import struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from slrcli.errors import DataError

SUFFIX = ".slrpack"
MAGIC = b"slrpack\0"
VERSION = 1
ALIGN = 64  # bytes; a line of the processor's cache
# Magic, version, clips, place of the index, bytes of names and of shared text, digest, fingerprint of the sources.
HEADER = struct.Struct("<8sI4xQQQQ16s16s48x")
FLOAT32, FLOAT16 = 0, 1
KINDS = (np.dtype("<f4"), np.dtype("<f2"))
NOWHERE = -1  # number of the shared text of a clip that has none
DIGEST_BYTES = 16
LARGEST = 2 << 30  # bytes of one clip, as for every other feature file
MOST_SHARED = 16 << 20  # bytes of shared text
RECORD = np.dtype(
    [
        ("offset", "<u8"),
        ("digest", f"V{DIGEST_BYTES}"),
        ("frames", "<u4"),
        ("columns", "<u4"),
        ("kind", "u1"),
        ("derived", "u1"),
        ("shared", "<i2"),
        ("fps", "<f4"),
        ("width", "<u4"),
        ("height", "<u4"),
        ("lost", "<f4"),
        ("lost_derived", "<f4"),
        ("spare", "V8"),
    ]
)
AGAIN = "Pack the corpus again with slr pack."


class Entry(NamedTuple):
    """The index entry of a clip.

    Attributes:
        offset: byte offset of its values.
        digest: hash of its stored bytes.
        frames, columns: shape of the stored array.
        kind: index of the stored type in `KINDS`.
        derived: number of blocks of differences over time that were left out and are computed again on reading.
        shared: index of its shared text; `NOWHERE` without one.
        fps: frames per second; 0 if unknown.
        width, height: of the picture in pixels; 0 if unknown.
        lost, lost_derived: largest rounding error by the stored type, of a value and of a difference computed from such
            values.
        spare: reserved.
    """

    offset: int
    digest: bytes
    frames: int
    columns: int
    kind: int = FLOAT32
    derived: int = 0
    shared: int = NOWHERE
    fps: float = 0.0
    width: int = 0
    height: int = 0
    lost: float = 0.0
    lost_derived: float = 0.0
    spare: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return self.frames * self.columns * KINDS[self.kind].itemsize


class Header(NamedTuple):
    """The header of a store; see `HEADER`. `place` is the offset of the index."""

    clips: int
    place: int
    name_bytes: int
    shared_bytes: int
    digest: bytes
    sources: bytes

    def packed(self) -> bytes:
        """The header as bytes in the file."""
        return HEADER.pack(MAGIC, VERSION, *self)


class Index(NamedTuple):
    """The parts of an index, as arrays over the file.

    Attributes:
        records: `RECORD` of every clip, in the order of the values.
        ends: end of each name in `names`; it begins at the end of the previous one.
        hashes: of the names, sorted.
        rows: the record of each hash.
        names: UTF-8, one after the other.
        shared: JSON, a list of metadata shared by several clips.
    """

    records: np.ndarray
    ends: np.ndarray
    hashes: np.ndarray
    rows: np.ndarray
    names: np.ndarray
    shared: np.ndarray

    def name(self, row: int) -> str:
        """The name of a clip."""
        start = int(self.ends[row - 1]) if row else 0
        return self.names[start : int(self.ends[row])].tobytes().decode("utf-8")

    def digest(self) -> bytes:
        """Hash of the whole index and, through the hashes of the clips, of all values; offsets are not included."""
        records = np.array(self.records)
        records["offset"] = 0
        total = hashlib.blake2b(digest_size=DIGEST_BYTES)
        total.update(records[self.rows].tobytes())
        for part in (self.ends, self.hashes, self.names, self.shared):
            total.update(part.tobytes())
        return total.digest()


def digest_of(data: Any) -> bytes:
    """Hash of the bytes of a clip."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def hash_of(name: str) -> int:
    """The number used to look up a name."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8"), digest_size=8).digest(), "little")


def aligned(place: int) -> int:
    """The next offset at which a part may begin."""
    return -(-place // ALIGN) * ALIGN


def parts(header: Header) -> tuple[list[tuple[int, int, np.dtype]], int]:
    """Offset, length and type of the parts of an index in the order of `Index`, and the end of the file."""
    number = header.clips
    sizes: list[tuple[int, DTypeLike]] = [(number, RECORD), (number, "<u8"), (number, "<u8"), (number, "<u4")]
    sizes += [(header.name_bytes, "u1"), (header.shared_bytes, "u1")]
    found, place = [], header.place
    for length, kind in sizes:
        found.append((place, length, np.dtype(kind)))
        place = aligned(place + length * np.dtype(kind).itemsize)
    return found, place


def read_header(data: bytes, size: int, where: str) -> Header:
    """The header of a file of `size` bytes.

    Raises:
        DataError: the file is not a store, of another version, unfinished, or truncated.
    """
    if len(data) < HEADER.size or data[: len(MAGIC)] != MAGIC:
        raise DataError(
            "This is not a packed store.", where, f"Name a file that was written by slr pack and ends in {SUFFIX}."
        )
    _, version, *fields = HEADER.unpack(data[: HEADER.size])
    header = Header(*fields)
    if version != VERSION:
        raise DataError(f"The packed store has version {version}, but slr reads version {VERSION}.", where, AGAIN)
    if not header.place:
        raise DataError("The packed store was not finished.", where, AGAIN)
    if header.shared_bytes > MOST_SHARED or not header.clips:
        what = f"The packed store announces {header.clips:,} clips and {header.shared_bytes:,} bytes of text."
        raise DataError(what, where, AGAIN)
    end = parts(header)[1]
    if header.place % ALIGN or header.place < HEADER.size or end != size:
        what = f"The packed store is damaged: {header.clips:,} clips end at byte {end:,}, the file at {size:,}."
        raise DataError(what, where, AGAIN)
    return header


def check(index: Index, header: Header, where: str) -> list[Any]:
    """Check the consistency of an index; returns the metadata that clips share.

    Raises:
        DataError: clips are beyond the end or overlap, shapes are impossible, or names cannot be looked up.
    """
    records = index.records
    shared = _shared(index.shared.tobytes(), where)
    itemsize = np.where(records["kind"] == FLOAT16, 2, 4).astype(np.uint64)
    numbers = records["frames"].astype(np.uint64) * records["columns"]  # below 2^64, as each is below 2^32
    sizes = np.minimum(numbers, LARGEST) * itemsize
    starts = np.minimum(records["offset"], np.uint64(2**62))  # so that no sum runs over
    ends = starts + sizes
    before = np.concatenate([[np.uint64(HEADER.size)], ends[:-1]])
    faults = (
        ("has no frames or no columns", numbers == 0),
        ("is larger than any clip", numbers * (1 + records["derived"].astype(np.uint64)) > LARGEST // 4),
        ("is of an unknown type", records["kind"] >= len(KINDS)),
        ("has more differences than there are", records["derived"] > 3),
        ("is not aligned", records["offset"] % ALIGN != 0),
        ("lies beyond the end of the clips", ends > header.place),
        ("overlaps the previous one", starts < before),
        ("refers to something that is not there", (records["shared"] < NOWHERE) | (records["shared"] >= len(shared))),
    )
    for what, wrong in faults:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(f"The packed store is damaged: clip {row:,} {what}.", where, AGAIN)
    lengths = np.diff(index.ends, prepend=np.uint64(0))
    if (index.ends[1:] < index.ends[:-1]).any() or index.ends[-1] != header.name_bytes or not lengths.all():
        raise DataError("The packed store is damaged: its names are inconsistent.", where, AGAIN)
    if (index.hashes[1:] < index.hashes[:-1]).any() or index.rows.max() >= header.clips:
        raise DataError("The packed store is damaged: its names cannot be looked up.", where, AGAIN)
    return shared


def _shared(data: bytes, where: str) -> list[Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError("The packed store is damaged: the shared metadata are not JSON.", where, AGAIN) from error
    if not isinstance(found, list):
        raise DataError("The packed store is damaged: the shared metadata are not a list.", where, AGAIN)
    return found
