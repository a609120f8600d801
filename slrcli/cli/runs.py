"""`slr runs`: the runs below a folder side by side."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.options.common import Json, option
from slrcli.config import RUNS
from slrcli.console import Console, visible

Folder = Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Folder that contains runs.", show_default=False)]


def runs(
    console: Console,
    *,
    folder: Folder = RUNS,
    sort: Annotated[str, option("runs.sort")],
    as_json: Json,
) -> int:
    """List the runs below a folder with their WER on dev and the settings that differ.

    The best is first. WERs of runs on different annotations cannot be compared; a column tells these apart.

    Examples:
        slr runs
        slr runs experiments --sort time
        slr runs --json
    """
    from slrcli.errors import first_five
    from slrcli.report.text.runs import runs_table
    from slrcli.training.watch.runs import find_runs

    found = find_runs(folder, sort)
    if as_json:
        console.json(found.to_dict())
        return 0
    table, left = runs_table(found.rows, found.differing, not found.comparable, console.width)
    console.result(table)
    for row in found.rows:
        if row.problem:
            console.warn(f"{visible(row.name)} cannot be read: {row.problem}")
    if left:
        console.note(f"There is no room for {len(left)} more settings that differ: {first_five(left)} See --json.")
    if not found.comparable:
        console.note("The runs learnt from different annotations (column data), so their WERs cannot be compared.")
    return 0
