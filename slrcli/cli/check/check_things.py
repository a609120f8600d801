"""`slr check vocab`, `slr check checkpoint` and `slr check env`."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.check.check_common import Only, Skip, Strict, chosen, show
from slrcli.cli.options.common import (
    Annotations,
    Features,
    Format,
    Json,
    NormaliserName,
    OptionalDataDir,
    data_of,
    option,
)
from slrcli.config import Config
from slrcli.console import Console

VocabFile = Annotated[Path, typer.Argument(metavar="FILE", help="A vocabulary: vocab.json, or a gloss_dict.npy.")]
Checkpoint = Annotated[
    Path | None,
    typer.Argument(
        metavar="PATH", help="Checkpoint or folder of a run; without it the newest run.", show_default=False
    ),
]
RunsFolder = Annotated[
    Path | None, typer.Option("--output-dir", "-o", help="Where runs go, if not below this folder.", show_default=False)
]
Markdown = Annotated[bool, typer.Option("--markdown", help="As a table for a report of a defect.")]


def vocab(
    console: Console,
    file: VocabFile,
    data_dir: OptionalDataDir = None,
    format: Format = None,
    annotations: Annotations = None,
    normaliser: NormaliserName = None,
    only: Only = None,
    skip: Skip = None,
    strict: Strict = False,
    as_json: Json = False,
) -> int:
    """A vocabulary file, and with a corpus the glosses that it lacks in every split.

    Example: slr check vocab vocab.json --data-dir corpus
    """
    from slrcli.doctor.check_things import check_vocab

    settled = data_of(data_dir=data_dir, format=format, annotations=annotations, normaliser=normaliser)
    return show(console, check_vocab(file, settled, chosen(only, skip, strict)))


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
    as_json: Json = False,
) -> int:
    """A checkpoint: whole, sound, able to decode, and of one piece with its run.

    With a corpus, also whether it reads the signs of dev or says sentences that it knows by heart.

    Example: slr check checkpoint runs/latest

    Example: slr check checkpoint runs/latest --data-dir DIR
    """
    from slrcli.doctor.check_things import check_checkpoint

    data = data_of(data_dir=data_dir, format=format, annotations=annotations, features=features) if data_dir else None
    return show(console, check_checkpoint(path, seed, chosen(only, skip, strict), data, console))


def env(
    console: Console,
    markdown: Markdown = False,
    output_dir: RunsFolder = None,
    only: Only = None,
    skip: Skip = None,
    strict: Strict = False,
    as_json: Json = False,
) -> int:
    """Versions, device, threads, memory, disk and terminal of this machine.

    Example: slr check env --markdown
    """
    from slrcli.doctor.check_things import check_env
    from slrcli.doctor.machine.environment import facts
    from slrcli.errors import EXIT_FAILURE, EXIT_OK
    from slrcli.report.text.environment import as_markdown

    examination, context = check_env(output_dir, chosen(only, skip, strict))
    if as_json:
        console.json({**examination.as_dict(), "facts": facts(context)})
    elif markdown:
        console.result(as_markdown(facts(context), examination.findings))
    else:
        return show(console, examination)
    return EXIT_OK if examination.passed else EXIT_FAILURE
