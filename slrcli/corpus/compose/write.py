"""Writes a corpus of composed sentences in the Phoenix-2014 format, and beside it a record of its sources.

    annotations/{split}.corpus.csv     id|folder|signer|annotation
    features/{split}/{id}.npy          float32 [T, D], NaN where a point is missing
    composed/manifest.json             seed, options, source, versions, what was left out, hash of everything written
    composed/{split}.jsonl             for every sentence its clips, with the first and last frame of each

The corpus appears under its name when it is complete. It holds no date and no absolute path, so the same seed gives the
same bytes.
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np

from slrcli import __version__
from slrcli.config import ComposeConfig, check_compose
from slrcli.corpus.compose.clips import Clip, Collection, fingerprint, read_clips
from slrcli.corpus.compose.language import BigramModel
from slrcli.corpus.compose.plan import Sentence, choose_split, plan, split_clips, with_enough
from slrcli.corpus.write import write_table
from slrcli.errors import DataError
from slrcli.features.layout import Layout, guess_layout, load_layout
from slrcli.features.motion import FEWEST, active, clean, join
from slrcli.files import atomic_write_text, below, sweep_once, temporary_name, written
from slrcli.parallel.cluster import pool
from slrcli.parallel.workers import usable_cores

WHAT = (
    "Sentences composed of clips of single signs, with computed transitions. Nobody signed them: error rates on them "
    "say little about continuous signing."
)
TOGETHER = 32  # sentences that a process writes at a time
KEPT_BYTES = 2**30  # of clips that are held in memory; others are read again


@dataclass(frozen=True)
class Composed:
    """The result of `compose_corpus`.

    Attributes:
        root: the corpus.
        split_by: how the clips were split.
        splits: split -> numbers of sentences, clips, signers, running glosses, gloss types and frames.
        layout: name of the layout of the features.
        left_out: clip -> why it was not used.
        passed_over: `signer (split)` -> number of clips, for signers with too few for the longest sentence.
        trimmed: share of the clips' frames that was cut as rest poses.
        covered: share of the text's running glosses that have clips; None without a text.
        digest: SHA-256 over all tables and features.
    """

    root: Path
    split_by: str
    splits: dict[str, dict[str, int]]
    layout: str
    left_out: dict[str, str]
    passed_over: dict[str, int]
    trimmed: float
    covered: float | None
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `--json`."""
        return {**asdict(self), "root": str(self.root), "what": WHAT}


def compose_corpus(
    source: Path,
    out: Path,
    options: ComposeConfig,
    layout: str = "auto",
    sentences: Sequence[Sequence[str]] = (),
    signer_pattern: str = "",
    step: Callable[[str, int, int], None] = lambda what, done, total: None,
    jobs: int = 1,
    cluster: str = "",
) -> Composed:
    """Read clips, draw sentences and write the corpus.

    Args:
        source: see `clips.read_clips`.
        out: a folder that is empty or does not exist.
        options: sizes, splits and seed.
        layout: of the clips; "auto" decides by their width. Files that name their points are converted to it.
        sentences: their bigrams decide the order of glosses; none: all clips are used equally.
        signer_pattern: see `clips.read_clips`.
        step: called with a description, the amount done and the total, for a progress bar.
        jobs: processes that write sentences; the bytes are the same for any number.
        cluster: address of a Dask scheduler whose workers write them; "": processes of this machine.

    Raises:
        DataError, UsageError: no corpus can be made of the clips or with the options; nothing is written.
    """
    check_compose(options)
    _require_nothing(out)
    wanted = None if layout in ("auto", "generic") else load_layout(layout)
    collection = read_clips(source, signer_pattern, wanted)
    studio = Studio(options.every, options.rest)
    collection = studio.examine(collection, layout, lambda done, total: step("Reading clips", done, total))
    by = choose_split(collection.clips, options)
    splits, passed_over = with_enough(split_clips(collection.clips, by, options), options)
    model = BigramModel.count(sentences, {clip.gloss for clip in collection.clips}) if sentences else None
    if model and not model.covered:
        raise DataError("No gloss of the text has a clip.", fix="Spell the glosses like the labels of the clips.")
    drawn = list(plan(splits, options, model))
    with _appearing(out) as place:
        digest = hashlib.sha256()
        counts: dict[str, Counter[str]] = {name: Counter(clips=len(clips)) for name, clips in splits.items()}
        crew = Crew(studio, jobs, cluster)
        for name in splits:
            own = [sentence for sentence in drawn if sentence.split == name]
            before = sum(item["sentences"] for item in counts.values())
            for number in _write_split(place, name, own, crew, digest, counts[name]):
                step("Writing sentences", before + number, len(drawn))
        result = Composed(
            out,
            by,
            {name: dict(count) for name, count in counts.items()},
            studio.layout.name,
            collection.left_out,
            passed_over,
            studio.trimmed,
            model.covered if model else None,
            digest.hexdigest(),
        )
        atomic_write_text(place / "composed" / "manifest.json", _manifest(result, source, options, studio))
    return result


class Studio:
    """Prepares clips: every n-th frame, missing points as NaN, no rest poses. Keeps `KEPT_BYTES` of them in memory."""

    def __init__(self, every: int, rest: float):
        self._every, self._rest = every, rest
        self._kept: dict[str, np.ndarray] = {}
        self._bytes = self._before = self._after = 0
        self.layout: Layout
        self.source = hashlib.sha256()

    @property
    def trimmed(self) -> float:
        """Share of the frames that was cut as rest poses."""
        return 1 - self._after / self._before if self._before else 0.0

    def examine(self, collection: Collection, layout: str, step: Callable[[int, int], None]) -> Collection:
        """The collection without the clips that cannot be used: damaged, of another width, empty, or duplicates.

        Raises:
            DataError: no clip is left.
        """
        left_out = dict(collection.left_out)
        prints: dict[str, str] = {}
        widths: dict[str, int] = {}
        for number, clip in enumerate(collection.clips, 1):
            try:
                frames = clip.load()
            except DataError as problem:
                left_out[clip.id] = problem.what
                continue
            finally:
                step(number, 2 * len(collection.clips))
            print_ = fingerprint(frames)
            self.source.update(f"{clip.id}\0{clip.gloss}\0{clip.signer}\0{clip.split}\0{print_}\n".encode())
            if print_ in prints:
                left_out[clip.id] = f"It is the same recording as {prints[print_]}."
                continue
            prints[print_] = clip.id
            widths[clip.id] = frames.shape[1]
        counted = Counter(widths.values()).most_common(1)
        width = counted[0][0] if counted else 0
        if width:
            self.layout = guess_layout(width) if layout == "auto" else load_layout(layout, width)
        usable = []
        for number, clip in enumerate(collection.clips, 1):
            if clip.id in widths and (reason := self._unfit(clip, widths[clip.id])):
                left_out[clip.id] = reason
            elif clip.id in widths:
                usable.append(clip)
            step(len(collection.clips) + number, 2 * len(collection.clips))
        if not usable:
            reason = next(iter(left_out.values()), "There is none.")
            raise DataError(f"None of {len(collection.clips)} clips can be used: {reason}", fix="Check the source.")
        return Collection(tuple(usable), left_out)

    def _unfit(self, clip: Clip, width: int) -> str:
        """Why a clip cannot be used, or nothing."""
        if width != self.layout.width:
            return f"It has {width} columns, the layout {self.layout.name} has {self.layout.width}."
        whole = clean(clip.load()[:: self._every], self.layout)
        if np.isnan(whole).all():
            return "Nobody is seen in it."
        if len(whole) < FEWEST:
            return f"It has {len(whole)} frames, and a sign needs {FEWEST}."
        start, stop = active(whole, self.layout, self._rest)
        self._before, self._after = self._before + len(whole), self._after + stop - start
        kept = np.ascontiguousarray(whole[start:stop])
        if self._bytes + kept.nbytes <= KEPT_BYTES:
            self._kept[clip.id] = kept
            self._bytes += kept.nbytes
        return ""

    def frames(self, clip: Clip) -> np.ndarray:
        """Positions `[T, positions]` of a prepared clip."""
        if clip.id in self._kept:
            return self._kept[clip.id]
        return self.anywhere(clip)

    @property
    def anywhere(self) -> Callable[[Clip], np.ndarray]:
        """`frames` for another process, which has kept nothing."""
        return partial(_prepared, self._every, self._rest, self.layout)


def _prepared(every: int, rest: float, layout: Layout, clip: Clip) -> np.ndarray:
    whole = clean(clip.load()[::every], layout)
    start, stop = active(whole, layout, rest)
    return whole[start:stop]


@dataclass(frozen=True)
class Performed:
    """A sentence that has been written: fingerprint and number of its frames, and the span of each clip."""

    print_: str
    frames: int
    spans: list[tuple[int, int]]


def _perform(
    folder: Path, sentences: Sequence[Sentence], frames: Callable[[Clip], np.ndarray], layout: Layout
) -> list[Performed]:
    """Write the features of some sentences."""
    done = []
    for sentence in sentences:
        x, spans = join([frames(clip) for clip in sentence.clips], sentence.gaps, layout)
        np.save(below(folder, sentence.id, ".npy"), x)
        done.append(Performed(fingerprint(x), len(x), spans))
    return done


@dataclass(frozen=True)
class Crew:
    """Writes sentences in this process, in several, or on a cluster; see `compose_corpus`."""

    studio: Studio
    jobs: int
    cluster: str

    def perform(self, folder: Path, sentences: Sequence[Sentence]) -> Iterator[Performed]:
        """Write the features of sentences; what became of each, in their order."""
        layout = self.studio.layout
        if self.jobs == 1 and not self.cluster:
            for sentence in sentences:
                yield from _perform(folder, [sentence], self.studio.frames, layout)
            return
        parts = [sentences[start : start + TOGETHER] for start in range(0, len(sentences), TOGETHER)]
        with pool(self.cluster, min(self.jobs or usable_cores(), len(parts)), folder) as workers:
            done = workers.map(_perform, repeat(folder.resolve()), parts, repeat(self.studio.anywhere), repeat(layout))
            yield from chain.from_iterable(done)


def _write_split(
    place: Path, split: str, sentences: Sequence[Sentence], crew: Crew, digest: Any, count: Counter[str]
) -> Iterator[int]:
    """Write the sentences of a split and count them; yields how many are done."""
    folder = below(place / "features", split)
    folder.mkdir(parents=True)
    lines, signers, types = [], set(), set()
    for number, (sentence, done) in enumerate(zip(sentences, crew.perform(folder, sentences), strict=True), 1):
        digest.update(done.print_.encode())
        played = [
            {"clip": clip.id, "gloss": clip.gloss, "start": start, "stop": stop}
            for clip, (start, stop) in zip(sentence.clips, done.spans, strict=True)
        ]
        lines.append(json.dumps({"id": sentence.id, "signer": sentence.signer, "signs": played}, ensure_ascii=False))
        count.update(sentences=1, glosses=len(sentence.glosses), frames=done.frames)
        signers.add(sentence.signer)
        types.update(sentence.glosses)
        yield number
    count.update(signers=len(signers), types=len(types))
    rows = [(item.id, f"{item.id}.npy", item.signer, item.glosses) for item in sentences]
    digest.update(write_table(place, split, rows).read_bytes())
    atomic_write_text(below(place / "composed", split, ".jsonl"), "".join(f"{line}\n" for line in lines))


def _manifest(result: Composed, source: Path, options: ComposeConfig, studio: Studio) -> str:
    told = {
        **{key: value for key, value in result.to_dict().items() if key != "root"},
        "source": {"name": source.name, "sha256": studio.source.hexdigest()},
        "options": asdict(options),
        "versions": {"slr": __version__, "numpy": np.__version__},
    }
    return json.dumps(told, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _require_nothing(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError("The folder for the corpus is not empty.", out, "Choose another name, or empty the folder.")


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A folder that takes the place of `out` when the block is done, and is removed if it raises."""
    place = out.with_name(temporary_name())
    try:
        with written(out):
            place.mkdir(parents=True)
            sweep_once(out.parent)
            yield place
            if out.is_dir():
                out.rmdir()  # it is empty
            place.rename(out)
    finally:
        shutil.rmtree(place, ignore_errors=True)
