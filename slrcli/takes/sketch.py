"""The points of a picture as characters of braille, two by four dots each."""

from functools import cache

import numpy as np

from slrcli.features.layout import load_layout
from slrcli.report.clip.skeleton import drawing_order
from slrcli.video.holistic import NAMES_OF, POINTS, STARTS

DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # of a character, by row and column
BLANK = 0x2800


def sketch(points: np.ndarray, size: tuple[int, int], columns: int, rows: int) -> str:
    """The skeleton of a picture, as in a mirror.

    Args:
        points: `[543, 4]`, x and y in fractions of the picture; NaN where a part was not found.
        size: width and height of the picture.
        columns, rows: most characters of the drawing across and down; it has the shape of the picture.
    """
    across = min(2 * columns, int(4 * rows * size[0] / size[1]))
    down = max(1, round(across * size[1] / size[0]))
    dots = np.zeros((-(-down // 4) * 4, -(-across // 2) * 2), bool)
    places = points[:, :2] * (across - 1, down - 1)
    places[:, 0] = across - 1 - places[:, 0]
    known = np.asarray(np.isfinite(places).all(axis=1))
    for a, b in limbs():
        if known[a] and known[b]:
            steps = int(np.abs(places[a] - places[b]).max()) + 2
            _dot(dots, np.linspace(places[a], places[b], min(steps, across + down)))
    _dot(dots, places[STARTS["face"] :: 12][known[STARTS["face"] :: 12]])
    cells = dots.reshape(dots.shape[0] // 4, 4, dots.shape[1] // 2, 2).transpose(0, 2, 1, 3)
    codes = BLANK + (cells * DOTS).sum(axis=(2, 3))
    return "\n".join("".join(map(chr, line)) for line in codes.tolist())


@cache
def limbs() -> tuple[tuple[int, int], ...]:
    """The points that lines join, numbered as MediaPipe gives them."""
    layout = load_layout(NAMES_OF)
    numbers = [STARTS[group.name] + place for group in layout.groups for place in range(len(group.points))]
    assert len(numbers) == POINTS
    return tuple((numbers[a], numbers[b]) for a, b in drawing_order(layout))


def _dot(dots: np.ndarray, places: np.ndarray) -> None:
    """Set the dots at places `[n, 2]`, x and y; those outside the picture are left out."""
    x, y = np.rint(places).astype(int).T
    inside = (x >= 0) & (x < dots.shape[1]) & (y >= 0) & (y < dots.shape[0])
    dots[y[inside], x[inside]] = True
