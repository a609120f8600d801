"""The only code that prints. Results go to stdout; progress, notes, warnings and errors to stderr.

Colours and animation appear on a terminal alone (`NO_COLOR` and `TERM=dumb` are respected), where lines are broken
between words; what is piped is plain, one line a line. Text from outside (glosses, ids, file names) is shown literally:
neither markup nor control characters act.
"""

import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as RichTask
from rich.table import Column
from rich.text import Text
from rich.theme import Theme

from slrcli.errors import SlrError
from slrcli.findings import Finding, Level

PIPED_WIDTH = 110  # columns of a table when stdout is not a terminal
WIDE = 100  # columns from which a progress bar also shows the time spent
SPEED_PERIOD = 600.0  # seconds whose mean speed the time left is reckoned from: pauses between epochs count, too

# Fixed colours of middling brightness, which the terminal's theme does not change: contrast of at least 3.5 : 1 against
# black and against white.
STYLES = {"error": "bold #ff0000", "warning": "bold #d75f00", "quiet": "#767676", "heading": "bold #0087af"}
THEME = {
    "bar.back": "#767676",
    "bar.complete": "#0087af",
    "bar.finished": "#0087af",
    "bar.pulse": "#0087af",
    "progress.download": "",
    "progress.elapsed": "",
    "progress.remaining": "bold #0087af",
}
MARKS = {Level.ERROR: ("✗", "error"), Level.WARNING: ("!", "warning"), Level.NOTE: ("·", "quiet")}

NAMED = re.compile(r"\s*\S+(?: \S+)* {2,}(?=\S)")  # `Corpus      `: a name, then what is said of it
WORD = re.compile(r" *[^ ]+(?: %[^ ]*)?")  # a number keeps its percent sign
INSIDE_PARAGRAPH = re.compile(r"(?<=[^\n])(?<!\|)\n(?=[^\s#|*`-])(?!\d+\. )")  # the end of a line, not of a paragraph
COMMAND = re.compile(r" +slr ")
LEAST_SHARE = 0.6  # of a line that what follows a name has for itself when it is continued below its beginning


LETTERS = "\u3000\u200c\u200d"  # not printable to Python, yet part of texts: wide space, (non-)joiners


def visible(text: object, keep: str = "\n\t") -> str:
    """`text` with all that would steer a terminal or not be seen as escapes, such as `\\x1b`; `keep` acts as it is."""
    return "".join(
        char if char in keep or char in LETTERS or char.isprintable() else char.encode("unicode_escape").decode()
        for char in str(text)
    )


def inert(text: str) -> str:
    """JSON in which all that would steer a terminal or not be seen stands as `\\u001b`; it reads as it did before."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(char if char == "\n" or char in LETTERS or char.isprintable() else _unit(char) for char in text)


def _unit(char: str) -> str:
    return json.dumps(char)[1:-1]


def wrapped(text: str, width: int, hang: int = 0) -> str:
    """`text` in lines of at most `width` cells, broken between words.

    A word longer than a line is left whole, and so is a command on a line of its own (`  slr eval ...`): the terminal
    goes on below, and what is copied from there is in one piece. Lines
    after the first are indented as it is, or to where what follows a name began (`Corpus      ...`), and by `hang`.
    """
    return "\n".join(piece for line in text.split("\n") for piece in _pieces(line, width, hang))


def _pieces(line: str, width: int, hang: int) -> Iterator[str]:
    """The lines that one becomes."""
    if cell_len(line.expandtabs()) <= width or COMMAND.match(line):
        yield line
        return
    named = NAMED.match(line)
    indent = line[: len(line) - len(line.lstrip(" "))]
    name = named[0] if named and cell_len(named[0]) <= (1 - LEAST_SHARE) * width else indent
    first, *words = WORD.findall(line[len(name) :]) or [""]
    piece = name + first
    for word in words:
        if cell_len((piece + word).expandtabs()) <= width:
            piece += word
        else:
            yield piece
            piece = " " * (cell_len(name) + hang) + word.lstrip(" ")
    yield piece


class Description(ProgressColumn):
    """The words before a progress bar, on one line: where there is no room for all of them they give way, and neither
    the bar nor the time left does."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=False))  # which alone makes it give way

    def render(self, task: RichTask) -> Text:
        return Text(task.description, no_wrap=True, overflow="ellipsis")


class Bar(Progress):
    """A progress bar that can be taken off the screen while something else is written there."""

    def __init__(self, console: RichConsole):
        wide = console.width >= WIDE
        columns = (
            Description(),
            BarColumn(bar_width=24 if wide else 12),
            MofNCompleteColumn(),
            *([TimeElapsedColumn()] if wide else []),
            TimeRemainingColumn(),
            TextColumn("left"),
        )
        super().__init__(*columns, console=console, transient=True, speed_estimate_period=SPEED_PERIOD)

    @property
    def on_screen(self) -> bool:
        """Whether it is drawn now."""
        return self.live.is_started


class Task:
    """One progress bar. `advance` moves it, `describe` changes the words that stand in front of it.

    A result that goes to the same terminal takes it off the screen; it is drawn again when it moves.
    """

    def __init__(self, progress: Bar | None, task_id: Any = None):
        self._progress, self._id = progress, task_id

    def advance(self, steps: float = 1) -> None:
        if self._progress is not None:
            self._progress.advance(self._id, steps)
            self._draw()

    def expect(self, total: float) -> None:
        """Change what the whole comes to, where it is only known on the way."""
        if self._progress is not None:
            self._progress.update(self._id, total=total)

    def describe(self, text: str) -> None:
        if self._progress is not None:
            self._progress.update(self._id, description=visible(text))
            self._draw()

    def _draw(self) -> None:
        if self._progress is not None and not self._progress.on_screen:
            self._progress.start()


class Unheard:
    """A stream whose reader may be gone for good (a full disk, a terminal that was closed): what is said there is lost,
    and whoever speaks goes on. A closed pipe alone is an error, as it is the wish of somebody at its other end."""

    def __init__(self, stream: Any):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or lose, a text."""
        with _lost():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand on what waits, if that is possible."""
        with _lost():
            self._stream.flush()


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError:
        return


@contextmanager
def _delivered() -> Iterator[None]:
    """Say plainly that a result could not be written; a closed pipe is left to whoever runs the command."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        what = f"The output cannot be written: {error.strerror or error}."
        raise SlrError(what, "stdout", "Check where it is written to.") from error


class Console:
    """What a command says, and where it says it.

    Args:
        quiet: no notes and no progress; results, warnings and errors remain.
        as_json: the result is one JSON document on stdout and nothing else goes there.
    """

    def __init__(self, quiet: bool = False, as_json: bool = False):
        self.quiet, self.as_json, self._name = quiet, as_json, ""
        self._out = self._make(sys.stdout or io.StringIO())  # None: closed by whoever started the program
        self._err = self._make(Unheard(sys.stderr or io.StringIO()))
        self._bar: Bar | None = None

    @staticmethod
    def _make(stream: Any) -> RichConsole:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a gloss that the terminal's encoding lacks is no failure
        width = None if stream.isatty() or "COLUMNS" in os.environ else PIPED_WIDTH
        theme = Theme(STYLES | THEME)
        return RichConsole(file=stream, width=width, highlight=False, markup=False, emoji=False, theme=theme)

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
        """A line or a renderable of the result, to stdout. Plain strings are wrapped on a terminal alone.

        Where the result is JSON, stdout is kept for it and the line is a note.
        """
        if self.as_json:
            self.note(item)
            return
        self._clear()
        if isinstance(item, str):
            text = visible(item)
            line = wrapped(text, self._out.width) if self._out.is_terminal else text
            with _delivered():
                self._out.file.write(line + "\n")  # not through rich, which would turn tabs into spaces
        else:
            with _delivered():
                self._out.print(item)
        if self._bar:
            self.flush()  # before the bar is drawn again

    def page(self, text: str) -> None:
        """A result in paragraphs, which are filled anew on a terminal; lists, tables and indented lines stay lines."""
        self.result(INSIDE_PARAGRAPH.sub(" ", text) if self._out.is_terminal else text)

    def _clear(self) -> None:
        """Take a progress bar off the screen where a result is about to be written."""
        if self._bar and self._bar.on_screen and self._out.is_terminal:
            self._bar.stop()

    def flush(self) -> None:
        """Hand on what was said so far: a result of a running stream is wanted at once, in a pipe too."""
        with _delivered():
            self._out.file.flush()

    def json(self, value: Any) -> None:
        """The whole result as one JSON document. NaN and infinity, which JSON lacks, become null."""
        self._write_json(value, indent=2)

    def json_line(self, value: Any) -> None:
        """One of many results as JSON on a line of its own, handed on at once."""
        self._write_json(value)
        self.flush()

    def _write_json(self, value: Any, indent: int | None = None) -> None:
        self._clear()
        text = json.dumps(finite(value), ensure_ascii=not self._writes_utf8, indent=indent, default=str)
        with _delivered():
            self._out.file.write(inert(text) + "\n")

    def note(self, item: str | RenderableType = "", style: str = "") -> None:
        """Something worth knowing that is not the result, to stderr; silent with `quiet`."""
        if self.quiet:
            return
        if isinstance(item, str):
            _write(self._err, visible(item), style)
        else:
            self._err.print(item)

    def heading(self, text: str) -> None:
        """A line that begins a new part of the notes."""
        self.note(f"\n{text}", style="heading")

    def warn(self, text: str) -> None:
        """A warning, to stderr, in spite of `quiet`."""
        if self.follows:
            return
        _write(self._err, visible(text), lead="Warning: ", lead_style="warning")

    def error(self, error: SlrError) -> None:
        """What went wrong, where, and what to do."""
        name = f"Error in {self._name}: " if self._name else "Error: "
        _write(self._err, visible(error.what), lead=name, lead_style="error")
        if error.where:
            _write(self._err, f"  at    {visible(error.where)}")
        if error.fix:
            _write(self._err, f"  to do {visible(error.fix)}")

    def findings(self, findings: Sequence[Finding], notes: bool = True) -> None:
        """All findings, the worst last and otherwise by code, as the result; then a line that counts them.

        Without `notes` (or where the console is `quiet`) what is only worth knowing is counted and not shown.
        """
        order = list(Level)
        out = self._err if self.as_json else self._out
        self._clear()
        for finding in sorted(findings, key=lambda item: (-order.index(item.level), item.code)):
            if finding.level is Level.NOTE and (self.quiet or not notes):
                continue
            mark, style = MARKS[finding.level]
            _write(out, visible(finding.what), lead=f"{mark} {finding.code} ", lead_style=style)
            if finding.where:
                _write(out, f"    at    {visible(finding.where)}", "quiet")
            if finding.fix:
                _write(out, f"    to do {visible(finding.fix)}")
        self.result(tally(findings))

    @property
    def animates(self) -> bool:
        """Whether pictures of block and braille characters may move among the notes: on a terminal that shows them."""
        encoding = (getattr(self._err.file, "encoding", None) or "").lower().replace("-", "")
        return self._err.is_terminal and not self.quiet and encoding == "utf8"

    @contextmanager
    def in_place(self) -> Iterator[Callable[[str], None]]:
        """A function that shows a text on stderr in the place of the one before; the last one is gone at the end.

        Nothing is shown where stderr is not a terminal.
        """
        if self.quiet or not self._err.is_terminal:
            yield lambda text: None
            return
        with Live(console=self._err, auto_refresh=False, transient=True, vertical_overflow="crop") as live:
            yield lambda text: live.update(Text(visible(text), no_wrap=True, overflow="crop"), refresh=True)

    @contextmanager
    def progress(self, description: str, total: float | None = None) -> Iterator[Task]:
        """A progress bar with count and time left on stderr; nothing where stderr is not a terminal."""
        if self.quiet or not self._err.is_terminal:
            yield Task(None)
            return
        before, self._bar = self._bar, Bar(self._err)
        try:
            with self._bar as bar:
                yield Task(bar, bar.add_task(visible(description), total=total))
        finally:
            self._bar = before


def _write(console: RichConsole, text: str, style: str = "", lead: str = "", lead_style: str = "") -> None:
    """Lines of text, wrapped between words on a terminal; `lead` stands before them in a style of its own."""
    text = lead + text
    shown = Text(wrapped(text, console.width) if console.is_terminal else text, style=style)
    shown.stylize(lead_style, 0, len(lead))
    console.print(shown, soft_wrap=True)


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
