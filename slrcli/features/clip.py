"""Feature files and batches of clips as the input of recognisers; torch is not needed."""

import hashlib
import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.errors import DataError
from slrcli.features.layout import Layout
from slrcli.features.rate import pace
from slrcli.features.readers import read_recording
from slrcli.features.recording import fit, prepare


@dataclass(frozen=True, eq=False)
class Clip:
    """One clip ready for a model.

    Attributes:
        x: float32 `[T', D]`, at the frame rate that was asked for.
        frames: number of frames of its file or array.
        fps: their frames per second; 0 if unknown.
        factor: such frames per frame of `x`.
    """

    x: np.ndarray
    frames: int
    fps: float = 0.0
    factor: float = 1.0


def load_clip(path: Path, layout: Layout, max_gap: int = 5, hands: bool = False) -> np.ndarray:
    """One feature file as float32 `[T, D]`, ready for a model: missing points NaN, short gaps filled (see `prepare`).

    Raises:
        DataError: the file is unreadable or empty, holds infinite values, or is not as wide as the layout says.
    """
    return load_at(path, layout, 0.0, 0.0, max_gap, hands).x


def load_at(path: Path, layout: Layout, fps: float, to: float, max_gap: int = 5, hands: bool = False) -> Clip:
    """One feature file as from `load_clip`, read at another frame rate.

    Args:
        fps: frames per second of a file that does not say it; 0: unknown.
        to: frames per second of the result; 0: those of the file.
    """
    found = fit(read_recording(path, layout), layout, str(path))
    return ready_at(found.values, layout, path, found.fps or fps, to, max_gap, hands)


def ready_at(
    x: np.ndarray, layout: Layout, where: str | Path, fps: float, to: float, max_gap: int = 5, hands: bool = False
) -> Clip:
    """One clip `[T, D]` of `fps` frames per second as from `load_at`; `where` names its source in errors.

    Raises:
        DataError: the clip holds infinite values, or is not as wide as the layout says.
    """
    check_width(x.shape[1], layout, where)
    if np.isinf(x).any():
        raise DataError("The features hold infinite values.", where, "Write NaN where a value is missing.")
    factor = pace(fps, to)
    return Clip(prepare(x, layout, max_gap, hands, factor), len(x), fps, factor)


def is_empty(x: np.ndarray) -> bool:
    """Whether every value of a clip `[T, D]` is missing; for nearly all clips, one frame suffices to decide."""
    return bool(np.isnan(x[len(x) // 2]).all() and np.isnan(x).all())


def check_width(width: int, layout: Layout, where: str | Path) -> None:
    """Raise a DataError unless the layout has `width` columns."""
    if width != layout.width:
        raise DataError(
            f"The features have {width} columns, but layout {layout.name} expects {layout.width}.",
            str(where),
            "Use features of that layout, or name the right layout with --layout in training.",
        )


def digest(x: np.ndarray) -> str:
    """Hash of shape and values."""
    return hashlib.blake2b(repr(x.shape).encode() + x.tobytes(), digest_size=16).hexdigest()


def padded(clips: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Clips `[T, N]` as one batch `[B, longest, N]` padded with 0, of the first clip's type; lengths, int64."""
    lengths = np.array([len(clip) for clip in clips], np.int64)
    batch = np.zeros((len(clips), lengths.max(), clips[0].shape[1]), clips[0].dtype)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = clip
    return batch, lengths


def is_mapped(x: np.ndarray) -> bool:
    """Whether an array lies over a mapped file, so that a cache would be redundant."""
    base: Any = x
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base.obj if isinstance(base, memoryview) else base, mmap.mmap)
