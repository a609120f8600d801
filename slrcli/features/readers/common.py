"""What all readers share: limits, optional libraries, and damage said in the user's terms."""

import importlib
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from slrcli.errors import DataError, DependencyError

MAX_BYTES = 2 << 30  # of one clip's numbers: an hour at 30 frames a second with 5,000 columns
MAX_TEXT = 256 << 20  # of a text file, which grows tenfold when it is read
MAX_REASON = 200  # letters
SAMPLED = 1024  # bytes at either end and in the middle of an array
AGAIN = "extract it again"

Sample = tuple[bytes, bytes]  # bytes of the numbers of a file, the first of them and later ones

# What numpy, zipfile, struct, pyarrow and safetensors raise on files that are not what they claim to be.
_DAMAGE = (ValueError, TypeError, OverflowError, EOFError, SyntaxError, KeyError, IndexError, AttributeError,
           RuntimeError, ZeroDivisionError, zipfile.BadZipFile)  # fmt: skip
_FOREIGN = ("zlib", "struct", "lzma", "safetensors", "pyarrow")  # whose errors are not built in


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Whatever goes wrong while reading, said in the user's terms. What float32 cannot hold becomes infinite."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except DependencyError as error:
        raise DependencyError(error.what, path, error.fix) from error
    except FileNotFoundError as error:
        raise DataError("there is no such feature file", path) from error
    except OSError as error:
        raise DataError(f"cannot read the feature file: {error.strerror or error}", path) from error
    except MemoryError as error:
        raise DataError("the feature file does not fit in memory", path, "cut the clip into shorter ones") from error
    except RecursionError as error:
        raise DataError("the file is nested deeper than any feature file", path, AGAIN) from error
    except _DAMAGE as error:
        raise _damaged(error, path) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _FOREIGN:
            raise
        raise _damaged(error, path) from error


def _damaged(error: Exception, path: Path) -> DataError:
    """What a library said about a file, which may have quoted it at length."""
    reason = str(error)
    reason = reason if len(reason) <= MAX_REASON else f"{reason[: MAX_REASON - 3]}..."
    return DataError(f"the feature file is damaged or cut short: {reason}", path, AGAIN)


def check_extent(frames: int, columns: int, path: Path, itemsize: int = 4) -> None:
    """DataError for a clip without frames or columns, or with more than anybody records.

    Asked before memory is taken: a header is quickly written.
    """
    if frames < 1 or columns < 1:
        what = f"the file is empty: {frames} frames of {columns} columns"
        raise DataError(what, path, "extract the clip again, or leave it out")
    check_size(frames * columns, path, itemsize)


def check_size(numbers: int, path: Path, itemsize: int = 4) -> None:
    """DataError for more numbers than a clip has."""
    if numbers * max(itemsize, 4) > MAX_BYTES:
        what = f"the file announces {numbers:,} numbers, more than {MAX_BYTES >> 30} GB"
        raise DataError(what, path, "cut the recording into clips")


def need(module: str, extra: str) -> ModuleType:
    """An optional library, or a DependencyError that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        what = f"{module.partition('.')[0]} is needed for this kind of file and is not installed"
        raise DependencyError(what, fix=f"pip install 'slrcli[{extra}]'") from error


def read_text(path: Path) -> str:
    """A text file as UTF-8; DataError for one that is far too long, or none."""
    if path.stat().st_size > MAX_TEXT:
        raise DataError(f"the text file is longer than {MAX_TEXT >> 20} MB", path, "cut the recording into clips")
    data = path.read_bytes()
    if b"\0" in data[:4096]:
        raise DataError("this is no text file", path, AGAIN)
    return data.decode("utf-8-sig")


def read_json(path: Path) -> Any:
    """What a JSON file holds. NaN and Infinity, which Python writes though JSON lacks them, are admitted."""
    return json.loads(read_text(path))


def ends_of(path: Path) -> Sample:
    """Bytes from the middle of a file and its last ones: what begins files of one kind is the same in all."""
    with path.open("rb") as stream:
        size = path.stat().st_size
        first, rest = ends_in(stream, 0, size)
        return rest[: len(rest) // 2] or first, rest[len(rest) // 2 :]


def ends_in(stream: BinaryIO, start: int, size: int) -> Sample:
    """The first, the middle and the last bytes of `size` that begin at `start`; ValueError if there are not so many."""
    there = os.fstat(stream.fileno()).st_size - start
    if there < size:
        raise ValueError(f"{size} bytes are announced, {there} are there")
    parts = []
    for place in (0, max(0, size // 2 - SAMPLED // 2), max(0, size - SAMPLED)):
        stream.seek(start + place)
        parts.append(stream.read(min(SAMPLED, size)))
    return parts[0], parts[1] + parts[2]
