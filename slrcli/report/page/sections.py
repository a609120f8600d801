"""The sections of numbers: the headline, rates by signer and by length, glosses, pairs, calibration."""

from collections.abc import Mapping, Sequence

from slrcli.report.page.confusion import worst_glosses
from slrcli.report.page.data import ReportData
from slrcli.report.page.markup import Markup, join, tag
from slrcli.report.page.parts import (
    NAMES,
    bar,
    error_bar,
    interval_text,
    legend,
    more,
    scale_of,
    section,
    share,
    table,
)
from slrcli.report.text.alignment import percent
from slrcli.scoring.align import DELETION, INSERTION, Counts
from slrcli.scoring.breakdown import calibration_error
from slrcli.scoring.wer import Score

SIGNERS = 100  # rows of their table, at most
GLOSSES = 30
PAIRS = 20
UNKNOWN = "(unknown)"


def headline(data: ReportData) -> Markup:
    """The error rate, what it is made of, and how it was made."""
    score, interval = data.score, data.interval()
    rate = tag("p", tag("span", "word error rate"), tag("strong", percent(score.wer)), class_="rate")
    if interval:
        rate = join([rate, tag("p", f"95 % confidence interval {interval_text(interval)}", class_="interval")])
    errors = zip(NAMES.items(), (score.substitutions, score.deletions, score.insertions), strict=True)
    tiles = [_tile(tag("i", letter, class_=letter), name, count, score) for (letter, name), count in errors]
    tiles += [_tile("", "glosses", score.ref_tokens), _tile("", "utterances", len(score.utterances))]
    facts = [("Checkpoint", data.checkpoint), ("Split", data.split), *data.facts]
    named = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value]
    signature = tag("p", tag("code", data.signature), class_="signature") if data.signature else ""
    notes = tag("ul", *(tag("li", note) for note in data.notes), class_="notes") if data.notes else ""
    figures = tag("div", tag("div", rate), tag("ul", *tiles, class_="tiles"), class_="figures")
    return tag("header", tag("h1", data.title), figures, signature, tag("dl", *named), notes)


def protocols_section(data: ReportData) -> Markup | None:
    """The score under each protocol; None where there is one alone."""
    if len(data.protocols) < 2:
        return None
    scale = scale_of(score.wer for _, score, _ in data.protocols)
    body = []
    for name, score, floor in data.protocols:
        numbers = [score.substitutions, score.deletions, score.insertions, score.ref_tokens, floor]
        body.append([name, _number(percent(score.wer)), _drawn(error_bar(score, None, scale)), *map(_number, numbers)])
    names = ("S", "D", "I", "glosses", "floor")
    columns = ["protocol", _number_head("WER"), f"0 to {scale:.0f} %", *map(_number_head, names)]
    lead = (
        "One recogniser, several ways to count; only rates of one row can be compared with those of others. Floor: the "
        "errors that perfect recognition would make. All else on this page is counted as in the headline."
    )
    return section("protocols", "Protocols", lead, legend(), table(columns, body, "Error rate by protocol", "rates"))


def signers_section(data: ReportData) -> Markup | None:
    """Rates by signer; None where no signer is known."""
    if not data.groups:
        return None
    worst = sorted(data.groups, key=lambda name: -data.groups[name].errors)[:SIGNERS]
    rows = [(name or UNKNOWN, data.groups[name]) for name in sorted(worst)]
    intervals = {name: interval for name in worst if name and (interval := data.interval(name))}
    lead = "Bars: substitutions, deletions and insertions as shares of the reference."
    if intervals:
        lead += " The line over a bar is the 95 % confidence interval of its rate."
    rest = more(len(rows), len(data.groups), "signers")
    return section("signers", "By signer", lead, legend(), rate_table(rows, "signer", intervals), rest)


def sentences_section(data: ReportData) -> Markup | None:
    """Rates on sentences that were learnt from and on others; None where nobody knows which are which."""
    found = data.familiarity
    if found is None:
        return None
    sides = {
        "seen in train": (found.seen, found.seen_interval),
        "not seen in train": (found.unseen, found.unseen_interval),
    }
    lead = "A recogniser may say a sentence by heart that it learnt from: only the rate on others tells how it reads."
    lead += "".join(f" Sentences {name}: none." for name, (score, _) in sides.items() if not score.utterances)
    rows = [(name, score) for name, (score, _) in sides.items() if score.utterances]
    drawn = {name: (item.low, item.high) for name, (_, item) in sides.items() if item.low == item.low}
    return section("sentences", "By sentence", lead, legend(), rate_table(rows, "sentence", drawn))


def lengths_section(data: ReportData) -> Markup | None:
    """Rates by the number of glosses in the reference; None where they are not given."""
    if not data.by_length:
        return None
    lead = "Length is the number of glosses in the reference."
    return section("lengths", "By length", lead, legend(), rate_table(data.by_length, "length"))


def rate_table(
    rows: Sequence[tuple[str, Counts]], head: str, intervals: Mapping[str, tuple[float, float]] | None = None
) -> Markup:
    """One row a group of utterances: how many, the bar of its errors, its rate."""
    intervals = intervals or {}
    highest = [interval[1] for interval in intervals.values()]
    scale = scale_of([*(counts.wer for _, counts in rows), *highest])
    scored = all(isinstance(counts, Score) for _, counts in rows)
    names = ["S", "D", "I", "glosses", *(["utterances"] if scored else [])]
    body = []
    for name, counts in rows:
        numbers = [counts.substitutions, counts.deletions, counts.insertions, counts.ref_tokens]
        numbers += [len(counts.utterances)] if scored else []
        drawn = _drawn(error_bar(counts, intervals.get(name), scale))
        body.append([name, _number(percent(counts.wer)), drawn, *map(_number, numbers)])
    columns = [head, _number_head("WER"), f"0 to {scale:.0f} %", *map(_number_head, names)]
    return table(columns, body, f"Error rate by {head}", "rates")


def glosses_section(data: ReportData) -> Markup | None:
    """The glosses that go wrong most, with recall and precision."""
    worst = worst_glosses(data, len(data.glosses))
    if not worst:
        return None
    known = {row[0]: row for row in data.glosses}
    head: list[object] = ["gloss"]
    for name in ("recall", "precision"):
        head += [_number_head(name), "0 to 100 %"]
    head += map(_number_head, ("hits", "occurrences", "recognised"))
    body = []
    for gloss in worst[:GLOSSES]:
        _, support, hits, predicted = known[gloss]
        rates = [_share_cells(name, hits, whole) for name, whole in (("recall", support), ("precision", predicted))]
        body.append([gloss, *rates[0], *rates[1], *map(_number, (hits, support, predicted))])
    lead = (
        "Most errors first. Recall is the share of a gloss's occurrences that were hit, precision the share of its "
        f"recognitions that are hits. Without error: {len(data.glosses) - len(worst)} of {len(data.glosses)} glosses."
    )
    rest = more(len(body), len(worst), "glosses with errors")
    return section("glosses", "Glosses", lead, table(head, body, "Glosses", "rates"), rest)


def pairs_section(data: ReportData) -> Markup | None:
    """Substitutions, deletions and insertions, the most frequent first."""
    support = {gloss: count for gloss, count, _, _ in data.glosses}
    predicted = {gloss: count for gloss, _, _, count in data.glosses}
    lists = [
        _count_list(
            "Substitutions",
            ("reference", "hypothesis"),
            [((ref, hyp), count, support.get(ref, 0)) for ref, hyp, count in data.confusions],
        ),
        _count_list("Deletions", ("gloss",), _alone(data, DELETION, support)),
        _count_list("Insertions", ("gloss",), _alone(data, INSERTION, predicted)),
    ]
    if not any(lists):
        return None
    lead = "Shares are of the reference gloss's occurrences; of insertions, of the times the gloss was recognised."
    return section("pairs", "Confusions", lead, tag("div", *filter(None, lists), class_="columns"))


def calibration_section(data: ReportData) -> Markup | None:
    """Whether the confidences of recognised glosses mean what they say; None where they are not given."""
    rows = [row for row in data.calibration if row[2]]
    if not rows:
        return None
    lead = (
        "The bar is the share of recognised glosses that were right, the line their mean confidence: calibrated "
        f"confidences end where the bar ends. Expected calibration error {calibration_error(rows):.1f} %."
    )
    head = ["confidence", _number_head("right"), "0 to 100 %", *map(_number_head, ("mean confidence", "glosses"))]
    body = []
    for low, high, count, confidence, accuracy in rows:
        said = f"right {100 * accuracy:.0f} %, mean confidence {100 * confidence:.0f} %"
        line = tag("path", class_="interval", d=f"M{100 * confidence:.2f} 0v16")
        numbers = (f"{100 * confidence:.1f} %", count)
        right = [_number(f"{100 * accuracy:.1f} %"), _drawn(bar(said, _hit_bar(accuracy), line))]
        body.append([f"{100 * low:.0f} to {100 * high:.0f} %", *right, *map(_number, numbers)])
    return section("calibration", "Calibration", lead, table(head, body, "Calibration", "rates"))


def _share_cells(name: str, part: int, whole: int) -> tuple[Markup, Markup]:
    """A share as a number and as a bar."""
    said = share(part, whole)
    drawn = bar(f"{name} {said}", _hit_bar(part / max(whole, 1)))
    return _number(said), _drawn(drawn)


def _drawn(drawing: Markup) -> Markup:
    return tag("td", drawing, class_="drawn")


def _hit_bar(rate: float) -> Markup:
    return tag("rect", class_="hit", x="0", y="3", width=100.0 * rate, height="10")


def _tile(mark: object, name: str, count: int, score: Score | None = None) -> Markup:
    part = tag("small", share(count, score.ref_tokens)) if score else ""
    return tag("li", tag("span", mark, " " if mark else "", name), tag("strong", f"{count:,}"), part)


def _alone(data: ReportData, op: str, whole: Mapping[str, int]) -> list[tuple[tuple[str], int, int]]:
    """Deleted or inserted glosses, how often, and how often the gloss stands in `whole`; the most frequent first."""
    counts = {edit.ref or edit.hyp: count for edit, count in data.edits.items() if edit.op == op}
    ordered = sorted(counts, key=lambda gloss: (-counts[gloss], gloss))
    return [((gloss,), counts[gloss], whole.get(gloss, 0)) for gloss in ordered]


def _count_list(title: str, names: Sequence[str], rows: Sequence[tuple[Sequence[str], int, int]]) -> Markup | None:
    """A short table of counted glosses or pairs; None without rows."""
    if not rows:
        return None
    head = [*names, _number_head("count"), _number_head("share")]
    body = [[*glosses, _number(count), _number(share(count, whole))] for glosses, count, whole in rows[:PAIRS]]
    return tag("div", tag("h3", title), table(head, body, title), more(len(body), len(rows), "rows"))


def _number(value: object) -> Markup:
    return tag("td", value, class_="n")


def _number_head(name: str) -> Markup:
    return tag("th", name, scope="col", class_="n")
