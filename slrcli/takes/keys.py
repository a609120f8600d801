"""Keys as they are pressed, without Enter, on the terminal that stdin is."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from slrcli.errors import UsageError

ENTER, SPACE = "\n", " "


class Keys(Protocol):
    """Where answers come from."""

    def pressed(self) -> str:
        """The next key that was pressed, as a character in lower case; "" where none was."""

    def wait(self) -> str:
        """The next key, once it is pressed."""


class NoKeys:
    """A source without keys: nobody is asked."""

    def pressed(self) -> str:
        return ""

    def wait(self) -> str:
        raise UsageError("Nobody can be asked: stdin is not a terminal.", "stdin", "Add --seconds N.")


@contextmanager
def keyboard() -> Iterator[Keys]:
    """The keys of this terminal, which is as it was before once the block ends.

    Raises:
        UsageError: stdin is not a terminal.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        fix = "Run it in a terminal. With --seconds N, takes end by themselves and no keys are needed."
        raise UsageError("Takes are started and ended with keys, but stdin is not a terminal.", "stdin", fix)
    if sys.platform == "win32":
        yield _WindowsKeys()
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)  # Ctrl-C still interrupts
        yield _TerminalKeys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class _TerminalKeys:
    """Keys of a terminal in cbreak mode."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor

    def pressed(self) -> str:
        import select

        ready, _, _ = select.select([self._descriptor], [], [], 0)
        return self.wait() if ready else ""

    def wait(self) -> str:
        data = os.read(self._descriptor, 64)
        if not data:
            raise UsageError("The terminal was closed.", "stdin")
        if data.startswith(b"\x1b"):  # an arrow or another key without a character
            return "\x1b"
        return data.decode("utf-8", "replace")[:1].lower().replace("\r", ENTER)


class _WindowsKeys:
    """Keys of the console of Windows."""

    def pressed(self) -> str:
        import msvcrt

        return self.wait() if msvcrt.kbhit() else ""  # type: ignore[attr-defined,unused-ignore]

    def wait(self) -> str:
        import msvcrt

        key = msvcrt.getwch()  # type: ignore[attr-defined,unused-ignore]
        if key == "\x03":
            raise KeyboardInterrupt
        return key.lower().replace("\r", ENTER)
