"""What all arrays of one clip share, `[T, D]` or `[T, P, C]`: their shapes, and what is said about them.

In an archive the array is the one named `features`, else `feature`, else `arr_0`, else the first. An archive may say
besides what its columns mean: `layout` (the name of a shipped layout), `fps`, and `size` (width, height); `.npz` as
small arrays, `.safetensors` as metadata.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.errors import DataError, UsageError
from slrcli.features.layout import Layout, list_layouts, load_layout
from slrcli.features.readers.common import check_extent
from slrcli.features.recording import Recording

ARRAY_NAMES = ("features", "feature", "arr_0")
ABOUT = ("layout", "fps", "size")  # what an archive says about its array


def recording(array: np.ndarray, about: Mapping[str, Any]) -> Recording:
    """An array with what was said about it, as far as that makes sense."""
    values = np.ascontiguousarray(array.reshape(len(array), -1), dtype=np.float32)
    layout = _named_layout(str(about.get("layout", "")), values.shape[1])
    size = None
    with suppress(TypeError, ValueError):
        width, height = (int(value) for value in about.get("size", ()))
        size = (width, height) if min(width, height) > 0 else None
    return Recording(values, layout, rate_of(about), size)


def rate_of(about: Mapping[str, Any]) -> float:
    """Frames a second, 0 where nothing sensible is said about them."""
    fps = 0.0
    with suppress(TypeError, ValueError):
        fps = float(about.get("fps", 0))
    return fps if np.isfinite(fps) and fps > 0 else 0.0


def layout_of(about: Mapping[str, Any], columns: int, path: Path, strict: bool) -> Layout | None:
    """The layout that an archive names, if it has as many columns.

    Raises:
        UsageError: `strict`, and it names one that does not come along: a guess by the width would mix up its points.
    """
    name = str(about.get("layout", ""))
    if strict and name and name not in list_layouts()[:-1] and not name.startswith("generic-"):
        fix = "name its file with --layout FILE.toml, or convert the source again with --layout mediapipe-258"
        raise UsageError(f"the file says that its layout is {name}, which does not come along", path, fix)
    return _named_layout(name, columns)


def _named_layout(name: str, columns: int) -> Layout | None:
    """A shipped layout by its name; a file never names another file."""
    if name not in list_layouts()[:-1]:
        return None
    layout = load_layout(name)
    return layout if layout.width == columns else None


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
