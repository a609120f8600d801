"""Entry point of `slr` and of `python -m slrcli`, which may be called with closed or broken streams."""

import os
import sys
import warnings

from slrcli.parallel.memory import expect_many_objects

expect_many_objects()

from slrcli.cli import app  # noqa: E402 (its files are objects too)
from slrcli.errors import EXIT_FAILURE  # noqa: E402
from slrcli.files import keep_caches_private  # noqa: E402


def main() -> None:
    """Run the command line."""
    _open_streams()
    keep_caches_private()
    if not sys.warnoptions:  # what libraries warn of is meant for us, and no user can mend it
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")  # in the processes that work for this one
    code: int | str | None = 0
    try:
        app()
    except SystemExit as stop:
        code = stop.code
    except OSError as error:  # of a page of help: commands answer for themselves
        code = EXIT_FAILURE
        _say(f"Error: The output cannot be written: {error.strerror or error}.\n")
    sys.exit(_end_streams(code))


def _open_streams() -> None:
    """Give a process that was started with closed streams (`>&-`) empty ones: what it says goes nowhere.

    Otherwise the first file that it opens would be taken for the stream, and libraries would write into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115 (as long as the process lives)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _end_streams(code: int | str | None) -> int | str | None:
    """Hand on what was said last, without a word of the interpreter's where that cannot be done; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:  # ValueError: somebody closed it
            if stream is sys.stdout and not code:
                code = EXIT_FAILURE
                if not isinstance(error, BrokenPipeError):
                    _say(f"Error: The output cannot be written: {getattr(error, 'strerror', None) or error}.\n")
            _forget(stream)
    return code


def _forget(stream) -> None:
    """Let what waits in a broken stream go nowhere, or the interpreter would try once more and complain."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):
        return


def _say(text: str) -> None:
    """A line to stderr, if that can still be written."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        return


if __name__ == "__main__":
    main()
