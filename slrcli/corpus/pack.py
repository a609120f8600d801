"""What `slr pack` does: write the clips of a corpus into one store per split, with its annotations beside them.

    OUT/features/{split}.slrpack/   the clips of a split; see `slrcli.features.store`
    OUT/annotations/...             the tables, unchanged, with the same relative paths
    OUT/corpus.toml                 how to read them

Stores come first, each under its final name once it is complete, then the tables: until the end, `OUT` is no corpus.
"""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from slrcli.config import DataConfig, PackConfig, check_pack
from slrcli.console import Console, Task
from slrcli.corpus import Corpus, Utterance, open_corpus
from slrcli.corpus.opening import choose_layout, open_data
from slrcli.corpus.settings import settings_for
from slrcli.corpus.write import copy_annotations
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.features.readers import holder_of, stamp
from slrcli.features.store import SUFFIX, Clip, OldStore, Store, StoreWriter, is_store, open_store, store_of
from slrcli.features.store.form import digest_of
from slrcli.features.store.packing import Packing, pack_files
from slrcli.files import below
from slrcli.parallel.workers import Workers, usable_cores

CHUNK = 8  # clips that a process takes at a time
PLAIN = (".npy",)  # read faster than they could be handed from process to process
_Source = tuple[Path, tuple[int, int]]  # feature file, its size and time of change


@dataclass(frozen=True)
class PackedSplit:
    """One packed split.

    Attributes:
        path: the store.
        clips, frames: their numbers in the store.
        bytes: size of the store.
        source_bytes: size of its source files.
        derived: clips stored without their differences over time, which are computed again on reading.
        half: clips stored as float16.
        lost, lost_derived: largest rounding error by float16, of a value and of a difference computed from such values.
        digest: hash of the content of the store.
        found: clips that were packed before.
    """

    path: Path
    clips: int
    frames: int
    bytes: int
    source_bytes: int
    derived: int
    half: int
    lost: float
    lost_derived: float
    digest: str
    found: int


@dataclass
class Packed:
    """The result of `pack`.

    Attributes:
        root: the folder.
        layout: name of the layout of clips that do not name one themselves.
        splits: split -> its store; a split with failed clips is missing unless `partial` was given.
        failed: `split/id` -> why it could not be packed.
        complete: whether the folder is now a corpus.
    """

    root: Path
    layout: str
    splits: dict[str, PackedSplit] = field(default_factory=dict)
    failed: dict[str, SlrError] = field(default_factory=dict)
    complete: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `--json`."""
        return {
            "root": str(self.root),
            "layout": self.layout,
            "complete": self.complete,
            "splits": {name: {**asdict(split), "path": str(split.path)} for name, split in self.splits.items()},
            "failed": {name: str(error) for name, error in self.failed.items()},
        }


def pack(
    console: Console,
    data: DataConfig,
    out: Path,
    options: PackConfig,
    jobs: int = 0,
    partial: bool = False,
    overwrite: bool = False,
) -> Packed:
    """Pack a corpus; a call after an interruption continues the work.

    Args:
        console: where progress goes.
        data: the corpus.
        out: the folder of the packed corpus; it cannot be that of the corpus.
        options: stored number type, tolerance for leaving differences out, size of shards.
        jobs: processes that read; 0: one per core, or a single one if all files are plain arrays. The result does not
            depend on it.
        partial: finish without the clips that fail; otherwise their splits stay unfinished until they are corrected.
        overwrite: replace stores made from other clips or with other settings.

    Raises:
        SlrError: the corpus cannot be read, the folder holds something else, or a file cannot be written.
    """
    check_pack(options)
    corpus = open_data(data)
    if out.resolve() == corpus.root.resolve():
        raise UsageError("A packed corpus needs a folder of its own.", f"--out {out}", "Name another folder.")
    everything = [item for items in corpus.splits.values() for item in items]
    layout = choose_layout(data.layout, everything)
    packing = Packing(layout, data.layout not in ("auto", "generic"), options.dtype, options.tolerance)
    result = Packed(out, layout.name)
    with console.progress("Packing", total=len(everything)) as task:
        for name, items in corpus.splits.items():
            if items:
                _pack_split(name, items, packing, result, Way(task, jobs, partial, overwrite, options.shard_mb << 20))
    if not result.failed or partial:
        _annotate(out, corpus, data, result)
    return result


@dataclass(frozen=True)
class Way:
    """How to pack a split; see `pack`."""

    task: Task
    jobs: int
    partial: bool
    overwrite: bool
    shard_bytes: int


def _pack_split(name: str, items: Sequence[Utterance], packing: Packing, result: Packed, way: Way) -> None:
    """Pack one split into its store, or note what stands in the way."""
    path = below(result.root / "features", name, SUFFIX)
    sources, failed = _sources(items)
    settings = json.dumps([packing.layout.to_dict(), packing.brought, packing.dtype, packing.tolerance]).encode()
    origins = [(id, str(file.resolve()), stamp) for id, (file, stamp) in sources.items()]
    made_from = digest_of(repr((settings, way.shard_bytes, origins)).encode())
    way.task.advance(len(items) - len(sources))
    if path.exists():
        store = _standing(path)
        if store is not None and store.sources == made_from:
            way.task.advance(len(sources))
            what = "The clip could not be read when the others were packed."
            again = DataError(what, path, "Correct it and use --overwrite.")
            failed |= {id: again for id in sources if id not in store}
            result.failed |= {f"{name}/{id}": error for id, error in failed.items()}
            result.splits[name] = _facts(store, sources, found=len(store))
            return
        if not way.overwrite:
            what = "A store made from other clips or with other settings is already here."
            raise DataError(what, path, "Name another folder, or replace it with --overwrite.")
    wanted = {id: stamp for id, (_, stamp) in sources.items()}
    with StoreWriter(path, settings, wanted, way.shard_bytes) as writer:
        found = len(writer.names)
        way.task.advance(found)
        rest = [id for id in sources if id not in writer.names]
        for id, clip in zip(rest, _read([sources[id][0] for id in rest], packing, way.jobs), strict=True):
            if isinstance(clip, SlrError):
                failed[id] = clip
            else:
                writer.add(id, clip, wanted[id])
            way.task.advance()
        result.failed |= {f"{name}/{id}": error for id, error in failed.items()}
        if failed and not (way.partial and writer.names):
            return
        writer.finish(made_from)
    result.splits[name] = _facts(open_store(path), sources, found)


def _sources(items: Sequence[Utterance]) -> tuple[dict[str, _Source], dict[str, SlrError]]:
    """The feature file of every id, and what is wrong with the others."""
    sources: dict[str, _Source] = {}
    failed: dict[str, SlrError] = {}
    for item in items:
        if item.features is None:
            failed[item.id] = DataError("No feature file was found.", item.id, "Run slr check data for details.")
        elif item.id in sources and sources[item.id][0] != item.features:
            failed[item.id] = DataError("Two clips have the same id.", item.id, "Rename one in the table.")
        else:
            sources[item.id] = item.features, stamp(item.features)
    return sources, failed


def _standing(path: Path) -> Store | None:
    """The store that stands in the place; None if it is damaged."""
    try:
        return open_store(path)
    except DataError:
        return None


def _read(paths: Sequence[Path], packing: Packing, jobs: int) -> Iterator[Clip | SlrError]:
    """The clips of files in their order, by this process or several; no more are read ahead than are soon written.

    Raises:
        WorkerDied: a process was ended from outside, for example because memory ran out.
    """
    plain = all(path.suffix.lower() in PLAIN or store_of(path) for path in paths)
    jobs = jobs or (1 if plain else usable_cores())
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    if jobs == 1 or len(chunks) < 2:
        for path in paths:
            yield from pack_files([path], packing)
        return
    ahead: deque[Future] = deque()
    with Workers(min(jobs, len(chunks))) as pool:
        for chunk in chunks:
            ahead.append(pool.submit(pack_files, chunk, packing))
            if len(ahead) > 2 * jobs:
                yield from ahead.popleft().result()
        while ahead:
            yield from ahead.popleft().result()


def _facts(store: Store, sources: dict[str, _Source], found: int) -> PackedSplit:
    shards = store.shards
    holders = {holder_of(path) or path: size for path, (size, _) in sources.values()}
    size = sum(open_store(path).size if is_store(path) else size for path, size in holders.items())
    return PackedSplit(
        store.path,
        len(store),
        sum(shard.frames for shard in shards),
        store.size,
        size,
        sum(shard.clips for shard in shards if shard.derived),
        sum(shard.clips for shard in shards if shard.dtype != "float32"),
        max(shard.lost for shard in shards),
        max(shard.lost_derived for shard in shards),
        store.digest,
        found,
    )


def _annotate(out: Path, corpus: Corpus, data: DataConfig, result: Packed) -> None:
    """Copy the tables, and see that they lead to the same utterances and to the clips that were packed.

    Raises:
        DataError: they do not.
    """
    given = Path(data.annotations) if data.annotations else None
    settings = settings_for(corpus.root, data.format, given, None, data.columns)
    copy_annotations(out, corpus, settings.annotations or corpus.root, settings.columns)
    again = open_corpus(out)
    lost = [
        f"{name}/{item.id}" for name in again.splits for item in again.unmatched(name)
        if f"{name}/{item.id}" not in result.failed
    ]  # fmt: skip
    if again.hash != corpus.hash or lost:
        what = "The packed folder does not give the same utterances as the corpus."
        raise DataError(
            what, ", ".join(lost[:5]) or str(out), "Remove the other files from the folder, or use another folder."
        )
    result.complete = True


# Looking at stores again.


@dataclass(frozen=True)
class Verified:
    """What `verify` found in a store: how much it read, and the names of the clips that do not match their hash."""

    path: Path
    clips: int
    bytes: int
    kind: str
    digest: str
    damaged: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `--json`."""
        return {**asdict(self), "path": str(self.path)}


def verify(console: Console, place: Path) -> list[Verified]:
    """Read stores completely and compare every clip with its hash.

    Args:
        console: where progress goes.
        place: a store, or a folder with stores in it or in its `features`.

    Raises:
        DataError: there is no store, or one cannot be opened.
    """
    found = [place] if is_store(place) else sorted(p for f in (place, place / "features") for p in f.glob(f"*{SUFFIX}"))
    if not found:
        raise DataError(
            "There is no packed store.", place, f"Name a folder that ends in {SUFFIX}, or the one around it."
        )
    stores = [open_store(path) for path in found]
    for store in stores:
        if isinstance(store, OldStore):
            fix = "Convert it, which verifies it: slr pack --data-dir OLD --out NEW."
            raise DataError("The packed store was written by an earlier version.", store.path, fix)
    results = []
    with console.progress("Verifying", total=sum(map(len, stores))) as task:
        for store in stores:
            damaged = tuple(store.damage(task.advance))
            kinds = ", ".join(sorted({shard.dtype for shard in store.shards}))
            results.append(Verified(store.path, len(store), store.size, kinds, store.digest, damaged))
    return results
