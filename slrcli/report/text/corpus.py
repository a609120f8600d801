"""A corpus at a glance: how much there is, who signs, how often each part of the body is seen, what splits share."""

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from slrcli.console import visible
from slrcli.corpus.summary import CorpusSummary, Part
from slrcli.corpus.utterances import ORDER
from slrcli.report.text.tables import ResponsiveTable

SENTENCE_HEAD = (
    "Different sentences, utterances whose sentence stands in train, and the perplexity of the order of glosses alone "
    f"({ORDER}-grams of train)"
)


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
    layout = f"{summary.layout.name}, {summary.layout.width:,} numbers per frame; " if summary.layout else ""
    length = f"{whole.hours(summary.fps):,.2f} h at {_rates(summary)}"
    yield f"Features    {layout}{whole.frames:,} frames, {length}"


def _rates(summary: CorpusSummary) -> str:
    """Frames per second: of all clips, or how many clips have which."""
    assumed = "" if summary.fps_known else ", which is a guess (--fps)"
    silent = summary.whole.clips - sum(summary.rates.values())
    if not summary.rates or (not silent and len(summary.rates) == 1):
        rate = next(iter(summary.rates), summary.fps)
        return f"{rate:g} frames per second{assumed if silent else ''}"
    counts = [f"{rate:g} ({count:,} clips)" for rate, count in summary.rates.items()]
    rest = f"; {summary.fps:g} ({silent:,} clips that do not say it){assumed}" if silent else ""
    return f"{', '.join(counts)} frames per second{rest}"


def size_table(summary: CorpusSummary, parts: Sequence[Part]) -> ResponsiveTable:
    """Counts and lengths, one row per part."""
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
    return ResponsiveTable(table, turned=not signed)


def presence_table(parts: Sequence[Part]) -> ResponsiveTable | None:
    """The share of frames in which each group of points is seen, one row per part; None where nothing is known."""
    parts = [item for item in parts if item.presence]
    if not parts:
        return None
    groups = list(parts[0].presence)
    signed = any(item.signer for item in parts)
    table = _table(["split", *(["signer"] if signed else []), "clips read", *groups], 2 if signed else 1)
    for item in parts:
        row = [item.split, *([item.signer or ""] if signed else []), f"{item.read_fully:,}"]
        row += [f"{100 * item.presence[name]:.1f} %" for name in groups]
        table.add_row(*(Text(visible(cell)) for cell in row))
    return ResponsiveTable(table)


def sentence_table(summary: CorpusSummary) -> ResponsiveTable:
    """How many different sentences each split has, which share train holds, and how well their order is foretold."""
    table = _table(["split", "sentences", "in train", "share", "perplexity", "glosses of train"], 1)
    for item in summary.sentences:
        row = [item.split, f"{item.different:,}"]
        row += ["-"] * 2 if item.known is None else [f"{item.known:,} of {item.utterances:,}", f"{item.share:.0f} %"]
        row += ["-" if item.perplexity is None else f"{item.perplexity:.1f}", f"{item.vocabulary:,}"]
        table.add_row(*(Text(visible(cell)) for cell in row))
    return ResponsiveTable(table)


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
