"""A language model stored in a setting: an ARPA file as text, so that a checkpoint can contain it."""

import base64
import binascii
import zlib
from pathlib import Path

from slrcli.errors import DataError

MARK = "data:text/x-arpa;zlib;base64,"
MOST = 8 << 20  # characters; a checkpoint's header, where they stand, is read whole each time it is opened
SHOWN = "the language model in the checkpoint"


def is_stored(model: str | Path) -> bool:
    """Whether a setting is a model itself, not the name of its file."""
    return str(model).startswith(MARK)


def stored(path: str | Path, most: int = MOST) -> str | None:
    """An ARPA file as text, which `model_bytes` decodes; None if it is longer than `most`.

    Raises:
        OSError: the file cannot be read.
    """
    text = MARK + base64.b64encode(zlib.compress(Path(path).read_bytes(), 9)).decode("ascii")
    return text if len(text) <= most else None


def model_bytes(model: str | Path) -> bytes:
    """The bytes of an ARPA file; `model` is its name or its content.

    Raises:
        OSError: the file cannot be read.
        DataError: the text is damaged.
    """
    if not is_stored(model):
        return Path(model).read_bytes()
    try:
        return zlib.decompress(base64.b64decode(str(model)[len(MARK) :], validate=True))
    except (binascii.Error, zlib.error) as error:
        what = f"The language model in the checkpoint is damaged: {error}."
        raise DataError(what, fix="Tune again with slr eval --tune.") from error


def shown_model(model: str | Path) -> str:
    """The name of a model in a message."""
    return SHOWN if is_stored(model) else str(model)
