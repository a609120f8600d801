"""Clips of a packed store, each named by a path through the store: `features/train.slrpack/ID`.

The metadata of a clip's own file (layout, frame rate, size of the picture) are kept, so a store replaces the folder it
was made from. Stored differences over time that were left out are computed again; whoever wants the positions alone
gets them as they lie in the file.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.errors import DataError
from slrcli.features.layout import Layout
from slrcli.features.readers.common import SAMPLED, Reader, Sample
from slrcli.features.recording import Recording, same_columns
from slrcli.features.store import Entry, Store, find_clip, open_store, store_of
from slrcli.features.store.form import AGAIN, DAMAGED, NOWHERE


def clips(store: Path) -> list[Path]:
    """The paths of all clips of a store."""
    return [Path(f"{store}/{name}") for name in open_store(store).names()]  # never joined: names are from outside


class Packed(Reader):
    """Clips of packed stores."""

    def reads(self, path: Path) -> bool:
        return store_of(path) is not None

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        """See `Reader`; the values are an array over the file unless they have to be computed.

        Args:
            path: through the store.
            layout: where it is the clip's own without stored differences, none are computed.
            people: not asked: a store holds one a clip.

        Raises:
            DataError: the store is damaged or holds no such clip.
        """
        store, name = _found(path)
        entry, derived = store.entry(name), store.entry(name).shard.derived
        values, own = store.values(name).astype(np.float32, copy=False), _layout(store, entry)
        if derived:
            plain = own and own.stored_derivatives == derived and replace(own, stored_derivatives=0)
            if plain and layout and same_columns(plain, layout):
                own = plain
            else:
                values = with_differences(values, derived)
        return Recording(values, own, _rate(entry), _size(entry))

    def extent(self, path: Path) -> tuple[int, int]:
        store, name = _found(path)
        entry = store.entry(name)
        return entry.frames, _columns(entry)

    def own_layout(self, path: Path, strict: bool = False) -> Layout | None:
        store, name = _found(path)
        return _layout(store, store.entry(name))

    def frame_rate(self, path: Path) -> float:
        store, name = _found(path)
        return _rate(store.entry(name))

    def stored(self, path: Path) -> tuple[str, Sample]:
        """See `Reader`: the first bytes, those in the middle and the last."""
        store, name = _found(path)
        data = store.values(name).reshape(-1).view(np.uint8)
        middle = max(0, len(data) // 2 - SAMPLED // 2)
        ends = data[middle : middle + SAMPLED].tobytes() + data[-SAMPLED:].tobytes()
        return store.entry(name).shard.dtype, (data[:SAMPLED].tobytes(), ends)


def with_differences(positions: np.ndarray, count: int) -> np.ndarray:
    """Positions `[T, N]` and `count` blocks of their differences, float32 `[T, N * (1 + count)]`.

    The values equal those of `augment.derivatives`, computed in place: each is written once.
    """
    frames, width = positions.shape
    y = np.empty((frames, width * (1 + count)), np.float32)
    y[:, :width] = positions
    for order in range(1, count + 1):
        before, own = y[:, (order - 1) * width : order * width], y[:, order * width : (order + 1) * width]
        np.subtract(before[1:], before[:-1], out=own[1:])
        own[:order] = np.where(np.isnan(before[:order]), before[:order], 0)
    return y


def _found(path: Path) -> tuple[Store, str]:
    found = find_clip(path)
    if found is None:
        raise DataError("This path does not lead through a packed store.", path)
    return found


def _layout(store: Store, entry: Entry) -> Layout | None:
    """A clip's layout; DataError where it has not as many columns as the clip."""
    if entry.shard.layout == NOWHERE:
        return None
    layout = _known(store, entry.shard.layout)
    if layout.width != _columns(entry):
        what = f"{DAMAGED}: a clip of {_columns(entry)} columns has a layout of {layout.width}."
        raise DataError(what, store.path, AGAIN)
    return layout


def _columns(entry: Entry) -> int:
    return entry.shard.columns * (1 + entry.shard.derived)


@lru_cache(maxsize=64)
def _known(store: Store, number: int) -> Layout:
    table: Any = store.layouts[number]
    if not isinstance(table, dict):
        raise DataError(f"{DAMAGED}: a layout is not a table.", store.path, AGAIN)
    return Layout.from_dict(table, str(store.path))


def _rate(entry: Entry) -> float:
    return entry.fps if np.isfinite(entry.fps) and entry.fps > 0 else 0.0


def _size(entry: Entry) -> tuple[int, int] | None:
    return (entry.width, entry.height) if entry.width > 0 and entry.height > 0 else None
