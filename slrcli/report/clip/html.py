"""A clip as one HTML file that loads nothing: the skeleton to play, pause and step through, and its strips."""

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise

import numpy as np

from slrcli.report import templates
from slrcli.report.clip.skeleton import Skeleton
from slrcli.report.clip.timeline import Slots, Strip, binned
from slrcli.report.page.document import policy
from slrcli.report.text.histograms import number

MOST_BYTES = 1_500_000  # of positions in the page, before they are written as text
MOST_FRAMES = 3000
STRIP_BINS = 600
GRID = 8191  # the larger side of the picture, in steps
MISSING = 65535
COLOURS = 6  # that parts take in turn


@dataclass(frozen=True)
class Player:
    """The section of the skeleton.

    Attributes:
        title, lead: of the section.
        last: number of the last frame.
        every: of so many frames one is drawn.
        ratio: of the picture's width to its height; "" where nothing is drawn.
        parts: of the body that are drawn.
    """

    title: str
    lead: str
    last: int
    every: int
    ratio: str = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Span:
    """Bins in a row in which equally much is seen."""

    x: float
    width: float
    opacity: float


@dataclass(frozen=True)
class DrawnStrip:
    """A part of the body over time: what is seen and how fast it moves, in words and as drawn."""

    name: str
    words: str
    spans: tuple[Span, ...]
    pace: str


@dataclass(frozen=True)
class DrawnSlots:
    """Where both slots hold one hand, and where hands change slots, in words and as drawn."""

    words: str
    spans: tuple[Span, ...]
    changes: tuple[float, ...]


def stride_for(frames: int, points: int) -> int:
    """Of so many frames one is drawn, so that the page stays of a reasonable size."""
    return max(1, math.ceil(4 * frames * points / MOST_BYTES), math.ceil(frames / MOST_FRAMES))


def page(
    title: str,
    facts: Sequence[tuple[str, str]],
    drawn: Skeleton | None,
    strips: Sequence[Strip],
    fps: float,
    slots: Slots | None = None,
) -> str:
    """The whole page.

    Args:
        title: of the clip.
        facts: names and values that stand above everything.
        drawn: the skeleton; None: only the strips.
        strips: what is seen and how fast it moves.
        fps: frames a second at which it is played; 0: 25, and no seconds are shown.
        slots: how hands leave their slots.
    """
    frames = len(strips[0].seen)
    style = _read("report.page", "style.css") + _read("report.clip", "player.css")
    script = _read("report.clip", "player.js")
    every = stride_for(frames, drawn.points.shape[1]) if drawn else 1
    return templates.render(
        "clip/clip.html.j2",
        title=title,
        style=style,
        policy=policy(style, script),
        facts=facts,
        player=_player(drawn, frames, every, fps),
        strips=[_strip(strip) for strip in strips],
        slots=_slots(slots, frames) if slots else None,
        strips_lead=_strips_lead(frames, fps),
        strip_bins=STRIP_BINS,
        colours=COLOURS,
        data=_data(drawn, frames, every, fps),
        script=script,
    )


def _read(package: str, name: str) -> str:
    return files(f"slrcli.{package}").joinpath(name).read_text(encoding="utf-8")


def _player(drawn: Skeleton | None, frames: int, every: int, fps: float) -> Player:
    if drawn is None:
        lead = "The layout of these features has no coordinates, so there is no skeleton to draw."
        return Player("Time", lead, frames - 1, every)
    lead = "Missing points are left out, and lines to them too. Space plays and pauses, the arrow keys step."
    if every > 1:
        lead += f" The clip is long: one of {every} frames is drawn; what is below shows all {frames:,}."
    if not fps:
        lead += " The frame rate is not known (--fps): it is played at 25 frames per second."
    width, height = drawn.size
    return Player("Skeleton", lead, frames - 1, every, f"{width / height:.4f}", drawn.parts)


def _strips_lead(frames: int, fps: float) -> str:
    length = f"{frames / fps:.1f} s" if fps else f"{frames:,} frames"
    return (
        f"From the first frame to the last, {length}. The band below shows how much of the part is seen, the curve "
        "how fast it moves, each on a scale of its own. Click to go there."
    )


def _strip(strip: Strip) -> DrawnStrip:
    known = strip.speed[np.isfinite(strip.speed)]
    top = float(np.quantile(known, 0.99)) if known.size else 0.0
    fast = "never moves in sight"
    if known.size:
        fast = f"mean {number(strip.mean_speed)}, up to {number(top)} {strip.unit}"
    words = f"seen in {100 * strip.presence:.1f} % of the frames; {fast}"
    return DrawnStrip(strip.name, words, _seen(strip), _pace(strip, top))


def _slots(slots: Slots, frames: int) -> DrawnSlots:
    unit = STRIP_BINS / frames
    spans = tuple(Span(first * unit, (last - first) * unit, 1.0) for first, last in slots.spans)
    return DrawnSlots(slots.words, spans, tuple(frame * unit for frame in slots.changes))


def _seen(strip: Strip) -> tuple[Span, ...]:
    """The band: one rectangle a span of equal presence."""
    levels = np.round(4 * binned(strip.seen, STRIP_BINS)).astype(int)
    edges = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(levels)]
    unit = STRIP_BINS / len(levels)
    return tuple(Span(a * unit, (b - a) * unit, float(levels[a]) / 4) for a, b in pairwise(edges) if levels[a])


def _pace(strip: Strip, top: float) -> str:
    """The curve as the path of an SVG, broken where the part is not seen; "" where it never moves."""
    values = binned(strip.speed, STRIP_BINS)
    if not top:
        return ""
    unit = STRIP_BINS / len(values)
    path, drawing = [], False
    for place, value in enumerate(values):
        if math.isfinite(value):
            height = 46 - 44 * min(value / top, 1.0)
            path.append(f"{'L' if drawing else 'M'}{(place + 0.5) * unit:.1f} {height:.1f}")
        drawing = math.isfinite(value)
    return "".join(path)


def _data(drawn: Skeleton | None, frames: int, every: int, fps: float) -> str:
    """What the script reads: positions as 16-bit steps of a grid, and what is joined. Nothing ends the element."""
    told: dict = {"frames": frames, "every": every, "fps": fps, "colours": COLOURS}
    if drawn is not None:
        points = drawn.points[::every]
        known = np.isfinite(points).all(axis=2)
        steps = (
            np.clip(np.where(known[..., None], points, 0), -1, 2) + 1
        )  # what flies out of the picture stays beside it
        grid = np.where(known[..., None], np.round(steps * GRID), MISSING).astype("<u2")
        told |= {
            "points": points.shape[1],
            "limbs": drawn.limbs,
            "part": drawn.part,
            "size": drawn.size,
            "grid": GRID,
            "missing": MISSING,
            "positions": base64.b64encode(grid.tobytes()).decode("ascii"),
        }
    return json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
