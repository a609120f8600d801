"""A curve drawn with the dots of Braille characters, two across and four down in each (Unicode block 2800)."""

import math
from collections.abc import Sequence
from itertools import pairwise

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # bit of the dot in row, column
EMPTY = 0x2800
LABEL = 8  # columns before the curve, for the numbers of its highest and lowest value


def curve(name: str, xs: Sequence[float], ys: Sequence[float], width: int = 60, height: int = 8) -> list[str]:
    """Lines of text that show `ys` over `xs`; values that are not finite are left out.

    Args:
        name: what is drawn, above the curve.
        xs: rising.
        ys: as many.
        width, height: of the curve in characters.
    """
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if not points:
        return [f"{name}: no numbers"]
    low, high = min(y for _, y in points), max(y for _, y in points)
    canvas = [[0] * width for _ in range(height)]
    for column, row in _dots(points, low, high, 2 * width, 4 * height):
        canvas[row // 4][column // 2] |= DOTS[row % 4][column % 2]
    rows = ["".join(chr(EMPTY + bits) for bits in line) for line in canvas]
    labels = [f"{high:.3g}", *[""] * (height - 2), f"{low:.3g}"][:height]
    first, last = f"{points[0][0]:g}", f"{points[-1][0]:g}"
    below = " " * (LABEL + 2) + f"{first} {last:>{max(width - len(first) - 1, 0)}}"
    return [name, *(f"{label:>{LABEL}} ┤{row}" for label, row in zip(labels, rows, strict=True)), below]


def _dots(points: list[tuple[float, float]], low: float, high: float, columns: int, rows: int) -> set[tuple[int, int]]:
    """The dots of a line through all points, (column, row from above)."""
    start, end = points[0][0], points[-1][0]

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - start) / (end - start) if end > start else 0.0
        up = (y - low) / (high - low) if high > low else 0.0
        return across * (columns - 1), (1 - up) * (rows - 1)

    placed = [place(x, y) for x, y in points]
    dots = {(round(column), round(row)) for column, row in placed}
    for (left, top), (right, bottom) in pairwise(placed):
        steps = max(1, math.ceil(max(abs(right - left), abs(bottom - top))))
        for step in range(steps + 1):
            share = step / steps
            dots.add((round(left + share * (right - left)), round(top + share * (bottom - top))))
    return dots


def table(names: Sequence[str], rows: Sequence[Sequence[float]], most: int = 12) -> list[str]:
    """The same as plain lines: at most so many rows, spread evenly, the last among them."""
    step = max(1, math.ceil(len(rows) / most))
    kept = list(rows[::-1][::step])[::-1]
    return [f"{names[0]} {row[0]:g}: " + ", ".join(f"{n} {v:.2f}" for n, v in zip(names[1:], row[1:], strict=True))
            for row in kept]  # fmt: skip
