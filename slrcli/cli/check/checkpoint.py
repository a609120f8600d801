"""`slr check checkpoint`: a checkpoint and its run, alone or with a corpus."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.check.common import Only, Skip, Strict, Verbose, Wanted, check
from slrcli.cli.options.common import Annotations, Features, Format, Json, OptionalDataDir, data_of, option
from slrcli.config import Config
from slrcli.console import Console

Checkpoint = Annotated[
    Path | None,
    typer.Argument(
        metavar="PATH", help="Checkpoint or folder of a run; without it the newest run.", show_default=False
    ),
]


def checkpoint(
    console: Console,
    path: Checkpoint = None,
    data_dir: OptionalDataDir = None,
    format: Format = None,
    annotations: Annotations = None,
    features: Features = None,
    seed: Annotated[int, option("run.seed", "--seed")] = Config().run.seed,
    only: Only = None,
    skip: Skip = None,
    strict: Strict = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> int:
    """A checkpoint: whole, sound, able to decode, and consistent with its run.

    With a corpus, also whether it reads the signs of dev or recites memorised sentences.

    Example: slr check checkpoint runs/latest

    Example: slr check checkpoint runs/latest --data-dir DIR
    """
    from slrcli.doctor.checkpoint.target import CheckpointTarget

    data = data_of(data_dir=data_dir, format=format, annotations=annotations, features=features) if data_dir else None
    return check(console, CheckpointTarget(path, seed, data), Wanted(only, skip, strict, verbose))
