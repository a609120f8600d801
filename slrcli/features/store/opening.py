"""Finds packed stores and the clips in them.

A clip is named by a path through the store, `features/train.slrpack/ID`. Stores stay open; one that has been replaced
meanwhile is opened again.
"""

import os
from pathlib import Path

from slrcli.errors import DataError
from slrcli.features.store.form import MANIFEST, SUFFIX
from slrcli.features.store.old import OldStore
from slrcli.features.store.reader import Store

MOST_OPEN = 64  # stores
_MARK = SUFFIX + os.sep
_Stamp = tuple[int, int, int, int]
_open: dict[str, tuple[_Stamp, Store]] = {}


def open_store(path: str | Path) -> Store:
    """The store in a folder, kept open until it is replaced; raises like `Store`."""
    text = os.fspath(path)
    found = _standing(text)
    if found is None:
        raise DataError("There is no packed store.", text, "Name a folder that was written by slr pack.")
    return _opened(text, found)


def _standing(text: str) -> os.stat_result | None:
    """The file that is another where a store was replaced: its manifest, or an old store; None if there is neither."""
    for file in (os.path.join(text, MANIFEST), text):
        if os.path.isfile(file):
            return os.stat(file)
    return None


def _opened(text: str, found: os.stat_result) -> Store:
    stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    known = _open.get(text)
    if known is None or known[0] != stamp:
        while len(_open) >= MOST_OPEN:
            _open.pop(next(iter(_open)))
        known = _open[text] = stamp, (OldStore if os.path.isfile(text) else Store)(Path(text))
    return known[1]


def is_store(path: Path) -> bool:
    """Whether a path is a packed store, not a clip in one."""
    return path.suffix == SUFFIX and _standing(os.fspath(path)) is not None


def store_of(path: str | Path) -> tuple[Store, str] | None:
    """The store that a path leads through, and the name of the clip in it; None for any other path.

    Raises:
        DataError: like `Store`.
    """
    text = os.fspath(path)
    cut = text.find(_MARK)
    while cut >= 0:
        folder = text[: cut + len(SUFFIX)]
        if found := _standing(folder):
            return _opened(folder, found), text[cut + len(_MARK) :].replace(os.sep, "/")
        cut = text.find(_MARK, cut + 1)
    return None


def array_of(path: str | Path) -> Path | None:
    """The array file that holds a clip of a packed store; None for any other path. Raises like `store_of`."""
    found = store_of(path)
    return found[0].array(found[0].number(found[1])) if found else None


def find_clip(path: str | Path) -> tuple[Store, str] | None:
    """`store_of`, of a clip that is there.

    Raises:
        DataError: like `Store`, or the store holds no such clip.
    """
    found = store_of(path)
    if found and found[1] not in found[0]:
        store, name = found
        fix = f"It holds {len(store):,} other clips."
        raise DataError(f"The packed store holds no clip {name!r}.", store.path, fix)
    return found
