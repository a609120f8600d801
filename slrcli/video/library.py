"""The libraries of the extra `video`: loaded on demand, and kept quiet."""

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TypeVar

from slrcli.errors import DependencyError, with_extra

Item = TypeVar("Item")
Found = TypeVar("Found")
NEWEST_PYTHON = (3, 12)  # that MediaPipe 0.10.14 was built for; later versions carry no models
ELSEWHERE = (
    "Extract with Python 3.12 (python3.12 -m venv extract && extract/bin/pip install 'slrcli[video]'); "
    "any Python reads the arrays."
)


def need(module: str) -> ModuleType:
    """A library of the extra; a DependencyError with a remedy if it is missing."""
    name = module.partition(".")[0]
    _check_python(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _missing(name) from error
    except ImportError as error:  # it is there, and a library of the system that it uses is not
        fix = "Install what is missing; on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0."
        raise DependencyError(f"The library {name} cannot be loaded: {error}.", fix=fix) from error


def need_all() -> None:
    """Raise a DependencyError unless the whole extra is installed; nothing is loaded.

    Raises:
        DependencyError: a library is not installed, or MediaPipe does not exist for this Python.
    """
    for module in ("mediapipe", "av", "PIL"):
        _check_python(module)
        if importlib.util.find_spec(module) is None:
            raise _missing(module)


@contextmanager
def silence() -> Iterator[None]:
    """Suppress the output of libraries to stdout and stderr, even from outside Python, and their warnings.

    It redirects the file descriptors of the whole process, so nothing else should write at the same time.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for number, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.close(nowhere)


def hushed(call: Callable[[Item], Found]) -> Callable[[Item], Found]:
    """The same function, and nothing is heard of what a library writes meanwhile."""

    def quietly(item: Item) -> Found:
        with silence():
            return call(item)

    return quietly


def _check_python(name: str) -> None:
    if name == "mediapipe" and sys.version_info[:2] > NEWEST_PYTHON:
        running = ".".join(map(str, sys.version_info[:2]))
        raise DependencyError(
            f"MediaPipe with its models exists only up to Python 3.12, and this is Python {running}.", fix=ELSEWHERE
        )


def _missing(name: str) -> DependencyError:
    return DependencyError(f"Videos need the library {name}, which is not installed.", fix=with_extra("video"))
