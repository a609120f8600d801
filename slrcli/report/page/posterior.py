"""A posterior over time: one row a gloss, one column an output frame, spikes of reference and hypothesis marked."""

import base64
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from slrcli.report.page.data import Posterior

ROW = 28  # pixels
ROWS = 60  # glosses of one utterance that are drawn; a picture of more is too high to be looked at
WIDTH = 860  # pixels that a short clip is stretched to, and a long one shrunk to as long as a frame keeps its least
FRAME = (4, 24)  # pixels, least and most
AXIS = 22  # pixels below the rows
INK = (54, 124, 232)  # of probability 1; less is more transparent, so that it shows on light and on dark
TICK = 64  # pixels between marks of time, at least
PATCHES = ((0.01, "1 %"), (0.1, "10 %"), (0.5, "50 %"), (1.0, "100 %"))  # probabilities of the legend
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)  # seconds


@dataclass(frozen=True)
class Mark:
    """A triangle, as the path of an SVG, of the side `ref` (it hangs) or `hyp` (it stands)."""

    path: str
    side: str


@dataclass(frozen=True)
class Tick:
    """A mark of time; what it says is empty where there is no room."""

    path: str
    x: float
    y: int
    said: str


@dataclass(frozen=True)
class Drawing:
    """A posterior as it is drawn, in pixels.

    Attributes:
        labels: of the rows.
        told: what it shows, in words.
        width, height: of the picture; the axis stands below it.
        png: the picture, as base64.
        lines: between the rows, as the path of an SVG.
        marks: of both sides.
        ticks: of the axis.
    """

    labels: Sequence[str]
    told: str
    width: float
    height: int
    png: str
    lines: str
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]

    @property
    def height_with_axis(self) -> int:
        """The height of everything."""
        return self.height + AXIS

    @property
    def view_box(self) -> str:
        """What the SVG shows."""
        return f"0 0 {self.width:.2f} {self.height_with_axis}"


@dataclass(frozen=True)
class Shades:
    """What the legend shows: a mark of either side, and patches of some probabilities with their opacities."""

    reference: Mark
    hypothesis: Mark
    ink: str
    patches: tuple[tuple[float, str], ...]


def drawing(posterior: Posterior, id: str) -> Drawing:
    """The picture of a posterior, the lines between rows, the marks and the axis; wider than a page if it is long."""
    frames, classes = posterior.probs.shape
    step = float(min(max(WIDTH / max(frames, 1), FRAME[0]), FRAME[1]))
    width, height = frames * step, classes * ROW
    sides = _told("reference", posterior.ref_spikes), _told("hypothesis", posterior.hyp_spikes)
    return Drawing(
        labels=posterior.labels,
        told=f"Posterior of {id}: {sides[0]}; {sides[1]}",
        width=width,
        height=height,
        png=base64.b64encode(heat_png(posterior.probs.T)).decode("ascii"),
        lines="".join(f"M0 {row * ROW}H{width:.2f}" for row in range(classes + 1)),
        marks=(
            *_marks(posterior, posterior.ref_spikes, step, "ref"),
            *_marks(posterior, posterior.hyp_spikes, step, "hyp"),
        ),
        ticks=tuple(_ticks(frames * posterior.seconds, step / posterior.seconds, height)),
    )


def shades() -> Shades:
    """How to read the marks and the shades."""
    opacities = _opacity(np.array([value for value, _ in PATCHES])).tolist()
    patches = tuple((opacity, name) for opacity, (_, name) in zip(opacities, PATCHES, strict=True))
    return Shades(_mark(8, 2, "ref"), _mark(8, 14, "hyp"), f"rgb{INK}", patches)


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


def _marks(posterior: Posterior, spikes: Iterable[tuple[int, str]], step: float, side: str) -> list[Mark]:
    """A triangle for every spike, in the row of its gloss: the reference's hangs, the hypothesis's stands."""
    row_of = {label: row for row, label in reversed(list(enumerate(posterior.labels)))}
    return [
        _mark((frame + 0.5) * step, row_of[gloss] * ROW + (0 if side == "ref" else ROW), side)
        for frame, gloss in spikes
        if gloss in row_of
    ]


def _mark(x: float, y: float, side: str) -> Mark:
    down = 1 if side == "ref" else -1
    return Mark(f"M{x - 6:.1f} {y + down:.1f}h12l-6 {9 * down}z", side)


def _ticks(seconds: float, pixels: float, top: int) -> list[Tick]:
    """Marks of time: `seconds` in all, `pixels` each."""
    step = next((step for step in _STEPS if step * pixels >= TICK), _STEPS[-1])
    ticks = []
    for number in range(int(seconds / step) + 1):
        x = number * step * pixels
        said = f"{number * step:g} s" if (seconds - number * step) * pixels > TICK / 2 else ""
        ticks.append(Tick(f"M{x:.2f} {top}v4", float(x + 2), top + 15, said))
    return ticks


def _told(side: str, spikes: Sequence[tuple[int, str]]) -> str:
    return f"{side} " + (", ".join(f"{gloss} at frame {frame}" for frame, gloss in spikes) or "empty")
