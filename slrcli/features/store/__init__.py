"""The packed store: the clips of a split in one file that is mapped into memory, with an index at its end.

`form` describes the file, `reader` opens it and finds clips in it, `writer` writes one atomically.
"""

from slrcli.features.store.form import FLOAT16, FLOAT32, SUFFIX, Entry
from slrcli.features.store.reader import Store, find_clip, is_store, open_store, store_of
from slrcli.features.store.writer import Clip, StoreWriter

__all__ = [
    "FLOAT16",
    "FLOAT32",
    "SUFFIX",
    "Clip",
    "Entry",
    "Store",
    "StoreWriter",
    "find_clip",
    "is_store",
    "open_store",
    "store_of",
]
