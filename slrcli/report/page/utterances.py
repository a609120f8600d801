"""Utterances for the eye: the worst with their posteriors, and as many of all as a page should hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slrcli.report.page.data import ReportData
from slrcli.report.page.posterior import ROWS, Drawing, Shades, drawing, shades
from slrcli.report.templates import macro
from slrcli.report.text.alignment import percent, rate_names
from slrcli.scoring.align import Edit
from slrcli.scoring.wer import UtteranceScore

if TYPE_CHECKING:
    from markupsafe import Markup

WORST = 8  # utterances that are shown at once
BUDGET = 2_000_000  # characters of HTML that the list of all may fill
_POSTERIORS = (
    " Below, the probability of every gloss over time; the blank is the last row. Triangles mark where reference and "
    f"hypothesis have their glosses. A gloss that the vocabulary lacks has no row, nor has any beyond the first {ROWS}."
)


@dataclass(frozen=True)
class Shown:
    """An utterance: its signer and counts in words, its alignment, and its posterior if there is one."""

    id: str
    counts: str
    edits: Sequence[Edit]
    posterior: Drawing | None = None


@dataclass(frozen=True)
class Worst:
    """The utterances with most errors; shades where one of them has a posterior."""

    lead: str
    utterances: tuple[Shown, ...]
    shades: Shades | None


@dataclass(frozen=True)
class Everyone:
    """The list of all, as far as it was written, of so many."""

    written: "tuple[Markup, ...]"
    of: int


def worst_section(data: ReportData) -> Worst | None:
    """The worst utterances, each aligned and with its posterior if there is one; None where all is right."""
    worst = data.score.worst(WORST)
    if not worst:
        return None
    lead = "Most errors first." + (_POSTERIORS if data.posteriors else "")
    return Worst(lead, tuple(_shown(data, item) for item in worst), shades() if data.posteriors else None)


def all_section(data: ReportData) -> Everyone | None:
    """Every utterance aligned, most errors first, as many as the budget holds; None where there are none."""
    everyone = data.score.utterances
    if not everyone:
        return None
    written, used = [], 0
    for item in [*data.score.worst(len(everyone)), *(item for item in everyone if not item.errors)]:
        one = macro("page/parts.html.j2", "utterance", Shown(item.id, _counts(data, item), item.alignment.edits))
        used += len(one)
        if used > BUDGET:
            break
        written.append(one)
    return Everyone(tuple(written), len(everyone))


def _shown(data: ReportData, item: UtteranceScore) -> Shown:
    found = data.posteriors.get(item.id)
    drawn = drawing(found, item.id) if found else None
    return Shown(item.id, _counts(data, item), item.alignment.edits, drawn)


def _counts(data: ReportData, item: UtteranceScore) -> str:
    rate, *_ = rate_names(data.spelt)
    counts = f"{rate} {percent(item.wer)} · S {item.substitutions} · D {item.deletions} · I {item.insertions}"
    signer = data.signer_of.get(item.id, "")
    return f"{signer} · {counts}" if signer else counts
