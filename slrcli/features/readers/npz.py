"""`.npz`: an archive of `.npy` arrays, one of which is the clip; others may hold its metadata."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from slrcli.errors import DataError
from slrcli.features.layout import Layout
from slrcli.features.readers.common import (
    ABOUT,
    BOMB_BYTES,
    BOMB_RATIO,
    SAMPLED,
    Reader,
    Sample,
    check_numbers,
    check_shape,
    check_size,
    choose_array,
    layout_of,
    plainly,
    rate_of,
    recording,
)
from slrcli.features.readers.npy import clip_array, read_header, require_letters, require_whole
from slrcli.features.recording import Recording

MOST_MEMBERS = 1000  # arrays of one clip


class Npz(Reader):
    """Archives of `numpy.savez` and `savez_compressed`."""

    suffixes = (".npz",)

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        with plainly(path), _opened(path) as archive:
            about = _about(archive)
            name, notes = _chosen(archive, path)
            with archive.open(name) as stream:
                return recording(clip_array(stream, path), about, notes)

    def extent(self, path: Path) -> tuple[int, int]:
        with plainly(path), _opened(path) as archive, archive.open(_chosen(archive, path)[0]) as stream:
            return check_shape(*read_header(stream), path)

    def own_layout(self, path: Path, strict: bool = False) -> Layout | None:
        with plainly(path), _opened(path) as archive:
            about = _about(archive)
        return layout_of(about, self.extent(path)[1], path, strict)

    def frame_rate(self, path: Path) -> float:
        with plainly(path), _opened(path) as archive:
            return rate_of(_about(archive))

    def stored(self, path: Path) -> tuple[str, Sample]:
        with plainly(path), _opened(path) as archive, archive.open(_chosen(archive, path)[0]) as stream:
            found, dtype = read_header(stream)
            check_shape(found, dtype, path)
            return dtype.name, (stream.read(SAMPLED), b"")


@contextmanager
def arrays_in(path: Path) -> Iterator[tuple[set[str], Callable[[str], np.ndarray]]]:
    """Names of the arrays in an archive, and a function that reads one of them: numbers of a limited size."""
    with _opened(path) as archive:

        def array(name: str) -> np.ndarray:
            with archive.open(f"{name}.npy") as stream:
                found, dtype = read_header(stream)
                check_numbers(dtype, path)
                check_size(int(np.prod(found, dtype=object)), path, dtype.itemsize)
                require_whole(found, dtype, archive.getinfo(f"{name}.npy").file_size)
                stream.seek(0)
                return npy.read_array(stream, allow_pickle=False)

        yield set(_members(archive)), array


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """An archive, once it is certain that it neither swells nor holds files without end."""
    with zipfile.ZipFile(path) as archive:
        if len(archive.infolist()) > MOST_MEMBERS:
            what = f"The archive holds {len(archive.infolist()):,} files, too many for a feature file."
            raise DataError(what, path, "Save clips with numpy.savez.")
        for info in archive.infolist():
            if info.file_size > BOMB_BYTES and info.file_size > BOMB_RATIO * max(info.compress_size, 1):
                sizes = f"{info.compress_size:,} to {info.file_size:,} bytes"
                what = f"The file {info.filename} in the archive expands from {sizes}."
                raise DataError(what, path, "Save clips with numpy.savez.")
        yield archive


def _members(archive: zipfile.ZipFile) -> list[str]:
    """Names of the arrays in an archive."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _chosen(archive: zipfile.ZipFile, path: Path) -> tuple[str, tuple[str, ...]]:
    """The file in the archive that holds the clip, and a note where others could hold it."""
    names = [name for name in _members(archive) if name not in ABOUT]
    if not names:
        raise DataError("The .npz file holds no array.", path, "Save it with numpy.savez(file, features=array).")
    if len(names) == 1:
        return f"{names[0]}.npy", ()
    name, notes = choose_array({name: _shape(archive, name) for name in names}, path)
    return f"{name}.npy", notes


def _shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...] | None:
    """The shape of an array of numbers; None for anything else, which may well be damaged."""
    with suppress(ValueError, SyntaxError, EOFError), archive.open(f"{name}.npy") as stream:
        shape, dtype = read_header(stream)
        return shape if dtype.kind in "fiub" else None
    return None


def _about(archive: zipfile.ZipFile) -> dict[str, Any]:
    """`layout`, `fps` and `size` of an archive, where they are small arrays of texts and numbers."""
    about = {}
    for key in set(ABOUT) & set(_members(archive)):
        if archive.getinfo(f"{key}.npy").file_size > 4 * SAMPLED:
            continue
        with archive.open(f"{key}.npy") as stream:
            shape, dtype = read_header(stream)
            require_whole(shape, dtype, archive.getinfo(f"{key}.npy").file_size)
            if dtype.kind in "fiuU":
                stream.seek(0)
                about[key] = require_letters(npy.read_array(stream, allow_pickle=False)).tolist()
    return about


def member(archive: Any, name: str) -> np.ndarray:
    """An array of numbers or texts of an archive that numpy has opened.

    Raises:
        KeyError: there is none of this name.
        ValueError: it is damaged.
    """
    with archive.zip.open(f"{name}.npy") as stream:
        shape, dtype = read_header(stream)
    require_whole(shape, dtype, archive.zip.getinfo(f"{name}.npy").file_size)
    return require_letters(np.asarray(archive[name]))
