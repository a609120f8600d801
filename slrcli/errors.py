"""What a user can do wrong, said so that a user can put it right, and the exit codes of the command line."""

from collections.abc import Sequence
from pathlib import Path

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class SlrError(Exception):
    """A failure that the user can understand and mend; shown without a traceback.

    Args:
        what: what is wrong, one sentence.
        where: the file, line, id or option it concerns, kept as a text; may be empty.
        fix: what to do about it; may be empty.
    """

    exit_code = EXIT_FAILURE

    def __init__(self, what: str, where: str | Path = "", fix: str = ""):
        super().__init__(what)
        self.what = what
        self.where = str(where)
        self.fix = fix

    def __str__(self) -> str:
        return " | ".join(part for part in (self.what, self.where, self.fix) if part)


def reason_of(error: BaseException, lines: int = 1) -> str:
    """The first lines of an error's message, without the mark at their end, so that a sentence can end with them.

    The `what` of an `SlrError`; the name of the class where the message is empty.
    """
    found = (error.what if isinstance(error, SlrError) else str(error)).strip().splitlines()[:lines]
    return " ".join(line.strip() for line in found).rstrip(" .:") if found else type(error).__name__


SHOWN_IDS = 5


def first_five(names: Sequence[str], end: str = "") -> str:
    """`a, b, c, d, e, ...`: the first names of a list for people; `end` follows where none is left out."""
    return ", ".join(names[:SHOWN_IDS]) + (", ..." if len(names) > SHOWN_IDS else end)


class UsageError(SlrError):
    """Options that contradict each other or name something that does not exist."""

    exit_code = EXIT_USAGE


class DataError(SlrError):
    """An annotation table, a feature file or a layout that cannot be used as it is."""


class CheckpointError(SlrError):
    """A checkpoint that is damaged, incomplete or made for something else."""


class DependencyError(SlrError):
    """An optional library that the request needs and that is not installed."""


def with_extra(name: str) -> str:
    """How to install an extra; pip knows the package by name once it is installed, from wherever it came."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(WITHOUT_TORCH)
    except PackageNotFoundError:
        return f"Run pip install 'slrcli[{name}]'."
    return f"Run pip install '{WITHOUT_TORCH}[{name}]'."


WITHOUT_TORCH = "slrcli-decode"  # the distribution of the folder `decode`


def missing(error: ModuleNotFoundError) -> DependencyError | None:
    """What to say of a library that every command may need; None where `error` names another module."""
    if (error.name or "").partition(".")[0] != "torch":
        return None
    what = "This command needs the library torch, which is not installed."
    return DependencyError(what, fix="Run pip install torch. Exported models (slr export) decode without it.")
