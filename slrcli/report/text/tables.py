"""Scores as tables for people."""

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from slrcli.console import wrapped
from slrcli.report.text.alignment import percent, rate_names, utterance_view, visible
from slrcli.scoring.breakdown import calibration_error
from slrcli.scoring.wer import Score

_UNKNOWN = "(unknown)"


class ResponsiveTable:
    """A table where the terminal is wide enough for it; else its rows as lines of text, so that nothing is cut off.

    Args:
        table: its first column names the rows.
        turned: whether its columns may become rows before that: for many figures of a few things.
    """

    def __init__(self, table: Table, turned: bool = False):
        self.table, self.turned = table, turned

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for table in (self.table, *([_turned(self.table)] if self.turned else [])):
            if Measurement.get(console, options.update(max_width=10_000), table).minimum <= options.max_width:
                yield table
                return
        names = [str(column.header) for column in self.table.columns]
        if self.table.title:
            yield Text(str(self.table.title), style="bold")
        for name, *cells in _rows(self.table):
            told = ", ".join(f"{head} {cell}" for head, cell in zip(names[1:], cells, strict=True))
            yield Text(wrapped(f"{name}: {told}", options.max_width, hang=4))


def _rows(table: Table) -> Iterator[tuple[str, ...]]:
    """The cells of each row."""
    for row in zip(*(column.cells for column in table.columns), strict=True):
        yield tuple(map(str, row))


def _turned(table: Table) -> Table:
    """The table with its columns as rows."""
    first, *others = table.columns
    turned = Table(title=table.title, title_justify="left", box=None, pad_edge=False)
    turned.add_column(first.header)
    for name in first.cells:
        turned.add_column(str(name), justify="right", no_wrap=True)
    for column in others:
        turned.add_row(Text(str(column.header)), *(Text(str(cell)) for cell in column.cells))
    return turned


def score_line(score: Score, spelt: bool = False) -> str:
    """The score in one line; `spelt` if characters were counted."""
    rate, _, tokens = rate_names(spelt)
    return (
        f"{rate} {percent(score.wer)}  (S {score.substitutions}, D {score.deletions}, I {score.insertions}; "
        f"{score.ref_tokens} {tokens} in {len(score.utterances)} utterances)"
    )


def score_header(spelt: bool) -> tuple[str, ...]:
    """The heads of the columns after the name; `spelt` if characters were counted."""
    rate, _, tokens = rate_names(spelt)
    return ("utterances", tokens, "hits", "S", "D", "I", "errors", rate)


def score_rows(score: Score, groups: Mapping[str, Score] | None = None) -> list[tuple[str, ...]]:
    """The names and what stands under `score_header`: a row per group, then that of all; names are safe to show."""
    rows = [_row(visible(name) or _UNKNOWN, group) for name, group in (groups or {}).items()]
    return [*rows, _row("all", score)]


def score_table(
    score: Score,
    groups: Mapping[str, Score] | None = None,
    title: str = "",
    group: str = "signer",
    spelt: bool = False,
) -> ResponsiveTable:
    """A table of the score, split by `groups` (what `by_group` gives); `group` heads the names.

    `spelt` if characters were counted.
    """
    table = Table(title=Text(title) if title else None, title_justify="left", show_footer=False)
    table.add_column(group if groups else "", overflow="fold")
    for name in score_header(spelt):
        table.add_column(name, justify="right", no_wrap=True)
    rows = score_rows(score, groups)
    for index, row in enumerate(rows):
        last = index == len(rows) - 1
        table.add_row(*map(Text, row), style="bold" if last else "", end_section=index == len(rows) - 2)
    return ResponsiveTable(table)


def score_text(
    score: Score, groups: Mapping[str, Score] | None = None, group: str = "signer", spelt: bool = False
) -> str:
    """The same table as plain text, columns padded with spaces."""
    rows = [(group if groups else "", *score_header(spelt)), *score_rows(score, groups)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_padded(row, widths) for row in rows)


def worst_view(
    score: Score, count: int, signer_of: Mapping[str, str] | None = None, spelt: bool = False
) -> RenderableType:
    """The alignments of the `count` utterances with the most errors, a blank line between them."""
    parts: list[RenderableType] = []
    for utterance in score.worst(count):
        if parts:
            parts.append(Text())
        parts.append(utterance_view(utterance, (signer_of or {}).get(utterance.id, ""), spelt))
    return Group(*parts)


def calibration_text(rows: Sequence[tuple[float, float, int, float, float]]) -> str:
    """Confidence against hits, one line per class, and the expected calibration error."""
    lines = [
        f"  {low:.1f} to {high:.1f}: {count} glosses, sure {100 * sure:.1f} %, right {100 * right:.1f} %"
        for low, high, count, sure, right in rows
    ]
    return "\n".join(["confidences:", *lines, f"  calibration error {calibration_error(rows):.2f} points"])


def _row(name: str, score: Score) -> tuple[str, ...]:
    numbers = (score.ref_tokens, score.hits, score.substitutions, score.deletions, score.insertions, score.errors)
    return name, str(len(score.utterances)), *map(str, numbers), percent(score.wer)


def _padded(row: Sequence[str], widths: Sequence[int]) -> str:
    """The first column to the left, the numbers to the right."""
    name, *numbers = row
    cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
    return "  ".join([name + " " * (widths[0] - cell_len(name)), *cells])
