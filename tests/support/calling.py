"""The command line, as tests call it."""

from typer.testing import CliRunner

from slrcli.cli import app


def slr(*arguments):
    """What `slr` does with these arguments: exit code and output."""
    return CliRunner().invoke(app, [str(item) for item in arguments])
