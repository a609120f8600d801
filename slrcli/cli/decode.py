"""`slr decode`: the glosses of feature files."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.common import Device, Json
from slrcli.config import Config
from slrcli.console import Console
from slrcli.errors import EXIT_FAILURE, EXIT_OK


def decode(
    console: Console,
    files: Annotated[list[Path], typer.Argument(help="Feature files (.npy, .npz, .pose, ...) or folders of them.")],
    model: Annotated[
        Path | None,
        typer.Option("--model", "-m", help="Checkpoint or run; without it the newest run.", show_default=False),
    ] = None,
    device: Device = None,
    as_json: Json = False,
) -> int:
    """Write the glosses of clips: one line each, the file and its glosses parted by a tab (one file: no name).

    Example: slr decode clip.npy

    Example: slr decode features/test --model runs/latest --json
    """
    from slrcli.workflows.decode import decode as run

    results = []
    for item in run(console, files, model, device or Config().run.device):
        results.append(item)
        if item.error is not None:
            console.error(item.error)
        elif not as_json:
            glosses = " ".join(item.hypothesis.glosses)
            console.result(glosses if len(files) == 1 and not files[0].is_dir() else f"{item.path}\t{glosses}")
    if as_json:
        console.json([item.to_dict() for item in results])
    failed = sum(item.error is not None for item in results)
    if failed:
        console.warn(f"{failed} of {len(results)} files could not be decoded.")
    return EXIT_FAILURE if failed else EXIT_OK
