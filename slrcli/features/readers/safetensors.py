"""`.safetensors`: named arrays, one of which is the clip; the metadata may describe it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.errors import DataError
from slrcli.features.layout import Layout
from slrcli.features.readers.common import (
    Reader,
    Sample,
    check_shape,
    check_size,
    choose_array,
    ends_of,
    layout_of,
    plainly,
    rate_of,
    recording,
)
from slrcli.features.recording import Recording


class SafeTensors(Reader):
    """Files of `safetensors.numpy.save_file`."""

    suffixes = (".safetensors",)

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        with plainly(path), _opened(path) as (tensors, name, notes):
            _extent(tensors.get_slice(name), path)
            about = dict(tensors.metadata() or {})
            about["size"] = about.get("size", "").split("x")
            return recording(tensors.get_tensor(name), about, notes)

    def extent(self, path: Path) -> tuple[int, int]:
        with plainly(path), _opened(path) as (tensors, name, _):
            return _extent(tensors.get_slice(name), path)

    def own_layout(self, path: Path, strict: bool = False) -> Layout | None:
        with plainly(path), _opened(path) as (tensors, name, _):
            about, columns = tensors.metadata() or {}, _extent(tensors.get_slice(name), path)[1]
        return layout_of(about, columns, path, strict)

    def frame_rate(self, path: Path) -> float:
        with plainly(path), _opened(path) as (tensors, *_):
            return rate_of(tensors.metadata() or {})

    def stored(self, path: Path) -> tuple[str, Sample]:
        with plainly(path), _opened(path) as (tensors, name, _):
            part = tensors.get_slice(name)
            _extent(part, path)
            return part.get_dtype().lower().replace("f", "float").replace("i", "int"), ends_of(path)


@contextmanager
def arrays_in(path: Path) -> Iterator[tuple[set[str], Callable[[str], np.ndarray]]]:
    """Names of the arrays in a file, and what reads one of them: of a type that numpy knows, not too many numbers."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as tensors:

        def array(name: str) -> np.ndarray:
            part = tensors.get_slice(name)
            _check_type(part.get_dtype(), path)
            check_size(int(np.prod(part.get_shape(), dtype=object)), path)
            return tensors.get_tensor(name)

        yield set(tensors.keys()), array


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, str, tuple[str, ...]]]:
    """An open file, the name of the array that is the clip, and a note where others could be it."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as tensors:
        names = list(tensors.keys())
        if not names:
            raise DataError("The file holds no array.", path, "Save it with safetensors.numpy.save_file.")
        shapes: dict[str, tuple[int, ...] | None] = {name: tuple(tensors.get_slice(name).get_shape()) for name in names}
        yield tensors, *choose_array(shapes, path)


def _extent(part: Any, path: Path) -> tuple[int, int]:
    _check_type(part.get_dtype(), path)
    return check_shape(tuple(part.get_shape()), np.dtype(np.float32), path)


def _check_type(kind: str, path: Path) -> None:
    if kind == "BF16" or kind.startswith("F8"):
        raise DataError(f"The array is stored as {kind}, which numpy does not know.", path, "Save it as float32.")
