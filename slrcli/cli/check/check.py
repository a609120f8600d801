"""`slr check`: find what breaks training before it costs a night."""

from typing import Annotated

import typer

from slrcli.cli.check import check_all, check_overfit, check_things
from slrcli.cli.check.check_common import Only, Skip, Strict, chosen, show
from slrcli.cli.options.common import (
    Annotations,
    DataDir,
    Features,
    Format,
    Json,
    LayoutName,
    NormaliserName,
    VocabFile,
    command,
    data_of,
    option,
)
from slrcli.config import SIZE_BUDGET_MB, Config
from slrcli.console import Console

app = typer.Typer(help="Find what breaks training before it costs a night. Exit code 1 if there is an error.")

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME|CHECKPOINT|MODULE:FACTORY",
        help="Architecture, checkpoint, folder of a run, or a factory of your own (called with those of the keywords "
        "layout, width and vocab_size that it takes); without it the newest run, else the default architecture.",
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
Profile = Annotated[bool, typer.Option("--profile", help="Show what every layer holds of time.")]
Seed = Annotated[int, option("run.seed", "--seed")]
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


def model(
    console: Console,
    target: Target = None,
    vocab_size: VocabSize = None,
    layout: ModelLayout = None,
    budget: Budget = SIZE_BUDGET_MB,
    profile: Profile = False,
    seed: Seed = Config().run.seed,
    only: Only = None,
    skip: Skip = None,
    strict: Strict = False,
    as_json: Json = False,
) -> int:
    """Shapes, lengths, time, gradients, padding, precision, size and speed of a model.

    Example: slr check model mobilenetv3 --vocab-size 1232 --layout mediapipe-6516
    """
    from slrcli.doctor.check import check_model
    from slrcli.report.text.profile import profile_table

    examination = check_model(console, target, vocab_size, layout, seed, budget, chosen(only, skip, strict))
    code = show(console, examination)
    layers = examination.measured.get("profile")
    if profile and layers and not as_json:
        console.result(profile_table(layers))
    elif profile and not layers:
        console.warn("There is no profile: the checks that measure the layers did not run.")
    return code


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
    only: Only = None,
    skip: Skip = None,
    strict: Strict = False,
    as_json: Json = False,
) -> int:
    """Annotations and feature files of a corpus, and whether they go together.

    Example: slr check data --data-dir corpus --vocab vocab.json
    """
    from slrcli.doctor.check import check_data
    from slrcli.report.text.histograms import draw

    settled = data_of(
        data_dir=data_dir,
        format=format,
        annotations=annotations,
        features=features,
        layout=layout,
        vocab=vocab,
        normaliser=normaliser,
    )
    choice = chosen(only, skip, strict)
    found = check_data(console, settled, seed, choice, full, jobs, stride, independent)
    code = show(console, found)
    if not console.as_json and not console.quiet:
        for line in draw(found.distributions, console.can_show):
            console.result(line)
    return code


app.command("model")(command(model))
app.command("data")(command(data))
app.command("vocab")(command(check_things.vocab))
app.command("checkpoint")(command(check_things.checkpoint))
app.command("env")(command(check_things.env))
app.command("overfit")(command(check_overfit.overfit))
app.callback(invoke_without_command=True)(check_all.unless_named(command(check_all.everything)))
