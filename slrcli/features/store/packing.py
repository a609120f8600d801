"""A clip as a packed store keeps it: no differences that can be made again, float32 or, where it is asked for, float16.

Differences are left out only where making them from the positions gives the stored numbers, bit for bit unless a
tolerance allows more; that is tried on each clip. In float16 positions lose digits and differences of them more, so
differences themselves are never stored so: they are made in float32, or the clip stays float32 as a whole.
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
    """How clips are packed.

    Attributes:
        layout: the meaning of the columns of files that do not say it themselves.
        brought: bring every clip into it; otherwise each keeps its own.
        dtype: one of `STORED_TYPES`.
        tolerance: differences that deviate by up to so much from those made of the positions are left out.
    """

    layout: Layout
    brought: bool = False
    dtype: str = STORED_TYPES[0]
    tolerance: float = 0.0


def pack_files(paths: Sequence[Path], packing: Packing) -> list[Clip | SlrError]:
    """Some files as they are stored, or why one cannot be: the work of one process."""
    done: list[Clip | SlrError] = []
    for path in paths:
        try:
            found = read_recording(path, packing.layout)
            done.append(pack_clip(fit(found, packing.layout, str(path)) if packing.brought else found, packing, path))
        except SlrError as error:
            done.append(error)
    return done


def pack_clip(recording: Recording, packing: Packing, where: str | Path) -> Clip:
    """One clip as it is stored.

    Raises:
        DataError: a number that float16 cannot hold.
    """
    x, layout = recording.values, recording.layout
    shared = layout.to_dict() if layout else None
    known = layout or (packing.layout if packing.layout.width == x.shape[1] else None)
    count = known.stored_derivatives if known else 0
    about: dict[str, Any] = {"shared": shared, "fps": recording.fps, "size": recording.size or (0, 0)}
    positions = x[:, : known.positions] if known and count else x
    derived = count if count and follows(x, positions, count, packing.tolerance) else 0
    if packing.dtype == STORED_TYPES[0] or (count and not derived):
        return Clip(positions if derived else x, derived, **about)
    with np.errstate(over="ignore"):
        small = positions.astype(np.float16)
    if np.isinf(small).sum() > np.isinf(positions).sum():
        what = f"The largest number, {np.nanmax(np.abs(positions)):g}, is beyond what float16 holds (65504)."
        raise DataError(what, where, "Store it as float32, which is the default.")
    back = small.astype(np.float32)
    lost = largest(back, positions)
    further = largest(with_differences(back, derived), with_differences(positions, derived)) if derived else 0.0
    return Clip(small, derived, lost=lost, lost_derived=further, **about)


def follows(x: np.ndarray, positions: np.ndarray, count: int, tolerance: float) -> bool:
    """Whether the differences stored in `x [T, D]` are those of its positions, to the bit or within a tolerance."""
    made = with_differences(positions, count)
    if np.array_equal(made.view(np.uint32), np.ascontiguousarray(x).view(np.uint32)):
        return True
    return tolerance > 0 and np.array_equal(np.isnan(made), np.isnan(x)) and largest(made, x) <= tolerance


def largest(a: np.ndarray, b: np.ndarray) -> float:
    """The largest absolute difference where both are finite; infinite where only one is."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(a - b)
    apart = apart[~np.isnan(apart)]
    return float(apart.max()) if apart.size else 0.0
