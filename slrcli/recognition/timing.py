"""What outputs with times need to know of clips: what each is called, and its frame rate."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from slrcli.config import FRAMES_PER_SECOND
from slrcli.console import Console
from slrcli.errors import UsageError
from slrcli.features.readers import frame_rate, holder_of, is_holder


def clip_ids(paths: Sequence[Path], files: Sequence[Path]) -> list[str]:
    """The id of each file: its path below the folder that was named, without the suffix, or its own name.

    Where two files share such a name, both keep their suffixes.

    Args:
        paths: files and folders as the user named them.
        files: what was found at and below them.

    Raises:
        UsageError: two files of the same name from different folders.
    """
    named = set(paths)
    folders = [path for path in paths if path.is_dir() or is_holder(path)]
    places = [
        Path(file.resolve().name)
        if file in named
        else next(file.relative_to(folder) for folder in folders if file.is_relative_to(folder))
        for file in files
    ]
    whole = [file.is_dir() or holder_of(file) is not None for file in files]  # names without a suffix
    short = [str(place if keep else place.with_suffix("")) for place, keep in zip(places, whole, strict=True)]
    count = Counter(short)
    ids = [one if count[one] == 1 else str(place) for one, place in zip(short, places, strict=True)]
    for id, number in Counter(ids).items():
        if number > 1:
            raise UsageError(f"{number} clips have the name {id}.", fix="Decode the folders one by one.")
    return ids


class FrameRates:
    """The frame rate of clips: the given one, else that of the file, else the usual one.

    Args:
        console: for one note where the rate had to be assumed.
        given: by the user or the corpus; 0 where neither gives one.
        usual: of what the recogniser was trained on; 0: not known.
    """

    def __init__(self, console: Console, given: float, usual: float):
        self._console, self._given, self._usual = console, given, usual
        self._guessed = False

    def of(self, path: Path) -> float:
        """Frames per second of a feature file.

        Raises:
            DataError: the file cannot be read.
        """
        known = self._given or frame_rate(path) or self._usual
        if not known and not self._guessed:
            self._guessed = True
            assumed = f"{FRAMES_PER_SECOND:g} frames/s are assumed (--fps)"
            self._console.note(f"The files do not give their frame rate; {assumed}.")
        return known or FRAMES_PER_SECOND
