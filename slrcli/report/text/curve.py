"""A series of numbers over the steps of a run: a line of blocks where the terminal shows them, else rows of numbers."""

import math
from collections.abc import Sequence

import numpy as np

from slrcli.report.text.histograms import number, spark


def curve(name: str, xs: Sequence[float], ys: Sequence[float], width: int = 60) -> str:
    """One line that shows `ys` over `xs`, with the first and the last value; values that are not finite are left out.

    Args:
        name: what is drawn, before the curve.
        xs: rising.
        ys: as many, none below 0; more than `width` are averaged.
        width: of the curve in characters.
    """
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if not points:
        return f"{name}: no numbers"
    heights = [float(part.mean()) for part in np.array_split([y for _, y in points], min(width, len(points)))]
    (first, start), (last, end) = points[0], points[-1]
    return f"{name} |{spark(heights)}|  {number(start)} at {first:g}, {number(end)} at {last:g}"


def table(names: Sequence[str], rows: Sequence[Sequence[float]], most: int = 12) -> list[str]:
    """The same as plain lines: at most so many rows, spread evenly, the last among them."""
    step = max(1, math.ceil(len(rows) / most))
    kept = list(rows[::-1][::step])[::-1]
    return [f"{names[0]} {row[0]:g}: " + ", ".join(f"{n} {v:.2f}" for n, v in zip(names[1:], row[1:], strict=True))
            for row in kept]  # fmt: skip
