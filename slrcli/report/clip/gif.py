"""A clip as an animated GIF, drawn by Pillow (the extra `pictures`)."""

import math
from collections.abc import Callable
from io import BytesIO

import numpy as np

from slrcli.errors import DependencyError, with_extra
from slrcli.report.clip.skeleton import Skeleton
from slrcli.report.clip.timeline import Slots

SIDE = 480  # pixels of the larger side
MOST_FRAMES = 300
FASTEST = 0.04  # seconds a picture: what shows them all, and keeps files small
# The colours of the parts of a body, which take them in turn; those of `player.css` on a light ground.
COLOURS = ((63, 95, 143), (11, 122, 59), (179, 54, 27), (138, 90, 0), (122, 63, 160), (15, 115, 135))
BACK, LINE = (246, 247, 249), (205, 211, 217)
ONE_HAND, CHANGED = (227, 179, 65), (200, 0, 60)


def stride_for(frames: int, fps: float) -> int:
    """Of so many frames one becomes a picture."""
    return max(1, math.ceil(frames / MOST_FRAMES), round(FASTEST * fps))


def gif(
    drawn: Skeleton, fps: float, step: Callable[[int], None] = lambda count: None, slots: Slots | None = None
) -> bytes:
    """The animation, at the pace of the clip.

    Args:
        drawn: the skeleton.
        fps: frames a second of the clip.
        step: called with 1 after every picture.
        slots: how hands leave their slots, which is marked along the line of time.

    Raises:
        DependencyError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        fix = f"{with_extra('pictures')} Or write a page (.html) instead."
        raise DependencyError("A GIF needs the library Pillow, which is not installed.", "--out", fix) from error
    every = stride_for(len(drawn.points), fps)
    width, height = (round(SIDE * side) for side in drawn.size)
    pictures: list[Image.Image] = []
    for points in drawn.points[::every]:
        picture = Image.new("RGB", (width, height), BACK)
        _draw(ImageDraw.Draw(picture), points * SIDE, drawn)
        share = (len(pictures) * every + 1) / len(drawn.points)
        ImageDraw.Draw(picture).line((0, height - 2, width * share, height - 2), fill=LINE, width=3)
        if slots is not None:
            _mark(ImageDraw.Draw(picture), slots, width / len(drawn.points), height)
        pictures.append(picture.quantize(64, dither=Image.Dither.NONE))
        step(1)
    out = BytesIO()
    pictures[0].save(
        out, "GIF", save_all=True, append_images=pictures[1:], duration=round(1000 * every / fps), loop=0, optimize=True
    )
    return out.getvalue()


def _mark(pen, slots: Slots, unit: float, height: int) -> None:
    """Along the lower edge, at `unit` pixels a frame: where both slots hold one hand, and where hands change slots."""
    for first, last in slots.spans:
        pen.rectangle((first * unit, height - 4, max(last * unit - 1, first * unit), height), fill=ONE_HAND)
    for frame in slots.changes:
        pen.line((frame * unit, height - 12, frame * unit, height), fill=CHANGED, width=2)


def _draw(pen, points: np.ndarray, drawn: Skeleton) -> None:
    """Lines and points of one frame `[P, 2]`, in pixels."""
    known = np.isfinite(points).all(axis=1)
    for a, b in drawn.limbs:
        if known[a] and known[b]:
            pen.line((*points[a].tolist(), *points[b].tolist()), fill=COLOURS[drawn.part[b] % len(COLOURS)], width=3)
    for place in np.flatnonzero(known):
        x, y = points[place].tolist()
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=COLOURS[drawn.part[place] % len(COLOURS)])
