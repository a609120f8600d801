"""`slr check checkpoint`: a checkpoint and its run, alone or with a corpus."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.check.common import Wanted, check
from slrcli.cli.options.common import Json, OptionalRecognisedCorpus, OwnNetwork, data_of, option
from slrcli.config import Config
from slrcli.console import Console
from slrcli.models.trust import allow

Checkpoint = Annotated[
    Path | None,
    typer.Argument(
        metavar="PATH", help="Checkpoint or folder of a run; without it the newest run.", show_default=False
    ),
]


def checkpoint(
    console: Console,
    *,
    path: Checkpoint = None,
    arch: OwnNetwork,
    corpus: OptionalRecognisedCorpus,
    seed: Annotated[int, option("run.seed", panel="")] = Config().run.seed,
    wanted: Wanted,
    as_json: Json,
) -> int:
    """Check a checkpoint: complete, sound, able to decode, and consistent with its run.

    With a corpus, also whether it recognises the signs of dev or repeats memorised sentences.

    Examples:
        slr check checkpoint runs/latest
        slr check checkpoint runs/latest --data-dir DIR
    """
    from slrcli.doctor.checkpoint.target import CheckpointTarget

    allow(arch)
    data = data_of(**corpus) if corpus["data_dir"] else None
    return check(console, CheckpointTarget(path, seed, data), wanted)
