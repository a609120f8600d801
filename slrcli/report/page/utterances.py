"""Utterances for the eye: the worst with their posteriors, and as many of all as a page should hold."""

from slrcli.report.page.data import ReportData
from slrcli.report.page.markup import Markup, tag
from slrcli.report.page.parts import legend, more, section
from slrcli.report.page.posterior import ROWS, posterior_figure, posterior_legend
from slrcli.report.text.alignment import GAP, percent
from slrcli.scoring.align import HIT, Alignment
from slrcli.scoring.wer import UtteranceScore

WORST = 8  # utterances that are shown at once
BUDGET = 2_000_000  # characters of HTML that the list of all may fill
_POSTERIORS = (
    " Below, the probability of every gloss over time; the blank is the last row. Triangles mark where reference and "
    f"hypothesis have their glosses. A gloss that the vocabulary lacks has no row, nor has any beyond the first {ROWS}."
)


def worst_section(data: ReportData) -> Markup | None:
    """The worst utterances, each aligned and with its posterior if there is one; None where all is right."""
    worst = data.score.worst(WORST)
    if not worst:
        return None
    marks = posterior_legend() if data.posteriors else ""
    lead = "Most errors first." + (_POSTERIORS if data.posteriors else "")
    return section("worst", "Worst utterances", lead, legend(), marks, *(_card(data, item) for item in worst))


def all_section(data: ReportData) -> Markup | None:
    """Every utterance aligned, most errors first, as many as the budget holds; None where there are none."""
    everyone = data.score.utterances
    if not everyone:
        return None
    written, used = [], 0
    for item in [*data.score.worst(len(everyone)), *(item for item in everyone if not item.errors)]:
        one = tag("li", _heading(data, item, "p"), alignment_list(item.alignment))
        used += len(one)
        if used > BUDGET:
            break
        written.append(one)
    summary = tag("summary", f"Show {len(written)} of {len(everyone)} alignments")
    rest = more(len(written), len(everyone), "utterances")
    folded = tag("details", summary, tag("ol", *written, class_="utterances"), rest)
    return section("all", "All utterances", "Most errors first.", folded)


def alignment_list(alignment: Alignment) -> Markup:
    """An alignment as columns that wrap: reference above hypothesis, the letter of an error below."""
    label = tag("li", tag("span", "REF"), tag("span", "HYP"), class_="label")
    columns = []
    for op, ref, hyp in alignment.edits:
        sides = [tag("span", GAP if token is None else token) for token in (ref, hyp)]
        columns.append(tag("li", *sides) if op == HIT else tag("li", *sides, tag("b", op), class_=op))
    return tag("ol", label, *columns, class_="alignment")


def _card(data: ReportData, item: UtteranceScore) -> Markup:
    found = data.posteriors.get(item.id)
    figure = posterior_figure(found, item.id) if found else ""
    return tag("article", _heading(data, item, "h3"), alignment_list(item.alignment), figure)


def _heading(data: ReportData, item: UtteranceScore, level: str) -> Markup:
    counts = f"WER {percent(item.wer)} · S {item.substitutions} · D {item.deletions} · I {item.insertions}"
    signer = data.signer_of.get(item.id, "")
    return tag(level, item.id, " ", tag("small", f"{signer} · {counts}" if signer else counts))
