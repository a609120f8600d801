"""What a user can do wrong, said so that a user can put it right, and the exit codes of the command line."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
SIGNALLED = 128  # and the number of the signal that ended the program
EXIT_INTERRUPTED = SIGNALLED + signal.SIGINT


MOST_LETTERS = 2000  # of what an error says: data may hold an id of a hundred thousand


def shortened(text: str, most: int = MOST_LETTERS) -> str:
    """`text` with at most `most` letters: of a longer one, its beginning and its end with `...` between them."""
    if len(text) <= most:
        return text
    end = (most - 5) // 3
    return f"{text[: most - 5 - end]} ... {text[len(text) - end :]}"


class SlrError(Exception):
    """A failure that the user can understand and mend; shown without a traceback.

    Args:
        what: what is wrong, one sentence.
        where: the file, line, id or option it concerns, kept as a text; may be empty.
        fix: what to do about it; may be empty.

    Of long texts, which only data can be the cause of, the beginning and the end are kept.
    """

    exit_code = EXIT_FAILURE

    def __init__(self, what: str, where: str | Path = "", fix: str = ""):
        self.what, self.where, self.fix = shortened(what), shortened(str(where)), shortened(fix)
        super().__init__(self.what)

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


class InUseError(SlrError):
    """Another process holds what this one wants to write to."""


class UsageError(SlrError):
    """Options that contradict each other or name something that does not exist."""

    exit_code = EXIT_USAGE


class DataError(SlrError):
    """An annotation table, a feature file or a layout that cannot be used as it is."""


class CheckpointError(SlrError):
    """A checkpoint that is damaged, incomplete or made for something else."""


class DependencyError(SlrError):
    """An optional library that the request needs and that is not installed."""


# What Python and the libraries that read files raise where one is not what it claims to be: built-in errors, and those
# that modules of this name have of their own.
_DAMAGE = (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, RuntimeError, SyntaxError, TypeError,
           ValueError)  # fmt: skip
_READERS = ("binascii", "csv", "lzma", "pyarrow", "safetensors", "struct", "tokenize", "xml", "zipfile", "zlib")


def is_damage(error: BaseException) -> bool:
    """Whether an error is of those that a damaged file causes, in whichever library reads it."""
    home = type(error).__module__.partition(".")[0].removeprefix("_").removesuffix("_rust")  # old safetensors_rust
    return isinstance(error, _DAMAGE) or home in _READERS


def damage_of(error: BaseException) -> str:
    """What is wrong with a file in the words of the error that it caused, for the end of a sentence; never long."""
    if isinstance(error, KeyError):
        return f"{shortened(str(error), 80)} is missing"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return shortened(reason_of(error, lines=2), 200)


@contextmanager
def understood(
    what: str, where: str | Path, fix: str = "", kind: type[SlrError] = DataError, system: bool = True
) -> Iterator[None]:
    """Read a file whose content may be anything: what goes wrong becomes an error that names it.

    Args:
        what: the beginning of the sentence, such as `The plan of the runs cannot be read`.
        where: the file.
        fix: what to do.
        kind: of the error.
        system: whether errors of the system (a file that is not there) are meant, too.

    Raises:
        SlrError: of that kind.
    """
    try:
        yield
    except SlrError:
        raise
    except OSError as error:
        if not system:
            raise
        raise kind(f"{what}: {error.strerror or error}.", where, fix) from error
    except Exception as error:
        if not is_damage(error):
            raise
        raise kind(f"{what}: {damage_of(error)}.", where, fix) from error


def with_extra(name: str) -> str:
    """How to install an extra; pip knows the package by name once it is installed, from wherever it came."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(WITHOUT_TORCH)
    except PackageNotFoundError:
        return f"Run pip install 'slrcli[{name}]'."
    return f"Run pip install '{WITHOUT_TORCH}[{name}]'."


WITHOUT_TORCH = "slrcli-decode"  # the distribution of the folder `examples/without-torch`


def missing(error: ModuleNotFoundError) -> DependencyError | None:
    """What to say of a library that every command may need; None where `error` names another module."""
    if (error.name or "").partition(".")[0] != "torch":
        return None
    what = "This command needs the library torch, which is not installed."
    return DependencyError(what, fix="Run pip install torch. Exported models (slr export) decode without it.")


class Ended(KeyboardInterrupt):
    """A signal asks the program to end; handled like Ctrl-C, so that what is half-written is removed.

    Args:
        signal: its number.
    """

    def __init__(self, signal: int):
        super().__init__()
        self.signal = signal


def signalled(interruption: KeyboardInterrupt) -> int:
    """The exit code of a program that a signal ended."""
    return SIGNALLED + (interruption.signal if isinstance(interruption, Ended) else signal.SIGINT)


def ending_signals() -> list[signal.Signals]:
    """Ctrl-C, and the other signals that ask for an end unless the program is to ignore them, as nohup arranges it."""
    others = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    return [signal.SIGINT, *(kind for kind in others if signal.getsignal(kind) is not signal.SIG_IGN)]


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Ended` where a signal asks the program to end, so that temporary files are removed. Ctrl-C stays as it is.

    Nothing happens outside the main thread.
    """

    def end(number: int, _: object) -> None:
        raise Ended(number)

    try:
        before = {kind: signal.signal(kind, end) for kind in ending_signals() if kind != signal.SIGINT}
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


MEMORY_FIX = (
    "Close other programs. For training, use --batch-size 1 or 2, --max-frames N, --gradient-checkpointing, or "
    "--precision bf16."
)
MEMORY_SIGNS = ("allocate memory", "out of memory", "could not create a primitive", "not enough memory", "bad_alloc",
                "cannot allocate", "failed to allocate", "alloc_failed")  # fmt: skip


def out_of_memory(error: BaseException) -> SlrError | None:
    """What to say where an error, or one that it came of, means that memory has run out; else None.

    Torch, oneDNN, CUDA and onnxruntime say so in words alone, each in its own.
    """
    found: BaseException | None = error
    while found is not None:
        text = str(found).lower()
        named = isinstance(found, RuntimeError | OSError) or "onnxruntime" in type(found).__module__
        if isinstance(found, MemoryError) or (named and any(sign in text for sign in MEMORY_SIGNS)):
            return SlrError("There is not enough memory.", "", MEMORY_FIX)
        found = found.__cause__
    return None


@contextmanager
def memory_advice() -> Iterator[None]:
    """Turn running out of memory into advice.

    Raises:
        SlrError: memory has run out.
    """
    try:
        yield
    except SlrError:
        raise
    except Exception as error:
        if advice := out_of_memory(error):
            raise advice from error
        raise
