"""`Reader`, the protocol of a format, and what readers share: arrays, limits, libraries, named damage."""

import importlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Protocol

import numpy as np

from slrcli.errors import (
    SHOWN_IDS,
    DataError,
    DependencyError,
    SlrError,
    UsageError,
    damage_of,
    first_five,
    is_damage,
    with_extra,
)
from slrcli.features.layout import Layout, layouts_of_width, list_layouts, load_layout
from slrcli.features.recording import Recording

MAX_BYTES = 2 << 30  # of one clip's numbers: an hour at 30 frames a second with 5,000 columns
MAX_TEXT = 256 << 20  # of a text file, which grows tenfold when it is read
BOMB_BYTES, BOMB_RATIO = 64 << 20, 200  # landmarks pack to a half or a tenth; a file that swells further is hostile
SAMPLED = 1024  # bytes at either end and in the middle of an array
AGAIN = "Extract it again."

FRAME_FILE = re.compile(r"(?:^|.*\D)(\d+)_keypoints\.json")  # a frame of OpenPose

Sample = tuple[bytes, bytes]  # bytes of the numbers of a file, the first of them and later ones


def holds_frames(names: Iterable[str]) -> bool:
    """Whether a folder with these file names holds a clip as written by OpenPose."""
    return any(FRAME_FILE.fullmatch(name) for name in names)


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Report errors while reading in the user's terms. Values beyond the range of float32 become infinite."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except DependencyError as error:
        raise DependencyError(error.what, path, error.fix) from error
    except SlrError:
        raise
    except FileNotFoundError as error:
        raise DataError("There is no such feature file.", path) from error
    except OSError as error:
        raise DataError(f"The feature file cannot be read: {error.strerror or error}.", path) from error
    except MemoryError as error:
        raise DataError("The feature file does not fit in memory.", path, "Cut the clip into shorter clips.") from error
    except RecursionError as error:
        raise DataError("The file is nested deeper than any feature file.", path, AGAIN) from error
    except Exception as error:
        if not is_damage(error):
            raise
        raise _damaged(error, path) from error


def _damaged(error: Exception, path: Path) -> DataError:
    """What a library said about a file, which may have quoted it at length."""
    if os.path.isfile(path) and not path.stat().st_size:
        return DataError("The feature file is empty.", path, AGAIN)
    return DataError(f"The feature file is damaged or cut short: {damage_of(error)}.", path, AGAIN)


def check_extent(frames: int, columns: int, path: Path, itemsize: int = 4) -> None:
    """Raise a DataError for a clip without frames or columns, or with more than a clip can have.

    Checked before memory is allocated, since a damaged header can claim any size.
    """
    if frames < 1 or columns < 1:
        what = f"The file is empty: {frames} frames of {columns} columns."
        raise DataError(what, path, "Extract the clip again, or leave it out.")
    check_size(frames * columns, path, itemsize)


MAX_FRAMES = 1 << 20
FEW_FRAMES, SPARSE = 10_000, 100  # of a clip most of whose frames are not there, a hundredth is enough


def check_range(numbers: str, first: int, last: int, present: int, path: Path, fix: str = AGAIN) -> None:
    """Raise a DataError for numbers of frames that leave nearly everything out: memory is taken for those, too.

    Args:
        numbers: what they are, for people: `The frame numbers range`.
        first, last: the smallest and the largest number.
        present: how many frames there are.
    """
    frames = last - first + 1
    if frames > MAX_FRAMES or frames > FEW_FRAMES + SPARSE * present:
        raise DataError(f"{numbers} from {first} to {last}, and there are {present:,} frames.", path, fix)


def check_size(numbers: int, path: Path, itemsize: int = 4) -> None:
    """Raise a DataError for more values than a clip can have."""
    if numbers * max(itemsize, 4) > MAX_BYTES:
        what = f"The header announces {numbers:,} values, more than {MAX_BYTES >> 30} GB."
        raise DataError(what, path, "Cut the recording into clips.")


def check_swelling(size: int, path: Path, packed: int | None = None) -> None:
    """Raise a DataError for a file that takes far more memory than it has bytes.

    Args:
        size: bytes of its numbers in memory.
        packed: bytes that they have in the file; None: the file has.
    """
    packed = path.stat().st_size if packed is None else packed
    if size > BOMB_BYTES and size > BOMB_RATIO * packed:
        fix = "Do not use this file if you do not know where it comes from."
        raise DataError(f"The file expands from {packed:,} to {size:,} bytes or more.", path, fix)


def need(module: str, extra: str) -> ModuleType:
    """An optional library; a DependencyError that says how to install it if it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        what = f"This file type needs the library {module.partition('.')[0]}, which is not installed."
        raise DependencyError(what, fix=with_extra(extra)) from error


def read_text(path: Path) -> str:
    """A text file as UTF-8; a DataError if it is far too long or not text."""
    if path.stat().st_size > MAX_TEXT:
        raise DataError(f"The text file is longer than {MAX_TEXT >> 20} MB.", path, "Cut the recording into clips.")
    data = path.read_bytes()
    if b"\0" in data[:4096]:
        raise DataError("This is not a text file.", path, AGAIN)
    return data.decode("utf-8-sig")


def read_json(path: Path) -> Any:
    """The content of a JSON file. NaN and Infinity, which Python writes although JSON lacks them, are accepted."""
    return json.loads(read_text(path))


def ends_of(path: Path) -> Sample:
    """Bytes from the middle of a file and its last bytes, since all files of a format begin with the same bytes."""
    with path.open("rb") as stream:
        size = path.stat().st_size
        first, rest = ends_in(stream, 0, size)
        return rest[: len(rest) // 2] or first, rest[len(rest) // 2 :]


def ends_in(stream: BinaryIO, start: int, size: int) -> Sample:
    """The first, middle and last of `size` bytes from `start` on; a ValueError if there are fewer bytes."""
    there = os.fstat(stream.fileno()).st_size - start
    if there < size:
        raise ValueError(f"{size} bytes are announced, {there} are there")
    parts = []
    for place in (0, max(0, size // 2 - SAMPLED // 2), max(0, size - SAMPLED)):
        stream.seek(start + place)
        parts.append(stream.read(min(SAMPLED, size)))
    return parts[0], parts[1] + parts[2]


class Reader(Protocol):
    """Reads files of one format. A reader implements `read`, and overrides the methods that need only the header.

    All methods raise a DataError for a file that is missing, damaged, empty or pickled, and a DependencyError if the
    format's library is not installed.

    Attributes:
        suffixes: of its files, in lower case; empty if only the content or the place shows the format.
        is_text: whether many other files have these suffixes as well.
    """

    suffixes: tuple[str, ...] = ()
    is_text: bool = False

    def reads(self, path: Path) -> bool:
        """Whether a file is of this format. If several readers accept it, the first in the registry reads it."""
        return path.suffix.lower() in self.suffixes

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        """The clip of a file.

        Args:
            path: the file.
            layout: the possible meaning of names in it, or the requested one of several forms; no conversion is made.
            people: of several people the `largest`, or an `error`.
        """
        ...

    def clips(
        self, path: Path, layout: Layout | None = None, people: str = "largest"
    ) -> Iterator[tuple[str, Recording]]:
        """All clips of a file with their ids; "" is the id of the only one."""
        yield "", self.read(path, layout, people)

    def extent(self, path: Path) -> tuple[int, int] | None:
        """`(T, D)` from the header; None if there is no header, so that the file has to be read."""
        return None

    def own_layout(self, path: Path, strict: bool = False) -> Layout | None:
        """The layout that the file names; None for plain arrays.

        Raises:
            UsageError: with `strict`, if it names a layout that is not shipped.
        """
        return self.read(path).layout

    def frame_rate(self, path: Path) -> float:
        """Frames per second, if the file says so; else 0."""
        return 0.0

    def stored(self, path: Path) -> tuple[str, Sample]:
        """The type of the stored values, such as `float32`, and some bytes of them."""
        return "float32", ends_of(path) if path.is_file() else (b"", b"")


ARRAY_NAMES = ("features", "feature", "arr_0")
NUMBERED = re.compile(r"arr_\d+")  # names that numpy gives where the writer gives none
ABOUT = ("layout", "fps", "size")  # names of metadata in an archive


def choose_array(shapes: Mapping[str, tuple[int, ...] | None], path: Path) -> tuple[str, tuple[str, ...]]:
    """The array of an archive that is the clip, and a note on those that are not taken.

    `features`, `feature` and `arr_0` go before others; without them, the only array that can be a clip.

    Args:
        shapes: of every array of numbers by its name; None for anything else.

    Raises:
        DataError: several arrays can be the clip, and their names do not tell which.
    """
    able = [name for name, shape in shapes.items() if shape is not None and len(shape) in (2, 3)]
    chosen = next((name for name in ARRAY_NAMES if name in shapes), "")
    numbered = [name for name in able if NUMBERED.fullmatch(name)]
    rivals = able if not chosen else numbered if NUMBERED.fullmatch(chosen) else []
    if len(rivals) > 1:
        shown = ", ".join(f"{name} {list(shapes[name] or ())}" for name in rivals[:SHOWN_IDS])
        what = f"The file holds {len(rivals)} arrays that can be the clip: {shown}."
        raise DataError(what, path, "Save one clip per file, as the array 'features'.")
    chosen = chosen or next(iter(able or shapes))
    left = [name for name in able if name != chosen]
    note = f"The clip is the array {chosen!r}; {first_five(left)} in the same file is not read."
    return chosen, (note,) if left else ()


def is_batch_of_one(shape: tuple[int, ...]) -> bool:
    """Whether an array `[1, T, D]` is a clip `[T, D]` in a batch, and not one frame of the points of a layout."""
    if len(shape) != 3 or shape[0] != 1 or shape[1] < 2:
        return False
    return shape[2] not in (2, 3, 4) or not layouts_of_width(shape[1] * shape[2])


def recording(array: np.ndarray, about: Mapping[str, Any], notes: tuple[str, ...] = ()) -> Recording:
    """An array with its metadata, as far as they are valid."""
    array = array[0] if is_batch_of_one(array.shape) else array
    values = np.ascontiguousarray(array.reshape(len(array), -1), dtype=np.float32)
    layout = _named_layout(str(about.get("layout", "")), values.shape[1])
    size = None
    with suppress(TypeError, ValueError):
        width, height = (int(value) for value in about.get("size", ()))
        size = (width, height) if min(width, height) > 0 else None
    return Recording(values, layout, rate_of(about), size, notes)


def rate_of(about: Mapping[str, Any]) -> float:
    """Frames per second; 0 without a valid value."""
    fps = 0.0
    with suppress(TypeError, ValueError):
        fps = float(about.get("fps", 0))
    return fps if np.isfinite(fps) and fps > 0 else 0.0


def layout_of(about: Mapping[str, Any], columns: int, path: Path, strict: bool) -> Layout | None:
    """The layout that an archive names, if it has as many columns.

    Raises:
        UsageError: with `strict`, if it names one that is not shipped: a guess by the width would mix up its points.
    """
    name = str(about.get("layout", ""))
    if strict and name and name not in list_layouts()[:-1] and not name.startswith("generic-"):
        fix = "Name its file with --layout FILE.toml, or convert the source again with --layout mediapipe-258."
        raise UsageError(f"The file has the layout {name}, which is not shipped with slr.", path, fix)
    return _named_layout(name, columns)


def _named_layout(name: str, columns: int) -> Layout | None:
    """A shipped layout by its name; a file never names another file."""
    if name not in list_layouts()[:-1]:
        return None
    layout = load_layout(name)
    return layout if layout.width == columns else None


def check_numbers(dtype: np.dtype, path: Path) -> None:
    """Raise a DataError for arrays of anything but real numbers."""
    if dtype.hasobject:
        raise DataError(
            "The array holds pickled Python objects, which are never loaded.",
            path,
            "Save each clip as an array of numbers: numpy.save(file, numpy.asarray(clip, dtype=numpy.float32)).",
        )
    if dtype.kind not in "fiub":
        raise DataError(f"The array holds {dtype}, not real numbers.", path, "Save it as float32.")


def check_shape(shape: tuple[int, ...], dtype: np.dtype, path: Path) -> tuple[int, int]:
    """Frames and columns of an array that holds one clip of reasonable size, which may be a batch of one."""
    check_numbers(dtype, path)
    if len(shape) not in (2, 3):
        raise DataError(
            f"The array has the shape {shape}, not [frames, columns] or [frames, points, coordinates].",
            path,
            "Save one clip per file.",
        )
    shape = shape[1:] if is_batch_of_one(shape) else shape
    frames, columns = shape[0], int(np.prod(shape[1:], dtype=object))
    if frames == 0 or columns == 0:
        raise DataError(f"The array is empty: its shape is {shape}.", path, "Extract the clip again, or leave it out.")
    check_extent(frames, columns, path, dtype.itemsize)
    return frames, columns
