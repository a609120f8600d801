"""A corpus in figures: sizes, signers, visible parts, and overlaps of splits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path

from slrcli.config import FRAMES_PER_SECOND
from slrcli.corpus import Corpus, Utterance
from slrcli.corpus.distributions import Distribution, distribution
from slrcli.corpus.facts import mean_over_frames, readable
from slrcli.corpus.utterances import Sentences, sentences_of
from slrcli.features.layout import Layout
from slrcli.features.measure import Facts

ALL = "all"
SECONDS = 3600.0  # an hour has


@dataclass(frozen=True)
class Part:
    """Some utterances of a corpus: a split, those of one signer in a split, or all.

    Attributes:
        split: its name, or `ALL`.
        signer: the signer; None for all signers.
        utterances, empty: their number, and the number of those without glosses.
        signers: number of signers named in the tables.
        glosses, types, singletons: running glosses, distinct glosses, and glosses that occur once in this part.
        clips: utterances whose feature file could be read.
        frames: number of frames of these clips.
        lengths: minimum, median and maximum of the frames of a clip; None without clips.
        presence: group of the layout -> share of frames in which any of its points is seen, over `read_fully` clips.
        read_fully: clips whose values were read.
        timed_seconds: duration of the clips whose frame rate is known for each.
        untimed_frames: frames of the others.
    """

    split: str
    signer: str | None
    utterances: int
    empty: int
    signers: int
    glosses: int
    types: int
    singletons: int
    clips: int = 0
    frames: int = 0
    lengths: tuple[int, float, int] | None = None
    presence: Mapping[str, float] = field(default_factory=dict)
    read_fully: int = 0
    timed_seconds: float = 0.0
    untimed_frames: int = 0

    def hours(self, fps: float) -> float:
        """Duration of the clips in hours, those that do not say their rate at `fps` frames per second."""
        return (self.timed_seconds + self.untimed_frames / fps) / SECONDS


@dataclass(frozen=True)
class Overlap:
    """What two splits have in common, relative to the second one.

    Attributes:
        first, second: names of the splits.
        ids, signers: number of common ids and signers.
        sentences: utterances of the second whose gloss sequence occurs in the first; empty ones are not counted.
        new_types, new_glosses: gloss types of the second that the first lacks, and their number of occurrences.
    """

    first: str
    second: str
    ids: int
    signers: int
    sentences: int
    new_types: int
    new_glosses: int


@dataclass(frozen=True)
class CorpusSummary:
    """The result of `slr corpus`.

    Attributes:
        root, format: folder and format of the corpus.
        layout: of the features; None where no feature file could be read.
        fps: frames per second, used for the durations of clips that do not say theirs.
        fps_known: whether the user, the files or the layout gave the frame rate.
        whole: the part of all splits together.
        splits, people: the parts per split, and per signer within each split.
        overlaps: one per pair of splits.
        missing, unreadable: number of utterances without a feature file; unreadable files with the reason.
        distributions: lengths of clips and of sentences.
        rates: frames per second as the files say -> number of clips.
        notes: remarks from reading the corpus.
    """

    root: Path
    format: str
    layout: Layout | None
    fps: float
    fps_known: bool
    whole: Part
    splits: tuple[Part, ...]
    people: tuple[Part, ...]
    overlaps: tuple[Overlap, ...]
    missing: int
    unreadable: Mapping[Path, str]
    distributions: tuple[Distribution, ...]
    sentences: tuple[Sentences, ...] = ()
    notes: tuple[str, ...] = ()
    rates: Mapping[float, int] = field(default_factory=dict)

    def to_dict(self) -> dict:
        """Everything as plain values, for `--json`."""
        hours = bool(self.whole.clips)

        def told(part: Part) -> dict:
            return {**asdict(part), "hours": part.hours(self.fps) if hours else None}

        return {
            "root": str(self.root),
            "format": self.format,
            "layout": self.layout.name if self.layout else None,
            "columns": self.layout.width if self.layout else None,
            "fps": self.fps,
            "fps_known": self.fps_known,
            "rates": {f"{rate:g}": count for rate, count in self.rates.items()},
            "all": told(self.whole),
            "splits": [told(part) for part in self.splits],
            "signers": [told(part) for part in self.people],
            "sentences": [item.to_dict() for item in self.sentences],
            "overlaps": [asdict(item) for item in self.overlaps],
            "without_features": self.missing,
            "unreadable": {str(path): reason for path, reason in self.unreadable.items()},
            "distributions": [item.to_dict() for item in self.distributions],
            "notes": list(self.notes),
        }


def summarise(corpus: Corpus, files: Mapping[Path, Facts], layout: Layout | None, fps: float = 0.0) -> CorpusSummary:
    """Summarise a corpus.

    Args:
        corpus: its tables.
        files: facts of its feature files, as far as known.
        layout: of the features; None: no presence is computed.
        fps: frames per second from the user or the files; 0: the layout's, else a default that is marked as a guess.
    """
    everything = [item for items in corpus.splits.values() for item in items]
    people = [
        part(name, signer, [item for item in items if item.signer == signer], files, layout)
        for name, items in corpus.splits.items()
        for signer in sorted({item.signer for item in items})
        if signer
    ]
    return CorpusSummary(
        corpus.root,
        corpus.format,
        layout,
        fps or (layout.fps if layout else 0.0) or FRAMES_PER_SECOND,
        bool(fps or (layout and layout.fps)),
        part(ALL, None, everything, files, layout),
        tuple(part(name, None, items, files, layout) for name, items in corpus.splits.items()),
        tuple(people),
        tuple(overlap(corpus, *pair) for pair in combinations(corpus.splits, 2)),
        sum(item.features is None for item in everything),
        {path: facts.problem.what for path, facts in files.items() if facts.problem},
        tuple(_lengths(corpus, files)),
        sentences_of(corpus.splits),
        corpus.notes,
        dict(sorted(Counter(float(f"{item.fps:.4g}") for _, item in readable(everything, files) if item.fps).items())),
    )


def part(
    split: str, signer: str | None, utterances: Sequence[Utterance], files: Mapping[Path, Facts], layout: Layout | None
) -> Part:
    """The figures of some utterances; see `Part`."""
    counts = Counter(gloss for item in utterances for gloss in item.glosses)
    known = [files[item.features] for item in utterances if item.features and item.features in files]
    sound = [facts for facts in known if facts.problem is None]
    seen = [facts for facts in sound if facts.read_fully and layout and facts.columns == layout.width]
    frames = sorted(facts.frames for facts in sound)
    groups = [group.name for group in layout.groups if group.spatial] if layout and seen else []
    middle = len(frames) // 2
    return Part(
        split,
        signer,
        len(utterances),
        sum(not item.glosses for item in utterances),
        len({item.signer for item in utterances if item.signer}),
        counts.total(),
        len(counts),
        sum(count == 1 for count in counts.values()),
        len(sound),
        sum(frames),
        (frames[0], (frames[middle] + frames[~middle]) / 2, frames[-1]) if frames else None,
        {name: 1 - mean_over_frames([(facts.absent[name], facts.frames) for facts in seen]) for name in groups},
        len(seen),
        sum(facts.frames / facts.fps for facts in sound if facts.fps),
        sum(facts.frames for facts in sound if not facts.fps),
    )


def overlap(corpus: Corpus, first: str, second: str) -> Overlap:
    """What two splits have in common; see `Overlap`."""
    one, other = corpus.splits[first], corpus.splits[second]
    sentences = {item.glosses for item in one if item.glosses}
    known = {gloss for item in one for gloss in item.glosses}
    new = Counter(gloss for item in other for gloss in item.glosses if gloss not in known)
    return Overlap(
        first,
        second,
        len({item.id for item in one} & {item.id for item in other}),
        len({item.signer for item in one if item.signer} & {item.signer for item in other}),
        sum(item.glosses in sentences for item in other),
        len(new),
        new.total(),
    )


def _lengths(corpus: Corpus, files: Mapping[Path, Facts]) -> Iterator[Distribution]:
    glosses = {name: [len(item.glosses) for item in items] for name, items in corpus.splits.items() if items}
    yield from distribution("glosses per utterance", glosses)
    frames: dict[str, list[float]] = {}
    for name, items in corpus.splits.items():
        for item in items:
            facts = files.get(item.features) if item.features else None
            if facts and facts.problem is None:
                frames.setdefault(name, []).append(facts.frames)
    yield from distribution("frames per clip", frames)
