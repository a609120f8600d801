"""How an exported model compares with its checkpoint, as a table."""

from collections.abc import Sequence
from typing import Protocol

from rich.box import SIMPLE
from rich.table import Table

from slrcli.report.text.alignment import percent
from slrcli.report.text.tables import ResponsiveTable


class Form(Protocol):
    """One form of a model beside torch's: what `slrcli.evaluation.parity` measures."""

    @property
    def weights(self) -> str: ...

    @property
    def megabytes(self) -> float: ...

    @property
    def difference(self) -> float: ...

    @property
    def dev_difference(self) -> float | None: ...

    @property
    def wer(self) -> float | None: ...

    @property
    def milliseconds(self) -> float | None: ...


def parity_table(rows: Sequence[Form]) -> ResponsiveTable:
    """One row per form of the model, torch's first."""
    on_dev = rows[0].wer is not None
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("weights", no_wrap=True)
    for name in ("MB", "off, made up", *(("off, dev", "WER dev", "ms per clip") if on_dev else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [row.weights, f"{row.megabytes:.2f}", f"{row.difference:.1g}"]
        if row.wer is not None:
            cells += [f"{row.dev_difference:.1g}", percent(row.wer), f"{row.milliseconds:.1f}"]
        table.add_row(*cells)
    return ResponsiveTable(table)
