"""`slr check env`: the machine."""

from pathlib import Path
from typing import Annotated

import typer

from slrcli.cli.check.common import Only, Skip, Strict, Verbose, Wanted, check
from slrcli.cli.options.common import Json
from slrcli.console import Console
from slrcli.errors import EXIT_FAILURE, EXIT_OK

RunsFolder = Annotated[
    Path | None, typer.Option("--output-dir", "-o", help="Where runs go, if not below this folder.", show_default=False)
]
Markdown = Annotated[bool, typer.Option("--markdown", help="As a table for a bug report.")]


def env(
    console: Console,
    markdown: Markdown = False,
    output_dir: RunsFolder = None,
    only: Only = None,
    skip: Skip = None,
    strict: Strict = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> int:
    """Versions, device, threads, memory, disk and terminal of this machine.

    Example: slr check env --markdown
    """
    from slrcli.config import RUNS
    from slrcli.doctor.machine.target import MachineTarget
    from slrcli.doctor.run import run
    from slrcli.report.text.environment import as_markdown

    target, wanted = MachineTarget(output_dir or RUNS), Wanted(only, skip, strict, verbose)
    if not markdown or as_json:
        return check(console, target, wanted)
    found = run(target, console, wanted.choice)
    console.result(as_markdown(found.context.results()["facts"], found.findings))
    return EXIT_OK if found.passed else EXIT_FAILURE
