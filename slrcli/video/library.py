"""The libraries of the extra `video`: had where they are needed, and kept quiet."""

import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from slrcli.errors import DependencyError

NEWEST_PYTHON = (3, 12)  # that MediaPipe 0.10.14 was built for; later versions carry no models
ELSEWHERE = (
    "extract in an environment of Python 3.12 (python3.12 -m venv extract && extract/bin/pip install 'slrcli[video]'): "
    "the arrays it writes are read under any Python"
)


def need(module: str) -> ModuleType:
    """A library of the extra, or a DependencyError that says what to do."""
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
    """DependencyError unless the whole extra is there; nothing is loaded for it.

    Raises:
        DependencyError: a library that is not installed, or a Python that MediaPipe does not exist for.
    """
    for module in ("mediapipe", "av", "PIL"):
        _check_python(module)
        if importlib.util.find_spec(module) is None:
            raise _missing(module)


@contextmanager
def silence() -> Iterator[None]:
    """Nothing is heard of what libraries write to stdout and stderr past Python, nor of their warnings.

    It turns the file descriptors of the whole process aside, so nobody else should be writing at the time.
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


def _check_python(name: str) -> None:
    if name == "mediapipe" and sys.version_info[:2] > NEWEST_PYTHON:
        running = ".".join(map(str, sys.version_info[:2]))
        raise DependencyError(
            f"MediaPipe with its models does not exist for Python {running}, only up to 3.12.", fix=ELSEWHERE
        )


def _missing(name: str) -> DependencyError:
    return DependencyError(f"Videos need the library {name}, which is not installed.", fix="pip install 'slrcli[video]'")
