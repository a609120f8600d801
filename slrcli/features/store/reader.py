"""Opens packed stores and finds clips in them.

A clip is named by a path through the file, `features/train.slrpack/ID`, as if the file were a folder. Stores stay open;
one that has been replaced meanwhile is opened again. The values are never copied: the operating system reads the
mapped file on access, and releases the pages when memory is short.
"""

import mmap
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.errors import DataError
from slrcli.features.store.form import (  # fmt: skip
    AGAIN,
    KINDS,
    SUFFIX,
    Entry,
    Index,
    check,
    digest_of,
    hash_of,
    parts,
    read_header,
)
from slrcli.files import stays_below

MOST_OPEN = 64  # stores
_MARK = SUFFIX + os.sep
_Stamp = tuple[int, int, int, int]
_open: dict[str, tuple[_Stamp, "Store"]] = {}


class Store:
    """A packed store, mapped and checked. Clips are counted from 0, in the order in which they were written.

    Args:
        path: the file.

    Attributes:
        path: the file.
        shared: metadata shared by clips, by number.
        digest: hash of the content, as hexadecimal digits.
        sources: fingerprint of its sources.

    Raises:
        DataError: the file cannot be read, is not a store, is damaged or truncated.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                self._header = read_header(file.read(256), size, str(path))
                self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise DataError(f"The packed store cannot be read: {reason}.", path) from error
        self._index = Index(
            *(np.frombuffer(self._map, kind, length, place) for place, length, kind in parts(self._header)[0])
        )
        self.shared: list[Any] = check(self._index, self._header, str(path))
        self.digest = self._header.digest.hex()
        self.sources = self._header.sources

    def __len__(self) -> int:
        return self._header.clips

    def names(self) -> Iterator[str]:
        """The names of all clips."""
        for row in range(len(self)):
            yield self._name(row)

    def _name(self, row: int) -> str:
        try:
            name = self._index.name(row)
        except UnicodeDecodeError:
            name = ""
        if not stays_below(name):
            raise DataError(f"The packed store is damaged: the name of clip {row:,} is invalid.", self.path, AGAIN)
        return name

    def row(self, name: str) -> int | None:
        """The number of the clip with this name; None if there is none."""
        wanted = np.uint64(hash_of(name))
        hashes = self._index.hashes
        place = int(hashes.searchsorted(wanted))
        while place < len(hashes) and hashes[place] == wanted:
            row = int(self._index.rows[place])
            if self._name(row) == name:
                return row
            place += 1
        return None

    def entry(self, row: int) -> Entry:
        """The index entry of a clip."""
        return Entry(*self._index.records[row].item())

    def values(self, row: int) -> np.ndarray:
        """The stored values of a clip `[frames, columns]`, as a read-only array over the file."""
        entry = self.entry(row)
        flat = np.frombuffer(self._map, KINDS[entry.kind], entry.frames * entry.columns, entry.offset)
        return flat.reshape(entry.frames, entry.columns)

    @property
    def records(self) -> np.ndarray:
        """The index entries of all clips, an array of `form.RECORD`."""
        return self._index.records

    def damage(self, step: Callable[[], None] = lambda: None) -> list[str]:
        """The parts that do not match their hash: names of clips, and `index`; empty for an intact store.

        Args:
            step: called after every clip.
        """
        wrong = [] if self._index.digest() == self._header.digest else ["index"]
        for row in range(len(self)):
            if digest_of(self.values(row)) != self.entry(row).digest:
                wrong.append(self._name(row))
            step()
        hashes = np.fromiter((hash_of(name) for name in self.names()), np.uint64, len(self))
        if (hashes[self._index.rows] != self._index.hashes).any() and "index" not in wrong:
            wrong.insert(0, "index")
        return wrong


def open_store(path: str | Path) -> Store:
    """The store in a file, kept open until the file is replaced; raises like `Store`."""
    text = os.fspath(path)
    try:
        found = os.stat(text)
    except OSError as error:
        raise DataError(f"The packed store cannot be read: {error.strerror}.", text) from error
    return _opened(text, found)


def _opened(text: str, found: os.stat_result) -> Store:
    stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    known = _open.get(text)
    if known is None or known[0] != stamp:
        while len(_open) >= MOST_OPEN:
            _open.pop(next(iter(_open)))
        known = _open[text] = stamp, Store(Path(text))
    return known[1]


def is_store(path: Path) -> bool:
    """Whether a path is a packed store, not a clip in one."""
    return path.suffix == SUFFIX and path.is_file()


def store_of(path: str | Path) -> tuple[Store, str] | None:
    """The store that a path leads through, and the name of the clip in it; None for any other path.

    Raises:
        DataError: like `Store`.
    """
    text = os.fspath(path)
    cut = text.find(_MARK)
    while cut >= 0:
        file = text[: cut + len(SUFFIX)]
        try:
            found = os.stat(file)
        except OSError:
            return None
        if not stat.S_ISDIR(found.st_mode):
            name = text[cut + len(_MARK) :]
            return _opened(file, found), name.replace(os.sep, "/") if os.sep != "/" else name
        cut = text.find(_MARK, cut + 1)
    return None


def find_clip(path: str | Path) -> tuple[Store, int] | None:
    """The store that a path leads through, and the number of the clip in it; None for any other path.

    Raises:
        DataError: like `Store`, or the store holds no such clip.
    """
    found = store_of(path)
    if found is None:
        return None
    store, name = found
    row = store.row(name)
    if row is None:
        raise DataError(
            f"The packed store holds no clip {name!r}.", store.path, f"It holds {len(store):,} other clips."
        )
    return store, row
