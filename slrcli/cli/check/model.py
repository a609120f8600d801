"""`slr check model`: an architecture, a checkpoint or a model of the user's own."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from slrcli.cli.check.common import Only, Skip, Strict, Verbose, Wanted, check
from slrcli.cli.options.common import Json, option
from slrcli.config import SIZE_BUDGET_MB, Config
from slrcli.console import Console

Name = Annotated[
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
Profile = Annotated[bool, typer.Option("--profile", help="Show how much temporal variance every layer keeps.")]


def model(
    console: Console,
    name: Name = None,
    vocab_size: VocabSize = None,
    layout: ModelLayout = None,
    budget: Budget = SIZE_BUDGET_MB,
    profile: Profile = False,
    seed: Annotated[int, option("run.seed", "--seed")] = Config().run.seed,
    only: Only = None,
    skip: Skip = None,
    strict: Strict = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> int:
    """Shapes, lengths, time, gradients, padding, precision, size and speed of a model.

    Example: slr check model mobilenetv3 --vocab-size 1232 --layout mediapipe-6516
    """
    from slrcli.doctor.model.target import ModelTarget
    from slrcli.report.text.profile import profile_table

    def drawn(examination) -> Iterator[Any]:
        layers = examination.context.results().get("profile")
        if profile and layers:
            yield profile_table(layers)
        elif profile:
            console.warn("There is no profile: the checks that measure the layers did not run.")

    target = ModelTarget(name, vocab_size, layout, seed, budget)
    return check(console, target, Wanted(only, skip, strict, verbose), drawn)
