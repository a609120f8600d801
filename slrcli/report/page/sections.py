"""What the sections of numbers show: the headline, rates by signer and by length, glosses, pairs, calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slrcli.report.page.confusion import worst_glosses
from slrcli.report.page.data import ReportData
from slrcli.report.page.parts import (
    NAMES,
    Bar,
    RateRow,
    RateSection,
    RateTable,
    error_bar,
    error_counts,
    hit_bar,
    interval_text,
    rate_table,
    scale_of,
    share,
)
from slrcli.report.text.alignment import percent, rate_names
from slrcli.scoring.align import DELETION, INSERTION
from slrcli.scoring.breakdown import calibration_error

SIGNERS = 100  # rows of their table, at most
GLOSSES = 30
PAIRS = 20
UNKNOWN = "(unknown)"


@dataclass(frozen=True)
class Tile:
    """A number of the headline, with the letter of an error and its share of the reference where it counts one."""

    name: str
    count: str
    letter: str = ""
    share: str = ""


@dataclass(frozen=True)
class Headline:
    """What heads the page; texts that are empty are left out."""

    name: str
    rate: str
    interval: str
    tiles: tuple[Tile, ...]
    signature: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Rate:
    """A share in words and as a bar."""

    said: str
    bar: Bar


@dataclass(frozen=True)
class GlossRow:
    """A gloss: how often it stands in references, was recognised rightly, and was recognised."""

    gloss: str
    recall: Rate
    precision: Rate
    hits: int
    support: int
    predicted: int


@dataclass(frozen=True)
class Glosses:
    """The glosses with most errors, of so many that have any."""

    lead: str
    rows: tuple[GlossRow, ...]
    of: int


@dataclass(frozen=True)
class PairRow:
    """A gloss, or a pair of reference and hypothesis, and how often it occurs."""

    glosses: tuple[str, ...]
    count: int
    share: str


@dataclass(frozen=True)
class PairList:
    """Counted glosses or pairs, the most frequent of so many."""

    title: str
    names: tuple[str, ...]
    rows: tuple[PairRow, ...]
    of: int


@dataclass(frozen=True)
class Pairs:
    """The lists of substitutions, deletions and insertions that are not empty."""

    lead: str
    lists: tuple[PairList, ...]


@dataclass(frozen=True)
class CalibrationRow:
    """The recognised glosses of one class of confidence."""

    name: str
    right: str
    bar: Bar
    confidence: str
    count: int


@dataclass(frozen=True)
class Calibration:
    """Confidence against hits."""

    lead: str
    rows: tuple[CalibrationRow, ...]


def headline(data: ReportData) -> Headline:
    """The error rate, what it is made of, and how it was made."""
    score, interval = data.score, data.interval()
    errors = zip(NAMES.items(), error_counts(score)[:3], strict=True)
    tiles = [Tile(name, f"{count:,}", letter, share(count, score.ref_tokens)) for (letter, name), count in errors]
    tiles += [
        Tile(rate_names(data.spelt)[2], f"{score.ref_tokens:,}"),
        Tile("utterances", f"{len(score.utterances):,}"),
    ]
    facts = [("Checkpoint", data.checkpoint), ("Split", data.split), *data.facts]
    known = tuple((name, value) for name, value in facts if value)
    between = interval_text(interval) if interval else ""
    name = f"{'character' if data.spelt else 'word'} error rate"
    return Headline(name, percent(score.wer), between, tuple(tiles), data.signature, known, tuple(data.notes))


def protocols_section(data: ReportData) -> RateSection | None:
    """The score under each protocol; None where there is one alone."""
    if len(data.protocols) < 2:
        return None
    scale = scale_of(score.wer for _, score, _ in data.protocols)
    rows = [
        RateRow(name, percent(score.wer), error_bar(score, None, scale, "WER"), (*error_counts(score), floor))
        for name, score, floor in data.protocols
    ]
    lead = (
        "One recogniser, several ways to count; only rates of one row can be compared with those of others. Floor: the "
        "errors that perfect recognition would make. All else on this page is counted as in the headline."
    )
    table = RateTable("protocol", "WER", scale, ("S", "D", "I", "glosses", "floor"), tuple(rows))
    return RateSection(lead, table, len(rows))


def signers_section(data: ReportData) -> RateSection | None:
    """Rates by signer; None where no signer is known."""
    if not data.groups:
        return None
    worst = sorted(data.groups, key=lambda name: -data.groups[name].errors)[:SIGNERS]
    rows = [(name or UNKNOWN, data.groups[name]) for name in sorted(worst)]
    intervals = {name: interval for name in worst if name and (interval := data.interval(name))}
    lead = "Bars: substitutions, deletions and insertions as shares of the reference."
    if intervals:
        lead += " The line over a bar is the 95 % confidence interval of its rate."
    return RateSection(lead, rate_table(rows, "signer", intervals, data.spelt), len(data.groups))


def sentences_section(data: ReportData) -> RateSection | None:
    """Rates on sentences that were learnt from and on others; None where nobody knows which are which."""
    found = data.familiarity
    if found is None:
        return None
    sides = {
        "seen in train": (found.seen, found.seen_interval),
        "not seen in train": (found.unseen, found.unseen_interval),
    }
    lead = "A recogniser may have memorised the sentences of train; the rate on other sentences shows how it reads."
    lead += "".join(f" Sentences {name}: none." for name, (score, _) in sides.items() if not score.utterances)
    rows = [(name, score) for name, (score, _) in sides.items() if score.utterances]
    drawn = {name: (item.low, item.high) for name, (_, item) in sides.items() if item.low == item.low}
    return RateSection(lead, rate_table(rows, "sentence", drawn, data.spelt), len(rows))


def lengths_section(data: ReportData) -> RateSection | None:
    """Rates by the number of glosses in the reference; None where they are not given."""
    if not data.by_length:
        return None
    lead = "Length is the number of glosses in the reference."
    return RateSection(lead, rate_table(data.by_length, "length", spelt=data.spelt), len(data.by_length))


def glosses_section(data: ReportData) -> Glosses | None:
    """The glosses that go wrong most, with recall and precision."""
    worst = worst_glosses(data, len(data.glosses))
    if not worst:
        return None
    known = {row[0]: row for row in data.glosses}
    rows = []
    for gloss in worst[:GLOSSES]:
        _, support, hits, predicted = known[gloss]
        recall, precision = _rate("recall", hits, support), _rate("precision", hits, predicted)
        rows.append(GlossRow(gloss, recall, precision, hits, support, predicted))
    lead = (
        "Most errors first. Recall is the share of a gloss's occurrences that were hit, precision the share of its "
        f"recognitions that are hits. Without error: {len(data.glosses) - len(worst)} of {len(data.glosses)} glosses."
    )
    return Glosses(lead, tuple(rows), len(worst))


def pairs_section(data: ReportData) -> Pairs | None:
    """Substitutions, deletions and insertions, the most frequent first."""
    support = {gloss: count for gloss, count, _, _ in data.glosses}
    predicted = {gloss: count for gloss, _, _, count in data.glosses}
    swapped = [((ref, hyp), count, support.get(ref, 0)) for ref, hyp, count in data.confusions]
    lists = (
        _pair_list("Substitutions", ("reference", "hypothesis"), swapped),
        _pair_list("Deletions", ("gloss",), _alone(data, DELETION, support)),
        _pair_list("Insertions", ("gloss",), _alone(data, INSERTION, predicted)),
    )
    lead = "Shares are of the reference gloss's occurrences; of insertions, of the times the gloss was recognised."
    return Pairs(lead, tuple(item for item in lists if item.rows)) if any(item.rows for item in lists) else None


def calibration_section(data: ReportData) -> Calibration | None:
    """Whether the confidences of recognised glosses mean what they say; None where they are not given."""
    rows = [row for row in data.calibration if row[2]]
    if not rows:
        return None
    lead = (
        "The bar is the share of recognised glosses that were right, the line their mean confidence: calibrated "
        f"confidences end where the bar ends. Expected calibration error {calibration_error(rows):.1f} %."
    )
    made = []
    for low, high, count, confidence, accuracy in rows:
        said = f"right {100 * accuracy:.0f} %, mean confidence {100 * confidence:.0f} %"
        drawn = hit_bar(said, accuracy, f"M{100 * confidence:.2f} 0v16")
        name = f"{100 * low:.0f} to {100 * high:.0f} %"
        made.append(CalibrationRow(name, f"{100 * accuracy:.1f} %", drawn, f"{100 * confidence:.1f} %", count))
    return Calibration(lead, tuple(made))


def _rate(name: str, part: int, whole: int) -> Rate:
    said = share(part, whole)
    return Rate(said, hit_bar(f"{name} {said}", part / max(whole, 1)))


def _alone(data: ReportData, op: str, whole: Mapping[str, int]) -> list[tuple[tuple[str], int, int]]:
    """Deleted or inserted glosses, how often, and how often the gloss stands in `whole`; the most frequent first."""
    counts = {edit.ref or edit.hyp or "": count for edit, count in data.edits.items() if edit.op == op}
    ordered = sorted(counts, key=lambda gloss: (-counts[gloss], gloss))
    return [((gloss,), counts[gloss], whole.get(gloss, 0)) for gloss in ordered]


def _pair_list(title: str, names: tuple[str, ...], rows: Sequence[tuple[tuple[str, ...], int, int]]) -> PairList:
    """A short table of counted glosses or pairs: what, how often, and of how many occurrences."""
    shown = tuple(PairRow(glosses, count, share(count, whole)) for glosses, count, whole in rows[:PAIRS])
    return PairList(title, names, shown, len(rows))
