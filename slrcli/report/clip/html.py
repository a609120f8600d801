"""A clip as one HTML file that loads nothing: the skeleton to play, pause and step through, and its strips."""

import base64
import json
import math
from collections.abc import Sequence
from importlib.resources import files
from itertools import pairwise

import numpy as np

from slrcli.report.clip.skeleton import Skeleton
from slrcli.report.clip.timeline import Strip, binned
from slrcli.report.page.document import policy
from slrcli.report.page.markup import Markup, join, tag
from slrcli.report.page.parts import section
from slrcli.report.text.histograms import number

MOST_BYTES = 1_500_000  # of positions in the page, before they are written as text
MOST_FRAMES = 3000
STRIP_BINS = 600
GRID = 8191  # the larger side of the picture, in steps
MISSING = 65535
COLOURS = 6  # that parts take in turn


def stride_for(frames: int, points: int) -> int:
    """Of so many frames one is drawn, so that the page stays of a reasonable size."""
    return max(1, math.ceil(4 * frames * points / MOST_BYTES), math.ceil(frames / MOST_FRAMES))


def page(
    title: str, facts: Sequence[tuple[str, str]], drawn: Skeleton | None, strips: Sequence[Strip], fps: float
) -> str:
    """The whole page.

    Args:
        title: of the clip.
        facts: names and values that stand above everything.
        drawn: the skeleton; None: only the strips.
        strips: what is seen and how fast it moves.
        fps: frames a second at which it is played; 0: 25, and no seconds are shown.
    """
    frames = len(strips[0].seen)
    style = _read("report.page", "style.css") + _read("report.clip", "player.css")
    script = _read("report.clip", "player.js")
    every = stride_for(frames, drawn.points.shape[1]) if drawn else 1
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy(style, script)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Markup(style)),
    )
    told = tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts))
    body = tag(
        "body",
        tag("header", tag("h1", title), told),
        tag("main", _player(drawn, frames, every, fps), _strips(strips, frames, fps)),
        tag("script", Markup(_data(drawn, frames, every, fps)), type="application/json", id="clip"),
        tag("script", Markup(script)),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"


def _read(package: str, name: str) -> str:
    return files(f"slrcli.{package}").joinpath(name).read_text(encoding="utf-8")


def _player(drawn: Skeleton | None, frames: int, every: int, fps: float) -> Markup:
    controls = tag(
        "div",
        tag("button", "Play", id="play", type="button"),
        tag(
            "input", id="scrub", type="range", min="0", max=str(frames - 1), step=str(every), value="0",
            aria_label="Frame",
        ),
        tag("output", "", id="now"),
        tag(
            "label",
            "Speed ",
            tag("select", *(tag("option", f"{rate:g}×", value=f"{rate:g}", selected="" if rate == 1 else None)
                            for rate in (0.25, 0.5, 1, 2)), id="rate"),
        ),
        class_="controls",
    )  # fmt: skip
    if drawn is None:
        return section(
            "clip-player", "Time", "No point of this layout has a place in space, so nothing is drawn.", controls
        )
    lead = "Missing points are left out, and lines to them too. Space plays and pauses, the arrow keys step."
    if every > 1:
        lead += f" The clip is long: one of {every} frames is drawn; what is below shows all {frames:,}."
    if not fps:
        lead += " The frame rate is not known (--fps): it is played at 25 frames a second."
    width, height = drawn.size
    canvas = tag(
        "canvas", id="stage", role="img", aria_label="The clip's skeleton",
        data_ratio=f"{width / height:.4f}",
    )  # fmt: skip
    legend = [tag("span", tag("i", "", class_=f"dot c{i % COLOURS}"), " ", name) for i, name in enumerate(drawn.parts)]
    return section("clip-player", "Skeleton", lead, canvas, controls, tag("p", *legend, class_="legend"))


def _strips(strips: Sequence[Strip], frames: int, fps: float) -> Markup:
    rows = []
    for place, strip in enumerate(strips):
        known = strip.speed[np.isfinite(strip.speed)]
        top = float(np.quantile(known, 0.99)) if known.size else 0.0
        fast = (
            f"mean {number(strip.mean_speed)}, up to {number(top)} {strip.unit}"
            if known.size
            else "never moves in sight"
        )
        words = f"seen in {100 * strip.presence:.1f} % of the frames; {fast}"
        label = f"{strip.name}: {words}"
        drawing = tag(
            "svg", tag("title", label), *_seen(strip), _pace(strip, top),
            viewBox=f"0 0 {STRIP_BINS} 60", preserveAspectRatio="none", role="img", aria_label=label,
        )  # fmt: skip
        rows.append(tag("div", tag("h3", strip.name), tag("p", words), class_="name"))
        rows.append(tag("div", drawing, tag("b", "", class_="cursor"), class_=f"strip c{place % COLOURS}"))
    seconds = f"{frames / fps:.1f} s" if fps else f"{frames:,} frames"
    lead = (
        f"From the first frame to the last, {seconds}. The band below shows how much of the part is seen, the curve "
        "how fast it moves, each on a scale of its own. Click to go there."
    )
    return section("strips", "Seen and moving", lead, tag("div", *rows, class_="strips"))


def _seen(strip: Strip) -> list[Markup]:
    """The band: one rectangle a span of equal presence."""
    levels = np.round(4 * binned(strip.seen, STRIP_BINS)).astype(int)
    edges = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(levels)]
    unit = STRIP_BINS / len(levels)
    return [
        tag("rect", x=a * unit, y="50", width=(b - a) * unit, height="10", class_="seen", opacity=levels[a] / 4)
        for a, b in pairwise(edges)
        if levels[a]
    ]


def _pace(strip: Strip, top: float) -> Markup:
    """The curve, broken where the part is not seen."""
    values = binned(strip.speed, STRIP_BINS)
    if not top:
        return join(())
    unit = STRIP_BINS / len(values)
    path, drawing = [], False
    for place, value in enumerate(values):
        if math.isfinite(value):
            height = 46 - 44 * min(value / top, 1.0)
            path.append(f"{'L' if drawing else 'M'}{(place + 0.5) * unit:.1f} {height:.1f}")
        drawing = math.isfinite(value)
    return tag("path", d="".join(path), class_="pace")


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
