"""A posterior over time: one row a gloss, one column an output frame, spikes of reference and hypothesis marked."""

import base64
import struct
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from slrcli.report.page.data import Posterior
from slrcli.report.page.markup import Markup, tag
from slrcli.report.page.parts import scrolling

ROW = 28  # pixels
ROWS = 60  # glosses of one utterance that are drawn; a picture of more is too high to be looked at
WIDTH = 860  # pixels that a short clip is stretched to, and a long one shrunk to as long as a frame keeps its least
FRAME = (4, 24)  # pixels, least and most
AXIS = 22  # pixels below the rows
INK = (54, 124, 232)  # of probability 1; less is more transparent, so that it shows on light and on dark
TICK = 64  # pixels between marks of time, at least
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)  # seconds


def posterior_figure(posterior: Posterior, id: str) -> Markup:
    """The heat map with its row names beside it; wider than the page, it scrolls in its own box."""
    names = [tag("li", label, title=label) for label in posterior.labels]
    box = scrolling(_drawing(posterior, id), f"Posterior of {id}")
    return tag("div", tag("ul", *names), box, class_="posterior")


def posterior_legend() -> Markup:
    """How to read the marks and the shades."""
    marks = [
        tag(
            "span",
            tag("svg", _mark(8, 2 if down else 14, down), class_="mark", viewBox="0 0 16 16", aria_hidden="true"),
            name,
        )
        for down, name in ((True, " reference (forced alignment)"), (False, " hypothesis"))
    ]
    shades = [(0.01, "1 %"), (0.1, "10 %"), (0.5, "50 %"), (1.0, "100 %")]
    patches = [
        tag("span", tag("svg", _patch(value), class_="mark", viewBox="0 0 16 16", aria_hidden="true"), f" {name}")
        for value, name in shades
    ]
    return tag("p", *marks, *patches, class_="legend")


def heat_png(values: np.ndarray) -> bytes:
    """A PNG of probabilities `[K, T']`, one pixel each, whose ink grows with them.

    Written here, being thirty lines fewer than a dependency: signature, then chunks of length, name, content and CRC
    (W3C PNG specification, section 5). A palette of 256 equal colours that differ in their transparency alone.
    """
    height, width = values.shape
    shades = np.rint(255 * _opacity(values)).astype(np.uint8)
    lines = b"".join(b"\0" + row.tobytes() for row in shades)  # 0: no filter
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits, palette
    chunks = [(b"IHDR", header), (b"PLTE", bytes(INK) * 256), (b"tRNS", bytes(range(256)))]
    chunks += [(b"IDAT", zlib.compress(lines, 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _opacity(values: np.ndarray) -> np.ndarray:
    """The square root, so that what was nearly said can be seen; NaN, which no model should give, shows as nothing."""
    return np.sqrt(np.clip(np.nan_to_num(values, nan=0.0), 0.0, 1.0))


def _drawing(posterior: Posterior, id: str) -> Markup:
    """The picture, the lines between rows, the marks and the axis, in pixels."""
    frames, classes = posterior.probs.shape
    step = float(min(max(WIDTH / max(frames, 1), FRAME[0]), FRAME[1]))
    width, height = frames * step, classes * ROW
    encoded = base64.b64encode(heat_png(posterior.probs.T)).decode("ascii")
    where = {"width": width, "height": height, "preserveAspectRatio": "none"}
    image = tag("image", href=Markup(f"data:image/png;base64,{encoded}"), **where)
    lines = "".join(f"M0 {row * ROW}H{width:.2f}" for row in range(classes + 1))
    label = (
        f"Posterior of {id}: {_told('reference', posterior.ref_spikes)}; {_told('hypothesis', posterior.hyp_spikes)}"
    )
    size = {"width": width, "height": height + AXIS, "viewBox": f"0 0 {width:.2f} {height + AXIS}"}
    marks = [
        *_marks(posterior, posterior.ref_spikes, step, True),
        *_marks(posterior, posterior.hyp_spikes, step, False),
    ]
    axis = _axis(frames * posterior.seconds, step / posterior.seconds, height)
    shapes = (tag("title", label), image, tag("path", d=lines, class_="grid"), *marks, *axis)
    return tag("svg", *shapes, role="img", aria_label=label, **size)


def _marks(posterior: Posterior, spikes: Iterable[tuple[int, str]], step: float, down: bool) -> list[Markup]:
    """A triangle for every spike, in the row of its gloss: the reference's hangs, the hypothesis's stands."""
    row_of = {label: row for row, label in reversed(list(enumerate(posterior.labels)))}
    return [
        _mark((frame + 0.5) * step, row_of[gloss] * ROW + (0 if down else ROW), down)
        for frame, gloss in spikes
        if gloss in row_of
    ]


def _mark(x: float, y: float, down: bool) -> Markup:
    if down:
        return tag("path", d=f"M{x - 6:.1f} {y + 1:.1f}h12l-6 9z", class_="ref")
    return tag("path", d=f"M{x - 6:.1f} {y - 1:.1f}h12l-6 -9z", class_="hyp")


def _patch(value: float) -> Markup:
    opacity = float(_opacity(np.array(value)))
    return tag("rect", x="1", y="1", width="14", height="14", fill=f"rgb{INK}", fill_opacity=opacity, class_="patch")


def _axis(seconds: float, pixels: float, top: int) -> list[Markup]:
    """Marks of time: `seconds` in all, `pixels` each."""
    step = next((step for step in _STEPS if step * pixels >= TICK), _STEPS[-1])
    marks = []
    for number in range(int(seconds / step) + 1):
        x = number * step * pixels
        marks.append(tag("path", d=f"M{x:.2f} {top}v4", class_="grid"))
        if (seconds - number * step) * pixels > TICK / 2:
            marks.append(tag("text", f"{number * step:g} s", x=x + 2, y=str(top + 15)))
    return marks


def _told(side: str, spikes: Sequence[tuple[int, str]]) -> str:
    return f"{side} " + (", ".join(f"{gloss} at frame {frame}" for frame, gloss in spikes) or "empty")
