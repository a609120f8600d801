"""`slr check`: find what breaks training before it costs a night."""

from typing import Annotated

import typer

from slrcli.cli.check import check_all, check_overfit, check_things
from slrcli.cli.check.check_common import Only, Skip, Strict, chosen, show
from slrcli.cli.options.common import Corpus, Json, NormaliserName, VocabFile, command, data_of, option
from slrcli.cli.options.helping import HelpingCommand, HelpingGroup
from slrcli.config import Config
from slrcli.console import Console

app = typer.Typer(
    cls=HelpingGroup,
    add_completion=False,
    help="Find what breaks training before it costs a night. Exit code 1 if there is an error.",
)

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME|CHECKPOINT|MODULE:FACTORY",
        help="Architecture, checkpoint, folder of a run, or a factory of your own (called with those of the keywords "
        "layout, width and vocab_size that it takes); without it the newest run, else the default architecture.",
        show_default=False,
    ),
]
Seed = Annotated[int, option("run.seed", panel="")]


def model(
    console: Console,
    *,
    target: Target = None,
    vocab_size: Annotated[int | None, option("check.vocab_size")],
    layout: Annotated[str | None, option("check.layout")],
    budget: Annotated[float, option("check.budget")],
    profile: Annotated[bool, option("check.profile")],
    seed: Seed = Config().run.seed,
    only: Only,
    skip: Skip,
    strict: Strict,
    as_json: Json,
) -> int:
    """Check shapes, lengths, time, gradients, padding, precision, size and speed of a model.

    Examples:
        slr check model mobilenetv3 --vocab-size 1232 --layout mediapipe-6516
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
    *,
    corpus: Corpus,
    vocab: VocabFile,
    normaliser: NormaliserName,
    full: Annotated[bool, option("check.full")],
    jobs: Annotated[int, option("check.jobs")],
    stride: Annotated[int, option("check.stride")],
    independent: Annotated[bool, option("check.signer_independent")],
    seed: Seed = Config().run.seed,
    only: Only,
    skip: Skip,
    strict: Strict,
    as_json: Json,
) -> int:
    """Check annotations and feature files of a corpus, and whether they match.

    Examples:
        slr check data --data-dir corpus --vocab vocab.json
    """
    from slrcli.doctor.check import check_data
    from slrcli.report.text.histograms import draw

    settled = data_of(**corpus, vocab=vocab, normaliser=normaliser)
    choice = chosen(only, skip, strict)
    found = check_data(console, settled, seed, choice, full, jobs, stride, independent)
    code = show(console, found)
    if not console.as_json and not console.quiet:
        for line in draw(found.distributions, console.can_show):
            console.result(line)
    return code


app.command("model", cls=HelpingCommand)(command(model))
app.command("data", cls=HelpingCommand)(command(data))
app.command("vocab", cls=HelpingCommand)(command(check_things.vocab))
app.command("checkpoint", cls=HelpingCommand)(command(check_things.checkpoint))
app.command("env", cls=HelpingCommand)(command(check_things.env))
app.command("overfit", cls=HelpingCommand)(command(check_overfit.overfit))
app.callback(invoke_without_command=True)(check_all.unless_named(command(check_all.everything)))
