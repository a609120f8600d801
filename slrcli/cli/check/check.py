"""`slr check`: find what breaks training before it costs a night."""

import typer

from slrcli.cli.check import checkpoint, data, env, everything, model, overfit, vocab
from slrcli.cli.options.common import command

app = typer.Typer(help="Find what breaks training before it costs a night. Exit code 1 if there is an error.")

app.command("model")(command(model.model))
app.command("data")(command(data.data))
app.command("vocab")(command(vocab.vocab))
app.command("checkpoint")(command(checkpoint.checkpoint))
app.command("env")(command(env.env))
app.command("overfit")(command(overfit.overfit))
app.callback(invoke_without_command=True)(everything.unless_named(command(everything.everything)))
