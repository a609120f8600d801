"""What every layer of a model holds of time, as a table for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from slrcli.report.text.alignment import visible

HEADER = ("layer", "kind", "steps", "time : clips", "rank", "near : far")


def profile_table(layers: Sequence[Mapping[str, Any]]) -> Table:
    """One row a layer that has an axis of time, in the order in which data pass them.

    Args:
        layers: what `slrcli.doctor.model.layers.Layer.as_dict` gives.
    """
    title = "What each layer holds of time (variance over time : over clips, effective rank, near : far from a change)"
    table = Table(title=Text(title), title_justify="left")
    for number, name in enumerate(HEADER):
        numeric = number > 1
        table.add_column(name, justify="right" if numeric else "left", no_wrap=numeric, overflow="fold")
    for layer in layers:
        far = f"{layer['contrast']:.3g}" if layer["far"] or not layer["near"] else "all near"
        cells = (
            visible(layer["layer"]) or "(output)",
            visible(layer["kind"]),
            f"{layer['steps']:,}",
            f"{layer['variation']:.3g}",
            f"{layer['rank']:.3g}",
            far,
        )
        table.add_row(*map(Text, cells))
    return table
