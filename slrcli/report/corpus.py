"""A corpus at a glance: how much there is, who signs, how often each part of the body is seen, what splits share."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path

from rich.table import Table
from rich.text import Text

from slrcli.config import FRAMES_PER_SECOND
from slrcli.console import visible
from slrcli.corpus import Corpus, Utterance
from slrcli.corpus.sentences import ORDER, Sentences, sentences_of
from slrcli.doctor.data_files import mean_over_frames
from slrcli.doctor.distributions import Distribution, distribution
from slrcli.doctor.measure import Facts
from slrcli.features.layout import Layout
from slrcli.report.tables import Fitted

ALL = "all"
SECONDS = 3600.0  # an hour has
SENTENCE_HEAD = f"""\
Different sentences, utterances whose sentence stands in train, and the perplexity
of the order of glosses alone ({ORDER}-grams of train)"""


@dataclass(frozen=True)
class Part:
    """Some utterances of a corpus: a split, what one signer signs in a split, or all.

    Attributes:
        split: its name, or `ALL`.
        signer: whose they are; None for those of everybody.
        utterances, empty: how many, and how many of them have no glosses.
        signers: how many people; those whom the tables do not name are not counted.
        glosses, types, singletons: running glosses, different ones, and those that occur once in this part.
        clips: utterances whose feature file could be read.
        frames: of these clips.
        lengths: fewest, median and most frames of a clip; None without clips.
        presence: group of the layout -> share of the frames in which something of it is seen, of `looked_into` clips.
        looked_into: clips whose numbers were read.
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
    looked_into: int = 0

    def hours(self, fps: float) -> float:
        """How long the clips last."""
        return self.frames / fps / SECONDS


@dataclass(frozen=True)
class Overlap:
    """What two splits share, seen from the second one.

    Attributes:
        first, second: names of the splits.
        ids, signers: how many both have.
        sentences: utterances of the second whose glosses stand in the first in the same order; empty ones not counted.
        new_types, new_glosses: gloss types of the second that the first lacks, and how often they occur.
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
    """All that `slr corpus` tells.

    Attributes:
        root, format: what was read, and as what.
        layout: of the features; None where no feature file could be read.
        fps: frames a second, which hours are reckoned with.
        fps_known: somebody said so: the user, the files or the layout.
        whole: all splits together.
        splits, people: the parts by split, and by signer within each split.
        overlaps: of every two splits.
        missing, unreadable: utterances without a feature file; files that cannot be read, with the reason.
        distributions: lengths of clips and of sentences.
        notes: what was said while reading.
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

    def as_dict(self) -> dict:
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
            "all": told(self.whole),
            "splits": [told(part) for part in self.splits],
            "signers": [told(part) for part in self.people],
            "sentences": [item.as_dict() for item in self.sentences],
            "overlaps": [asdict(item) for item in self.overlaps],
            "without_features": self.missing,
            "unreadable": {str(path): reason for path, reason in self.unreadable.items()},
            "distributions": [item.as_dict() for item in self.distributions],
            "notes": list(self.notes),
        }


def summarise(corpus: Corpus, files: Mapping[Path, Facts], layout: Layout | None, fps: float = 0.0) -> CorpusSummary:
    """What there is to say about a corpus.

    Args:
        corpus: its tables.
        files: facts of its feature files, as far as they are known.
        layout: of the features; None: nothing is said about presence.
        fps: frames a second, by the user or the files; 0: the layout's, else a guess that is marked as one.
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
    )


def part(
    split: str, signer: str | None, utterances: Sequence[Utterance], files: Mapping[Path, Facts], layout: Layout | None
) -> Part:
    """The figures of some utterances; see `Part`."""
    counts = Counter(gloss for item in utterances for gloss in item.glosses)
    known = [files[item.features] for item in utterances if item.features in files]
    sound = [facts for facts in known if facts.problem is None]
    seen = [facts for facts in sound if facts.looked_into and layout and facts.columns == layout.width]
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
    )


def overlap(corpus: Corpus, first: str, second: str) -> Overlap:
    """What two splits share; see `Overlap`."""
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
    yield from distribution("glosses an utterance", glosses)
    frames: dict[str, list[float]] = {}
    for name, items in corpus.splits.items():
        for item in items:
            facts = files.get(item.features) if item.features else None
            if facts and facts.problem is None:
                frames.setdefault(name, []).append(facts.frames)
    yield from distribution("frames a clip", frames)


# For people


def headline(summary: CorpusSummary) -> Iterator[str]:
    """What the corpus is, in a few lines."""
    whole = summary.whole
    yield f"Corpus      {summary.root} ({summary.format})"
    empty = f", {whole.empty:,} of them without glosses" if whole.empty else ""
    yield f"Utterances  {whole.utterances:,}{empty}"
    yield f"Glosses     {whole.glosses:,} running, {whole.types:,} different, {whole.singletons:,} of them once"
    yield f"Signers     {whole.signers:,}" if whole.signers else "Signers     not named in the tables"
    if not whole.clips:
        yield "Features    none " + ("found" if summary.missing == whole.utterances else "read")
        return
    layout = f"{summary.layout.name}, {summary.layout.width:,} numbers a frame; " if summary.layout else ""
    assumed = "" if summary.fps_known else ", which is a guess (--fps)"
    length = f"{whole.hours(summary.fps):,.2f} h at {summary.fps:g} frames a second{assumed}"
    yield f"Features    {layout}{whole.frames:,} frames, {length}"


def size_table(summary: CorpusSummary, parts: Sequence[Part]) -> Fitted:
    """Counts and lengths, one row a part."""
    signed = parts[0].signer is not None
    clips = any(item.clips for item in parts)
    head = ["split", *(["signer"] if signed else []), "utterances", *([] if signed else ["signers"])]
    head += ["glosses", "types", "once", *(["frames", "hours", "shortest", "median", "longest"] if clips else [])]
    table = _table(head, 2 if signed else 1)
    for item in parts:
        row = [item.split, *([item.signer or ""] if signed else []), f"{item.utterances:,}"]
        row += [] if signed else [f"{item.signers:,}"]
        row += [f"{number:,}" for number in (item.glosses, item.types, item.singletons)]
        if clips:
            lengths = [f"{number:,.0f}" for number in item.lengths] if item.lengths else ["-"] * 3
            row += [f"{item.frames:,}", f"{item.hours(summary.fps):.2f}", *lengths]
        table.add_row(*(Text(visible(cell)) for cell in row))
    return Fitted(table)


def presence_table(parts: Sequence[Part]) -> Fitted | None:
    """The share of frames in which each group of points is seen, one row a part; None where nothing is known."""
    parts = [item for item in parts if item.presence]
    if not parts:
        return None
    groups = list(parts[0].presence)
    signed = any(item.signer for item in parts)
    table = _table(["split", *(["signer"] if signed else []), "clips read", *groups], 2 if signed else 1)
    for item in parts:
        row = [item.split, *([item.signer or ""] if signed else []), f"{item.looked_into:,}"]
        row += [f"{100 * item.presence[name]:.1f} %" for name in groups]
        table.add_row(*(Text(visible(cell)) for cell in row))
    return Fitted(table)


def sentence_table(summary: CorpusSummary) -> Fitted:
    """How many different sentences each split has, which share train holds, and how well their order is foretold."""
    table = _table(["split", "sentences", "in train", "share", "perplexity", "glosses of train"], 1)
    for item in summary.sentences:
        row = [item.split, f"{item.different:,}"]
        row += ["-"] * 2 if item.known is None else [f"{item.known:,} of {item.utterances:,}", f"{item.share:.0f} %"]
        row += ["-" if item.perplexity is None else f"{item.perplexity:.1f}", f"{item.vocabulary:,}"]
        table.add_row(*(Text(visible(cell)) for cell in row))
    return Fitted(table)


def overlap_lines(summary: CorpusSummary) -> Iterator[str]:
    """One line for every two splits."""
    by_name = {item.split: item for item in summary.splits}
    for item in summary.overlaps:
        second = by_name[item.second]
        yield (
            f"{item.second} and {item.first}: {item.ids:,} ids and {item.signers:,} of {second.signers:,} signers in "
            f"both; {item.sentences:,} of {second.utterances:,} sentences of {item.second} stand in {item.first}, "
            f"{item.new_types:,} gloss types ({item.new_glosses:,} tokens) do not"
        )


def _table(head: Sequence[str], names: int) -> Table:
    table = Table(*head, box=None, pad_edge=False)
    for column in table.columns[names:]:
        column.justify = "right"
    return table
