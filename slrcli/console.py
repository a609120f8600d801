"""The only code that prints. Results go to stdout; progress, notes, warnings and errors to stderr.

Colours and animation appear on a terminal alone (`NO_COLOR` and `TERM=dumb` are respected); what is piped is plain.
Text from outside (glosses, ids, file names) is shown literally: neither markup nor control characters act.
"""

import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from slrcli.errors import SlrError
from slrcli.findings import Finding, Level

PIPED_WIDTH = 110  # columns of a table when stdout is not a terminal
MARKS = {Level.ERROR: ("✗", "bold red"), Level.WARNING: ("!", "bold yellow"), Level.NOTE: ("·", "dim")}


LETTERS = "\u3000\u200c\u200d"  # not printable to Python, yet part of texts: wide space, (non-)joiners


def visible(text: object, keep: str = "\n\t") -> str:
    """`text` with all that would steer a terminal or not be seen as escapes, such as `\\x1b`; `keep` acts as it is."""
    return "".join(
        char if char in keep or char in LETTERS or char.isprintable() else char.encode("unicode_escape").decode()
        for char in str(text)
    )


class Task:
    """One progress bar. `advance` moves it, `describe` changes the words that stand in front of it."""

    def __init__(self, progress: Progress | None, task_id: Any = None):
        self._progress, self._id = progress, task_id

    def advance(self, steps: float = 1) -> None:
        if self._progress is not None:
            self._progress.advance(self._id, steps)

    def expect(self, total: float) -> None:
        """Change what the whole comes to, where it is only known on the way."""
        if self._progress is not None:
            self._progress.update(self._id, total=total)

    def describe(self, text: str) -> None:
        if self._progress is not None:
            self._progress.update(self._id, description=visible(text))


class Console:
    """What a command says, and where it says it.

    Args:
        quiet: no notes and no progress; results, warnings and errors remain.
        as_json: the result is one JSON document on stdout and nothing else goes there.
    """

    def __init__(self, quiet: bool = False, as_json: bool = False):
        self.quiet, self.as_json, self._name = quiet, as_json, ""
        self._out = self._make(sys.stdout)
        self._err = self._make(sys.stderr)

    @staticmethod
    def _make(stream: Any) -> RichConsole:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a gloss that the terminal's encoding lacks is no failure
        width = None if stream.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
        return RichConsole(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)

    def follow(self, name: str) -> None:
        """Say nothing from now on but errors, and in whose name: another process speaks for all."""
        self.quiet, self._name = True, name
        self._out = RichConsole(file=io.StringIO())

    @property
    def follows(self) -> bool:
        """Whether another process speaks, and writes files, for this one."""
        return bool(self._name)

    @property
    def width(self) -> int:
        """Columns at hand for a result."""
        return self._out.width

    @property
    def draws(self) -> bool:
        """Whether curves may be drawn as a result: on a terminal that can show their characters."""
        return self._out.is_terminal and self._writes_utf8 and not self.as_json

    @property
    def _writes_utf8(self) -> bool:
        return (getattr(self._out.file, "encoding", None) or "").lower().replace("-", "") == "utf8"

    def can_show(self, text: str) -> bool:
        """Whether stdout's encoding has every character of `text`."""
        try:
            text.encode(getattr(self._out.file, "encoding", None) or "utf-8")
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def result(self, item: str | RenderableType = "") -> None:
        """A line or a renderable of the result, to stdout. Plain strings are never wrapped.

        Where the result is JSON, stdout is kept for it and the line is a note.
        """
        if self.as_json:
            self.note(item)
        elif isinstance(item, str):
            self._out.file.write(visible(item) + "\n")  # not through rich, which would turn tabs into spaces
        else:
            self._out.print(item)

    def flush(self) -> None:
        """Hand on what was said so far: a result of a running stream is wanted at once, in a pipe too."""
        self._out.file.flush()

    def json(self, value: Any) -> None:
        """The whole result as one JSON document. NaN and infinity, which JSON lacks, become null."""
        ascii_only = not self._writes_utf8
        self._out.file.write(json.dumps(finite(value), ensure_ascii=ascii_only, indent=2, default=str) + "\n")

    def json_line(self, value: Any) -> None:
        """One of many results as JSON on a line of its own, handed on at once."""
        self._out.file.write(json.dumps(finite(value), ensure_ascii=not self._writes_utf8, default=str) + "\n")
        self.flush()

    def note(self, item: str | RenderableType = "", style: str = "") -> None:
        """Something worth knowing that is not the result, to stderr; silent with `quiet`."""
        if not self.quiet:
            self._err.print(Text(visible(item), style=style) if isinstance(item, str) else item, soft_wrap=True)

    def heading(self, text: str) -> None:
        """A line that begins a new part of the notes."""
        self.note(f"\n{text}", style="bold cyan")

    def warn(self, text: str) -> None:
        """A warning, to stderr, in spite of `quiet`."""
        if self.follows:
            return
        self._err.print(Text.assemble(("Warning: ", "bold yellow"), visible(text)), soft_wrap=True)

    def error(self, error: SlrError) -> None:
        """What went wrong, where, and what to do."""
        name = f"Error in {self._name}: " if self._name else "Error: "
        self._err.print(Text.assemble((name, "bold red"), visible(error.what)), soft_wrap=True)
        if error.where:
            self._err.print(Text(f"  at    {visible(error.where)}"), soft_wrap=True)
        if error.fix:
            self._err.print(Text(f"  to do {visible(error.fix)}"), soft_wrap=True)

    def findings(self, findings: Sequence[Finding], notes: bool = True) -> None:
        """All findings, the worst last, as the result; then a line that counts them.

        Without `notes` (or where the console is `quiet`) what is only worth knowing is counted and not shown.
        """
        order = list(Level)
        out = self._err if self.as_json else self._out
        for finding in sorted(findings, key=lambda item: -order.index(item.level)):
            if finding.level is Level.NOTE and (self.quiet or not notes):
                continue
            mark, style = MARKS[finding.level]
            head = Text.assemble((f"{mark} {finding.code} ", style), visible(finding.what))
            out.print(head, soft_wrap=True)
            if finding.where:
                out.print(Text(f"    at    {visible(finding.where)}", style="dim"), soft_wrap=True)
            if finding.fix:
                out.print(Text(f"    to do {visible(finding.fix)}"), soft_wrap=True)
        self.result(tally(findings))

    @contextmanager
    def progress(self, description: str, total: float | None = None) -> Iterator[Task]:
        """A progress bar with count, time spent and time left on stderr; nothing where stderr is not a terminal."""
        if self.quiet or not self._err.is_terminal:
            yield Task(None)
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._err, transient=True) as progress:
            yield Task(progress, progress.add_task(visible(description), total=total))


def tally(findings: Sequence[Finding]) -> str:
    """`2 errors, 1 warning, 4 notes`."""
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    return ", ".join(f"{count} {level.value}{'' if count == 1 else 's'}" for level, count in counts.items())


def finite(value: Any) -> Any:
    """`value` with NaN and infinities, which JSON lacks, as None, however deep they stand."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
