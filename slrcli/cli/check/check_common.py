"""What all checks share on the command line: which of them are wanted, and how their findings are shown."""

from typing import Annotated

from slrcli.cli.options.common import option
from slrcli.console import Console
from slrcli.errors import EXIT_FAILURE, EXIT_OK

Only = Annotated[list[str] | None, option("check.only")]
Skip = Annotated[list[str] | None, option("check.skip")]
Strict = Annotated[bool, option("check.strict")]


def chosen(only: list[str] | None, skip: list[str] | None, strict: bool):
    """The `Choice` that the three options make; UsageError for a code that no check has."""
    from slrcli.doctor.catalogue import catalogue
    from slrcli.doctor.choice import ALL, Choice

    if not only and not skip and not strict:
        return ALL
    choice = Choice.of(only or (), skip or (), strict)
    choice.require_known(catalogue())
    return choice


def tell(console: Console, examination) -> None:
    """Heading, findings, what was left out and how many checks ran, for people."""
    console.heading(examination.subject)
    console.findings(examination.findings)
    for code, because in examination.skipped:
        console.note(f"{code} was left out: it means nothing before {because} passes.")
    ran = len(examination.checks)
    console.note(f"{ran} check{'' if ran == 1 else 's'} ran.")


def show(console: Console, examination) -> int:
    """Hand an examination to the console; the exit code."""
    if console.as_json:
        console.json(examination.as_dict())
    else:
        tell(console, examination)
    return EXIT_OK if examination.passed else EXIT_FAILURE
