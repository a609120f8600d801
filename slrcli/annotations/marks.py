"""What readers of annotations in time give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, order=True)
class Mark:
    """A text with its time in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Tier:
    """The marks of a tier, sorted by start.

    Attributes:
        name: its name.
        marks: those with a text and a time.
        participant: whose tier it is; empty where the file does not say.
        empty: annotations without a text, which are left out.
        timeless: annotations that lie nowhere in time, which are left out.
    """

    name: str
    marks: tuple[Mark, ...] = ()
    participant: str = ""
    empty: int = 0
    timeless: int = 0


@dataclass(frozen=True)
class Media:
    """A video that a file of annotations names.

    Attributes:
        name: without folders.
        origin: where in it the time of the annotations begins, in seconds.
        places: where it is said to be, the likeliest first; a relative path begins at the file of annotations.
    """

    name: str
    origin: float = 0.0
    places: tuple[Path, ...] = ()

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return Path(self.name).stem


@dataclass(frozen=True)
class Annotated:
    """A file of annotations.

    Attributes:
        path: the file.
        tiers: by their names; those of subtitles have one, called "".
        media: the videos that it names.
    """

    path: Path
    tiers: Mapping[str, Tier]
    media: tuple[Media, ...] = field(default=())
