"""Reads packed stores of version 1, a file per split, so that `slr pack` can bring them into the present form."""

import json
import mmap
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np

from slrcli.errors import DataError, understood
from slrcli.features.store.form import AGAIN, DAMAGED, DTYPES, LARGEST, NOWHERE, Entry, Shard, digest_of, is_name
from slrcli.features.store.reader import Store, require_whole

_HEADER = struct.Struct("<8sI4xQQQQ")  # magic, version, clips, place of the index, bytes of names and of layouts
_RECORD = np.dtype(
    [("place", "<u8"), ("hash", "V16"), ("frames", "<u4"), ("columns", "<u4"), ("kind", "u1"), ("derived", "u1"),
     ("layout", "<i2"), ("fps", "<f4"), ("width", "<u4"), ("height", "<u4"), ("spare", "V16")]
)  # fmt: skip


class OldStore(Store):
    """A store of version 1, to be read only. The first row of an entry is a place in bytes.

    Raises:
        DataError: the file is not such a store, or is damaged.
    """

    def __init__(self, path: Path):
        self.path = self.file = path
        self.sources, self.digest, self.shards = "", "", []
        with understood(DAMAGED, path, AGAIN), open(path, "rb") as file:
            if file.read(8) != b"slrpack\0":
                raise DataError("This is not a packed store.", path, "Name one that was written by slr pack.")
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            _, version, clips, place, *sizes = _HEADER.unpack_from(self._data)
            if version != 1 or not place:
                raise DataError("The packed store was not finished, or is of another version.", path, AGAIN)
            parts, kinds = [], [_RECORD, *map(np.dtype, ("<u8", "<u8", "<u4", "u1", "u1"))]
            for count, kind in zip([clips] * 4 + sizes, kinds, strict=True):
                parts.append(np.frombuffer(self._data, kind, count, place))
                place += -(-parts[-1].nbytes // 64) * 64
            records, ends, _, _, names, layouts = parts
            self.layouts = json.loads(layouts.tobytes())
            text, cuts = names.tobytes(), [0, *ends.tolist()]
            found = [text[start:end].decode() for start, end in pairwise(cuts)]
            self._entries = {name: self._entry(*record.item()) for name, record in zip(found, records, strict=True)}
            self._hashes = {name: bytes(digest).hex() for name, digest in zip(found, records["hash"], strict=True)}
            if len(self._entries) != clips or not all(map(is_name, found)):
                raise ValueError("a name is invalid")

    def _entry(self, place, _, frames, columns, kind, derived, layout, fps, width, height, spare) -> Entry:
        if not 0 < frames * columns * (1 + derived) <= LARGEST // 4 or not NOWHERE <= layout < len(self.layouts):
            raise ValueError("a clip is impossible")
        return Entry(Shard(columns, list(DTYPES)[kind], derived, layout), place, frames, fps, width, height)

    def values(self, name: str) -> np.ndarray:
        require_whole(self._data, self.path)
        shard, place, frames, *_ = self._entries[name]
        with understood(DAMAGED, self.path, AGAIN):
            flat = np.frombuffer(self._data, shard.kind, frames * shard.columns, place)
            if digest_of(flat) != self._hashes[name]:
                raise DataError(f"{DAMAGED}: the clip {name!r} does not match its hash.", self.path, AGAIN)
        return flat.reshape(frames, shard.columns)
