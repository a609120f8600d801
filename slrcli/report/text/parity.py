"""How an exported model compares with its checkpoint, as a table."""

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from slrcli.report.text.alignment import percent
from slrcli.report.text.tables import ResponsiveTable


def parity_table(rows: Sequence) -> ResponsiveTable:
    """One row a form of the model.

    Args:
        rows: `slrcli.evaluation.parity.Parity`, torch's first.
    """
    on_dev = rows[0].wer is not None
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("weights", no_wrap=True)
    for name in ("MB", "off, made up", *(("off, dev", "WER dev", "ms a clip") if on_dev else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [row.weights, f"{row.megabytes:.2f}", f"{row.difference:.1g}"]
        if on_dev:
            cells += [f"{row.dev_difference:.1g}", percent(row.wer), f"{row.milliseconds:.1f}"]
        table.add_row(*cells)
    return ResponsiveTable(table)
