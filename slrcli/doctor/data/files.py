"""Feature files: whether they are there, can be read, and hold numbers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from slrcli.corpus import FORMATS, Utterance
from slrcli.doctor.context import Checks, clips, error, many, note, some, warning
from slrcli.doctor.data.context import DataContext
from slrcli.errors import DataError
from slrcli.features.layout import guess_layout
from slrcli.features.order import told_order
from slrcli.features.readers import SUFFIXES, TEXTS, clips_below
from slrcli.features.store import store_of
from slrcli.findings import Finding, Names

FILE_CHECKS = Checks()

STORED = {
    "float64": "twice the space and reading time for no benefit",
    "float16": "three digits are too few for velocities, which are differences",
}
OFTEN_ZERO = 0.02  # share of points at exactly zero: measurements hit it by chance much more rarely


def ids(utterances: Sequence[Utterance], reason: str) -> Names:
    """The first few ids; see `clips`."""
    return clips([(item.id, "") for item in utterances], reason)


@FILE_CHECKS.add("SLR-D02", "every utterance has a feature file", needs=("SLR-D14",))
def found(context: DataContext) -> Iterator[Finding]:
    """Utterances without features: their number, the first ids, and where they were looked for."""
    for name in context.corpus.splits:
        try:
            context.corpus.require_features(name)
        except DataError as problem:
            missing = dict.fromkeys((item.id for item in context.corpus.unmatched(name)), "no feature file")
            yield error(problem.what, Names.of(problem.where, missing, missing), problem.fix)
    with_features = sum(item.features is not None for item in context.utterances)
    yield note(f"{with_features:,} of {many(len(context.utterances), 'utterance')} have a feature file")


@FILE_CHECKS.add("SLR-D03", "every feature file can be read")
def readable(context: DataContext) -> Iterator[Finding]:
    """Damaged, pickled, empty files and arrays of a wrong shape, gathered by what is wrong with them."""
    kinds: dict[str, list[tuple[str, DataError]]] = {}
    users: dict[Path, list[str]] = {}
    for item in context.utterances:
        if item.features is not None:
            users.setdefault(item.features, []).append(item.id)
    for path, facts in context.files.items():
        if facts.problem is not None:
            kinds.setdefault(facts.problem.what, []).append((str(path), facts.problem))
    for what, broken in kinds.items():
        count = many(len(broken), "feature file")
        spoilt = {id: f"unusable file: {what}" for path, _ in broken for id in users.get(Path(path), ())}
        places = some([path for path, _ in broken], clips=spoilt)
        yield error(f"{count} cannot be used: {what}", places, broken[0][1].fix)
    looked = sum(facts.read_fully for facts in context.files.values())
    if context.files:
        all_read = looked >= len(context.files) - sum(map(len, kinds.values()))
        sample = "" if all_read else " (a sample; of the others the header; --full reads all)"
        yield note(f"{many(len(context.files), 'feature file')}, {looked:,} of them read through{sample}")


@FILE_CHECKS.add("SLR-D04", "all clips have the layout's columns, in float32")
def columns(context: DataContext) -> Iterator[Finding]:
    """One number of columns throughout, that of the layout, and one stored type."""
    widths: dict[int, list[Utterance]] = {}
    kinds: dict[str, list[Utterance]] = {}
    for item, facts in context.readable():
        widths.setdefault(facts.columns, []).append(item)
        kinds.setdefault(facts.stored_as, []).append(item)
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
                ids(utterances, f"{width} columns instead of {expected}"),
                "extract them alike, or name their layout with --layout",
            )
    for kind, utterances in sorted(kinds.items()):
        if kind != "float32":
            count = many(len(utterances), "clip is", "clips are")
            what = f"{count} stored as {kind}: {STORED.get(kind, 'integers lose the fraction')}"
            yield warning(what, some([item.id for item in utterances]), "save them as float32")
    stored = ", ".join(f"{kind} ({len(group):,})" for kind, group in sorted(kinds.items()))
    groups = ", ".join(group.name for group in named.groups)
    yield note(f"D = {usual}: layout {named.name} ({groups}); stored as {stored}")
    yield from _order(context)


def _order(context: DataContext) -> Iterator[Finding]:
    """Groups that stand in the columns in another order than in the layout, if one order fits much better."""
    clips = [facts for _, facts in context.comparable]
    told = told_order(context.known_layout, [facts.edges for facts in clips], [facts.wrist_gaps for facts in clips])
    if told:
        yield error(told.what, context.known_layout.name, told.fix)


@FILE_CHECKS.add("SLR-D06", "no value is infinite")
def infinite(context: DataContext) -> Iterator[Finding]:
    """Infinity is no way to say that a point is missing, and means that something was divided by zero."""
    bad = [(item, facts) for item, facts in context.read_fully if facts.infinite]
    if bad:
        total = sum(facts.infinite for _, facts in bad)
        yield error(
            f"{many(total, 'value')} in {many(len(bad), 'clip')} are infinite",
            ids([item for item, _ in bad], "infinite values"),
            "look for a division by zero in the extraction; write NaN where a point is missing",
        )


@FILE_CHECKS.add("SLR-D23", "every feature file has an annotation", needs=("SLR-D02",))
def orphans(context: DataContext) -> Iterator[Finding]:
    """Feature files beside those of the utterances that no table names."""
    stores = sorted({found[0].path for path in context.files if (found := store_of(path))})
    left = [path for store in stores for path in clips_below(store) if path not in context.files]
    loose = [path for path in context.files if store_of(path) is None]
    stems = {path.with_suffix("") for path in loose}  # of .npy and .npz beside each other one is read
    # A table or a JSON file is a clip that was forgotten only where others of its kind are clips.
    kinds = {path.suffix for path in loose} | set(SUFFIXES) - set(TEXTS)
    folders = sorted({path.parent for path in loose})
    left += [path for folder in folders for path in listed(folder, kinds) if path.with_suffix("") not in stems]
    excluded = {item.features for item in context.corpus.excluded}
    left = [path for path in left if path not in excluded]
    if not left:
        return
    places = some([str(path) for path in left])
    what = f"{many(len(left), 'feature file has', 'feature files have')} no line in any table"
    if FORMATS[context.corpus.format].automatic:
        yield warning(what, places, "add them to a table, or take them away; a misspelt id is a clip lost")
    else:
        yield note(f"{what}: the split {context.corpus.format} is a part of the corpus", places)


def listed(folder: Path, suffixes: set[str]) -> list[Path]:
    """Feature files of these kinds that lie in a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix in suffixes and path.is_file())


@FILE_CHECKS.add("SLR-D24", "what is missing is written as NaN")
def placeholders(context: DataContext) -> Iterator[Finding]:
    """Points at exactly zero, or at -1, -999 and the like, which the network would take for positions.

    Zero is a fault only where the layout does not say that it means missing, as those of MediaPipe do.
    """
    for kind, attribute in (("zero", "zeros"), ("one and the same round number", "placeholders")):
        bad = [(item, getattr(facts, attribute)) for item, facts in context.comparable]
        bad = [(item, share) for item, share in bad if share > OFTEN_ZERO]
        if bad:
            usual = "of the frames" if not context.known_layout.spatial else "of the points"
            yield warning(
                f"in {many(len(bad), 'clip')} points are exactly {kind}: perhaps a placeholder for missing points",
                clips([(item.id, f"{share:.0%} {usual}") for item, share in bad], f"points that are exactly {kind}"),
                "write NaN where nothing was seen, or say zero_is_missing = true in a layout of your own",
            )
