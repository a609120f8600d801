"""Reads packed stores: clips by their names, as arrays over the file.

Shards are mapped when a clip of theirs is read, a bounded number at a time. The values are never copied: the operating
system reads the mapped file on access, and releases the pages when memory is short.
"""

import mmap
import os
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np

from slrcli.errors import DataError, understood
from slrcli.features.store.form import (  # fmt: skip
    AGAIN,
    DAMAGED,
    HEADER_BYTES,
    MANIFEST,
    MOST_BYTES,
    Entry,
    digest_of,
    name_of,
    read_manifest,
    read_table,
)
from slrcli.features.store.remote import fetch
from slrcli.files import read_bytes

MOST_MAPPED = 16  # shards of a store


class Store:
    """A packed store, checked.

    Args:
        path: the folder.

    Attributes:
        path: the folder.
        file: the manifest, which is another where the store was replaced.
        shards: as in the manifest, by number.
        layouts: of clips, by number, as plain values.
        digest: hash of the content.
        sources: fingerprint of its sources.

    Raises:
        DataError: a file cannot be read, the store is unfinished or damaged. Arrays are looked at when they are read.
    """

    def __init__(self, path: Path):
        self.path, self.file = path, path / MANIFEST
        with understood("The packed store cannot be read", path):
            found = read_manifest(read_bytes(self.file, MOST_BYTES), str(path))
            if not found.digest or not found.shards:
                raise DataError("The packed store was not finished.", path, AGAIN)
            if found.digest != found.content() or list(found.shards) != list(range(len(found.shards))):
                raise DataError(f"{DAMAGED}: the manifest is not what was written.", path, AGAIN)
        self.layouts, self.digest, self.sources = found.layouts, found.digest, found.sources
        self.shards = list(found.shards.values())
        self._number = {id(shard): number for number, shard in enumerate(self.shards)}
        self._entries: dict[str, Entry] = {}
        for number in range(len(self.shards)):
            self._entries.update((name, entry) for name, (entry, _) in self._table(number).items())
        if len(self._entries) != sum(shard.clips for shard in self.shards):
            raise DataError(f"{DAMAGED}: two clips have the same name.", path, AGAIN)
        self._mapped = lru_cache(MOST_MAPPED)(self._map)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def names(self) -> Iterable[str]:
        """The names of all clips, in the order of their shards and of their rows."""
        return self._entries

    def entry(self, name: str) -> Entry:
        """The index entry of a clip."""
        return self._entries[name]

    def values(self, name: str) -> np.ndarray:
        """The stored values of a clip `[frames, columns]`, as a read-only array over the file.

        Raises:
            DataError: the shard is missing, cut short or something else.
        """
        entry = self._entries[name]
        return self._whole(self.number(name))[entry.first : entry.first + entry.frames]

    def number(self, name: str) -> int:
        """The number of the shard of a clip."""
        return self._number[id(self._entries[name].shard)]

    def array(self, number: int) -> Path:
        """The array file of a shard; of a remote store it may not be here yet."""
        return self.path / f"{name_of(number)}.npy"

    @property
    def size(self) -> int:
        """Size of its files."""
        files = self.path.iterdir() if self.path.is_dir() else [self.path]
        return sum(file.stat().st_size for file in files)

    def damage(self, step: Callable[[], None] = lambda: None) -> list[str]:
        """The names of clips that do not match their hash; opening has compared everything else.

        Args:
            step: called after every clip.

        Raises:
            DataError: see `values`.
        """
        return [name for number in range(len(self.shards)) for name in self._damage(number, self._whole(number), step)]

    def _damage(self, number: int, values: np.ndarray, step: Callable[[], None] = lambda: None) -> list[str]:
        wrong = []
        for name, (entry, digest) in self._table(number).items():
            if digest_of(values[entry.first : entry.first + entry.frames]) != digest:
                wrong.append(name)
            step()
        return wrong

    def _table(self, number: int) -> dict[str, tuple[Entry, str]]:
        path = self.path / f"{name_of(number)}.tsv"
        with understood(f"{DAMAGED}: a table cannot be read", path, AGAIN):
            data = read_bytes(path, MOST_BYTES)
        return read_table(data, self.shards[number], str(path))

    def _whole(self, number: int) -> np.ndarray:
        """The values of a shard, whose file has not been cut short meanwhile."""
        mapped, values = self._mapped(number)
        require_whole(mapped, self.array(number))
        return values

    def _map(self, number: int) -> tuple[mmap.mmap, np.ndarray]:
        """A shard, and its values `[frames, columns]`; nothing is mapped beyond its file."""
        shard, path = self.shards[number], self.array(number)
        new = fetch(path)
        with understood(f"{DAMAGED}: a shard cannot be read", path, AGAIN), open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != shard.size or file.read(HEADER_BYTES) != shard.header():
                what = f"{DAMAGED}: a shard has {size:,} bytes instead of {shard.size:,}, or another header."
                raise DataError(what, path, AGAIN)
            mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
            flat = np.frombuffer(mapped, shard.kind, shard.frames * shard.columns, HEADER_BYTES)
            values = flat.reshape(shard.frames, shard.columns)
        if new and self._damage(number, values):
            path.unlink(missing_ok=True)
            raise DataError("The remote store has changed.", path, "Run the command again.")
        return mapped, values


def require_whole(mapped: mmap.mmap, path: Path) -> None:
    """Raise a DataError where a mapped file is shorter than it was: whoever reads behind its end is ended by a signal,
    without a word."""
    if (size := mapped.size()) < len(mapped):
        what = f"{DAMAGED}: a file has {size:,} bytes instead of {len(mapped):,}."
        raise DataError(what, path, AGAIN)
