"""Alignments for the eye: reference above hypothesis, errors marked by letter and by colour."""

from collections.abc import Iterator

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.text import Text

from slrcli import console as terminal
from slrcli.glosses.variants import seen, told_apart
from slrcli.scoring.align import DELETION, HIT, INSERTION, SUBSTITUTION, Alignment, Edit
from slrcli.scoring.wer import UtteranceScore

GAP = "***"

# Fixed colours of middling brightness, which the terminal's theme does not change: contrast of at least 3.5 : 1 against
# black and against white. Colour only repeats what the row of letters says.
STYLES = {HIT: "", SUBSTITUTION: "bold #d700d7", DELETION: "bold #ff0000", INSERTION: "bold #0087d7"}

_LABELS = ("REF  ", "HYP  ", "     ")


class AlignmentView:
    """A rich renderable of an alignment, wrapped to the width it is given."""

    def __init__(self, alignment: Alignment):
        self.alignment = alignment

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from alignment_lines(self.alignment, options.max_width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(20, options.max_width), options.max_width)


def rate_names(spelt: bool) -> tuple[str, str, str]:
    """What a rate counts: its name, one token, several; `spelt` if characters were counted."""
    return ("CER", "character", "characters") if spelt else ("WER", "gloss", "glosses")


def utterance_view(utterance: UtteranceScore, signer: str = "", spelt: bool = False) -> RenderableType:
    """One utterance: its id (and signer), its counts, its alignment; `spelt` if characters were counted."""
    heading = Text()
    heading.append(visible(utterance.id), style="bold")
    if signer:
        heading.append(f"  {visible(signer)}")
    heading.append(f"  {rate_names(spelt)[0]} {percent(utterance.wer)}")
    heading.append(f"  S={utterance.substitutions} D={utterance.deletions} I={utterance.insertions}")
    return Group(heading, AlignmentView(utterance.alignment))


def alignment_text(alignment: Alignment, width: int = 80) -> str:
    """The alignment as plain text."""
    return "\n".join(line.plain.rstrip() for line in alignment_lines(alignment, width))


def alignment_lines(alignment: Alignment, width: int) -> list[Text]:
    """The alignment in blocks of lines, at most `width` cells wide: `REF`, `HYP`, and the letters of errors if any.

    Tokens stand below each other, `***` where one side has none, a blank line between blocks; a token too long for a
    line is continued in the next block.
    """
    room = max(width - len(_LABELS[0]), len(GAP))
    lines: list[Text] = []
    for block in _blocks(_columns(alignment, room), room):
        if lines:
            lines.append(Text())
        rows = [Text(label, no_wrap=True, end="\n") for label in _LABELS]
        for op, *cells in block:
            size = _width(cells)
            for row, cell in zip(rows, cells, strict=True):
                row.append(cell, style=STYLES[op])
                row.append(" " * (size - cell_len(cell) + 1))
        for row in rows:
            row.rstrip()
        lines.extend(rows if any(op != HIT for op, *_ in block) else rows[:2])
    return lines or [Text("REF", no_wrap=True), Text("HYP", no_wrap=True)]


def visible(text: str) -> str:
    """`text` on one line, with all that would steer a terminal or not be seen as escapes."""
    return terminal.visible(text, keep="")


def percent(rate: float) -> str:
    """A rate in percent for people; a rate without reference tokens is `n/a`."""
    return "n/a" if rate != rate else f"{rate:.2f} %"


def _columns(alignment: Alignment, room: int) -> Iterator[tuple[str, str, str, str]]:
    """Columns (op, ref, hyp, letter), each at most `room` cells wide."""
    for edit in alignment.edits:
        ref, hyp = _cells(edit)
        letter = "" if edit.op == HIT else edit.op
        if _width((ref, hyp)) <= room:
            yield edit.op, ref, hyp, letter
            continue
        pieces = chop_cells(ref, room), chop_cells(hyp, room)
        for index in range(max(map(len, pieces))):
            above, below = (side[index] if index < len(side) else "" for side in pieces)
            yield edit.op, above, below, letter if index == 0 else ""


def _cells(edit: Edit) -> tuple[str, str]:
    if edit.op != HIT and edit.ref is not None and edit.hyp is not None and seen(edit.ref) == seen(edit.hyp):
        return told_apart(edit.ref), told_apart(edit.hyp)  # they look the same: code points
    ref, hyp = (GAP if token is None else visible(token) for token in (edit.ref, edit.hyp))
    return ref, hyp


def _blocks(columns: Iterator[tuple[str, str, str, str]], room: int) -> Iterator[list[tuple[str, str, str, str]]]:
    """As many columns a block as fit into `room` cells with one space between them."""
    block: list[tuple[str, str, str, str]] = []
    used = 0
    for column in columns:
        size = _width(column[1:]) + 1
        if block and used + size - 1 > room:
            yield block
            block, used = [], 0
        block.append(column)
        used += size
    if block:
        yield block


def _width(cells: tuple[str, ...] | list[str]) -> int:
    return max(cell_len(cell) for cell in cells)
