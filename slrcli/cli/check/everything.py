"""`slr check` without a subcommand: everything at hand, or the page of a code."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from slrcli.cli.check.common import Wanted
from slrcli.cli.options.common import Json, option
from slrcli.console import Console
from slrcli.errors import EXIT_FAILURE, EXIT_OK, EXIT_USAGE

Explain = Annotated[str | None, option("check.explain")]
LIST = ("list", "all")


def everything(
    console: Console,
    *,
    explain: Explain,
    wanted: Wanted,
    as_json: Json,
) -> int:
    """Everything that can be checked from here, or the page of a code."""
    if explain is not None:
        return _explain(console, explain)
    from slrcli.doctor.check_all import check_all

    parts = check_all(console, wanted.choice)
    passed = all(part.passed for part in parts)
    if as_json:
        console.json({"passed": passed, "parts": [part.to_dict() for part in parts]})
    else:
        for part in parts:
            _tell(console, part, wanted.verbose)
        console.result(f"\n{'No errors were found.' if passed else 'Errors were found.'}")
    return EXIT_OK if passed else EXIT_FAILURE


def _tell(console: Console, part, verbose: bool) -> None:
    """One part: its findings and how many checks ran; or why it did not run, and how it does."""
    if part.examination is None:
        console.result(f"\n{part.name}: {'failed' if part.broke else 'not run'}, {part.why}\n    to do {part.how}")
        return
    found = part.examination
    ran = f"{len(found.checks)} checks" + (f", {len(found.skipped)} skipped" if found.skipped else "")
    console.result(f"\n{part.name}: {found.subject}; {ran}")
    console.findings(found.findings, notes=verbose)


def _explain(console: Console, code: str) -> int:
    """The page of a code, or the list of all codes with their titles."""
    from slrcli.doctor.catalogue import catalogue, explain

    if code.lower() in LIST:
        titles = catalogue()
        if console.as_json:
            console.json(titles)
        else:
            console.result("\n".join(f"{item}  {title}" for item, title in titles.items()))
        return EXIT_OK
    page = explain(code)
    if console.as_json:
        console.json({"code": page.splitlines()[0].split()[1].rstrip(":"), "page": page})
    else:
        console.page(page.rstrip())
    return EXIT_OK


def unless_named(run: Callable[..., None]) -> Callable[..., None]:
    """A group's callback from a command: runs it where no subcommand is named. Options before one are refused."""
    signature = inspect.signature(run)

    @functools.wraps(run)
    def callback(context: typer.Context, **values) -> None:
        if context.invoked_subcommand is None:
            run(**values)
        given = [name for name, value in values.items() if value not in (None, False)]
        if given:
            typer.echo(
                f"Error: options stand behind the subcommand: slr check {context.invoked_subcommand} ...", err=True
            )
            raise typer.Exit(EXIT_USAGE)

    first = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    parameters = [first, *signature.parameters.values()]
    made: Any = callback
    made.__signature__ = inspect.Signature(parameters)
    made.__annotations__ = {item.name: item.annotation for item in parameters}
    del made.__wrapped__
    return made
