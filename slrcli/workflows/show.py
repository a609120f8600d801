"""What `slr show` does: draw one clip."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slrcli.config import FRAMES_PER_SECOND
from slrcli.console import Console
from slrcli.errors import DataError, UsageError
from slrcli.features.landmarks import prepare
from slrcli.features.layout import Layout, guess_layout, load_layout
from slrcli.features.readers import read_features
from slrcli.files import atomic_write_bytes
from slrcli.report.clip import gif as moving
from slrcli.report.clip import html
from slrcli.report.clip.skeleton import skeleton
from slrcli.report.clip.timeline import Strip, timeline

PICTURES = (".html", ".htm", ".gif")


@dataclass(frozen=True, eq=False)
class Shown:
    """What was drawn.

    Attributes:
        file: the clip.
        layout: of its columns.
        frames: how many it has.
        fps: frames a second; 0 if nobody said.
        strips: what is seen of its parts, and how fast they move.
        written: the page or animation.
        bytes: its size.
        every: of so many frames one is drawn.
    """

    file: Path
    layout: Layout
    frames: int
    fps: float
    strips: tuple[Strip, ...]
    written: Path
    bytes: int
    every: int

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `--json`."""
        return {
            "file": str(self.file),
            "layout": self.layout.name,
            "frames": self.frames,
            "fps": self.fps or None,
            "parts": [
                {"name": item.name, "presence": item.presence, "mean_speed": item.mean_speed, "unit": item.unit}
                for item in self.strips
            ],
            "written": str(self.written),
            "bytes": self.bytes,
            "every": self.every,
        }


def show(
    console: Console, file: Path, out: Path | None = None, layout: str = "auto", fps: float = 0.0, aspect: float = 1.0
) -> Shown:
    """Draw a clip.

    Args:
        console: where progress and notes go.
        file: a feature file.
        out: a page (.html) or an animation (.gif); None: a page named like the clip, here.
        layout: of the columns; "auto" goes by their number.
        fps: frames a second; 0: the layout's.
        aspect: width of the picture in heights, where positions are shares of it.

    Raises:
        DataError: the clip cannot be read, or there is nothing to draw in an animation.
        UsageError: the output is neither, or the layout does not exist.
        DependencyError: an animation needs Pillow.
    """
    out = out or Path(f"{file.stem}.html")
    if out.suffix.lower() not in PICTURES:
        raise UsageError(
            f"{out.name} is neither a page nor an animation", "--out", f"end it in {' or '.join(PICTURES)}"
        )
    if not aspect > 0:
        raise UsageError(f"a picture cannot be {aspect:g} times as wide as high", "--aspect", "such as 1.78")
    x = read_features(file)
    known = guess_layout(x.shape[1]) if layout == "auto" else load_layout(layout, x.shape[1])
    if known.width != x.shape[1]:
        what = f"the clip has {x.shape[1]} columns, the layout {known.name} has {known.width}"
        raise DataError(what, file, "name its layout with --layout")
    positions = prepare(x, known, max_gap=0)[:, : known.positions]
    fps = fps or known.fps
    strips = tuple(timeline(positions, known, fps))
    drawn = skeleton(positions, known, aspect)
    if out.suffix.lower() == ".gif":
        if drawn is None:
            what = f"nothing of the layout {known.name} can be drawn: no point has a place, or none is ever seen"
            raise DataError(what, file, "write a page (.html), which shows what there is")
        every = moving.stride_for(len(x), fps or FRAMES_PER_SECOND)
        with console.progress("Drawing", total=-(-len(x) // every)) as task:
            data = moving.gif(drawn, fps or FRAMES_PER_SECOND, task.advance)
    else:
        every = html.stride_for(len(x), drawn.points.shape[1]) if drawn else 1
        data = html.page(file.name, facts(known, len(x), fps), drawn, strips, fps).encode("utf-8")
    atomic_write_bytes(out, data)
    return Shown(file, known, len(x), fps, strips, out, len(data), every)


def facts(layout: Layout, frames: int, fps: float) -> list[tuple[str, str]]:
    """What stands above the picture: names and values."""
    seconds = [("Length", f"{frames / fps:.2f} s at {fps:g} frames a second")] if fps else []
    return [("Frames", f"{frames:,}"), *seconds, ("Layout", f"{layout.name}, {layout.width:,} numbers a frame")]
