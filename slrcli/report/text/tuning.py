"""What settings of a decoder leave of errors, as a table."""

from collections.abc import Sequence
from typing import Protocol

from rich.box import SIMPLE
from rich.table import Table

from slrcli.config import DecodeConfig
from slrcli.report.text.alignment import percent
from slrcli.report.text.tables import ResponsiveTable
from slrcli.scoring.wer import Score


class Tried(Protocol):
    """Settings of a decoder, and what they leave of errors."""

    @property
    def options(self) -> DecodeConfig: ...

    @property
    def score(self) -> Score: ...


class Tuned(Protocol):
    """All that was tried, in order, and what was chosen of it."""

    @property
    def tried(self) -> Sequence[Tried]: ...

    @property
    def best(self) -> Tried: ...


def tuned_table(found: Tuned) -> ResponsiveTable:
    """One row for all settings that were tried, in order; the chosen one is marked."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("beam", "lm weight", "bonus", "errors", "WER", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for item in found.tried:
        options = item.options
        beam = str(options.width) if options.width else "best path"
        numbers = (f"{options.lm_weight if options.lm else 0:g}", f"{options.insertion_bonus:g}")
        cells = [beam, *(numbers if options.width else ("", "")), str(item.score.errors), percent(item.score.wer)]
        table.add_row(*cells, "chosen" if item is found.best else "")
    return ResponsiveTable(table)
