"""`slr check model`: an architecture, a checkpoint or a model of the user's own."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from slrcli.cli.check.common import Wanted, check
from slrcli.cli.options.common import Json, option
from slrcli.config import Config
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


def model(
    console: Console,
    *,
    name: Name = None,
    vocab_size: Annotated[int | None, option("check.vocab_size")],
    layout: Annotated[str | None, option("check.layout")],
    budget: Annotated[float, option("check.budget")],
    profile: Annotated[bool, option("check.profile")],
    seed: Annotated[int, option("run.seed", panel="")] = Config().run.seed,
    wanted: Wanted,
    as_json: Json,
) -> int:
    """Check shapes, lengths, time, gradients, padding, precision, size and speed of a model.

    Examples:
        slr check model mobilenetv3 --vocab-size 1232 --layout mediapipe-6516
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
    return check(console, target, wanted, drawn)
