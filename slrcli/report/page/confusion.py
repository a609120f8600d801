"""The confusion matrix of the glosses that go wrong most, as a table shaded like a heat map."""

import math
from collections.abc import Sequence

from slrcli.report.page.data import ReportData
from slrcli.report.page.markup import Markup, tag
from slrcli.report.page.parts import scrolling, section
from slrcli.scoring.align import DELETION, HIT, INSERTION, SUBSTITUTION, Edit

SHOWN = 20  # glosses; more would be too small to read
LEVELS = 10  # steps of shading
_LEAD = (
    "Rows are glosses of the reference, columns what was recognised in their place; the worst {count} glosses. A row "
    "adds up to the gloss's occurrences, and the shade is a cell's share of them; insertions stand below, shaded by "
    "their share of the times the gloss was recognised."
)


def confusion_section(data: ReportData) -> Markup | None:
    """The matrix; None where no gloss was recognised as another, and none inserted or deleted."""
    glosses = worst_glosses(data, SHOWN)
    if not glosses:
        return None
    head = tag("tr", tag("th", "reference", scope="col"), *map(_column, [*glosses, "(other)", "(deleted)", "(sum)"]))
    rows = [*(_row(data, gloss, glosses) for gloss in glosses), _inserted(data, glosses)]
    matrix = tag("table", tag("thead", head), tag("tbody", *rows), class_="matrix")
    lead = _LEAD.format(count=len(glosses))
    return section("confusion", "Confusion matrix", lead, scrolling(matrix, "Confusion matrix"))


def worst_glosses(data: ReportData, count: int) -> list[str]:
    """The glosses missed or wrongly recognised most often, by that number, then by name."""
    wrong = {gloss: support + predicted - 2 * hits for gloss, support, hits, predicted in data.glosses}
    return sorted((gloss for gloss in wrong if wrong[gloss]), key=lambda gloss: (-wrong[gloss], gloss))[:count]


def _row(data: ReportData, gloss: str, glosses: Sequence[str]) -> Markup:
    """One gloss of the reference: hits, substitutions by what came instead, deletions, and their sum."""
    edits = data.edits
    support = sum(count for edit, count in edits.items() if edit.ref == gloss)
    hits = edits[Edit(HIT, gloss, gloss)]
    swapped = [0 if other == gloss else edits[Edit(SUBSTITUTION, gloss, other)] for other in glosses]
    deleted = edits[Edit(DELETION, gloss, None)]
    cells = [
        _cell(hits, support, "hit") if other == gloss else _cell(count, support, SUBSTITUTION)
        for other, count in zip(glosses, swapped, strict=True)
    ]
    cells.append(_cell(support - hits - deleted - sum(swapped), support, SUBSTITUTION))
    cells.append(_cell(deleted, support, DELETION))
    return tag("tr", tag("th", gloss, scope="row"), *cells, tag("td", support, class_="sum"))


def _inserted(data: ReportData, glosses: Sequence[str]) -> Markup:
    """The last row: how often each gloss was recognised where there was none."""
    predicted = {gloss: count for gloss, _, _, count in data.glosses}
    inserted = [data.edits[Edit(INSERTION, None, gloss)] for gloss in glosses]
    cells = [_cell(count, predicted[gloss], INSERTION) for gloss, count in zip(glosses, inserted, strict=True)]
    rest = data.score.insertions - sum(inserted)
    others = [tag("td", rest or ""), tag("td"), tag("td", data.score.insertions, class_="sum")]
    return tag("tr", tag("th", "(inserted)", scope="row"), *cells, *others, class_="inserted")


def _column(name: str) -> Markup:
    return tag("th", tag("span", name, title=name), scope="col")


def _cell(count: int, whole: int, kind: str) -> Markup:
    if not count:
        return tag("td")
    return tag("td", count, class_=f"{kind} l{math.ceil(LEVELS * min(count / max(whole, 1), 1))}")
