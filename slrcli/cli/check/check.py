"""`slr check`: find what breaks training before it costs a night."""

import typer

from slrcli.cli.check import checkpoint, data, env, everything, model, overfit, vocab
from slrcli.cli.options.common import HelpingCommand, HelpingGroup, command

app = typer.Typer(
    cls=HelpingGroup,
    add_completion=False,
    help="Find what breaks training before it costs a night. Exit code 1 if there is an error.",
)

for name, function in (
    ("model", model.model),
    ("data", data.data),
    ("vocab", vocab.vocab),
    ("checkpoint", checkpoint.checkpoint),
    ("env", env.env),
    ("overfit", overfit.overfit),
):
    app.command(name, cls=HelpingCommand)(command(function))
app.callback(invoke_without_command=True)(everything.unless_named(command(everything.everything)))
