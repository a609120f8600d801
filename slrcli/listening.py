"""A console for programs: it prints nothing, tells a function how far things are, and gives the rest to a logger."""

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console as RichConsole

from slrcli.console import Console, Task, visible

LOG = logging.getLogger("slrcli")
Progress = Callable[[str, float, float | None], None]  # what is being done, how much of it is, how much there is


class Listening(Console):
    """A console that shows nothing: progress goes to whoever listens, notes and warnings to the logger."""

    def __init__(self, progress: Progress | None = None):
        self.quiet, self.as_json, self._name = True, False, ""
        self._out = self._err = RichConsole(file=io.StringIO())
        self._listener = progress

    def note(self, item: Any = "", style: str = "") -> None:
        """See `Console`."""
        if isinstance(item, str) and item.strip():
            LOG.info("%s", visible(item.strip()))

    def warn(self, text: str) -> None:
        """See `Console`."""
        LOG.warning("%s", visible(text))

    @contextmanager
    def progress(self, description: str, total: float | None = None) -> Iterator[Task]:
        """See `Console`."""
        yield Told(self._listener, description, total)


class Told(Task):
    """A task whose steps somebody is told."""

    def __init__(self, listener: Progress | None, description: str, total: float | None):
        self._listener, self._what, self._total, self._done = listener, description, total, 0.0

    def advance(self, steps: float = 1) -> None:
        """See `Task`."""
        self._done += steps
        if self._listener is not None:
            self._listener(self._what, self._done, self._total)

    def expect(self, total: float) -> None:
        """See `Task`."""
        self._total = total

    def describe(self, text: str) -> None:
        """See `Task`."""
        self._what = text
