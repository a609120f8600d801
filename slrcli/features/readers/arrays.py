"""Arrays of one clip, `[T, D]` or `[T, P, C]`: `.npy`, `.npz` and `.safetensors`, never unpickled.

In an archive the array is the one named `features`, else `feature`, else `arr_0`, else the first. An archive may say
besides what its columns mean: `layout` (the name of a shipped layout), `fps`, and `size` (width, height); `.npz` as
small arrays, `.safetensors` as metadata.
"""

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from slrcli.errors import DataError, UsageError
from slrcli.features.layout import Layout, list_layouts, load_layout
from slrcli.features.readers.common import check_extent, check_size, plainly
from slrcli.features.recording import Recording

NPZ_KEYS = ("features", "feature", "arr_0")
ABOUT = ("layout", "fps", "size")  # what an archive says about its array
SAMPLED = 1024  # bytes at either end and in the middle of an array
BOMB_BYTES, BOMB_RATIO = 64 << 20, 200  # landmarks pack to a half or a tenth; an archive that swells further is hostile
MOST_MEMBERS = 1000  # arrays of one clip


def read(path: Path) -> Recording:
    """The array of a file, with what its archive says about it.

    Raises:
        DataError: the file is missing, damaged, pickled, not numeric, empty, or neither two- nor three-dimensional.
    """
    with plainly(path):
        if path.suffix.lower() == ".safetensors":
            return _read_safetensors(path)
        about = {}
        if path.suffix.lower() == ".npz":
            with opened_archive(path) as archive:
                about = _about(archive, path)
        with _open(path) as stream:
            shape, dtype = _header(stream)
            check_shape(shape, dtype, path)
            stream.seek(0)
            return recording(npy.read_array(stream, allow_pickle=False), about)


def frame_rate(path: Path) -> float:
    """Frames a second as an `.npz` states it, from the archive's small members alone; 0 where it does not."""
    with plainly(path), opened_archive(path) as archive:
        return _rate(_about(archive, path))


def recording(array: np.ndarray, about: Mapping[str, Any]) -> Recording:
    """An array with what was said about it, as far as that makes sense."""
    values = np.ascontiguousarray(array.reshape(len(array), -1), dtype=np.float32)
    layout = _named_layout(str(about.get("layout", "")), values.shape[1])
    size = None
    with suppress(TypeError, ValueError):
        width, height = (int(value) for value in about.get("size", ()))
        size = (width, height) if min(width, height) > 0 else None
    return Recording(values, layout, _rate(about), size)


def _rate(about: Mapping[str, Any]) -> float:
    """Frames a second, 0 where nothing sensible is said about them."""
    fps = 0.0
    with suppress(TypeError, ValueError):
        fps = float(about.get("fps", 0))
    return fps if np.isfinite(fps) and fps > 0 else 0.0


def shape(path: Path) -> tuple[int, int]:
    """`(T, D)` from the header alone; raises like `read`, except for damage further on."""
    with plainly(path):
        if path.suffix.lower() == ".safetensors":
            with _tensors(path) as (tensors, name):
                return _safetensors_extent(tensors.get_slice(name), path)
        with _open(path) as stream:
            return check_shape(*_header(stream), path)


def header(path: Path) -> tuple[int, int, str, tuple[bytes, bytes]]:
    """`T`, `D`, the type of the stored numbers, and a sample of their bytes: the first, and of an `.npy` later ones.

    An `.npy` that is shorter than it says is found out, too.
    """
    with plainly(path):
        if path.suffix.lower() == ".safetensors":
            with _tensors(path) as (tensors, name):
                part = tensors.get_slice(name)
                kind = part.get_dtype().lower().replace("f", "float").replace("i", "int")
                return *_safetensors_extent(part, path), kind, ends_of(path)
        with _open(path) as stream:
            found, dtype = _header(stream)
            frames, columns = check_shape(found, dtype, path)
            if isinstance(stream, zipfile.ZipExtFile):
                sample = stream.read(SAMPLED), b""
            else:
                sample = _ends(stream, stream.tell(), frames * columns * dtype.itemsize)
            return frames, columns, dtype.name, sample


def ends_of(path: Path) -> tuple[bytes, bytes]:
    """Bytes from the middle of a file and its last ones: what begins files of one kind is the same in all."""
    with path.open("rb") as stream:
        size = path.stat().st_size
        first, rest = _ends(stream, 0, size)
        return rest[: len(rest) // 2] or first, rest[len(rest) // 2 :]


def own_layout(path: Path, strict: bool = False) -> Layout | None:
    """The layout that an archive names, if it has as many columns.

    Raises:
        UsageError: `strict`, and it names one that does not come along: a guess by the width would mix up its points.
    """
    with plainly(path):
        if path.suffix.lower() == ".safetensors":
            with _tensors(path) as (tensors, name):
                about, columns = tensors.metadata() or {}, _safetensors_extent(tensors.get_slice(name), path)[1]
        elif path.suffix.lower() == ".npz":
            with opened_archive(path) as archive:
                about, columns = _about(archive, path), shape(path)[1]
        else:
            return None
    name = str(about.get("layout", ""))
    if strict and name and name not in list_layouts()[:-1] and not name.startswith("generic-"):
        fix = "name its file with --layout FILE.toml, or convert the source again with --layout mediapipe-258"
        raise UsageError(f"the file says that its layout is {name}, which does not come along", path, fix)
    return _named_layout(name, columns)


def members(archive: zipfile.ZipFile) -> list[str]:
    """Names of the arrays in an archive."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


@contextmanager
def opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """An `.npz`, once it is certain that it neither swells nor holds files without end."""
    with zipfile.ZipFile(path) as archive:
        if len(archive.infolist()) > MOST_MEMBERS:
            what = f"the archive holds {len(archive.infolist()):,} files"
            raise DataError(what, path, "this is no feature file; save clips with numpy.savez")
        for info in archive.infolist():
            if info.file_size > BOMB_BYTES and info.file_size > BOMB_RATIO * max(info.compress_size, 1):
                what = f"{info.filename} in the archive grows from {info.compress_size:,} to {info.file_size:,} bytes"
                raise DataError(what, path, "this is no feature file; save clips with numpy.savez")
        yield archive


def read_member(archive: zipfile.ZipFile, name: str, path: Path) -> np.ndarray:
    """One array of an archive: numbers, not too many."""
    with archive.open(f"{name}.npy") as stream:
        found, dtype = _header(stream)
        check_numbers(dtype, path)
        check_size(int(np.prod(found, dtype=object)), path, dtype.itemsize)
        if archive.getinfo(f"{name}.npy").file_size < np.prod(found, dtype=object) * dtype.itemsize:
            raise ValueError(f"{name} is announced with the shape {found} and is shorter")
        stream.seek(0)
        return npy.read_array(stream, allow_pickle=False)


def read_tensor(tensors: Any, name: str, path: Path) -> np.ndarray:
    """One array of an open `.safetensors` file: of a type that numpy knows, and not too many numbers."""
    part = tensors.get_slice(name)
    _check_tensor(part.get_dtype(), path)
    check_size(int(np.prod(part.get_shape(), dtype=object)), path)
    return tensors.get_tensor(name)


def _about(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """`layout`, `fps` and `size` of an archive, where they are small arrays of texts and numbers."""
    about = {}
    for key in set(ABOUT) & set(members(archive)):
        if archive.getinfo(f"{key}.npy").file_size > 4 * SAMPLED:
            continue
        with archive.open(f"{key}.npy") as stream:
            _, dtype = _header(stream)
            if dtype.kind in "fiuU":
                stream.seek(0)
                about[key] = npy.read_array(stream, allow_pickle=False).tolist()
    return about


def _named_layout(name: str, columns: int) -> Layout | None:
    """A shipped layout by its name; a file never names another file."""
    if name not in list_layouts()[:-1]:
        return None
    layout = load_layout(name)
    return layout if layout.width == columns else None


@contextmanager
def _tensors(path: Path) -> Iterator[tuple[Any, str]]:
    """An open `.safetensors` file and the name of the array in it."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as tensors:
        names = list(tensors.keys())
        if not names:
            raise DataError("the file holds no array", path, "save it with safetensors.numpy.save_file")
        yield tensors, next((key for key in NPZ_KEYS if key in names), names[0])


def _read_safetensors(path: Path) -> Recording:
    with _tensors(path) as (tensors, name):
        _safetensors_extent(tensors.get_slice(name), path)
        about = dict(tensors.metadata() or {})
        about["size"] = about.get("size", "").split("x")
        return recording(tensors.get_tensor(name), about)


def _safetensors_extent(part: Any, path: Path) -> tuple[int, int]:
    _check_tensor(part.get_dtype(), path)
    return check_shape(tuple(part.get_shape()), np.dtype(np.float32), path)


def _check_tensor(kind: str, path: Path) -> None:
    if kind == "BF16" or kind.startswith("F8"):
        raise DataError(f"the array is stored as {kind}, which numpy does not know", path, "save it as float32")


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    """The `.npy` stream inside a file."""
    if path.suffix.lower() == ".npy":
        with path.open("rb") as stream:
            yield stream
    else:
        with opened_archive(path) as archive, archive.open(_member(archive, path)) as stream:
            yield stream


def _member(archive: zipfile.ZipFile, path: Path) -> str:
    names = [name for name in members(archive) if name not in ABOUT]
    if not names:
        raise DataError("the .npz file holds no array", path, "save it with numpy.savez(file, features=array)")
    return next((key for key in NPZ_KEYS if key in names), names[0]) + ".npy"


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


def check_numbers(dtype: np.dtype, path: Path) -> None:
    """DataError for what is not made of real numbers."""
    if dtype.hasobject:
        raise DataError(
            "the array holds pickled Python objects, which are never loaded",
            path,
            "save each clip as an array of numbers: numpy.save(file, numpy.asarray(clip, dtype=numpy.float32))",
        )
    if dtype.kind not in "fiub":
        raise DataError(f"the array holds {dtype}, not real numbers", path, "save it as float32")


def check_shape(shape: tuple[int, ...], dtype: np.dtype, path: Path) -> tuple[int, int]:
    """Frames and columns of an array that holds one clip of reasonable size."""
    check_numbers(dtype, path)
    if len(shape) not in (2, 3):
        raise DataError(
            f"the array has the shape {shape}; features are [frames, columns] or [frames, points, coordinates]",
            path,
            "save one clip a file",
        )
    frames, columns = shape[0], int(np.prod(shape[1:], dtype=object))
    if frames == 0 or columns == 0:
        raise DataError(f"the array is empty: its shape is {shape}", path, "extract the clip again, or leave it out")
    check_extent(frames, columns, path, dtype.itemsize)
    return frames, columns
