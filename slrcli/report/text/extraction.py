"""What was seen in extracted clips, as a table."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from slrcli.console import visible
from slrcli.report.text.tables import ResponsiveTable

MOST_ROWS = 20
PARTS = {"pose": "body", "left_hand": "left hand", "right_hand": "right hand", "face": "face"}


def extraction_table(entries: Sequence[dict[str, Any]]) -> ResponsiveTable:
    """Clips with their frames and how often each part was seen: all of them, or those where hands were seen least.

    Args:
        entries: lines of a manifest, at least one.
    """
    rows = sorted(entries, key=lambda entry: entry["target"])
    title = None
    if len(rows) > MOST_ROWS:
        rows = sorted(rows, key=lambda entry: max(entry["seen"]["left_hand"], entry["seen"]["right_hand"]))[:MOST_ROWS]
        title = f"The {MOST_ROWS} of {len(entries)} clips in which hands were seen least"
    table = Table("clip", title=title, title_justify="left")
    for head in ("frames", "frames/s", "size", *PARTS.values()):
        table.add_column(head, justify="right")
    for entry in rows:
        table.add_row(*_cells(entry))
    if len(entries) > 1:
        table.add_section()
        table.add_row(*_total(entries))
    return ResponsiveTable(table)


def _cells(entry: dict[str, Any]) -> list[Text | str]:
    turned = " turned" if entry["rotation"] else ""
    size = "{}x{}".format(*entry["size"]) + turned
    name = visible(entry["target"].removesuffix(".npz"), keep="")
    shares = (f"{entry['seen'][part]:.0%}" for part in PARTS)
    return [Text(name), f"{entry['frames']:,}", f"{entry['fps']:.4g}", size, *shares]


def _total(entries: Sequence[dict[str, Any]]) -> list[str]:
    """All clips together; shares are of all their frames."""
    looked_at = sum(entry["frames_looked_at"] for entry in entries)
    shares = (
        f"{sum(entry['seen'][part] * entry['frames_looked_at'] for entry in entries) / looked_at:.0%}" for part in PARTS
    )
    return [f"{len(entries)} clips", f"{sum(entry['frames'] for entry in entries):,}", "", "", *shares]
