"""The stored form of a clip: without differences that can be computed again, as float32 or, on request, float16.

Differences are left out only if computing them from the positions gives the stored values, bit for bit unless a
tolerance allows more; every clip is checked. In float16, positions lose digits and their differences lose more, so
differences are never stored as float16: they are computed in float32, or the whole clip stays float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.config.commands import STORED_TYPES
from slrcli.errors import DataError, SlrError
from slrcli.features.layout import Layout
from slrcli.features.readers import read_recording
from slrcli.features.readers.packed import with_differences
from slrcli.features.recording import Recording, fit
from slrcli.features.store import Clip


@dataclass(frozen=True)
class Packing:
    """The settings of packing.

    Attributes:
        layout: the meaning of the columns of files that name no layout.
        brought: whether every clip is converted to this layout; otherwise each keeps its own.
        dtype: one of `STORED_TYPES`.
        tolerance: largest deviation of stored differences from computed ones with which they are left out.
    """

    layout: Layout
    brought: bool = False
    dtype: str = STORED_TYPES[0]
    tolerance: float = 0.0


def pack_files(paths: Sequence[Path], packing: Packing) -> list[Clip | SlrError]:
    """The stored form of some files, or the error of a file: the work of one process."""
    done: list[Clip | SlrError] = []
    for path in paths:
        try:
            found = read_recording(path, packing.layout)
            done.append(pack_clip(fit(found, packing.layout, str(path)) if packing.brought else found, packing, path))
        except SlrError as error:
            done.append(error)
    return done


def pack_clip(recording: Recording, packing: Packing, where: str | Path) -> Clip:
    """The stored form of one clip.

    Raises:
        DataError: float16 cannot hold one of its values.
    """
    x, layout = recording.values, recording.layout
    own = layout.to_dict() if layout else None
    known = layout or (packing.layout if packing.layout.width == x.shape[1] else None)
    count = known.stored_derivatives if known else 0
    about: dict[str, Any] = {"layout": own, "fps": recording.fps, "size": recording.size or (0, 0)}
    positions = x[:, : known.positions] if known and count else x
    derived = count if count and follows(x, positions, count, packing.tolerance) else 0
    if packing.dtype == STORED_TYPES[0] or (count and not derived):
        return Clip(positions if derived else x, derived, **about)
    with np.errstate(over="ignore"):
        small = positions.astype(np.float16)
    if np.isinf(small).sum() > np.isinf(positions).sum():
        what = f"The largest value, {np.nanmax(np.abs(positions)):g}, is beyond the range of float16 (65504)."
        raise DataError(what, where, "Store it as float32, the default.")
    back = small.astype(np.float32)
    lost = largest(back, positions)
    further = largest(with_differences(back, derived), with_differences(positions, derived)) if derived else 0.0
    return Clip(small, derived, lost=lost, lost_derived=further, **about)


def follows(x: np.ndarray, positions: np.ndarray, count: int, tolerance: float) -> bool:
    """Whether the differences stored in `x [T, D]` are those of its positions, bit for bit or within a tolerance."""
    made = with_differences(positions, count)
    if np.array_equal(made.view(np.uint32), np.ascontiguousarray(x).view(np.uint32)):
        return True
    return tolerance > 0 and np.array_equal(np.isnan(made), np.isnan(x)) and largest(made, x) <= tolerance


def largest(a: np.ndarray, b: np.ndarray) -> float:
    """The largest absolute difference of finite values; infinite where only one value is finite."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b)
    apart = apart[~np.isnan(apart)]
    return float(apart.max()) if apart.size else 0.0
