"""What outputs with times need to know of clips: what each is called, and its frame rate."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from slrcli.config import FRAMES_PER_SECOND
from slrcli.console import Console
from slrcli.errors import SHOWN_IDS, SlrError, UsageError
from slrcli.features.clip import Clip
from slrcli.features.rate import pace
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
    """The frame rate of clips: that of the file, else the given one, else the usual one.

    Args:
        console: for one note where the rate had to be assumed, and one where clips are resampled.
        given: by the user or the corpus, for files that do not say it; 0 where neither gives one.
        usual: of what the recogniser was trained on; 0: not known.
    """

    def __init__(self, console: Console, given: float, usual: float):
        self.given, self._console, self._usual = given, console, usual
        self._guessed = self._noted = False

    def of(self, path: Path) -> float:
        """Frames per second of a feature file.

        Raises:
            DataError: the file cannot be read.
        """
        known = frame_rate(path) or self.given or self._usual
        if not known and not self._guessed:
            self._guessed = True
            assumed = f"{FRAMES_PER_SECOND:g} frames/s are assumed (--fps)"
            self._console.note(f"The files do not give their frame rate; {assumed}.")
        return known or FRAMES_PER_SECOND

    def note(self, clip: Clip, name: str | Path) -> None:
        """Note the first clip that is read at another rate than its own."""
        if clip.factor != 1 and not self._noted:
            self._noted = True
            self._console.note(
                f"{Path(name).name} has {clip.fps:.4g} frames per second, the training data had {self._usual:.4g}: "
                "such clips are resampled."
            )


def check_rate(fps: float, files: Iterable[Path], usual: float, timed: Any) -> None:
    """`require_effect` for feature files that nobody has opened yet; one that cannot be read is reported when it is."""
    own = []
    for file in files if fps else ():
        with suppress(SlrError):
            own.append(frame_rate(file))
    require_effect(fps, own, usual, timed)


def require_effect(fps: float, own: Sequence[float], usual: float, timed: Any) -> None:
    """Refuse a frame rate that changes nothing.

    Args:
        fps: as the user says it; 0: nothing is said.
        own: what the feature files say themselves; 0 for those that do not.
        usual: of what the recogniser was trained on; 0: not known.
        timed: whether times are written.

    Raises:
        UsageError: all files say another rate themselves, or it is neither compared nor written.
    """
    if not fps or not own:
        return
    if all(own) and any(pace(rate, fps) != 1 for rate in own):
        found = ", ".join(f"{rate:.4g}" for rate in sorted(set(own))[:SHOWN_IDS])
        what = f"All files say their frame rate themselves ({found}), so --fps {fps:g} changes nothing."
        raise UsageError(what, "--fps", "Leave it out, or correct what the files say with slr convert.")
    if not usual and not timed:
        what = f"The recogniser does not know the frame rate that it was trained at, so --fps {fps:g} changes nothing."
        fix = "Leave it out, resample the clips with slr convert --to-fps, or train again with fps in corpus.toml."
        raise UsageError(what, "--fps", fix)
