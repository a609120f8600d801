"""Writes a packed store: clip after clip under a temporary name, which is replaced by the final one at the end.

`NAME.slrpack.part` grows, and `NAME.slrpack.journal` records which part of it is safe: clips are flushed to the disk
before they are recorded. After any interruption, a new writer continues after the last clip of the journal; the same
clips in the same order give the same bytes, however often the writer was interrupted.
"""

import json
import os
import struct
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from slrcli.errors import DataError, SlrError
from slrcli.features.store.form import (  # fmt: skip
    DIGEST_BYTES,
    HEADER,
    KINDS,
    MAGIC,
    NOWHERE,
    RECORD,
    VERSION,
    Entry,
    Header,
    Index,
    aligned,
    digest_of,
    hash_of,
    parts,
)
from slrcli.files import flush_folder, stays_below, unwritable

PART, JOURNAL = ".part", ".journal"
FLUSH_BYTES, FLUSH_SECONDS = 64 << 20, 2.0  # of clips before the journal speaks of them: what being stopped may cost
MOST_SHARED = 1000  # different texts in a store
_LINE = struct.Struct("<II")  # check sum and length of what follows in the journal
_SOURCE = struct.Struct("<Qq")


@dataclass(frozen=True, eq=False)
class Clip:
    """The stored form of one clip; see `form.Entry`.

    Attributes:
        values: `[T, C]`, float32 or float16.
        derived: number of blocks of differences that were left out.
        shared: metadata in common with other clips: plain values, or None.
        fps, size: of the recording; 0 if unknown.
        lost, lost_derived: largest rounding errors by the stored type.
    """

    values: np.ndarray
    derived: int = 0
    shared: Any = None
    fps: float = 0.0
    size: tuple[int, int] = (0, 0)
    lost: float = 0.0
    lost_derived: float = 0.0


class StoreWriter:
    """Writes a packed store; without `finish`, the written part is kept for the next writer.

    Args:
        path: of the store.
        settings: everything besides the clips that decides the result; parts written with other settings are not used.
        wanted: name -> size and time of change of a clip's source file. A clip that the journal records with another
            stamp is written again, and all clips after it.

    Raises:
        SlrError: the file cannot be written, or another process is writing it.
    """

    def __init__(self, path: Path, settings: bytes = b"", wanted: Mapping[str, tuple[int, int]] | None = None):
        self.path = path
        self._part, self._journal = (path.with_name(path.name + end) for end in (PART, JOURNAL))
        self._entries: dict[str, Entry] = {}
        self._shared: list[str] = []
        self._waiting: list[bytes] = []
        self._unflushed, self._flushed = 0, time.monotonic()
        self._end = HEADER.size
        with _refusals(path), ExitStack() as files:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = files.enter_context(_opened(self._part))
            _lock(self._file, self._part)
            self._lines = files.enter_context(_opened(self._journal))
            self._resume(MAGIC + struct.pack("<I", VERSION) + digest_of(settings), wanted)
            self._files = files.pop_all()

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, *error: object) -> None:
        """Flush and close; after an error, only try to."""
        with suppress(OSError) if error[0] else _refusals(self.path):
            self._flush()
        self._close()

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The entries written so far, including those of earlier writers."""
        return self._entries

    def add(self, name: str, clip: Clip, source: tuple[int, int] = (0, 0)) -> None:
        """Write a clip.

        Args:
            name: not used yet.
            clip: what to write.
            source: size and time of change of its source file.

        Raises:
            DataError: the name is taken, or there are more kinds of shared metadata than a store can hold.
            SlrError: the file cannot be written.
        """
        if name in self._entries:
            raise DataError("Two clips have the same name.", name, "Give every utterance a unique id.")
        if not stays_below(name):
            raise DataError(f"A clip cannot have the name {name!r}.", self.path, "Rename it.")
        values = np.ascontiguousarray(clip.values)
        frames, columns = values.shape
        text = "" if clip.shared is None else json.dumps(clip.shared, sort_keys=True)
        entry = Entry(
            aligned(self._end), digest_of(values), frames, columns, KINDS.index(values.dtype.newbyteorder("<")),
            clip.derived, self._number(text, name), clip.fps, *clip.size, clip.lost, clip.lost_derived,
        )  # fmt: skip
        body = _record(entry) + _SOURCE.pack(*source) + struct.pack("<I", len(text.encode())) + text.encode()
        body += name.encode("utf-8")
        with _refusals(self.path):
            self._file.seek(entry.offset)
            self._file.write(values.data)
            self._waiting.append(_LINE.pack(zlib.crc32(body), len(body)) + body)
            self._entries[name] = entry
            self._end = entry.offset + entry.size
            self._unflushed += entry.size
            if self._unflushed >= FLUSH_BYTES or time.monotonic() - self._flushed >= FLUSH_SECONDS:
                self._flush()

    def finish(self, sources: bytes = bytes(DIGEST_BYTES)) -> None:
        """Write the index and give the store its name.

        Args:
            sources: fingerprint of its sources, 16 bytes.

        Raises:
            DataError: there is no clip.
            SlrError: the file cannot be written.
        """
        if not self._entries:
            raise DataError("A packed store needs at least one clip.", self.path)
        with _refusals(self.path):
            self._flush()
            header, index = _index(self._entries, self._shared, aligned(self._end), sources)
            places, end = parts(header)
            for (place, _, kind), part in zip(places, index, strict=True):
                self._file.seek(place)
                self._file.write(part.astype(kind, copy=False).tobytes())
            self._file.truncate(end)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.seek(0)
            self._file.write(header.packed())  # from now on it is a store
            self._file.flush()
            os.fsync(self._file.fileno())
            self._close()
            os.replace(self._part, self.path)
            self._journal.unlink()
            flush_folder(self.path.parent)

    def _number(self, text: str, name: str) -> int:
        if not text:
            return NOWHERE
        if text not in self._shared:
            if len(self._shared) >= MOST_SHARED:
                what = f"The clips have more than {MOST_SHARED} different layouts."
                raise DataError(what, name, "Convert them to one layout with --layout.")
            self._shared.append(text)
        return self._shared.index(text)

    def _resume(self, head: bytes, wanted: Mapping[str, tuple[int, int]] | None) -> None:
        """Take over what the journal knows and `wanted` still has; cut off the rest."""
        size = os.fstat(self._file.fileno()).st_size
        kept = len(head) if self._lines.read(len(head)) == head else 0
        while kept:
            line = _next_line(self._lines)
            if line is None:
                break
            length, name, entry, source, text = line
            known = wanted is None or wanted.get(name) == source
            if not known or name in self._entries or entry.offset + entry.size > size:
                break
            if text and text not in self._shared:
                self._shared.append(text)
            self._entries[name] = entry
            self._end = entry.offset + entry.size
            kept += length
        self._lines.seek(kept)
        self._lines.truncate()
        if not kept:
            self._lines.write(head)
        self._file.truncate(self._end if self._entries else 0)
        self._file.write(bytes(HEADER.size))  # no index yet

    def _flush(self) -> None:
        """Make the clips certain, then say so."""
        if self._file.closed:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self._lines.write(b"".join(self._waiting))
        self._lines.flush()
        os.fsync(self._lines.fileno())
        self._waiting.clear()
        self._unflushed, self._flushed = 0, time.monotonic()

    def _close(self) -> None:
        with suppress(OSError):
            self._files.close()


def _opened(path: Path) -> BinaryIO:
    """A file for reading and writing, made if need be."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b")


def _next_line(lines: BinaryIO) -> tuple[int, str, Entry, tuple[int, int], str] | None:
    """The next clip of a journal with the length of its line; None at the end, or where a line was not finished."""
    head = lines.read(_LINE.size)
    if len(head) < _LINE.size:
        return None
    total, length = _LINE.unpack(head)
    body = lines.read(length)
    if len(body) < length or zlib.crc32(body) != total:
        return None
    record = np.frombuffer(body, RECORD, 1)[0]
    place = RECORD.itemsize
    source = _SOURCE.unpack_from(body, place)
    place += _SOURCE.size
    (text,) = struct.unpack_from("<I", body, place)
    place += 4
    name = body[place + text :].decode("utf-8")
    return _LINE.size + length, name, Entry(*record.item()), source, body[place : place + text].decode()


def _record(entry: Entry) -> bytes:
    return np.array([(*entry[:-1], bytes(8))], RECORD).tobytes()


def _index(entries: Mapping[str, Entry], shared: list[str], place: int, sources: bytes) -> tuple[Header, Index]:
    names = [name.encode("utf-8") for name in entries]
    hashes = np.fromiter(map(hash_of, entries), np.uint64, len(entries))
    order = np.argsort(hashes, kind="stable").astype(np.uint32)
    text = f"[{','.join(shared)}]".encode()
    index = Index(
        np.frombuffer(b"".join(map(_record, entries.values())), RECORD),
        np.cumsum([len(name) for name in names], dtype=np.uint64),
        hashes[order],
        order,
        np.frombuffer(b"".join(names), np.uint8),
        np.frombuffer(text, np.uint8),
    )
    return Header(len(names), place, int(index.ends[-1]), len(text), index.digest(), sources), index


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turns what the file system says into an SlrError that names the store."""
    try:
        yield
    except OSError as error:
        if told := unwritable(error, path):
            told.fix += " The same command continues where it stopped."
            raise told from error
        what = f"The packed store cannot be written: {error.strerror or error}."
        fix = "Check the folder, its permissions and its free space; the same command continues where it stopped."
        raise SlrError(what, str(path), fix) from error


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep other writers away, where the system can; the lock ends with the process."""
    try:
        import fcntl
    except ImportError:  # Windows does not let two processes open it for writing anyway
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise SlrError("Another process is packing into this file.", path, "Let it finish, or stop it.") from error
