"""The confusion matrix of the glosses that go wrong most, as a table shaded like a heat map."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from slrcli.report.page.data import ReportData
from slrcli.scoring.align import DELETION, HIT, INSERTION, SUBSTITUTION, Edit

SHOWN = 20  # glosses; more would be too small to read
LEVELS = 10  # steps of shading
_LEAD = (
    "Rows are glosses of the reference, columns what was recognised in their place; the worst {count} glosses. A row "
    "adds up to the gloss's occurrences, and the shade is a cell's share of them; insertions stand below, shaded by "
    "their share of the times the gloss was recognised."
)


@dataclass(frozen=True)
class Cell:
    """A count with its kind (`hit`, `S`, `D` or `I`) and its shade, 0 to `LEVELS`."""

    count: int
    kind: str
    level: int


@dataclass(frozen=True)
class Row:
    """A gloss, its cells and their sum."""

    name: str
    cells: tuple[Cell, ...]
    sum: int


@dataclass(frozen=True)
class Confusion:
    """The matrix.

    Attributes:
        lead: how to read it.
        columns: their names.
        rows: a row per gloss of the reference.
        inserted: the last row: how often each gloss was recognised where there was none.
        inserted_others: the same of all glosses that have no column.
    """

    lead: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    inserted: Row
    inserted_others: int


def confusion_section(data: ReportData) -> Confusion | None:
    """The matrix; None where no gloss was recognised as another, and none inserted or deleted."""
    glosses = worst_glosses(data, SHOWN)
    if not glosses:
        return None
    predicted = {gloss: count for gloss, _, _, count in data.glosses}
    counts = [data.edits[Edit(INSERTION, None, gloss)] for gloss in glosses]
    cells = [_cell(count, predicted[gloss], INSERTION) for gloss, count in zip(glosses, counts, strict=True)]
    return Confusion(
        _LEAD.format(count=len(glosses)),
        (*glosses, "(other)", "(deleted)", "(sum)"),
        tuple(_row(data, gloss, glosses) for gloss in glosses),
        Row("(inserted)", tuple(cells), data.score.insertions),
        data.score.insertions - sum(counts),
    )


def worst_glosses(data: ReportData, count: int) -> list[str]:
    """The glosses missed or wrongly recognised most often, by that number, then by name."""
    wrong = {gloss: support + predicted - 2 * hits for gloss, support, hits, predicted in data.glosses}
    return sorted((gloss for gloss in wrong if wrong[gloss]), key=lambda gloss: (-wrong[gloss], gloss))[:count]


def _row(data: ReportData, gloss: str, glosses: Sequence[str]) -> Row:
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
    return Row(gloss, tuple(cells), support)


def _cell(count: int, whole: int, kind: str) -> Cell:
    return Cell(count, kind, math.ceil(LEVELS * min(count / max(whole, 1), 1)))
