"""A reader: text files with a line of numbers per frame."""

from pathlib import Path

import numpy as np

from slrcli.errors import DataError
from slrcli.features.layout import Layout
from slrcli.features.readers import Reader
from slrcli.features.recording import Recording


class Frames(Reader):
    """Files that end in `.frames`; `nan` stands for what is missing."""

    suffixes = (".frames",)

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        """The clip of a file; DataError if it is no table of numbers."""
        try:
            values = np.loadtxt(path, dtype=np.float32, ndmin=2)
        except (OSError, ValueError) as error:
            raise DataError(
                f"This is no table of numbers: {error}.", path, "Write a line of numbers per frame."
            ) from error
        return Recording(values)


FRAMES = Frames()
