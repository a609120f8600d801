"""The readers of annotations in time by the suffixes of their files."""

from collections.abc import Callable
from pathlib import Path

from slrcli.annotations import elan, subtitles
from slrcli.annotations.marks import Annotated
from slrcli.errors import DataError

READERS: dict[str, Callable[[Path], Annotated]] = {".eaf": elan.read, ".srt": subtitles.read, ".vtt": subtitles.read}
SUFFIXES = tuple(READERS)


def is_annotations(path: Path) -> bool:
    """Whether a path is a file of annotations by its suffix, or none that exists under such a name."""
    return path.suffix.lower() in READERS and not path.is_dir()


def read_annotations(path: Path) -> Annotated:
    """The tiers of a file.

    Raises:
        DataError: the file does not exist, is damaged, or of another kind.
        DependencyError: the library for this file type is not installed.
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise DataError(f"The file does not end in {', '.join(SUFFIXES)}.", path, "Name a file of annotations.")
    if not path.is_file():
        raise DataError("There is no such file.", path, "Check its name.")
    return read(path)
