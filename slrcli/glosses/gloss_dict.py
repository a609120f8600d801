"""Reads a pickled table of glosses (`gloss_dict.npy`) without executing anything in it."""

import io
import reprlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from slrcli.errors import DataError, shortened
from slrcli.files import read_bytes
from slrcli.pickles import Refused, load

GLOSS_DICT_BYTES = 64_000_000  # far beyond any; a pickle can ask for memory as well


def read_gloss_dict(path: str | Path) -> dict[str, tuple[int, int]]:
    """Gloss -> (id, count) of a `gloss_dict.npy`, the pickled `{gloss: [id, count]}` of the field's code.

    The pickle is read as data, see `slrcli.pickles`.

    Raises:
        DataError: the file cannot be read, needs anything else, or holds no such table.
    """
    path = Path(path)
    try:
        data = read_bytes(path, GLOSS_DICT_BYTES)
        stream = io.BytesIO(data)
        version = npy.read_magic(stream)
        shape, _, dtype = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version](stream)
        if dtype != np.dtype(object) or shape != ():
            about = shortened(f"{dtype} with the shape {shape}", 80)
            raise ValueError(f"it holds an array of {about}, not one pickled dictionary")
        table = _content(load(data[stream.tell() :], "a table of glosses"))
        return {gloss: _id_and_count(gloss, value) for gloss, value in table.items()}
    except OSError as error:
        raise DataError(f"The file cannot be read: {error.strerror}.", str(path), "Check the name.") from error
    except Refused as error:
        raise DataError(f"{error}.", str(path), "Do not use this file: it may be an attack.") from error
    except Exception as error:  # a damaged pickle raises nearly anything
        fix = "Use a gloss_dict.npy that holds {gloss: [id, count]}, with ids from 1."
        raise DataError(f"This is not a gloss_dict.npy: {type(error).__name__}: {error}.", str(path), fix) from error


def _content(array: Any) -> dict[Any, Any]:
    """The one element of the array around the dictionary."""
    (element,) = array.items
    if type(element) is not dict:
        raise TypeError(f"it holds a {type(element).__name__}, not a dict")
    return element


def _id_and_count(gloss: Any, value: Any) -> tuple[int, int]:
    numbers = value if type(value) in (list, tuple) else [value]
    if type(gloss) is not str or not numbers or any(type(number) is not int for number in numbers):
        raise TypeError(
            f"the entry {reprlib.repr(gloss)}: {shortened(reprlib.repr(value), 80)} is not gloss: [id, count]"
        )
    return numbers[0], max(0, numbers[1]) if len(numbers) > 1 else 0
