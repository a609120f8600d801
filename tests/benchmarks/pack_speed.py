"""A packed store beside a folder of `.npy`: time a clip of random access, warm and cold, bytes, and time to open.

    python tests/benchmarks/pack_speed.py FOLDER [--clips 400] [--derived 120] [--utterances 100000]

Everything is made in FOLDER (about 1 GB) and removed. A clip counts as read when its numbers have been copied into a
buffer, as they are into a batch: a mapped array alone has read nothing yet. Order is random, the same for all. Warm is
processor time, the least of three rounds. Cold is time on the clock of a process of its own, before which the pages of
every file were given up (flushed, then `posix_fadvise(DONTNEED)` while nobody had it mapped); the megabytes that this
process had from the disk (`read_bytes` of `/proc/self/io`) stand beside it. What a host below a virtual machine keeps
cannot be given up. Linux only.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from slrcli.corpus import open_corpus
from slrcli.corpus.write import write_table
from slrcli.features.augment import derivatives
from slrcli.features.layout import load_layout
from slrcli.features.readers import read_features
from slrcli.features.recording import Recording
from slrcli.features.store import Clip, StoreWriter, open_store, store_of
from slrcli.features.store.packing import Packing, pack_clip

FRAMES = 150


def main() -> None:
    """Make the files, measure, clean up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=400, help="of mediapipe-258")
    parser.add_argument("--derived", type=int, default=120, help="of mediapipe-6516")
    parser.add_argument("--utterances", type=int, default=100_000, help="of the store that is opened")
    parser.add_argument("--cold", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cold:
        print(json.dumps(read_all(json.loads(options.cold))))
        return
    with tempfile.TemporaryDirectory(prefix="slr-pack-", dir=options.folder) as folder:
        print(
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {FRAMES} frames a clip in random order, ms a clip"
        )
        head = f"{'':38} {'clips':>6} {'MB':>8} {'warm':>8} {'cold':>8} {'read MB':>8}"
        print(head)
        for name, count in (("mediapipe-258", options.clips), ("mediapipe-6516", options.derived)):
            table(Path(folder) / name, name, count)
            shutil.rmtree(Path(folder) / name)
        opening(Path(folder) / "many", options.utterances)


def table(folder: Path, name: str, count: int) -> None:
    """Lines for one layout, stored in several ways."""
    layout = load_layout(name)
    (folder / "npy").mkdir(parents=True)
    rng = np.random.default_rng(0)
    with StoreWriter(folder / "f32.slrpack") as whole, StoreWriter(folder / "f16.slrpack") as half:
        for number in range(count):
            x = rng.normal(0.5, 0.1, (FRAMES, layout.positions)).astype(np.float32)
            x[rng.random(FRAMES) < 0.3, 99:162] = np.nan  # a hand is not seen
            if layout.stored_derivatives:
                x = np.hstack([x, derivatives(x, layout.stored_derivatives)])
            np.save(folder / "npy" / f"{number}.npy", x)
            for writer, dtype in ((whole, "float32"), (half, "float16")):
                writer.add(str(number), pack_clip(Recording(x, layout), Packing(layout, dtype=dtype), ""))
        whole.finish()
        half.finish()
    loose = [folder / "npy" / f"{number}.npy" for number in range(count)]
    packed, small = ([folder / f"{kind}.slrpack" / str(number) for number in range(count)] for kind in ("f32", "f16"))
    cases = [("np.load", loose, None), ("read .npy", loose, None), ("packed, float32", packed, None)]
    if layout.stored_derivatives:
        cases.append(("packed, positions alone", packed, "mediapipe-1629"))
    cases.append(("packed, float16", small, None))
    for case, paths, wanted in cases:
        files = {file for path in paths for file in files_of(path)}
        size = sum(os.stat(file).st_size for file in files)
        job = {"case": case, "paths": [str(path) for path in paths], "wanted": wanted or name}
        warm = min(read_all(job)["cpu"] for _ in range(3))
        open_store_forgotten()
        cold = afresh(job, files)
        row = f"{name + ', ' + case:38} {count:6,} {size / 1e6:8.1f} {warm:8.3f} {cold['ms']:8.3f} {cold['mb']:8.1f}"
        print(row, flush=True)


def files_of(path: Path) -> list[str]:
    """The file of a clip, or those of its store."""
    found = store_of(path)
    return [str(file) for file in found[0].path.iterdir()] if found else [str(path)]


def open_store_forgotten() -> None:
    """Let go of every mapped store of this process, so that its pages can be given up."""
    from slrcli.features.readers import packed
    from slrcli.features.store import opening

    opening._open.clear()
    packed._known.cache_clear()


def afresh(job: dict, files: set[str]) -> dict:
    """The same in a new process whose files are not in memory."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    command = [sys.executable, __file__, ".", "--cold", json.dumps(job)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def read_all(job: dict) -> dict:
    """Read clips in random order into a buffer; ms a clip, and megabytes that came from the disk."""
    paths, layout = [Path(path) for path in job["paths"]], load_layout(job["wanted"])
    buffer = np.zeros((FRAMES, layout.width), np.float32)
    order = np.random.default_rng(1).permutation(len(paths))
    before, started, begun = from_disk(), time.perf_counter(), time.process_time()
    for index in order:
        if job["case"] == "np.load":
            x = np.load(paths[index], allow_pickle=False)
        else:
            x = read_features(paths[index], layout)
        np.copyto(buffer, x)
    seconds, spent = time.perf_counter() - started, time.process_time() - begun
    scale = 1000 / len(paths)
    return {"ms": scale * seconds, "cpu": scale * spent, "mb": (from_disk() - before) / 1e6}


def from_disk() -> int:
    """Bytes that this process has had from the disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def opening(folder: Path, count: int) -> None:
    """Time to open a store of many clips, to find clips in it, and to open the corpus with its annotation table."""
    x = np.zeros((1, 4), np.float32)
    with StoreWriter(folder / "features" / "train.slrpack") as writer:
        for number in range(count):
            writer.add(f"train/{number:07d}", Clip(x))
        writer.finish()
    path = folder / "features" / "train.slrpack"
    entries = ((f"train/{number:07d}", "-", f"Signer{number % 9}", ("A", "B", "C")) for number in range(count))
    write_table(folder, "train", entries)
    open_store_forgotten()
    first = timed(lambda: open_store(path))
    open_store_forgotten()
    again = timed(lambda: open_store(path))
    store = open_store(path)
    names = [f"train/{number:07d}" for number in np.random.default_rng(0).permutation(count)[:20_000]]
    found = timed(lambda: [store.entry(name) for name in names])
    corpus = timed(lambda: open_corpus(folder).require_features("train"))
    print(
        f"\n{count:,} utterances: store opened in {1000 * first:.1f} ms, again in {1000 * again:.1f} ms; a clip found"
    )
    print(f"by name in {1e6 * found / len(names):.1f} us; the corpus with its annotation table in {corpus:.2f} s")


def timed(work) -> float:
    """Seconds of processor time."""
    before = time.process_time()
    work()
    return time.process_time() - before


if __name__ == "__main__":
    main()
