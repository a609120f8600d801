"""What makes a corpus impossible or hard to learn from, found in its tables and files."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from slrcli.corpus import Utterance
from slrcli.ctc import minimum_frames
from slrcli.doctor.context import Checks, error, many, note, some, warning
from slrcli.doctor.records import DataContext, Facts
from slrcli.errors import DataError
from slrcli.features.layout import guess_layout
from slrcli.findings import Finding

DATA_CHECKS = Checks()

STRIDES = (1, 2, 4, 8)
STRIDE = 4  # of `conv-bilstm`, the default architecture: its T' is T / 4, rounded up
MOSTLY_MISSING = 0.5  # share of a group's points; Kinect and glove corpora have 0, MediaPipe's hands 5 to 40 %


def table_line(item: Utterance) -> str:
    """Where an utterance stands: `train.corpus.csv line 12`."""
    return f"{item.table.name} line {item.line}" if item.table else item.id


def ids(utterances: Sequence[Utterance]) -> str:
    """The first few ids."""
    return some([item.id for item in utterances])


@DATA_CHECKS.add("SLR-D01", "there is a train split")
def train_split(context: DataContext) -> Iterator[Finding]:
    """Train holds utterances; how many each split has."""
    splits = context.corpus.splits
    if not splits.get("train"):
        has = f"the splits {', '.join(splits)}" if splits else "no split"
        yield error(
            f"there is no utterance to train on: the corpus has {has}",
            str(context.corpus.root),
            "name the train table train.corpus.csv (or train.csv), or give a column split",
        )
    glosses = [gloss for item in splits.get("train", ()) for gloss in item.glosses]
    sizes = ", ".join(f"{name} {len(utterances):,}" for name, utterances in splits.items())
    if splits.get("train") and not splits.get("dev"):
        yield note("there is no dev split: training holds a tenth of train back in its place")
    yield note(
        f"utterances: {sizes}; train holds {many(len(glosses), 'gloss', 'glosses')} of {len(set(glosses)):,} types"
    )


@DATA_CHECKS.add("SLR-D02", "every utterance has a feature file")
def found(context: DataContext) -> Iterator[Finding]:
    """Utterances without features: their number, the first ids, and where they were looked for."""
    for name in context.corpus.splits:
        try:
            context.corpus.require_features(name)
        except DataError as problem:
            yield error(problem.what, problem.where, problem.fix)
    with_features = sum(item.features is not None for item in context.utterances)
    yield note(f"{with_features:,} of {many(len(context.utterances), 'utterance')} have a feature file")


@DATA_CHECKS.add("SLR-D03", "every feature file can be read")
def readable(context: DataContext) -> Iterator[Finding]:
    """Damaged, pickled, empty files and arrays of a wrong shape, gathered by what is wrong with them."""
    kinds: dict[str, list[tuple[str, DataError]]] = {}
    for path, facts in context.files.items():
        if facts.problem is not None:
            kinds.setdefault(facts.problem.what, []).append((str(path), facts.problem))
    for what, broken in kinds.items():
        count = many(len(broken), "feature file")
        yield error(f"{count} cannot be used: {what}", some([path for path, _ in broken]), broken[0][1].fix)
    looked = sum(facts.looked_into for facts in context.files.values())
    if context.files:
        sample = (
            ""
            if looked >= len(context.files) - sum(map(len, kinds.values()))
            else " (a sample; of the others the header)"
        )
        yield note(f"{many(len(context.files), 'feature file')}, {looked:,} of them read through{sample}")


@DATA_CHECKS.add("SLR-D04", "all clips have the layout's columns")
def columns(context: DataContext) -> Iterator[Finding]:
    """One number of columns throughout, and that of the layout."""
    widths: dict[int, list[Utterance]] = {}
    for item, facts in context.readable():
        widths.setdefault(facts.columns, []).append(item)
    if not widths:
        return
    usual = max(widths, key=lambda width: len(widths[width]))
    expected = context.layout.width if context.layout else usual
    named = context.layout or guess_layout(usual)
    for width, utterances in sorted(widths.items()):
        if width != expected:
            have = "clip has" if len(utterances) == 1 else "clips have"
            source = f"the layout {named.name} has" if context.layout else "the others have"
            yield error(
                f"{len(utterances):,} {have} {width} columns, {source} {expected}",
                ids(utterances),
                "extract them alike, or name their layout with --layout",
            )
    yield note(f"D = {usual}: layout {named.name} ({', '.join(group.name for group in named.groups)})")


@DATA_CHECKS.add("SLR-D05", "features are stored as float32")
def stored_type(context: DataContext) -> Iterator[Finding]:
    """Half precision ruins velocities, whole numbers lose the fraction, float64 only takes room."""
    kinds: dict[str, list[Utterance]] = {}
    for item, facts in context.readable():
        kinds.setdefault(facts.stored_as, []).append(item)
    reasons = {
        "float64": "twice the room and reading time for nothing",
        "float16": "three digits are too few for velocities, which are differences",
    }
    for kind, utterances in sorted(kinds.items()):
        if kind != "float32":
            why = reasons.get(kind, "positions in whole numbers are coarse")
            count = many(len(utterances), "clip is", "clips are")
            yield warning(f"{count} stored as {kind}: {why}", ids(utterances), "save them as float32")
    if kinds:
        yield note("stored as " + ", ".join(f"{kind} ({len(group):,})" for kind, group in sorted(kinds.items())))


@DATA_CHECKS.add("SLR-D06", "no value is infinite")
def infinite(context: DataContext) -> Iterator[Finding]:
    """Infinity is no way to say that a point is missing, and means that something was divided by zero."""
    bad = [(item, facts) for item, facts in context.looked_into if facts.infinite]
    if bad:
        total = sum(facts.infinite for _, facts in bad)
        yield error(
            f"{many(total, 'value')} in {many(len(bad), 'clip')} are infinite",
            ids([item for item, _ in bad]),
            "look for a division by zero in the extraction; write NaN where a point is missing",
        )


@DATA_CHECKS.add("SLR-D07", "points are mostly there")
def missing(context: DataContext) -> Iterator[Finding]:
    """Share of the points that are missing, altogether and by group, over the frames of all clips."""
    seen = [facts for _, facts in context.looked_into]
    if not seen:
        return
    groups: dict[str, list[Facts]] = {}
    for facts in seen:
        for name in facts.missing_points:
            groups.setdefault(name, []).append(facts)
    shares = {
        name: mean_over_frames([(facts.missing_points[name], facts.frames) for facts in members])
        for name, members in groups.items()
    }
    for name, share in shares.items():
        if share > MOSTLY_MISSING:
            yield warning(
                f"{share:.0%} of the points of {name} are missing",
                name,
                "check the extraction; a group that is hardly ever there had better be left out",
            )
    overall = mean_over_frames([(facts.missing, facts.frames) for facts in seen])
    by_group = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    yield note(f"{overall:.1%} of the values are missing (points by group: {by_group})")


def mean_over_frames(shares: Sequence[tuple[float, int]]) -> float:
    """Mean of `(share, frames)`, each frame counting once."""
    return sum(share * frames for share, frames in shares) / max(1, sum(frames for _, frames in shares))


@DATA_CHECKS.add("SLR-D08", "every clip shows something")
def something_seen(context: DataContext) -> Iterator[Finding]:
    """Clips in which every value of every frame is missing, and yet glosses stand beside them."""
    blind = [item for item, facts in context.looked_into if facts.missing == 1.0]
    if blind:
        yield error(
            f"in {many(len(blind), 'clip')} nothing was seen: every value is missing",
            ids(blind),
            "extract them again, or take them out of the table",
        )


@DATA_CHECKS.add("SLR-D09", "every utterance has glosses")
def annotated(context: DataContext) -> Iterator[Finding]:
    """Empty annotations, after the gloss normaliser."""
    for name, utterances in context.corpus.splits.items():
        empty = [item for item in utterances if not item.glosses]
        if empty:
            say = error if name == "train" else warning
            yield say(
                f"{many(len(empty), 'utterance')} of {name} {'has' if len(empty) == 1 else 'have'} no gloss",
                some([f"{item.id} ({table_line(item)})" for item in empty]),
                f"take them out of the table, or look at what the normaliser {context.normaliser} removes",
            )


def too_short(pairs: Sequence[tuple[Sequence[str], int]], stride: int) -> list[int]:
    """Which of `(glosses, frames)` cannot carry their glosses when T' is frames / stride, rounded up; their places."""
    return [i for i, (glosses, frames) in enumerate(pairs) if -(-frames // stride) < minimum_frames(glosses)]


@DATA_CHECKS.add("SLR-D10", "clips are long enough for their glosses")
def long_enough(context: DataContext) -> Iterator[Finding]:
    """CTC needs T' >= glosses + repeats of neighbours; its loss is infinite otherwise."""
    counts: Counter[int] = Counter()
    for name, utterances in context.corpus.splits.items():
        members = [(item, facts.frames) for item, facts in context.readable(utterances)]
        pairs = [(item.glosses, frames) for item, frames in members]
        counts.update({stride: len(too_short(pairs, stride)) for stride in STRIDES})
        short = [members[i] for i in too_short(pairs, STRIDE)]
        if short:
            say = error if name == "train" else warning
            listed = [f"{item.id} ({many(frames, 'frame')}, {len(item.glosses)} glosses)" for item, frames in short]
            yield say(
                f"{many(len(short), 'clip')} of {name} {'is' if len(short) == 1 else 'are'} too short for the "
                f"glosses when a frame in {STRIDE} is kept, as the default architecture does",
                some(listed),
                "check these annotations, take the clips out, or use --arch mobilenetv3, which keeps every frame",
            )
    yield note("clips too short for their glosses, by stride: " + ", ".join(f"{s}: {counts[s]:,}" for s in STRIDES))


@DATA_CHECKS.add("SLR-D11", "ids are unique within a split")
def unique(context: DataContext) -> Iterator[Finding]:
    """An id that stands twice in a split."""
    for name, utterances in context.corpus.splits.items():
        lines: dict[str, list[Utterance]] = {}
        for item in utterances:
            lines.setdefault(item.id, []).append(item)
        twice = {id: group for id, group in lines.items() if len(group) > 1}
        if twice:
            places = [f"{id} (lines {', '.join(str(item.line) for item in group)})" for id, group in twice.items()]
            yield error(
                f"{many(len(twice), 'id stands', 'ids stand')} more than once in {name}",
                some(places),
                "keep one line for each clip: scores are counted by id",
            )


@DATA_CHECKS.add("SLR-D12", "no id is in two splits")
def disjoint(context: DataContext) -> Iterator[Finding]:
    """Clips that are trained on and then scored."""
    sets = {name: {item.id for item in utterances} for name, utterances in context.corpus.splits.items()}
    for one, other in combinations(sets, 2):
        shared = sorted(sets[one] & sets[other])
        if shared:
            yield error(
                f"{one} and {other} share {many(len(shared), 'id')}",
                some(shared),
                "leave each clip in one split: results on seen clips mean nothing",
            )


@DATA_CHECKS.add("SLR-D13", "glosses of other splits occur in train", needs=("SLR-D01",))
def seen_in_train(context: DataContext) -> Iterator[Finding]:
    """Tokens that no model trained on train can produce, and the error floor they make."""
    sentences = [item.glosses for item in context.corpus.splits["train"]]
    counts = Counter(gloss for glosses in sentences for gloss in glosses)
    known = {gloss for gloss, count in counts.items() if count >= context.min_count}
    for name, utterances in context.corpus.splits.items():
        tokens = [gloss for item in utterances for gloss in item.glosses]
        unseen = Counter(gloss for gloss in tokens if gloss not in known)
        if unseen:
            yield warning(
                oov(name, unseen, len(tokens)),
                most_frequent(unseen),
                "nothing to mend if the splits are official; check spelling and the normaliser",
            )
        elif tokens and name != "train":
            yield note(f"every gloss of {name} occurs in train")


def oov(split: str, unseen: Counter[str], tokens: int) -> str:
    """How many tokens are outside the vocabulary, and what that costs."""
    total = unseen.total()
    return (
        f"{total:,} of {tokens:,} tokens of {split} ({many(len(unseen), 'type')}) are not in the vocabulary: "
        f"its WER cannot fall below {100 * total / tokens:.2f} %"
    )


def most_frequent(unseen: Counter[str]) -> str:
    """The glosses that cost most."""
    return some([f"{gloss} ({count})" for gloss, count in unseen.most_common()])
