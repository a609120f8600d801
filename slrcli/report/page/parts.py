"""What several sections are made of: bars and tables of error rates, as `parts.html.j2` shows them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from slrcli.report.text.alignment import percent, rate_names
from slrcli.scoring.align import DELETION, INSERTION, SUBSTITUTION, Counts
from slrcli.scoring.wer import Score

NAMES = {SUBSTITUTION: "substituted", DELETION: "deleted", INSERTION: "inserted"}
_SCALES = (5, 10, 20, 50, 100)  # where a bar may end, in percent


@dataclass(frozen=True)
class BarPart:
    """A piece of a bar: its kind (`S`, `D`, `I` or `hit`), and where it begins and how wide it is, of 100."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True)
class Bar:
    """A bar with what it says in words, its pieces, and a path (SVG) that is drawn over them."""

    label: str
    parts: tuple[BarPart, ...]
    line: str = ""


@dataclass(frozen=True)
class RateRow:
    """A group of utterances: its error rate, the bar of its errors, and counts."""

    name: str
    rate: str
    bar: Bar
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class RateTable:
    """Error rates of groups of utterances.

    Attributes:
        head: what the groups are.
        rate: name of the rate, WER or CER.
        scale: where bars end, in percent.
        counts: names of the numbers of a row.
        rows: the groups.
    """

    head: str
    rate: str
    scale: float
    counts: tuple[str, ...]
    rows: tuple[RateRow, ...]


@dataclass(frozen=True)
class RateSection:
    """A section of one table of rates: how to read it, the table, and how many groups there are, shown or not."""

    lead: str
    table: RateTable
    of: int


def rate_table(
    rows: Sequence[tuple[str, Counts]],
    head: str,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    spelt: bool = False,
) -> RateTable:
    """A row per group of utterances: how many, the bar of its errors, its rate; that of characters if `spelt`."""
    rate, _, tokens = rate_names(spelt)
    intervals = intervals or {}
    highest = [interval[1] for interval in intervals.values()]
    scale = scale_of([*(counts.wer for _, counts in rows), *highest])
    scored = all(isinstance(counts, Score) for _, counts in rows)
    made = []
    for name, counts in rows:
        numbers = (*error_counts(counts), *([len(counts.utterances)] if scored and isinstance(counts, Score) else []))
        made.append(RateRow(name, percent(counts.wer), error_bar(counts, intervals.get(name), scale, rate), numbers))
    return RateTable(head, rate, scale, ("S", "D", "I", tokens, *(["utterances"] if scored else [])), tuple(made))


def error_counts(counts: Counts) -> tuple[int, int, int, int]:
    """Substitutions, deletions, insertions, and glosses of the reference."""
    return counts.substitutions, counts.deletions, counts.insertions, counts.ref_tokens


def scale_of(rates: Iterable[float]) -> float:
    """A round end for bars of these percentages."""
    largest = max((rate for rate in rates if rate == rate), default=0.0)
    return next((end for end in _SCALES if largest <= end), 100.0 * math.ceil(largest / 100))


def error_bar(counts: Counts, interval: tuple[float, float] | None, scale: float, rate: str) -> Bar:
    """Substitutions, deletions and insertions end to end, as shares of the reference, and the interval over them."""
    said = f"{rate} {percent(counts.wer)}" + (f", interval {interval_text(interval)}" if interval else "")
    tokens = max(counts.ref_tokens, 1)
    x, parts = 0.0, []
    for kind, count in zip(NAMES, error_counts(counts)[:3], strict=True):
        width = 100 * 100 * count / tokens / scale
        if count and counts.ref_tokens:
            parts.append(BarPart(kind, x, width))
            x += width
    if not interval:
        return Bar(said, tuple(parts))
    low, high = (100 * edge / scale for edge in interval)
    return Bar(said, tuple(parts), f"M{low:.2f} 8H{high:.2f}M{low:.2f} 4v8M{high:.2f} 4v8")


def hit_bar(label: str, rate: float, line: str = "") -> Bar:
    """A share of hits, 0 to 1."""
    return Bar(label, (BarPart("hit", 0.0, 100.0 * rate),), line)


def interval_text(interval: tuple[float, float]) -> str:
    """An interval of percentages for people."""
    low, high = interval
    return f"{low:.1f} to {high:.1f} %"


def share(part: int, whole: int) -> str:
    """A share in whole percent; nothing of nothing is a dash."""
    return f"{100 * part / whole:.0f} %" if whole else "–"
