"""Writes a packed store: shard after shard in a folder of another name, which gets the final one at the end.

Shards in `NAME.slrpack.part` that its manifest names are whole and on the disk. After any interruption a new writer
goes on after them; the same clips in the same order give the same bytes, however often the writer was interrupted.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.config.names import SHARD_MB
from slrcli.errors import DataError, SlrError
from slrcli.features.store.form import (  # fmt: skip
    DTYPES,
    HEADER_BYTES,
    MANIFEST,
    MOST_BYTES,
    NOWHERE,
    Manifest,
    Shard,
    digest_of,
    fingerprint,
    is_name,
    name_of,
    read_manifest,
    read_table,
    table_text,
)
from slrcli.files import LOCK, atomic_write_text, flush_folder, held, read_bytes, temporary_name, written

PART = ".part"
MOST_FORMS = 100  # in a store: each has a shard that is being written


@dataclass(frozen=True, eq=False)
class Clip:
    """The stored form of one clip; see `form.Shard`.

    Attributes:
        values: `[T, C]`, float32 or float16.
        derived: number of blocks of differences that were left out.
        layout: plain values, or None.
        fps, size: of the recording; 0 if unknown.
        lost, lost_derived: largest rounding errors by the stored type.
    """

    values: np.ndarray
    derived: int = 0
    layout: Any = None
    fps: float = 0.0
    size: tuple[int, int] = (0, 0)
    lost: float = 0.0
    lost_derived: float = 0.0


class _Growing:
    """A shard that is being written: `form` has its columns, type, differences and layout."""

    def __init__(self, path: Path, form: tuple[int, str, int, int]):
        self.path, self._shard = path, Shard(*form, clips=0, frames=0)
        self._rows: list[tuple] = []
        self._stamps: dict[str, tuple[int, int]] = {}
        self.file = open(path, "wb")  # noqa: SIM115 - open until it is whole
        self.file.write(bytes(HEADER_BYTES))

    @property
    def size(self) -> int:
        return self._shard.size

    def add(self, name: str, values: np.ndarray, clip: Clip, source: tuple[int, int]) -> None:
        self.file.write(values.data)
        old = self._shard
        self._rows.append((name, old.frames, len(values), clip.fps, *clip.size, digest_of(values)))
        self._stamps[name] = source
        lost, further = max(old.lost, clip.lost), max(old.lost_derived, clip.lost_derived)
        frames = old.frames + len(values)
        self._shard = replace(old, clips=old.clips + 1, frames=frames, lost=lost, lost_derived=further)

    def finish(self) -> Shard:
        """The shard, whole and on the disk."""
        self.file.seek(0)
        self.file.write(self._shard.header())
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        text = table_text(self._rows)
        atomic_write_text(self.path.with_suffix(".tsv"), text)
        made_from = fingerprint(self._stamps, self._stamps)
        return replace(self._shard, table=digest_of(text.encode()), sources=made_from)


class StoreWriter:
    """Writes a packed store; without `finish`, whole shards are kept for the next writer.

    Args:
        path: of the store.
        settings: everything besides the clips that decides the result; shards of other settings are not used.
        wanted: name -> size and time of change of a clip's source file. A shard that has a clip of another stamp is
            written again, and all after it.
        shard_bytes: size at which another shard begins.

    Raises:
        SlrError: the files cannot be written, or another process is writing them.
    """

    def __init__(
        self,
        path: Path,
        settings: bytes = b"",
        wanted: Mapping[str, tuple[int, int]] | None = None,
        shard_bytes: int = SHARD_MB << 20,
    ):
        self.path, self._folder = path, path.with_name(path.name + PART)
        self._settings, self._most = digest_of(settings + repr(shard_bytes).encode()), shard_bytes
        self._layouts: list[Any] = []
        self._shards: dict[int, Shard] = {}
        self._growing: dict[tuple, tuple[int, _Growing]] = {}
        self.names: dict[str, None] = {}  # of the clips written so far, including those of earlier writers
        with written(path), ExitStack() as stack:
            self._folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held(self._folder, "packed store"))
            self._resume(wanted)
            self._held = stack.pop_all()

    def __enter__(self) -> "StoreWriter":
        return self

    def __exit__(self, *error: object) -> None:
        for _, shard in self._growing.values():
            with suppress(OSError):
                shard.file.close()
        self._held.close()

    def add(self, name: str, clip: Clip, source: tuple[int, int] = (0, 0)) -> None:
        """Write a clip.

        Args:
            name: not used yet.
            clip: what to write.
            source: size and time of change of its source file.

        Raises:
            DataError: the name is taken or impossible, or the clips are of more forms than a store can hold.
            SlrError: a file cannot be written.
        """
        if name in self.names:
            raise DataError("Two clips have the same name.", name, "Give every utterance a unique id.")
        if not is_name(name):
            raise DataError(f"A clip cannot have the name {name!r}.", self.path, "Rename it.")
        dtype = next(key for key, kind in DTYPES.items() if kind == clip.values.dtype)
        values = np.ascontiguousarray(clip.values, DTYPES[dtype])
        form = (values.shape[1], dtype, clip.derived, self._layout(clip.layout))
        with written(self.path):
            if form in self._growing and self._growing[form][1].size + values.nbytes > self._most:
                self._finish(form)
            if form not in self._growing:
                self._begin(form, name)
            self._growing[form][1].add(name, values, clip, source)
        self.names[name] = None

    def finish(self, sources: str = "") -> None:
        """Write the rest and give the store its name.

        Args:
            sources: fingerprint of its sources.

        Raises:
            DataError: there is no clip.
            SlrError: a file cannot be written.
        """
        if not self.names:
            raise DataError("A packed store needs at least one clip.", self.path)
        with written(self.path):
            for form in list(self._growing):
                self._finish(form)
            found = replace(self._manifest(), sources=sources)
            atomic_write_text(self._folder / MANIFEST, replace(found, digest=found.content()).text())
            self._held.close()
            _put(self._folder, self.path)

    def _begin(self, form: tuple, name: str) -> None:
        """Begin a shard under the first number that none has."""
        if len(self._growing) >= MOST_FORMS:
            what = f"The clips have more than {MOST_FORMS} different layouts."
            raise DataError(what, name, "Convert them to one layout with --layout.")
        taken = {*self._shards, *(number for number, _ in self._growing.values())}
        number = min({*range(len(taken) + 1)} - taken)
        self._growing[form] = number, _Growing(self._folder / f"{name_of(number)}.npy", form)

    def _finish(self, form: tuple) -> None:
        """Make a shard certain, then say so."""
        number, growing = self._growing[form]
        self._shards[number] = growing.finish()
        del self._growing[form]
        atomic_write_text(self._folder / MANIFEST, self._manifest().text())

    def _manifest(self) -> Manifest:
        return Manifest(self._layouts, dict(sorted(self._shards.items())), self._settings)

    def _layout(self, layout: Any) -> int:
        if layout is None:
            return NOWHERE
        if layout not in self._layouts:
            self._layouts.append(layout)
        return self._layouts.index(layout)

    def _resume(self, wanted: Mapping[str, tuple[int, int]] | None) -> None:
        """Take over the shards that are whole and have clips as `wanted`, and remove everything else."""
        with suppress(SlrError, OSError):
            found = read_manifest(read_bytes(self._folder / MANIFEST, MOST_BYTES), str(self._folder))
            for number, shard in found.shards.items() if found.settings == self._settings else ():
                path = self._folder / f"{name_of(number)}.npy"
                names = read_table(read_bytes(path.with_suffix(".tsv"), MOST_BYTES), shard, str(path))
                known = wanted is None or fingerprint(names, wanted) == shard.sources
                if not known or path.stat().st_size != shard.size or not self.names.keys().isdisjoint(names):
                    break
                self._layouts = list(found.layouts)
                self._shards[number] = shard
                self.names.update(dict.fromkeys(names))
        kept = {MANIFEST, LOCK, *(name_of(number) + end for number in self._shards for end in (".npy", ".tsv"))}
        for file in self._folder.iterdir():
            if file.name not in kept:
                file.unlink()


def _put(folder: Path, path: Path) -> None:
    """Give a folder its name; what had the name is removed afterwards."""
    old = path.with_name(temporary_name())
    if path.exists():
        os.replace(path, old)
    os.replace(folder, path)
    flush_folder(path.parent)
    if old.is_dir():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)
