"""`slr layout`: the layouts that come along, and a check of the user's own."""

from typing import TYPE_CHECKING, Annotated

import typer

from slrcli.cli.options.common import Json, completion, option
from slrcli.config.names import LAYOUTS
from slrcli.console import Console, visible
from slrcli.errors import EXIT_OK

if TYPE_CHECKING:
    from slrcli.features.layout import Layout
    from slrcli.features.layout.layout import Group

NAME = "A layout's name, or a TOML file to check. Without it, all are listed."


def layout(
    console: Console,
    *,
    name: Annotated[str | None, typer.Argument(help=NAME, autocompletion=completion(LAYOUTS))] = None,
    points: Annotated[bool, option("layout.points")],
    as_json: Json,
) -> int:
    """List the shipped layouts of points, show one, or check your own.

    A layout says which column of a feature array is which coordinate of which point, on what each group is centred,
    which points swap in a mirror, and which lines are drawn.

    Examples:
        slr layout
        slr layout mediapipe-258
        slr layout openpose-137 --points
        slr layout my.toml
    """
    from slrcli.features.layout import list_layouts, load_layout

    if name is None:
        found = [load_layout(known) for known in list_layouts()[:-1]]
        if as_json:
            console.json([_summary(item) for item in found])
        else:
            _list(console, found)
        return EXIT_OK
    shown = load_layout(name)
    remarks = _remarks(shown)
    if as_json:
        console.json({**_summary(shown), "remarks": remarks, "definition": shown.to_dict()})
        return EXIT_OK
    _show(console, shown)
    if points:
        _show_points(console, shown)
    for remark in remarks:
        console.note(remark)
    return EXIT_OK


def _summary(layout: "Layout") -> dict:
    """What is said of a layout, as plain values."""
    return {
        "name": layout.name,
        "points": len(layout.point_names),
        "width": layout.width,
        "units": layout.units,
        "zero_is_missing": layout.zero_is_missing,
        "stored_derivatives": layout.stored_derivatives,
        "groups": {group.name: len(group.points) for group in layout.groups},
        "description": layout.description,
    }


def _list(console: Console, layouts: "list[Layout]") -> None:
    from rich.table import Table

    table = Table("layout", "points", "D", "units", "groups", box=None, pad_edge=False)
    for column in table.columns[1:3]:
        column.justify = "right"
    for item in layouts:
        groups = ", ".join(f"{group.name} {len(group.points)}" for group in item.groups)
        derivatives = f", {item.stored_derivatives} derivatives" if item.stored_derivatives else ""
        table.add_row(item.name, f"{len(item.point_names):,}", f"{item.width:,}", item.units, groups + derivatives)
    console.result(table)
    console.result()
    console.result("generic-N is a layout of N features of unknown meaning. slr layout NAME shows one.")


def _show(console: Console, layout: "Layout") -> None:
    from rich.table import Table
    from rich.text import Text

    stored = f", {layout.stored_derivatives} derivatives of {layout.positions:,}" if layout.stored_derivatives else ""
    console.result(f"{layout.name}: {layout.description or 'no description'}")
    console.result(f"Points      {len(layout.point_names):,}")
    console.result(f"Columns     {layout.width:,}{stored}")
    console.result(f"Units       {layout.units}{', turned to the front' if layout.turn else ''}")
    console.result(f"Missing     {'NaN, or all coordinates zero' if layout.zero_is_missing else 'NaN'}")
    console.result(f"Shoulders   {', '.join(layout.shoulders) or 'none'}")
    console.result(f"Mirror      {len(layout.mirror)} pairs")
    console.result(f"Limbs       {len(layout.limbs)}")
    if layout.fps:
        console.result(f"Frames/s    {layout.fps:g}")
    table = Table("group", "kind", "points", "coordinates", "columns", "centred on", "used", box=None, pad_edge=False)
    for group in layout.groups:
        cells = (group.name, group.kind, str(len(group.points)), ", ".join(group.coordinates),
                 f"{group.start}-{group.stop - 1}", ", ".join(group.anchor) or "-",
                 str(len(group.keep)) if group.keep else "all")  # fmt: skip
        table.add_row(*(Text(visible(cell)) for cell in cells))
    console.result()
    console.result(table)


def _show_points(console: Console, layout: "Layout") -> None:
    """A line a point: its number, its name, its columns."""
    number = 0
    console.result()
    for group in layout.groups:
        for point in group.points:
            console.result(f"{number}\t{group.name}.{point}\t{_columns(group, point)}")
            number += 1


def _columns(group: "Group", point: str) -> str:
    return "\t".join(f"{coordinate} {group.column(point, coordinate)}" for coordinate in group.coordinates)


def _remarks(layout: "Layout") -> list[str]:
    """What a layout leaves out that would do a recogniser good."""
    remarks = []
    if layout.spatial and not layout.shoulders:
        remarks.append("No shoulders: the body is scaled by the spread of its points, which is less sure.")
    for group in layout.groups:
        if group.spatial and not group.anchor:
            remarks.append(f"Group {group.name} has no anchor: it is centred where the body is.")
        if group.kind == "face" and not group.keep and len(group.points) > 100:
            remarks.append(f"Group {group.name} has no keep: all its {len(group.points)} points go into the network.")
    if layout.spatial and not layout.mirror:
        remarks.append("No mirror: clips cannot be mirrored to vary them.")
    if layout.spatial and not layout.limbs:
        remarks.append("No limbs: pictures show points without lines.")
    return remarks
