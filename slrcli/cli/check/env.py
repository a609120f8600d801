"""`slr check env`: the machine."""

from pathlib import Path
from typing import Annotated

from slrcli.cli.check.common import Wanted, check
from slrcli.cli.options.common import Json, option
from slrcli.console import Console
from slrcli.errors import EXIT_FAILURE, EXIT_OK


def env(
    console: Console,
    *,
    markdown: Annotated[bool, option("check.markdown")],
    output_dir: Annotated[Path | None, option("check.output_dir")],
    wanted: Wanted,
    as_json: Json,
) -> int:
    """Check versions, device, threads, memory, disk and terminal of this machine.

    Examples:
        slr check env --markdown
    """
    from slrcli.config import RUNS
    from slrcli.doctor.machine.target import MachineTarget
    from slrcli.doctor.run import run
    from slrcli.report.text.environment import as_markdown

    target = MachineTarget(output_dir or RUNS)
    if not markdown or as_json:
        return check(console, target, wanted)
    found = run(target, console, wanted.choice)
    console.result(as_markdown(found.context.results()["facts"], found.findings))
    return EXIT_OK if found.passed else EXIT_FAILURE
