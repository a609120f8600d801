"""What all checks share on the command line: which of them are wanted, and how an examination is shown."""

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from slrcli.cli.options.common import option, said
from slrcli.console import Console
from slrcli.errors import EXIT_FAILURE, EXIT_OK

if TYPE_CHECKING:
    from slrcli.doctor.choice import Choice
    from slrcli.doctor.run import Examination, Target


class Choices(NamedTuple):
    """What the options that every check has say."""

    only: list[str] | None
    skip: list[str] | None
    strict: bool
    verbose: bool

    @property
    def choice(self) -> "Choice":
        """Which checks to run; UsageError for a code that no check has."""
        from slrcli.doctor.catalogue import chosen

        return chosen(self.only or (), self.skip or (), self.strict)


class ChoiceOptions:
    """The options that every check has, which a command takes as one parameter: `wanted: Wanted`."""

    def parameters(self) -> list[inspect.Parameter]:
        """See `OptionGroup`."""
        return [said(name, Annotated[kind, option(f"check.{name}")]) for name, kind in CHOICES.items()]

    def taken_from(self, values: dict[str, Any]) -> Choices:
        """See `OptionGroup`."""
        return Choices(**{name: values.pop(name) for name in CHOICES})


CHOICES: dict[str, Any] = {"only": list[str] | None, "skip": list[str] | None, "strict": bool, "verbose": bool}
Wanted = Annotated[Choices, ChoiceOptions()]


def check(
    console: Console,
    target: "Target",
    wanted: Choices,
    drawn: Callable[["Examination"], Iterable[Any]] = lambda examination: (),
    done: Callable[["Examination"], None] = lambda examination: None,
) -> int:
    """Examine a target and show the result.

    Args:
        console: where it is shown.
        target: what is examined.
        wanted: which checks, and how much of their findings.
        drawn: lines and tables that stand before the findings.
        done: called at the end, for what is written besides.

    Returns:
        The exit code.
    """
    from slrcli.doctor.run import run

    examination = run(target, console, wanted.choice)
    if console.as_json:
        console.json(examination.to_dict())
    else:
        console.heading(examination.subject)
        for item in drawn(examination):
            console.result(item)
        tell(console, examination, wanted.verbose)
    done(examination)
    return EXIT_OK if examination.passed else EXIT_FAILURE


def tell(console: Console, examination: "Examination", verbose: bool) -> None:
    """The skipped checks, the findings with the worst last, and how many checks ran."""
    by_cause: dict[str, list[str]] = {}
    for code, because in examination.skipped:
        by_cause.setdefault(because, []).append(code)
    for because, codes in by_cause.items():
        console.note(f"Skipped because {because} failed: {', '.join(codes)}.")
    console.findings(examination.findings, notes=verbose)
    ran = len(examination.checks)
    hidden = "" if verbose or console.quiet else " --verbose shows the notes."
    console.note(f"{ran} check{'' if ran == 1 else 's'} ran.{hidden}")
