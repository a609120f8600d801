"""A terminal for a command: a real one to the command (a pseudo-terminal), and an emulator that tells what it shows."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyte

TALL = 500  # lines, so that nothing scrolls out of sight


class Shown(NamedTuple):
    """What a person sees once a command has ended, and how it came there.

    Attributes:
        lines: of the screen, without spaces at their ends.
        frames: the lines of the screen each time that the command wrote something.
        code: its exit code.
    """

    lines: list[str]
    frames: list[list[str]]
    code: int


def on_terminal(
    command: Sequence[object], columns: int, folder: Path | None = None, stdout: int | None = None
) -> Shown:
    """Run a command on a terminal of so many columns.

    Args:
        command: a program of Python's, as the arguments of the interpreter.
        columns: of the terminal.
        folder: where it runs; None is here.
        stdout: where its results go instead; its notes still go to the terminal.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", TALL, columns, 0, 0))
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    root = str(Path(__file__).parents[2])
    environment = {**kept, "TERM": "xterm-256color", "PYTHONPATH": root, "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        [sys.executable, *map(str, command)], stdin=its, stdout=its if stdout is None else stdout, stderr=its,
        cwd=folder, env=environment,
    )  # fmt: skip
    os.close(its)
    screen = pyte.Screen(columns, TALL)
    stream, frames = pyte.ByteStream(screen), []
    while data := _read(ours):
        stream.feed(data)
        frames.append(_lines(screen))
    os.close(ours)
    return Shown(_lines(screen), frames, process.wait())


def _read(terminal: int) -> bytes:
    """What the command writes next; nothing once it has ended."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so where nobody holds the other side any more
        return b""


def _lines(screen: pyte.Screen) -> list[str]:
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return lines
