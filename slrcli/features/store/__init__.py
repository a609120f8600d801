"""Packed stores: the clips of a split in a folder of plain `.npy` shards, with a table of clips per shard.

`form` describes the files, `reader` reads a store, `opening` finds stores and clips in them, `writer` writes one
atomically; `old` reads those of version 1; `remote` copies what is in an object store as it is needed.
"""

from slrcli.features.store.form import SUFFIX, Entry
from slrcli.features.store.old import OldStore
from slrcli.features.store.opening import array_of, find_clip, is_store, open_store, store_of
from slrcli.features.store.reader import Store
from slrcli.features.store.remote import address_of, fetch_ahead, local_folder
from slrcli.features.store.writer import PART, Clip, StoreWriter

__all__ = [
    "PART",
    "SUFFIX",
    "Clip",
    "Entry",
    "OldStore",
    "Store",
    "StoreWriter",
    "address_of",
    "array_of",
    "fetch_ahead",
    "find_clip",
    "is_store",
    "local_folder",
    "open_store",
    "store_of",
]
