"""What `slr convert` does: convert clips to another file type, and to another layout."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.console import Console
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.features.augment import mirrored_clip
from slrcli.features.layout import Layout, generic_layout, layouts_of_width, list_layouts, load_layout
from slrcli.features.rate import at_pace
from slrcli.features.readers import IN_FOLDER, PEOPLE, SUFFIXES, clips_below, holds_frames, own_layout, read_clips
from slrcli.features.readers.people import nobody
from slrcli.features.recording import Recording, Size, fit, zeros_to_nan
from slrcli.features.writers import WRITERS, write_recording
from slrcli.files import below

KIND = "npz"  # what is written into folders: as small as .npy, and it says what the columns mean
TO_FOLDER = "Name a folder as the target; --to gives the file type."


@dataclass(frozen=True)
class Options:
    """How clips are read and written.

    Attributes:
        layout: target layout; None: that of the file, or the one that its width suggests.
        people: with several people, take the `largest`, or raise an `error`.
        size: width and height of the picture in pixels, if the file does not say.
        fps: frames per second, if the file does not say.
        to_fps: frames per second of what is written; 0: as they are.
        mirror: swap left and right, and reflect x.
    """

    layout: Layout | None = None
    people: str = PEOPLE[0]
    size: Size | None = None
    fps: float = 0.0
    to_fps: float = 0.0
    mirror: bool = False


@dataclass(frozen=True)
class Converted:
    """The result for one clip: the file that was written, or the error."""

    source: Path
    target: Path | None = None
    frames: int = 0
    columns: int = 0
    layout: str = ""
    fps: float = 0.0
    notes: tuple[str, ...] = ()
    error: SlrError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        if self.error is not None:
            return {"source": str(self.source), "error": str(self.error)}
        values = {name: getattr(self, name) for name in ("frames", "columns", "layout", "fps", "notes")}
        return {"source": str(self.source), "target": str(self.target), **values}


def parse_size(text: str) -> Size:
    """`1280x720` as width and height; UsageError for anything else."""
    found = re.fullmatch(r"(\d{1,5})[xX×](\d{1,5})", text.strip())
    if not found or not int(found[1]) or not int(found[2]):
        raise UsageError(f"{text!r} is not a picture size.", "--size", "Write it as WIDTHxHEIGHT, such as 1280x720.")
    return int(found[1]), int(found[2])


def convert(
    console: Console, source: Path, target: Path, options: Options, kind: str = KIND, stop_on_error: bool = False
) -> Iterator[Converted]:
    """Convert a file, or all clips of a folder; a clip that fails stops the others only with `stop_on_error`.

    A file is written to the file `target`, or into it if it is a folder or the file holds several clips. The clips of a
    folder are written into the folder `target`, with the same relative paths.

    Raises:
        UsageError: the target does not suit the source, or this file type cannot be written.
        DataError: the source does not exist, or holds no clip.
    """
    if f".{kind}" not in WRITERS:
        raise UsageError(f"Files of type {kind!r} cannot be written.", "--to", f"Use {', '.join(WRITERS)}.")
    if options.people not in PEOPLE:
        raise UsageError(f"--people must be {' or '.join(PEOPLE)}, not {options.people}.")
    sources = _sources(source, target)
    into = source.is_dir() and sources != [source]
    written: dict[Path, Path] = {}
    with console.progress("converting", len(sources)) as task:
        for path in sources:
            place = target / _called(path.relative_to(source)) if into else target
            for item in _convert_file(path, place, into, options, kind, written):
                yield item
                if item.error is not None and stop_on_error:
                    return
            task.advance()


def _called(path: Path) -> Path:
    """The place of a clip; one in a folder of its own is called like the folder."""
    alone = path.stem == IN_FOLDER and path.parent.name
    return path.parent.with_name(path.parent.name + path.suffix) if alone else path


def _sources(source: Path, target: Path) -> list[Path]:
    """The clips of a folder except those that lie in the target; a file, or a folder of frames, is one clip."""
    if not source.exists():
        raise DataError("There is no such file or folder.", source)
    if not source.is_dir() or holds_frames(entry.name for entry in source.iterdir()):
        return [source]
    if target.suffix in WRITERS and not target.is_dir():
        raise UsageError("A folder is converted into a folder.", target, TO_FOLDER)
    own = Path(os.path.realpath(target))  # which, unlike `resolve`, bears links that lead in a circle
    inside = [path for path in clips_below(source) if not Path(os.path.realpath(path)).is_relative_to(own)]
    if not inside:
        raise DataError("The folder holds no clips.", source, f"Clips end in {', '.join(SUFFIXES)}.")
    return inside


def _convert_file(
    path: Path, place: Path, into: bool, options: Options, kind: str, written: dict[Path, Path]
) -> Iterator[Converted]:
    """The clips of a file, one after the other; one whose clips cannot be read to the end gives an error at last."""
    try:
        for clip, recording in read_clips(path, options.layout, options.people):
            try:
                yield _convert_clip(path, _target(path, clip, place, into, kind), recording, options, written)
            except SlrError as error:
                yield Converted(path, error=error)
    except SlrError as error:
        yield Converted(path, error=error)


def _target(path: Path, clip: str, place: Path, into: bool, kind: str) -> Path:
    """Where a clip goes.

    Raises:
        DataError: an id that is no name of a file.
        UsageError: several clips cannot go into one file.
    """
    if clip:
        folder = place.with_suffix("") if into else place
        if not into and place.suffix in WRITERS and not place.is_dir():
            raise UsageError("The file holds several clips.", path, TO_FOLDER)
        return below(folder, clip, f".{kind}", path)
    suffix = place.suffix.lower()
    if not into and suffix in SUFFIXES and suffix not in WRITERS and not place.is_dir():
        raise UsageError(
            f"Files of type {suffix} cannot be written.", place, f"Use {', '.join(WRITERS)}, or name a folder."
        )
    if into:
        return place.with_suffix(f".{kind}") if place.suffix in SUFFIXES else place.with_name(f"{place.name}.{kind}")
    if place.suffix in WRITERS and not place.is_dir():
        return place
    return place / f"{path.stem if path.is_file() else path.name}.{kind}"


def _convert_clip(
    path: Path, target: Path, recording: Recording, options: Options, written: dict[Path, Path]
) -> Converted:
    if os.path.realpath(target) == os.path.realpath(path):
        raise UsageError("The file would replace itself.", path, "Name another file.")
    if target in written:
        what = f"{target} was already written from {written[target]}."
        raise DataError(what, path, "Convert them into two folders.")
    if options.fps and recording.fps and abs(options.fps - recording.fps) > 1e-3:
        note = f"--fps {options.fps:g} is not used, because the files say their frame rate themselves."
        recording = replace(recording, notes=(*recording.notes, note))
    recording = replace(recording, size=recording.size or options.size, fps=recording.fps or options.fps)
    recording = _laid_out(recording, options.layout, path)
    if recording.layout and recording.layout.zero_is_missing:
        recording = replace(recording, values=zeros_to_nan(recording.values, recording.layout))
    if recording.layout and recording.layout.spatial and recording.layout.name not in list_layouts():
        note = f"No shipped layout has the points of {recording.layout.name}. Name one with --layout for training."
        recording = replace(recording, notes=(*recording.notes, note) if options.layout is None else recording.notes)
    if np.isnan(recording.values).all():
        raise nobody(path)
    if options.to_fps:
        recording = _resampled(recording, options.to_fps, path)
    if options.mirror:
        recording = _mirrored(recording, path)
    if np.isinf(recording.values).any():
        note = "Infinite values were copied unchanged; a recogniser refuses them."
        recording = replace(recording, notes=(*recording.notes, note))
    write_recording(target, recording)
    written[target] = path
    layout = recording.layout.name if recording.layout else ""
    frames, columns = recording.values.shape
    return Converted(path, target, frames, columns, layout, recording.fps, recording.notes)


def _resampled(recording: Recording, fps: float, path: Path) -> Recording:
    """The recording at `fps` frames per second; DataError if its own rate is unknown."""
    if not recording.fps:
        what = "The file does not say its frame rate, from which it would be resampled."
        raise DataError(what, path, "Give it with --fps.")
    x = recording.values
    x = at_pace(x, recording.fps / fps, recording.layout or generic_layout(x.shape[1]))
    return replace(recording, values=x, fps=fps)


def _mirrored(recording: Recording, path: Path) -> Recording:
    """The recording in the mirror: about the middle of the picture if that is known, else about that of the points."""
    layout = recording.layout
    if layout is None or not layout.mirror:
        what = "The clip cannot be mirrored: its layout does not say which points are left and right."
        raise DataError(what, path, "Name a layout with pairs under mirror, with --layout.")
    size = recording.size
    across = {"image": 1.0, "pixels": float(size[0]) if size else None}.get(layout.units)
    return replace(recording, values=mirrored_clip(recording.values, layout, across))


def _laid_out(recording: Recording, layout: Layout | None, path: Path) -> Recording:
    """The recording in the layout that is wanted. An array that does not say what it is has that layout if it is as
    wide, else the one that its width suggests."""
    width = recording.values.shape[1]
    if recording.layout is None and (layout is None or layout.width != width):
        own_layout(path)  # which refuses a name that nobody knows: its columns are not to be guessed
        found = layouts_of_width(width)
        if found:
            others = ", ".join(other.name for other in found[1:])
            note = f"{width} columns are read as {found[0].name}" + (f"; they may also be {others}." if others else ".")
            recording = replace(recording, layout=found[0], notes=(*recording.notes, note))
        elif layout:
            what = f"The file has {width} columns, but layout {layout.name} expects {layout.width}."
            raise DataError(what, path, "Name the layout of the file.")
    return fit(recording, layout, str(path)) if layout else recording


def wanted_layout(name: str | None) -> Layout | None:
    """The layout with this name or from this TOML file; None without a name."""
    return load_layout(name) if name else None
