"""Feature files -> float32 arrays `[T, D]`: `.npy` and `.npz`, never unpickled.

In an `.npz` the array is the one named `features`, else `feature`, else `arr_0`, else the first.
"""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from slrcli.errors import DataError

SUFFIXES = (".npy", ".npz")
NPZ_KEYS = ("features", "feature", "arr_0")
SAMPLED = 1024  # bytes at either end and in the middle of an array


def read_features(path: str | Path) -> np.ndarray:
    """The features of one clip, float32 `[T, D]`; points `[T, P, C]` are flattened to `[T, P * C]`.

    Raises:
        DataError: the file is missing, damaged, pickled, not numeric, empty, or neither two- nor three-dimensional.
    """
    path = Path(path)
    with plainly(path), _open(path) as stream:
        shape, dtype = _header(stream)
        frames, columns = _checked(shape, dtype, path)
        stream.seek(0)
        array = npy.read_array(stream, allow_pickle=False)
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes inf, which counts as missing later
        return np.ascontiguousarray(array.reshape(frames, columns), dtype=np.float32)


@dataclass(frozen=True)
class Header:
    """What a feature file says about itself.

    Attributes:
        frames, columns: `(T, D)`, points flattened.
        stored_as: type of the stored numbers, such as `float32`.
        sample: the first bytes of the numbers, and of an `.npy` those in the middle and the last ones. Files of
            different content hardly ever share them.
    """

    frames: int
    columns: int
    stored_as: str
    sample: tuple[bytes, bytes]


def feature_shape(path: str | Path) -> tuple[int, int]:
    """`(T, D)` of a feature file, from its header alone; raises like `read_features`, except for damage further on."""
    path = Path(path)
    with plainly(path), _open(path) as stream:
        return _checked(*_header(stream), path)


def feature_header(path: str | Path) -> Header:
    """What a feature file says about itself; an `.npy` that is shorter than it says is found out, too.

    Raises:
        DataError: like `read_features`, except for damage inside the numbers.
    """
    path = Path(path)
    with plainly(path), _open(path) as stream:
        shape, dtype = _header(stream)
        frames, columns = _checked(shape, dtype, path)
        if isinstance(stream, zipfile.ZipExtFile):
            sample = stream.read(SAMPLED), b""
        else:
            sample = _ends(stream, stream.tell(), frames * columns * dtype.itemsize)
        return Header(frames, columns, dtype.name, sample)


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    """The `.npy` stream inside a file."""
    if path.suffix.lower() == ".npy":
        with path.open("rb") as stream:
            yield stream
    elif path.suffix.lower() == ".npz":
        with zipfile.ZipFile(path) as archive, archive.open(_member(archive, path)) as stream:
            yield stream
    else:
        raise DataError(f"feature files end in {' or '.join(SUFFIXES)}", path, "save them with numpy.save")


def _member(archive: zipfile.ZipFile, path: Path) -> str:
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    if not names:
        raise DataError("the .npz file holds no array", path, "save it with numpy.savez(file, features=array)")
    wanted = [f"{key}.npy" for key in NPZ_KEYS if f"{key}.npy" in names]
    return (wanted or names)[0]


def _header(stream: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = npy.read_array_header_2_0(stream)
    else:  # 3.0 differs only in the names of structured fields, which no feature file has
        raise ValueError(f"version {version[0]}.{version[1]} of the npy format holds no plain array of numbers")
    return shape, dtype


def _ends(stream: BinaryIO, start: int, size: int) -> tuple[bytes, bytes]:
    """The first, the middle and the last bytes of `size` that begin at `start`; ValueError if there are not so many."""
    there = os.fstat(stream.fileno()).st_size - start
    if there < size:
        raise ValueError(f"{size} bytes are announced, {there} are there")
    parts = []
    for place in (0, max(0, size // 2 - SAMPLED // 2), max(0, size - SAMPLED)):
        stream.seek(start + place)
        parts.append(stream.read(min(SAMPLED, size)))
    return parts[0], parts[1] + parts[2]


def _checked(shape: tuple[int, ...], dtype: np.dtype, path: Path) -> tuple[int, int]:
    if dtype.hasobject:
        raise DataError(
            "the array holds pickled Python objects, which are never loaded",
            path,
            "save each clip as an array of numbers: numpy.save(file, numpy.asarray(clip, dtype=numpy.float32))",
        )
    if dtype.kind not in "fiub":
        raise DataError(f"the array holds {dtype}, not real numbers", path, "save it as float32")
    if len(shape) not in (2, 3):
        raise DataError(
            f"the array has the shape {shape}; features are [frames, columns] or [frames, points, coordinates]",
            path,
            "save one clip a file",
        )
    frames, columns = shape[0], int(np.prod(shape[1:]))
    if frames == 0 or columns == 0:
        raise DataError(f"the array is empty: its shape is {shape}", path, "extract the clip again, or leave it out")
    return frames, columns
