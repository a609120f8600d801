"""A language model stored in a setting: an ARPA file as text, so that a checkpoint can contain it."""

import base64
import binascii
import gzip
import io
import zlib
from pathlib import Path

from slrcli.errors import DataError
from slrcli.files import read_bytes

MARK = "data:text/x-arpa;zlib;base64,"
MOST = 8 << 20  # characters; a checkpoint's header, where they stand, is read whole each time it is opened
GZIP = b"\x1f\x8b"  # how such a file begins, whatever its name
MOST_BYTES = 1 << 30  # of the text in a compressed file; a model of glosses has some megabytes
SHOWN = "the language model in the checkpoint"


def is_stored(model: str | Path) -> bool:
    """Whether a setting is a model itself, not the name of its file."""
    return str(model).startswith(MARK)


def stored(path: str | Path, most: int = MOST) -> str | None:
    """An ARPA file as text, which `model_bytes` decodes; None if it is longer than `most`.

    Raises:
        OSError: the file cannot be read.
        DataError: it is compressed and damaged.
    """
    text = MARK + base64.b64encode(zlib.compress(model_bytes(path), 9)).decode("ascii")
    return text if len(text) <= most else None


def model_bytes(model: str | Path) -> bytes:
    """The bytes of an ARPA file, which may be compressed (gzip); `model` is its name or its content.

    Raises:
        OSError: the file cannot be read.
        DataError: the text is damaged, or a compressed file holds more than `MOST_BYTES`.
    """
    if not is_stored(model):
        data = read_bytes(model)
        return _unpacked(data, model) if data.startswith(GZIP) else data
    try:
        return zlib.decompress(base64.b64decode(str(model)[len(MARK) :], validate=True))
    except (binascii.Error, zlib.error) as error:
        what = f"The language model in the checkpoint is damaged: {error}."
        raise DataError(what, fix="Tune again with slr eval --tune.") from error


def _unpacked(data: bytes, path: str | Path) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            text = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        what = f"The compressed language model is damaged: {str(error).rstrip('.')}."
        raise DataError(what, str(path), "Copy or compress it again.") from error
    if len(text) > MOST_BYTES:
        what = f"The compressed language model holds more than {MOST_BYTES >> 20} MB of text."
        raise DataError(what, str(path), "Unpack it first, or use a smaller model.")
    return text


def shown_model(model: str | Path) -> str:
    """The name of a model in a message."""
    return SHOWN if is_stored(model) else str(model)
