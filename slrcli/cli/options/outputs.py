"""What the commands that write glosses with times share: their options, and how they end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from slrcli.cli.options.common import option
from slrcli.console import Console, finite
from slrcli.errors import EXIT_FAILURE, EXIT_OK, SlrError

if TYPE_CHECKING:
    from slrcli.transcripts import OutputPlan, TimedClip

OutputFormats = Annotated[list[str] | None, option("output.format")]
Out = Annotated[Path | None, option("output.out")]
Table = Annotated[Path | None, option("output.table")]
FrameRate = Annotated[float, option("output.fps")]


class Outcomes:
    """The clips of a command as they come: each goes into its files, and what failed is told at the end.

    Args:
        plan: the files to write; None where none are wanted.
    """

    def __init__(self, plan: "OutputPlan | None"):
        self._plan = plan
        self._done: list[TimedClip] = []
        self._errors: list[SlrError] = []

    def take(self, outcome: "TimedClip | SlrError") -> bool:
        """Take a clip, or the error that stood in its way; whether all went well."""
        try:
            if isinstance(outcome, SlrError):
                raise outcome
            if self._plan:
                self._plan.add(outcome)
        except SlrError as failure:
            self._errors.append(failure)
            return False
        self._done.append(outcome)
        return True

    def finish(self, console: Console, verb: str) -> int:
        """Write what waited for the last clip, say what was written and what failed; the exit code.

        Args:
            console: gets the result as JSON where that is wanted.
            verb: what was done to the clips, such as "aligned".
        """
        text = self._plan.finish() if self._plan else ""
        if console.as_json:
            failed = [{"id": error.where, "error": str(error)} for error in self._errors]
            console.json([*(clip.to_dict() for clip in self._done), *failed])
        elif text:
            console.result(text.removesuffix("\n"))
        if self._plan and (written := self._plan.written):
            console.note(f"Written: {written[0] if len(written) == 1 else f'{len(written)} files in {self._plan.out}'}")
        for error in self._errors:
            console.error(error)
        if self._errors:
            console.warn(f"{len(self._errors)} of {len(self._done) + len(self._errors)} clips could not be {verb}.")
        return EXIT_FAILURE if self._errors else EXIT_OK


def write_systems(path: Path, systems) -> None:
    """Write systems and protocols: figures as papers print them, or all their digits where programs read them."""
    from slrcli.report.text.scores import paper_rows
    from slrcli.scoring.systems import SYSTEM_COLUMNS
    from slrcli.scoring.table import write_table

    if path.suffix.lower() in (".md", ".tex"):
        write_table(path, *paper_rows(systems))
    else:
        write_table(path, [finite(item.to_dict()) for item in systems], SYSTEM_COLUMNS)
