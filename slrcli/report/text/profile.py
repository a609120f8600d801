"""How much temporal variance every layer of a model keeps, as a table for people."""

from collections.abc import Sequence
from typing import Protocol

from rich.table import Table
from rich.text import Text

from slrcli.report.text.alignment import visible
from slrcli.report.text.tables import ResponsiveTable

HEADER = ("layer", "kind", "steps", "time : clips", "rank", "near : far")


class Profiled(Protocol):
    """A layer as `slr check model` measures it."""

    name: str
    kind: str
    steps: int
    variation: float
    rank: float
    near: float
    far: float
    contrast: float


def profile_table(layers: Sequence[Profiled]) -> ResponsiveTable:
    """One row per layer with an axis of time, in the order in which data pass them."""
    title = "Temporal variance per layer (variance over time : over clips, effective rank, near : far from a change)"
    table = Table(title=Text(title), title_justify="left")
    for number, name in enumerate(HEADER):
        numeric = number > 1
        table.add_column(name, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for layer in layers:
        far = f"{layer.contrast:.3g}" if layer.far or not layer.near else "all near"
        cells = (
            visible(layer.name) or "(output)",
            visible(layer.kind),
            f"{layer.steps:,}",
            f"{layer.variation:.3g}",
            f"{layer.rank:.3g}",
            far,
        )
        table.add_row(*map(Text, cells))
    return ResponsiveTable(table)
