"""Reads a pickled table of glosses (`gloss_dict.npy`) without executing anything in it."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from slrcli.errors import DataError

GLOSS_DICT_BYTES = 64_000_000  # far beyond any; a pickle can ask for memory as well


def read_gloss_dict(path: str | Path) -> dict[str, tuple[int, int]]:
    """Gloss -> (id, count) of a `gloss_dict.npy`, the pickled `{gloss: [id, count]}` of the field's code.

    A pickle is a program. This one may create dict, list, tuple, str and int, and the array around them; any other name
    is refused before it is resolved, and the names of numpy's arrays are resolved to stand-ins that do nothing.

    Raises:
        DataError: the file cannot be read, needs anything else, or holds no such table.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        if len(data) > GLOSS_DICT_BYTES:
            raise ValueError(f"it has {len(data)} bytes, too many for a table of glosses")
        stream = io.BytesIO(data)
        version = npy.read_magic(stream)
        shape, _, dtype = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version](stream)
        if dtype != np.dtype(object) or shape != ():
            raise ValueError(f"it holds an array of {dtype} with the shape {shape}, not one pickled dictionary")
        array = _Restricted(stream).load()
        return {gloss: _id_and_count(gloss, value) for gloss, value in array.content().items()}
    except OSError as error:
        raise DataError(f"The file cannot be read: {error.strerror}.", str(path), "Check the name.") from error
    except _Refused as error:
        raise DataError(f"{error}.", str(path), "Do not use this file: it may be an attack.") from error
    except Exception as error:  # a damaged pickle raises nearly anything
        fix = "Use a gloss_dict.npy that holds {gloss: [id, count]}, with ids from 1."
        raise DataError(f"This is not a gloss_dict.npy: {type(error).__name__}: {error}.", str(path), fix) from error


class _Refused(Exception):
    """The pickle asks for something that a table of glosses does not need."""


class _Array:
    """Stands in for the object array around the dictionary; keeps what is put into it."""

    state: Any = None

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def content(self) -> dict[Any, Any]:
        """The one element: the state is (version, shape, dtype, is_fortran, [element])."""
        (element,) = self.state[4]
        if type(element) is not dict:
            raise TypeError(f"it holds a {type(element).__name__}, not a dict")
        return element


class _Restricted(pickle.Unpickler):
    """An unpickler that reaches nothing but stand-ins."""

    def find_class(self, module: str, name: str) -> Any:
        package = module.replace("numpy._core", "numpy.core")  # numpy 2 renamed it
        if (package, name) in _STAND_INS:
            return _Array
        raise _Refused(f"The pickle asks for {module}.{name}, which a table of glosses does not need")


_STAND_INS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),  # how protocol 2, which numpy wrote up to 1.16, spells a byte string
}


def _id_and_count(gloss: Any, value: Any) -> tuple[int, int]:
    numbers = value if type(value) in (list, tuple) else [value]
    if type(gloss) is not str or not numbers or any(type(number) is not int for number in numbers):
        raise TypeError(f"the entry {gloss!r}: {value!r} is not gloss: [id, count]")
    return numbers[0], max(0, numbers[1]) if len(numbers) > 1 else 0
