"""`Reader`: what there is to know of the files of one format."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from slrcli.features.layout import Layout
from slrcli.features.readers.common import Sample, ends_of
from slrcli.features.recording import Recording


class Reader(Protocol):
    """The files of one format. A reader says how to `read` them; whatever else their headers tell without that, it
    overrides.

    All methods raise DataError for a file that is missing, damaged, empty or pickled, and DependencyError where the
    format's library is not installed.

    Attributes:
        suffixes: of its files, in lower case; none where content or place alone tell the format.
        is_text: whether much else has these suffixes, too.
    """

    suffixes: tuple[str, ...] = ()
    is_text: bool = False

    def reads(self, path: Path) -> bool:
        """Whether a file is of this format. Of several readers that say so the first in the registry reads it."""
        return path.suffix.lower() in self.suffixes

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        """The clip of a file.

        Args:
            path: the file.
            layout: what names in it can mean, or which of several forms is wanted; nothing is brought into it.
            people: of several people the `largest`, or an `error`.
        """
        ...

    def clips(
        self, path: Path, layout: Layout | None = None, people: str = "largest"
    ) -> Iterator[tuple[str, Recording]]:
        """All clips of a file with their ids; "" is the id of the only one."""
        yield "", self.read(path, layout, people)

    def extent(self, path: Path) -> tuple[int, int] | None:
        """`(T, D)` as the header has it; None where there is no header, so that the file has to be read."""
        return None

    def own_layout(self, path: Path, strict: bool = False) -> Layout | None:
        """The layout that the file says it has; None for plain arrays.

        Raises:
            UsageError: `strict`, and it names a layout that does not come along.
        """
        return self.read(path).layout

    def frame_rate(self, path: Path) -> float:
        """Frames a second, where the file says so; else 0."""
        return 0.0

    def stored(self, path: Path) -> tuple[str, Sample]:
        """The type of the stored numbers, such as `float32`, and some bytes of them."""
        return "float32", ends_of(path) if path.is_file() else (b"", b"")
