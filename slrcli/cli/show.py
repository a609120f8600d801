"""`slr show`: a clip's skeleton in motion."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slrcli.cli.options.common import Json, option
from slrcli.console import Console

if TYPE_CHECKING:
    from slrcli.report.clip.show import Shown
    from slrcli.report.clip.timeline import Slots

BINS = 48  # characters of a part's speed over time
SLOTS = "hand slots"

File = Annotated[Path, typer.Argument(metavar="FILE", help="A clip, as slr convert reads it.", show_default=False)]


def show(
    console: Console,
    *,
    file: File,
    out: Annotated[Path | None, option("show.out")],
    layout: Annotated[str | None, option("data.layout", panel="")],
    fps: Annotated[float, option("show.fps")],
    aspect: Annotated[float, option("show.aspect")],
    clip: Annotated[str, option("show.clip")],
    as_json: Json,
) -> int:
    """Draw a clip: its skeleton in motion, with visibility and speed of each part.

    Of two hands without a body, it marks where they change their slots, and where both slots hold one hand.

    The page is one self-contained file: play, pause, step, scrub. A GIF requires the extra 'pictures' and shows the
    skeleton alone. Long clips are subsampled, and that is said.

    Examples:
        slr show clip.npy
        slr show clip.pose --out clip.gif
        slr show clip.npy --layout mine.toml --aspect 1.78
    """
    from slrcli.report.clip.show import show as run

    shown = run(console, file, out, layout or "auto", fps, aspect, clip)
    if as_json:
        console.json(shown.to_dict())
    else:
        tell(console, shown)
    for text in shown.notes:
        console.note(text)
    drawn = f", one of {shown.every} frames drawn" if shown.every > 1 else ""
    console.note(f"Written: {shown.written} ({shown.bytes / 1e3:,.0f} kB{drawn})")
    return 0


def tell(console: Console, shown: "Shown") -> None:
    """The clip in a few lines of text."""
    from slrcli.report.clip.timeline import binned
    from slrcli.report.text.histograms import marks_for, number, spark

    length = f", {shown.frames / shown.fps:.2f} s" if shown.fps else ""
    named = f"{shown.file.name}, {shown.clip}" if shown.clip else shown.file.name
    console.result(f"{named}: {shown.frames:,} frames{length}, {shown.layout.name}")
    marks = marks_for(console.can_show)
    widest = max(len(name) for name in (*(strip.name for strip in shown.strips), SLOTS if shown.slots else ""))
    for strip in shown.strips:
        line = spark(binned(strip.speed, BINS).tolist(), marks)
        fast = (
            f"mean speed {number(strip.mean_speed)} {strip.unit}"
            if strip.mean_speed == strip.mean_speed
            else "not seen"
        )
        console.result(f"  {strip.name:{widest}} |{line}|  seen in {100 * strip.presence:.1f} % of the frames, {fast}")
    if shown.slots:
        console.result(f"  {SLOTS:{widest}} |{slot_marks(shown.slots)}|  {shown.slots.words}")


def slot_marks(slots: "Slots") -> str:
    """A line of time: `x` where hands change slots, `=` where both slots hold one hand."""
    frames = len(slots.one_hand)
    count = min(frames, BINS)
    line = [" "] * count
    for frame in slots.one_hand.nonzero()[0].tolist():
        line[frame * count // frames] = "="
    for frame in slots.changes:
        line[frame * count // frames] = "x"
    return "".join(line)
