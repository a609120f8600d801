"""Whether loading costs the same for a little data and for much, and whether memory stays flat.

    python tests/benchmarks/loader_scale.py FOLDER [--utterances 56000] [--augmented 56000] [--curve] [--shard-mb 256]
        [--order shards]

Makes a packed corpus of ten times the utterances of Phoenix-2014 at D = 258 (about 8 GB) in FOLDER and goes through it
once with the training loader, without and with augmentation, then removes it. Pages of a mapped file count as resident
although they can be given up at any time, so `RssAnon` of `/proc/self/status` is what is watched; Linux only. `--curve`
prints the cost a frame from clips of 50 frames to those of 5,000, and from few utterances to many, instead.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from slrcli.config import NO_AUGMENTATION, AugmentConfig
from slrcli.config.names import SHARD_MB
from slrcli.corpus import open_corpus
from slrcli.corpus.clips import Clips, shards_of
from slrcli.corpus.write import write_table
from slrcli.features.layout import load_layout
from slrcli.features.store import Clip, StoreWriter, open_store
from slrcli.training.batches import TrainBatches
from slrcli.training.order import bucketed

LAYOUT = load_layout("mediapipe-258")
BATCH = 4
POOL = 64  # clips of which all others are copies; what is read is as much as if each were its own
FACTOR = 4  # a stride: the fewest frames that a shortened clip keeps


def memory() -> tuple[float, float]:
    """Anonymous and file-backed resident memory, MB."""
    found = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return tuple(int(found[key].split()[0]) / 1024 for key in ("RssAnon", "RssFile"))


def make(root: Path, lengths: np.ndarray, shard_mb: int = SHARD_MB) -> None:
    """A packed corpus of clips of these lengths, their table beside them."""
    rng = np.random.default_rng(0)
    pool = rng.normal(0.5, 0.1, (POOL, int(lengths.max()), LAYOUT.width)).astype(np.float32)
    for x in pool:
        x[rng.random(len(x)) < 0.3, 132:195] = np.nan  # a hand is not seen
    with StoreWriter(root / "features" / "train.slrpack", shard_bytes=shard_mb << 20) as writer:
        for number, frames in enumerate(lengths.tolist()):
            writer.add(f"u{number:07d}", Clip(pool[number % POOL, :frames], fps=25.0))
        writer.finish()
    glosses = [f"G{number}" for number in range(1200)]
    entries = (
        (f"u{number:07d}", "-", f"Signer{number % 9}", rng.choice(glosses, max(1, frames // 13)))
        for number, frames in enumerate(lengths.tolist())
    )
    write_table(root, "train", entries)


def batches(root: Path, augmented: bool, count: int | None = None, order: str = "shuffled") -> TrainBatches:
    """The loader of the corpus as training makes it; all clips, or so many."""
    utterances = open_corpus(root).require_features("train")[:count]
    options = AugmentConfig() if augmented else AugmentConfig(**NO_AUGMENTATION)
    targets = [[1 + len(item.glosses)] for item in utterances]
    shards = shards_of(utterances, order)
    clips = Clips(utterances, LAYOUT)
    return TrainBatches(clips, targets, options, lambda frames: -(-frames // FACTOR), BATCH, 1, shards=shards)


def walk(loader: TrainBatches, lines: int = 0) -> tuple[float, int]:
    """One epoch; seconds of processor time (others may be at work) and frames. Prints memory so often on the way."""
    started, begun, frames, count = time.perf_counter(), time.process_time(), 0, len(loader)
    marks = {round(count * number / lines) for number in range(1, lines + 1)} if lines else set()
    for number, batch in enumerate(loader.epoch(1), 1):
        frames += int(batch.lengths.sum())
        if number in marks:
            anonymous, mapped = memory()
            spent, seconds = time.process_time() - begun, time.perf_counter() - started
            row = f"{number * BATCH:10,} {seconds:8.1f} {1e6 * spent / frames:12.2f} {anonymous:10.1f} {mapped:10.1f}"
            print(row, flush=True)
    return time.process_time() - begun, frames


def flat(folder: Path, utterances: int, augmented: int, shard_mb: int, order: str) -> None:
    """Through the whole corpus, watching memory."""
    lengths = np.clip(np.random.default_rng(1).normal(140, 50, utterances), 16, 300).astype(int)
    started = time.perf_counter()
    make(folder, lengths, shard_mb)
    size = open_store(folder / "features" / "train.slrpack").size
    print(f"{utterances:,} utterances, {lengths.sum():,} frames, {size / 1e9:.2f} GB written and flushed in "
          f"{time.perf_counter() - started:.0f} s")  # fmt: skip
    for title, varied, count in (("augmentation off", False, None), ("augmentation on", True, augmented)):
        if count == 0:
            continue
        before = time.perf_counter()
        loader = batches(folder, varied, count, order)
        opened = time.perf_counter() - before
        total = sum(loader.clips.frames)
        print(f"\n{title}: corpus opened in {opened:.2f} s, {total:,} frames counted after "
              f"{time.perf_counter() - before:.2f} s; anonymous {memory()[0]:.1f} MB before")  # fmt: skip
        print(f"{'clips':>10} {'seconds':>8} {'CPU us/frame':>12} {'RssAnon MB':>10} {'RssFile MB':>10}")
        walk(loader, lines=10)
        shards = open_store(folder / "features" / "train.slrpack")
        print(f"{len(shards.shards):,} shards, mapped {shards._mapped.cache_info().misses:,} times so far")


def curve(folder: Path) -> None:
    """Cost a frame against the length of clips, and against their number."""
    print(f"D = {LAYOUT.width}, batches of {BATCH}, microseconds of processor time a frame")
    print(f"{'clips':>10} {'T':>6} {'open+count':>11} {'buckets':>9} {'load':>8} {'augmented':>10}")
    many = [(2_000_000 // frames // 10, frames) for frames in (50, 150, 500, 1500, 5000)]
    for count, frames in [*many, (250, 50), (2_500, 50), (25_000, 50)]:
        root = folder / f"{count}-{frames}"
        make(root, np.full(count, frames))
        started = time.process_time()
        loader = batches(root, False)
        _ = loader.clips.frames
        opened = time.process_time() - started
        started = time.process_time()
        bucketed(loader.clips.frames, BATCH, np.random.default_rng(0))
        sorted_in = time.process_time() - started
        walk(loader)
        plain = 1e6 * walk(loader)[0] / (count * frames)
        spent, seen = walk(batches(root, True, min(count, 2_000)))
        total = count * frames
        print(f"{count:10,} {frames:6,} {1e6 * opened / total:11.3f} {1e6 * sorted_in / total:9.4f} {plain:8.3f} "
              f"{1e6 * spent / seen:10.3f}", flush=True)  # fmt: skip
        shutil.rmtree(root)


def main() -> None:
    """Make the corpus, go through it, clean up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--utterances", type=int, default=56_000)
    parser.add_argument("--augmented", type=int, default=None, help="utterances of the pass with augmentation")
    parser.add_argument("--curve", action="store_true")
    parser.add_argument("--shard-mb", type=int, default=SHARD_MB)
    parser.add_argument("--order", choices=("shuffled", "shards"), default="shuffled")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slr-scale-", dir=options.folder) as folder:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        if options.curve:
            curve(Path(folder))
        else:
            flat(Path(folder), options.utterances, options.augmented, options.shard_mb, options.order)


if __name__ == "__main__":
    main()
