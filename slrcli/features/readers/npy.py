"""`.npy`: one array, never unpickled. `.npz` archives contain the same streams."""

import math
import os
import sys
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from slrcli.features.layout import Layout
from slrcli.features.readers.common import Reader, Sample, check_numbers, check_shape, ends_in, plainly, recording
from slrcli.features.recording import Recording

HALVES = 0xD800 >> 11  # what the numbers of halves of surrogate pairs begin with


class Npy(Reader):
    """Files of `numpy.save`."""

    suffixes = (".npy",)

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        with plainly(path), path.open("rb") as stream:
            return recording(clip_array(stream, path), {})

    def extent(self, path: Path) -> tuple[int, int]:
        with plainly(path), path.open("rb") as stream:
            return check_shape(*read_header(stream), path)

    def own_layout(self, path: Path, strict: bool = False) -> None:
        return None

    def stored(self, path: Path) -> tuple[str, Sample]:
        """See `Reader`; a file shorter than its header says is detected."""
        with plainly(path), path.open("rb") as stream:
            found, dtype = read_header(stream)
            frames, columns = check_shape(found, dtype, path)
            return dtype.name, ends_in(stream, stream.tell(), frames * columns * dtype.itemsize)


def clip_array(stream: IO[bytes], path: Path) -> np.ndarray:
    """The array of a stream, if its header is that of a clip."""
    check_shape(*read_header(stream), path)
    stream.seek(0)
    return npy.read_array(stream, allow_pickle=False)


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array in a stream."""
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(stream)
    elif version == (2, 0):
        shape, _, dtype = npy.read_array_header_2_0(stream)
    else:  # 3.0 differs only in the names of structured fields, which no feature file has
        raise ValueError(f"version {version[0]}.{version[1]} of the npy format holds no plain array of numbers")
    return shape, dtype


def numbers_in(stream: IO[bytes], path: Path) -> np.ndarray:
    """The array of a file that holds one, whatever its shape.

    Raises:
        DataError: it holds something else than numbers.
        ValueError: it is damaged.
    """
    shape, dtype = read_header(stream)
    check_numbers(dtype, path)
    require_whole(shape, dtype, os.fstat(stream.fileno()).st_size - stream.tell())
    stream.seek(0)
    return npy.read_array(stream, allow_pickle=False)


def require_whole(shape: tuple[int, ...], dtype: np.dtype, there: int) -> None:
    """ValueError where a header announces more bytes than there are: memory is taken for them before they are read."""
    announced = math.prod(shape) * dtype.itemsize
    if announced > there:
        raise ValueError(f"the header announces {announced:,} bytes, and there are {there:,}")


def require_letters(array: np.ndarray) -> np.ndarray:
    """The array; ValueError where one of its texts holds what is no letter of Unicode, with which Python goes on."""
    if array.dtype.kind == "U" and array.nbytes:
        codes = np.ascontiguousarray(array).view(array.dtype.byteorder.replace("|", "=") + "u4")
        if ((codes > sys.maxunicode) | (codes >> 11 == HALVES)).any():
            raise ValueError("a text holds what is no letter")
    return array
