"""Formats for many clips in few files: plain `.npy` with an index table, slr's store, Arrow IPC, Zarr and WebDataset.

    pip install pyarrow zarr webdataset
    python tests/benchmarks/store_formats.py FOLDER [--clips 3000] [--formats npy,slr,arrow,zarr,webdataset]

Writes the same clips (mediapipe-258, float32, 64 MB per shard) in each format into FOLDER, then measures in fresh
processes: `open` (with every index, until a clip can be named), `random` (all clips in random order, each copied into a
buffer as into a batch) and `sequential` (in the order in which they were written). Warm is processor time, the least of
three rounds. Cold is time on the clock after the pages of every file were given up (`posix_fadvise(DONTNEED)`); what a
host below a virtual machine keeps cannot be given up. WebDataset reads in order by design: its random access is not
measured. `lines` is what a format needs here to write, open and read, without the hashes, checks and resumption that
slr's own store has. Linux only.
"""

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.random import default_rng  # loaded after pyarrow it may hang

COLUMNS, SHARD = 258, 64 << 20


class Format:
    """How clips `(id, x [T, D])` are written to a folder; `open` gives an object with `read(id)` and `__iter__`."""


class Npy(Format):
    """One `.npy` a shard, one table of ids, first rows and frames beside it."""

    @staticmethod
    def write(folder, clips):
        held, rows, number, first = [], [], 0, 0
        for name, x in [*clips, (None, None)]:
            if held and (x is None or 4 * COLUMNS * (first + len(x)) > SHARD):
                np.save(folder / f"shard-{number:05}.npy", np.concatenate(held))
                (folder / f"shard-{number:05}.tsv").write_text("\n".join(rows))
                held, rows, number, first = [], [], number + 1, 0
            if x is not None:
                rows.append(f"{name}\t{first}\t{len(x)}")
                held.append(x)
                first += len(x)

    def __init__(self, folder):
        self.places = {}
        for table in sorted(folder.glob("*.tsv")):
            array = np.load(table.with_suffix(".npy"), mmap_mode="r", allow_pickle=False).view(np.ndarray)
            for line in table.read_text().split("\n"):
                name, first, frames = line.split("\t")
                self.places[name] = array, int(first), int(frames)

    def read(self, name):
        array, first, frames = self.places[name]
        return array[first : first + frames]

    def __iter__(self):
        return map(self.read, self.places)


class Slr(Format):
    """The packed store of slr, with hashes, checks and resumption."""

    @staticmethod
    def write(folder, clips):
        from slrcli.features.store import Clip, StoreWriter

        with StoreWriter(folder / "a.slrpack") as writer:
            for name, x in clips:
                writer.add(name, Clip(x))
            writer.finish()

    def __init__(self, folder):
        from slrcli.features.store import open_store

        self.store = open_store(folder / "a.slrpack")

    def read(self, name):
        return self.store.values(name)

    def __iter__(self):
        return map(self.read, self.store.names())


class Arrow(Format):
    """Arrow IPC files, mapped, one record batch a clip-sized row of a list column."""

    @staticmethod
    def write(folder, clips):
        import pyarrow as pa

        schema = pa.schema([("id", pa.string()), ("frames", pa.int32()), ("x", pa.large_list(pa.float32()))])
        writer, size, number = None, SHARD, 0
        for name, x in clips:
            if writer is None or size + x.nbytes > SHARD:
                if writer:
                    writer.close()
                writer, size, number = pa.ipc.new_file(str(folder / f"{number:05}.arrow"), schema), 0, number + 1
            size += x.nbytes
            values = pa.LargeListArray.from_arrays(pa.array([0, x.size], pa.int64()), pa.array(x.reshape(-1)))
            writer.write_batch(pa.record_batch([[name], pa.array([len(x)], pa.int32()), values], schema=schema))
        writer.close()

    def __init__(self, folder):
        import pyarrow as pa

        self.places = {}
        for path in sorted(folder.glob("*.arrow")):
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            for name, frames, x in zip(table["id"].to_pylist(), table["frames"].to_pylist(), table["x"], strict=True):
                self.places[name] = x.values, frames

    def read(self, name):
        values, frames = self.places[name]
        return values.to_numpy().reshape(frames, -1)

    def __iter__(self):
        return map(self.read, self.places)


class Zarr(Format):
    """Zarr v3: one array of all frames in chunks of 256 frames, sharded, uncompressed; ids and places as attributes."""

    @staticmethod
    def write(folder, clips):
        import zarr

        frames = sum(len(x) for _, x in clips)
        rows = SHARD // (4 * COLUMNS) // 256 * 256
        array = zarr.create_array(
            folder / "a.zarr", shape=(frames, COLUMNS), chunks=(256, COLUMNS), shards=(rows, COLUMNS),
            dtype="float32", compressors=None,
        )  # fmt: skip
        array.attrs["clips"] = [(name, len(x)) for name, x in clips]
        held = np.concatenate([x for _, x in clips])
        for start in range(0, frames, rows):
            array[start : start + rows] = held[start : start + rows]

    def __init__(self, folder):
        import zarr

        self.array, self.places, first = zarr.open_array(folder / "a.zarr", mode="r"), {}, 0
        for name, frames in self.array.attrs["clips"]:
            self.places[name] = first, frames
            first += frames

    def read(self, name):
        first, frames = self.places[name]
        return self.array[first : first + frames]

    def __iter__(self):
        return map(self.read, self.places)


class WebDataset(Format):
    """Tar files of `.npy`, read in order."""

    @staticmethod
    def write(folder, clips):
        import webdataset

        with webdataset.ShardWriter(str(folder / "%05d.tar"), maxsize=SHARD, verbose=0) as writer:
            for name, x in clips:
                writer.write({"__key__": name, "npy": x})

    def __init__(self, folder):
        import webdataset

        files = sorted(map(str, folder.glob("*.tar")))
        self.clips = webdataset.WebDataset(files, shardshuffle=False).decode().to_tuple("npy")

    def __iter__(self):
        return (x for (x,) in self.clips)


FORMATS = {"npy": Npy, "slr": Slr, "arrow": Arrow, "zarr": Zarr, "webdataset": WebDataset}


def main() -> None:
    """Write, measure, clean up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=3000)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*json.loads(options.measure))))
        return
    names = options.formats.split(",")
    print(f"{options.clips:,} clips of 60 to 240 frames; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'':12} {'MB':>8} {'files':>6} {'written':>8} | {'open ms':>8} {'random':>8} {'sequent.':>8} | "
          f"{'cold rnd':>8} {'cold seq':>8} {'lines':>6}")  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="slr-formats-", dir=options.folder) as root:
        made = clips(options.clips)
        for name in names:
            folder = Path(root) / name
            folder.mkdir()
            started = time.perf_counter()
            FORMATS[name].write(folder, made)
            spent = time.perf_counter() - started
            files = [path for path in folder.rglob("*") if path.is_file()]
            size = sum(path.stat().st_size for path in files)
            found = {}
            for order in ("random", "sequential"):
                if order == "random" and not hasattr(FORMATS[name], "read"):
                    continue
                found[order] = min((child(folder, name, order, "warm") for _ in range(3)), key=lambda one: one["read"])
                forget(files)
                found[f"cold {order}"] = child(folder, name, order, "cold")
            cells = [f"{found[k]['read']:8.3f}" if k in found else f"{'-':>8}" for k in KINDS]
            print(f"{name:12} {size / 1e6:8.1f} {len(files):6} {spent:7.1f}s | {found['sequential']['open']:8.1f} "
                  f"{cells[0]} {cells[1]} | {cells[2]} {cells[3]} {lines(FORMATS[name]):6}", flush=True)  # fmt: skip
    print("random and sequential: ms a clip, with the copy into a buffer")


KINDS = ("random", "sequential", "cold random", "cold sequential")


def clips(count: int) -> list[tuple[str, np.ndarray]]:
    """Clips of a quarter of their frames missing a hand, 40,000 frames of numbers shared."""
    rng = default_rng(0)
    pool = rng.normal(0.5, 0.1, (40_000, COLUMNS)).astype(np.float32)
    pool[rng.random(len(pool)) < 0.25, 132:195] = np.nan
    lengths, starts = rng.integers(60, 240, count), rng.integers(0, len(pool) - 240, count)
    return [
        (f"u{n:07d}", pool[start : start + frames])
        for n, (start, frames) in enumerate(zip(starts, lengths, strict=True))
    ]


def child(folder: Path, name: str, order: str, clock: str) -> dict:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, ".", "--measure", json.dumps([str(folder), name, order, clock])]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(folder: str, name: str, order: str, clock: str) -> dict:
    """Milliseconds to open, and a clip."""
    kind = FORMATS[name]
    imports = {"arrow": "pyarrow", "slr": "slrcli.features.store"}.get(name, name)
    __import__("numpy" if name == "npy" else imports)
    buffer = np.zeros((240, COLUMNS), np.float32)
    started = time.perf_counter()
    store = kind(Path(folder))
    opened = time.perf_counter() - started
    count, ids = 0, []
    if order == "random":
        ids = [f"u{n:07d}" for n in default_rng(1).permutation(count_of(store))]
    for x in store:  # what the first clip loads (pyarrow: pandas) is not the cost of a clip
        buffer[: len(x)] = x
        break
    started, begun = time.perf_counter(), time.process_time()
    for x in map(store.read, ids) if order == "random" else store:
        buffer[: len(x)] = x
        count += 1
    spent = time.process_time() - begun if clock == "warm" else time.perf_counter() - started
    return {"open": 1000 * opened, "read": 1000 * spent / count}


def count_of(store: Format) -> int:
    """The number of clips."""
    return len(store.store if isinstance(store, Slr) else store.places)


def forget(files: list[Path]) -> None:
    """Give up the pages of files."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def lines(kind: type) -> int:
    """Lines of code of a format here."""
    return len(inspect.getsource(kind).splitlines())


if __name__ == "__main__":
    main()
