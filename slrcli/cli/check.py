"""`slr check`: find what breaks training before it costs a night."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.common import Annotations, DataDir, Features, Format, Json, LayoutName, command, option, overrides
from slrcli.config import SIZE_BUDGET_MB, Config, merge
from slrcli.console import Console
from slrcli.doctor.run import Examination
from slrcli.errors import EXIT_FAILURE, EXIT_OK

app = typer.Typer(
    help="Find what breaks training before it costs a night. Exit code 1 if there is an error.", no_args_is_help=True
)

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME|CHECKPOINT",
        help="Architecture, checkpoint or folder of a run; without it the newest run, else the default architecture.",
        show_default=False,
    ),
]
VocabSize = Annotated[
    int | None,
    typer.Option("--vocab-size", min=2, help="Classes of an architecture, the blank included.", show_default="101"),
]
ModelLayout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        help="Features of an architecture: a shipped layout, generic-N, or a TOML file.",
        show_default="mediapipe-1629",
    ),
]
Budget = Annotated[float, typer.Option("--budget", min=0.0, help="Megabytes that the weights may take.")]
Seed = Annotated[int, option("run.seed", "--seed")]
VocabFile = Annotated[Path | None, option("data.vocab", "--vocab")]
Full = Annotated[bool, typer.Option("--full", help="Read all feature files, however many; else a seeded sample.")]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=0, help="Processes that read features.", show_default="one a core")
]
Stride = Annotated[
    int,
    typer.Option(
        "--stride",
        min=0,
        help="Frames that your recogniser takes for one output: clips too short for it are errors.",
        show_default="1, and warnings up to 4",
    ),
]
Independent = Annotated[
    bool, typer.Option("--signer-independent", help="Nobody may sign both in train and in another split.")
]
NormaliserName = Annotated[str | None, option("data.normaliser", "--normaliser")]


def model(
    console: Console,
    target: Target = None,
    vocab_size: VocabSize = None,
    layout: ModelLayout = None,
    budget: Budget = SIZE_BUDGET_MB,
    seed: Seed = Config().run.seed,
    as_json: Json = False,
) -> int:
    """Shapes, lengths, time, gradients, padding and size of a model.

    Example: slr check model mobilenetv3 --vocab-size 1232 --layout mediapipe-6516
    """
    from slrcli.workflows.check import check_model

    return show(console, check_model(console, target, vocab_size, layout, seed, budget))


def data(
    console: Console,
    data_dir: DataDir,
    format: Format = None,
    annotations: Annotations = None,
    features: Features = None,
    layout: LayoutName = None,
    vocab: VocabFile = None,
    normaliser: NormaliserName = None,
    full: Full = False,
    jobs: Jobs = 0,
    stride: Stride = 0,
    independent: Independent = False,
    seed: Seed = Config().run.seed,
    as_json: Json = False,
) -> int:
    """Annotations and feature files of a corpus, and whether they go together.

    Example: slr check data --data-dir corpus --vocab vocab.json
    """
    from slrcli.report.histograms import draw
    from slrcli.workflows.check import check_data

    given = overrides(
        data__data_dir=data_dir,
        data__format=format,
        data__annotations=annotations,
        data__features=features,
        data__layout=layout,
        data__vocab=vocab,
        data__normaliser=normaliser,
    )
    settled = merge(Config(), given, "command line").data
    found = check_data(console, settled, seed, full, jobs, stride, independent)
    code = show(console, found)
    if not console.as_json and not console.quiet:
        for line in draw(found.distributions, console.can_show):
            console.result(line)
    return code


def show(console: Console, examination: Examination) -> int:
    """Hand an examination to the console; the exit code."""
    if console.as_json:
        console.json(examination.as_dict())
    else:
        console.heading(examination.subject)
        console.findings(examination.findings)
        for code, because in examination.skipped:
            console.note(f"{code} was left out: it means nothing before {because} passes.")
        console.note(f"{len(examination.checks)} checks ran.")
    return EXIT_OK if examination.passed else EXIT_FAILURE


app.command("model")(command(model))
app.command("data")(command(data))
