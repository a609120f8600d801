"""The command line: one thin file per command, one line here for each."""

import typer

from slrcli import __version__
from slrcli.cli import (
    align,
    check,
    compose,
    convert,
    corpus,
    decode,
    demo,
    evaluate,
    export,
    extract,
    layout,
    lm,
    pack,
    score,
    show,
    train,
    vocab,
)
from slrcli.cli.common import command

EXAMPLES = """
A first look, nothing needed:  [bold]slr demo[/bold]

Your own data:

    slr vocab --data-dir DIR
    slr check data --data-dir DIR
    slr train --data-dir DIR --lr 3e-4
    slr eval runs/latest --data-dir DIR
    slr decode clip.npy
    slr align clip.npy --glosses "HELLO YOU" --out clip.eaf
    slr lm --data-dir DIR --out lm.arpa
    slr score references.stm hypotheses.ctm
    slr convert clip.pose clip.npy --layout mediapipe-258
"""

app = typer.Typer(
    name="slr",
    help="Continuous sign-language recognition from landmarks: train, check, score and decode.\n" + EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"slr {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=show_version, is_eager=True, help="Show the version and stop."
    ),
) -> None:
    """Nothing but the options that come before a command."""


app.command("demo")(command(demo.demo))
app.command("vocab")(command(vocab.vocab))
app.command("corpus")(command(corpus.corpus))
app.command("lm")(command(lm.lm))
app.command("compose")(command(compose.compose))
app.command("pack")(command(pack.pack))
app.add_typer(check.app, name="check")
app.command("train")(command(train.train))
app.command("eval")(command(evaluate.evaluate))
app.command("score")(command(score.score))
app.command("extract")(command(extract.extract))
app.command("decode")(command(decode.decode))
app.command("align")(command(align.align))
app.command("export")(command(export.export))
app.command("convert")(command(convert.convert))
app.command("layout")(command(layout.layout))
app.command("show")(command(show.show))
