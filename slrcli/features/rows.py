"""Frames from a byte stream: headerless float32, a `.npy` array that is still being written, or lines of text.

The first bytes decide which it is: `.npy` begins with its magic string, text consists of printable ASCII, anything else
is headerless little-endian float32, one frame after the other.
"""

import io
import re
from typing import Protocol

import numpy as np
from numpy.lib import format as npy

from slrcli.errors import DataError, damage_of, is_damage

MAGIC = b"\x93NUMPY"
HEADER_MOST = 1 << 16  # bytes; that of an array of numbers has 128
LINE_MOST = 1 << 22  # bytes; a line of 6,516 numbers has 130,000
SNIFFED = 32  # bytes; of bare numbers so many are never all printable
PARTING = re.compile(r"[,;\s]+")


class Rows(Protocol):
    """Parses bytes into frames."""

    def feed(self, data: bytes) -> np.ndarray:
        """The frames `[n, D]` completed by these bytes; a DataError if they are not frames."""

    def close(self) -> np.ndarray:
        """The remaining frames at the end of the stream; a DataError if it ends within a frame."""


class AnyRows:
    """`Rows` of the format that the first bytes show.

    Args:
        width: D, the number of values per frame.
        name: name of the source, for errors.
    """

    def __init__(self, width: int, name: str):
        self._width, self._name = width, name
        self._first = b""
        self._rows: Rows | None = None

    def feed(self, data: bytes) -> np.ndarray:
        """See `Rows`."""
        if self._rows is not None:
            return self._rows.feed(data)
        self._first += data
        if len(self._first) < SNIFFED:
            return np.zeros((0, self._width), np.float32)
        self._rows, first = self._begin()
        return self._rows.feed(first)

    def close(self) -> np.ndarray:
        """See `Rows`."""
        if self._rows is not None:
            return self._rows.close()
        if not self._first:
            return np.zeros((0, self._width), np.float32)
        self._rows, first = self._begin()
        return np.concatenate([self._rows.feed(first), self._rows.close()])

    def _begin(self) -> tuple[Rows, bytes]:
        """Settle what it is; what reads that, and the bytes that came before it was known."""
        first, self._first = self._first, b""
        kind = NpyRows if first.startswith(MAGIC) else TextRows if _is_text(first[:SNIFFED]) else BareRows
        return kind(self._width, self._name), first


def _is_text(data: bytes) -> bool:
    return all(32 <= byte < 127 or byte in b"\t\r\n" for byte in data)


class BareRows:
    """Headerless numbers of one type, frame after frame."""

    def __init__(self, width: int, name: str, kind: np.dtype | str = "<f4"):
        self._width, self._name, self._kind = width, name, np.dtype(kind)
        self._left = b""

    def feed(self, data: bytes) -> np.ndarray:
        """See `Rows`."""
        data = self._left + data
        size = self._width * self._kind.itemsize
        whole = len(data) // size * size
        self._left = data[whole:]
        return np.frombuffer(data[:whole], self._kind).reshape(-1, self._width).astype(np.float32)

    def close(self) -> np.ndarray:
        """See `Rows`."""
        if self._left:
            what = f"The stream ends within a frame, {len(self._left)} bytes after the last complete one."
            raise DataError(
                what, self._name, f"Send frames of {self._width} numbers with {self._kind.itemsize} bytes each."
            )
        return np.zeros((0, self._width), np.float32)


class NpyRows:
    """A `.npy` array of frames. The number of frames in its header is ignored: it may have been written in advance."""

    def __init__(self, width: int, name: str):
        self._width, self._name = width, name
        self._header = b""
        self._rows: BareRows | None = None

    def feed(self, data: bytes) -> np.ndarray:
        """See `Rows`."""
        if self._rows is None:
            self._header += data
            data = self._begin()
        return self._rows.feed(data) if self._rows else np.zeros((0, self._width), np.float32)

    def close(self) -> np.ndarray:
        """See `Rows`."""
        if self._rows is None:
            raise DataError(
                "The array ends within its header.", self._name, "Write the complete array with numpy.save."
            )
        return self._rows.close()

    def _begin(self) -> bytes:
        """Read the header, once it is there; the bytes after it."""
        file = io.BytesIO(self._header)
        try:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, fortran, kind = read(file)
        except Exception as error:
            if isinstance(error, ValueError) and len(self._header) < HEADER_MOST and "EOF" in str(error):
                return b""
            if not is_damage(error):
                raise
            raise DataError(f"The header of the array cannot be read: {damage_of(error)}.", self._name) from error
        if len(shape) != 2 or shape[1] != self._width or fortran or kind.kind != "f":
            what = f"The array is {kind.name} {list(shape)}{' in column-major order' if fortran else ''}."
            raise DataError(what, self._name, f"Send frames as rows of {self._width} floating-point numbers.")
        self._rows = BareRows(self._width, self._name, kind)
        return self._header[file.tell() :]


class TextRows:
    """Lines of numbers, separated by commas, semicolons or white space; a first line of words is a header."""

    def __init__(self, width: int, name: str):
        self._width, self._name = width, name
        self._left = b""
        self._line = 0

    def feed(self, data: bytes) -> np.ndarray:
        """See `Rows`."""
        *lines, self._left = (self._left + data).split(b"\n")
        if len(self._left) > LINE_MOST:
            raise DataError(
                f"A line of the stream has no end within {LINE_MOST:,} bytes.",
                self._where(1),
                "End each frame with a line break.",
            )
        rows = [row for row in map(self._row, lines) if row is not None]
        return np.array(rows, np.float32).reshape(len(rows), self._width)

    def close(self) -> np.ndarray:
        """See `Rows`; the last line needs no line break."""
        return self.feed(b"\n") if self._left else np.zeros((0, self._width), np.float32)

    def _row(self, line: bytes) -> list[float] | None:
        self._line += 1
        words = [word for word in PARTING.split(line.decode("utf-8", "replace").strip()) if word]
        if not words:
            return None
        try:
            row = [float(word) for word in words]
        except ValueError as error:
            if self._line == 1:
                return None
            raise DataError(f"The line does not consist of numbers: {error}.", self._where()) from error
        if len(row) != self._width:
            what = f"The frame has {len(row)} numbers, but the recogniser needs {self._width}."
            raise DataError(what, self._where(), "Write nan where a value is missing.")
        return row

    def _where(self, beyond: int = 0) -> str:
        return f"{self._name}, line {self._line + beyond}"
