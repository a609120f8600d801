"""Runs side by side, with the settings in which they differ."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from slrcli.console import visible
from slrcli.report.text.alignment import percent
from slrcli.report.text.epochs import clock
from slrcli.report.text.tables import ResponsiveTable


class Row(Protocol):
    """One run; see `slrcli.training.watch.runs.RunRow`."""

    @property
    def name(self) -> str: ...

    @property
    def wer(self) -> float | None: ...

    @property
    def epoch(self) -> int: ...

    @property
    def epochs(self) -> int: ...

    @property
    def planned(self) -> int: ...

    @property
    def seconds(self) -> float: ...

    @property
    def data(self) -> str: ...

    @property
    def settings(self) -> Mapping[str, Any]: ...

    @property
    def problem(self) -> str: ...


WIDEST_NAME = 32  # cells of a run's name; a longer one is continued below
WIDEST_VALUE = 14


def runs_table(
    rows: Sequence[Row], differing: Sequence[str], hashes: bool, width: int
) -> tuple[ResponsiveTable, list[str]]:
    """One row per run, and the settings for which there was no room.

    Args:
        differing: names of the settings to show, the most interesting first.
        hashes: whether to show what tells corpora apart.
        width: of the terminal, in cells.
    """
    columns = [
        ("dev WER", [_rate(row) for row in rows]),
        ("at", [str(row.epoch or "") for row in rows]),
        ("epochs", [f"{row.epochs}/{row.planned}" for row in rows]),
        ("time", [clock(row.seconds) for row in rows]),
    ]
    columns += [("data", [row.data for row in rows])] if hashes else []
    settings = [(short(name), [_value(row.settings.get(name)) for row in rows]) for name in differing]
    names = [visible(row.name) for row in rows]
    room = width - 4 - min(max(map(cell_len, names)), WIDEST_NAME) - sum(map(_wide, columns))
    shown = 0
    for column in settings:
        room -= _wide(column)
        if room < 0:
            break
        shown += 1
    columns += settings[:shown]
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("run", overflow="fold", max_width=WIDEST_NAME)
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for number, row in enumerate(rows):
        cells = ["damaged"] if row.problem else [cells[number] for _, cells in columns]
        table.add_row(Text(names[number]), *map(Text, cells))
    return ResponsiveTable(table), list(differing[shown:])


def _wide(column: tuple[str, list[str]]) -> int:
    """Cells that a column takes, with what parts it from the next one."""
    name, cells = column
    return max(map(cell_len, (name, *cells))) + 2


def _rate(row: Row) -> str:
    return "" if row.wer is None else percent(row.wer)


def short(setting: str) -> str:
    """A setting without the section that it is in."""
    return setting.rpartition(".")[2]


def _value(value: Any) -> str:
    """A value as text; of a long one, such as a path, the end."""
    if value is None:
        return ""
    if isinstance(value, list):
        return _value(" ".join(map(_value, value)))
    text = visible(f"{value:g}" if isinstance(value, float) else value)
    return text if cell_len(text) <= WIDEST_VALUE else f"...{text[3 - WIDEST_VALUE :]}"
