"""Clips of a packed store, each named by a path through the store: `features/train.slrpack/ID`.

What a clip's own file said (layout, frames a second, size of the picture) is kept, so a store stands for the folder
it was made from. Stored differences over time that were left out are computed again; whoever wants the positions alone
gets them as they lie in the file.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.errors import DataError
from slrcli.features.layout import Layout
from slrcli.features.readers.arrays import SAMPLED
from slrcli.features.recording import Recording, same_columns
from slrcli.features.store import FLOAT32, Entry, Store, find_clip, open_store, store_of
from slrcli.features.store.form import KINDS, NOWHERE


def holds(path: Path) -> bool:
    """Whether a path leads through a store."""
    return store_of(path) is not None


def clips(store: Path) -> list[Path]:
    """The paths of all clips of a store."""
    return [Path(f"{store}/{name}") for name in open_store(store).names()]  # never joined: names are from outside


def read(path: Path, wanted: Layout | None = None) -> Recording:
    """A clip of a store; its numbers are an array over the file where they need not be computed.

    Args:
        wanted: the layout that is asked for. Where it is the clip's own without stored differences, none are computed.

    Raises:
        DataError: the store is damaged or holds no such clip.
    """
    store, row = _found(path)
    entry = store.entry(row)
    values, layout = store.values(row), _layout(store, entry)
    if entry.kind != FLOAT32:
        values = values.astype(np.float32)
    if entry.derived:
        plain = layout and layout.stored_derivatives == entry.derived and replace(layout, stored_derivatives=0)
        if plain and wanted and same_columns(plain, wanted):
            layout = plain
        else:
            values = with_differences(values, entry.derived)
    return Recording(values, layout, _rate(entry), _size(entry))


def with_differences(positions: np.ndarray, count: int) -> np.ndarray:
    """Positions `[T, N]` and `count` blocks of their differences, float32 `[T, N * (1 + count)]`.

    The numbers are those of `augment.derivatives`, made in place: each is written once.
    """
    frames, width = positions.shape
    y = np.empty((frames, width * (1 + count)), np.float32)
    y[:, :width] = positions
    for order in range(1, count + 1):
        before, own = y[:, (order - 1) * width : order * width], y[:, order * width : (order + 1) * width]
        np.subtract(before[1:], before[:-1], out=own[1:])
        own[:order] = np.where(np.isnan(before[:order]), before[:order], 0)
    return y


def shape(path: Path) -> tuple[int, int]:
    """`(T, D)` of a clip, from the index alone; raises like `read`."""
    store, row = _found(path)
    entry = store.entry(row)
    return entry.frames, entry.columns * (1 + entry.derived)


def header(path: Path) -> tuple[str, tuple[bytes, bytes]]:
    """The type of a clip's stored numbers, and bytes of them: the first, those in the middle and the last."""
    store, row = _found(path)
    data = store.values(row).reshape(-1).view(np.uint8)
    middle = max(0, len(data) // 2 - SAMPLED // 2)
    ends = data[middle : middle + SAMPLED].tobytes() + data[-SAMPLED:].tobytes()
    return KINDS[store.entry(row).kind].name, (data[:SAMPLED].tobytes(), ends)


def own_layout(path: Path) -> Layout | None:
    """The layout that the clip's own file said it has; raises like `read`."""
    store, row = _found(path)
    return _layout(store, store.entry(row))


def frame_rate(path: Path) -> float:
    """Frames a second of the recording, 0 if unknown; raises like `read`."""
    store, row = _found(path)
    return _rate(store.entry(row))


def _found(path: Path) -> tuple[Store, int]:
    found = find_clip(path)
    if found is None:
        raise DataError("this path leads through no packed store", path)
    return found


def _layout(store: Store, entry: Entry) -> Layout | None:
    """A clip's layout; DataError where it has not as many columns as the clip."""
    if entry.shared == NOWHERE:
        return None
    layout = _known(store, entry.shared)
    if layout.width != entry.columns * (1 + entry.derived):
        columns = entry.columns * (1 + entry.derived)
        what = f"the packed store is damaged: {columns} columns stand under a layout of {layout.width}"
        raise DataError(what, store.path, "pack the corpus again: slr pack")
    return layout


@lru_cache(maxsize=64)
def _known(store: Store, number: int) -> Layout:
    table: Any = store.shared[number]
    if not isinstance(table, dict):
        raise DataError("the packed store is damaged: a layout is no table", store.path, "pack the corpus again")
    return Layout.from_dict(table, str(store.path))


def _rate(entry: Entry) -> float:
    return entry.fps if np.isfinite(entry.fps) and entry.fps > 0 else 0.0


def _size(entry: Entry) -> tuple[int, int] | None:
    return (entry.width, entry.height) if entry.width and entry.height else None
