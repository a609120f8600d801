"""What `slr show` does: draw one clip, of any kind of file that is read."""

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from slrcli.config import FRAMES_PER_SECOND
from slrcli.console import Console
from slrcli.errors import DataError, UsageError
from slrcli.features.layout import Layout, guess_layout, load_layout
from slrcli.features.readers import own_layout, read_clips
from slrcli.features.recording import Recording, fit, prepare
from slrcli.files import atomic_write_bytes, below
from slrcli.report.clip import gif as moving
from slrcli.report.clip import html
from slrcli.report.clip.skeleton import skeleton, square
from slrcli.report.clip.timeline import Slots, Strip, slots, timeline

PICTURES = (".html", ".htm", ".gif")


@dataclass(frozen=True, eq=False)
class Shown:
    """What was drawn.

    Attributes:
        file: the clip.
        clip: its id, where the file holds several.
        layout: of its columns.
        frames: how many it has.
        fps: frames a second; 0 if nobody said.
        strips: what is seen of its parts, and how fast they move.
        slots: how its hands leave their slots; None where they do not.
        written: the page or animation.
        bytes: its size.
        every: of so many frames one is drawn.
        notes: what a person should know about how it was read.
    """

    file: Path
    clip: str
    layout: Layout
    frames: int
    fps: float
    strips: tuple[Strip, ...]
    slots: Slots | None
    written: Path
    bytes: int
    every: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `--json`."""
        return {
            "file": str(self.file),
            "clip": self.clip or None,
            "layout": self.layout.name,
            "frames": self.frames,
            "fps": self.fps or None,
            "parts": [
                {"name": item.name, "presence": item.presence, "mean_speed": item.mean_speed, "unit": item.unit}
                for item in self.strips
            ],
            "slots": self.slots.to_dict() if self.slots else None,
            "written": str(self.written),
            "bytes": self.bytes,
            "every": self.every,
            "notes": list(self.notes),
        }


def show(
    console: Console,
    file: Path,
    out: Path | None = None,
    layout: str = "auto",
    fps: float = 0.0,
    aspect: float = 0.0,
    clip: str = "",
) -> Shown:
    """Draw a clip.

    Args:
        console: where progress goes.
        file: a clip as `slr convert` reads it.
        out: a page (.html) or an animation (.gif); None: a page named like the clip, here.
        layout: of the columns; "auto": what the file says, else by their number.
        fps: frames a second; 0: the file's or the layout's.
        aspect: width of the picture in heights, where positions are shares of it; 0: what the file says, else 1.
        clip: id of the clip, where the file holds several.

    Raises:
        DataError: the clip cannot be read, or there is nothing to draw in an animation.
        UsageError: the output is neither, the layout does not exist, or no or another clip was named.
        DependencyError: an animation needs Pillow, or the file a library that is not installed.
    """
    wanted = None if layout in ("auto", "generic") else load_layout(layout)
    id, recording = one_clip(file, clip, wanted)
    out = out or below("", id or (file.name if file.is_dir() else file.stem), ".html", file)
    if out.suffix.lower() not in PICTURES:
        fix = f"Give a name that ends in {' or '.join(PICTURES)}."
        raise UsageError(f"{out.name} is neither a page nor an animation.", "--out", fix)
    recording, known = laid_out(recording, layout, wanted, file)
    frames = len(recording.values)
    positions = prepare(recording.values, known, max_gap=0)[:, : known.positions]
    places = slots(positions, known)
    positions = square(positions, known, aspect or aspect_of(recording))
    fps = fps or recording.fps or known.fps
    strips = tuple(timeline(positions, known, fps))
    drawn = skeleton(positions, known)
    if out.suffix.lower() == ".gif":
        if drawn is None:
            what = f"Nothing of the layout {known.name} can be drawn: it has no positions, or no point is ever seen."
            raise DataError(what, file, "Write a page (.html) instead.")
        every = moving.stride_for(frames, fps or FRAMES_PER_SECOND)
        with console.progress("Drawing", total=-(-frames // every)) as task:
            data = moving.gif(drawn, fps or FRAMES_PER_SECOND, task.advance, places)
    else:
        every = html.stride_for(frames, drawn.points.shape[1]) if drawn else 1
        title = f"{file.name}, {id}" if id else file.name
        data = html.page(title, facts(recording, known, fps), drawn, strips, fps, places).encode("utf-8")
    atomic_write_bytes(out, data)
    return Shown(file, id, known, frames, fps, strips, places, out, len(data), every, recording.notes)


def one_clip(file: Path, clip: str, layout: Layout | None) -> tuple[str, Recording]:
    """A clip of a file with its id ("" where it is the only one).

    Raises:
        DataError: like `read_clips`.
        UsageError: the file holds several and none was named, or not the one that was.
    """
    if clip:
        for id, recording in read_clips(file, layout):
            if id == clip:
                return id, recording
        raise UsageError(f"{file.name} contains no clip {clip!r}.", "--clip", "Leave --clip out to see some names.")
    found = list(islice(read_clips(file, layout), 2))
    if len(found) > 1:
        what = f"{file.name} contains several clips, such as {found[0][0]} and {found[1][0]}."
        raise UsageError(what, fix=f"Choose one, such as --clip {found[0][0]}.")
    return found[0]


def laid_out(recording: Recording, name: str, layout: Layout | None, file: Path) -> tuple[Recording, Layout]:
    """The recording with the layout that was named; else its own, else the one that its width suggests."""
    width = recording.values.shape[1]
    if name == "generic":
        layout = load_layout(name, width)
        return replace(recording, layout=layout), layout
    if layout is None:
        layout = recording.layout or own_layout(file) or guess_layout(width)
        return replace(recording, layout=layout), layout
    if recording.layout is None and layout.width != width:
        what = f"The clip has {width} columns, but the layout {layout.name} has {layout.width}."
        raise DataError(what, file, "Name its layout with --layout.")
    return fit(recording, layout, str(file)), layout


def aspect_of(recording: Recording) -> float:
    """Width of the picture in heights; 1 where the file does not say."""
    return recording.size[0] / recording.size[1] if recording.size else 1.0


def facts(recording: Recording, layout: Layout, fps: float) -> list[tuple[str, str]]:
    """What stands above the picture: names and values."""
    frames, width = recording.values.shape
    told = [("Frames", f"{frames:,}")]
    if fps:
        told.append(("Length", f"{frames / fps:.2f} s at {fps:g} frames per second"))
    told.append(("Layout", f"{layout.name}, {width:,} numbers per frame"))
    if recording.size:
        told.append(("Picture", f"{recording.size[0]} × {recording.size[1]} pixels"))
    return told
