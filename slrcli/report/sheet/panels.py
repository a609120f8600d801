"""A layout as lines, dots and texts on a sheet: a panel a group, with its points, their numbers and their names."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from slrcli.console import visible
from slrcli.features.layout import Layout
from slrcli.features.layout.layout import Group
from slrcli.report.clip.skeleton import drawing_order, first_numbers
from slrcli.report.sheet.rest import at_rest
from slrcli.report.sheet.spread import grid, places

PANEL, FIGURE, MARGIN, GAP = 460, 420, 24, 28  # width of a panel, most height of its figure, around and between
SMALL, USUAL, LARGE = 10, 12, 17  # letters, in pixels
LETTER = 0.6  # mean width of a letter, in heights of it
LINE = 15  # from one name of the key to the next
KEY_COLUMNS = 3
MOST_NUMBERS = 80  # of a group with more points, only those that are looked at are numbered
MOST_POINTS = 1200  # of a group; more could not be told apart
NAME = 19  # letters of a name in the key

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Line:
    """From one place to another, in the colour of a part."""

    start: tuple[float, float]
    end: tuple[float, float]
    part: int


@dataclass(frozen=True)
class Dot:
    """A point: full if a recogniser looks at it; with a ring around if it is one that its group is centred on."""

    place: tuple[float, float]
    part: int
    full: bool = True
    ring: bool = False


@dataclass(frozen=True)
class Text:
    """A text that begins (or has its middle) at a place on its base line; part -1 is no part's colour."""

    place: tuple[float, float]
    text: str
    size: int = USUAL
    part: int = -1
    faint: bool = False
    middle: bool = False


@dataclass
class Sheet:
    """What is drawn, in pixels from the left upper corner."""

    title: str
    width: float = 0.0
    height: float = 0.0
    lines: list[Line] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)


def sheet(layout: Layout) -> Sheet | None:
    """The drawing of a layout; None if none of its points has a place in space."""
    groups = [group for group in layout.groups if group.spatial]
    if not groups:
        return None
    columns = min(2, len(groups))
    drawn = Sheet(f"{clean(layout.name, 60)}: {len(layout.point_names):,} points, {layout.width:,} columns")
    drawn.width = 2 * MARGIN + columns * PANEL + (columns - 1) * GAP
    tops = [_heading(drawn, layout)] * columns
    for part, group in enumerate(groups):
        column = tops.index(min(tops))
        left = MARGIN + column * (PANEL + GAP)
        tops[column] = _panel(drawn, layout, group, part, left, tops[column]) + GAP
    drawn.height = max(tops) - GAP + MARGIN
    return drawn


def clean(name: str, most: int = NAME) -> str:
    """A name without what steers a terminal, cut to `most` letters."""
    name = visible(name, keep="")
    return name if len(name) <= most else name[: most - 1] + "…"


def _heading(drawn: Sheet, layout: Layout) -> float:
    """Title, description and what the dots mean; how far down they go."""
    drawn.texts.append(Text((MARGIN, MARGIN + LARGE), drawn.title, LARGE))
    top = MARGIN + LARGE + 8
    others = [clean(group.name) for group in layout.groups if not group.spatial]
    beside = _between(layout)
    told = [layout.description] if layout.description else []
    told += [f"Numbers without a place: {', '.join(others)}"] if others else []
    told += [f"Joined across groups: {', '.join(beside)}"] if beside else []
    for text in told:
        for row in _rows(clean(text, 600), (drawn.width - 2 * MARGIN) / (LETTER * USUAL)):
            top += LINE
            drawn.texts.append(Text((MARGIN, top), row, USUAL, faint=True))
    top += LINE + 8
    marks = (("looked at", True, False), ("left out", False, False), ("the group's origin", True, True))
    left = float(MARGIN)
    for word, full, ring in marks:
        drawn.dots.append(Dot((left + 6, top - 4), -1, full, ring))
        drawn.texts.append(Text((left + 18, top), word, USUAL))
        left += 38 + LETTER * USUAL * len(word)
    return top + GAP


def _between(layout: Layout) -> list[str]:
    names = layout.point_names
    ends = [(names[a], names[b]) for a, b in layout.limbs]
    across = [f"{clean(a, 40)} to {clean(b, 40)}" for a, b in ends if a.partition(".")[0] != b.partition(".")[0]]
    return across[:4] + (["..."] if len(across) > 4 else [])


def _rows(text: str, letters: float) -> Iterator[str]:
    """A text in rows of so many letters."""
    row = ""
    for word in text.split():
        if row and len(row) + 1 + len(word) > letters:
            yield row
            row = ""
        row = f"{row} {word}".strip()
    yield row


def _panel(drawn: Sheet, layout: Layout, group: Group, part: int, left: float, top: float) -> float:
    """One group; returns how far down it goes."""
    drawn.texts.append(Text((left, top + USUAL), clean(group.name, 40), 14, part))
    start = first_numbers(layout)[group.name]
    own = range(start, start + len(group.points))
    limbs = [(a - start, b - start) for a, b in drawing_order(layout) if a in own and b in own]
    found, hidden = _placed(group, layout, limbs)
    numbered = _numbered(group, found)
    for text in _captions(group, hidden, len(numbered) < len(group.points) - len(hidden)):
        top += LINE
        drawn.texts.append(Text((left, top + USUAL), text, USUAL, faint=True))
    found, height = _fit(found, left, top + LINE)
    kept = {group.index(name) for name in group.keep or group.points}
    anchors = {group.index(name) for name in group.anchor}
    here = np.flatnonzero(np.isfinite(found[:, 0])).tolist()
    spot = {number: (float(found[number, 0]), float(found[number, 1])) for number in here}
    lines = [Line(spot[a], spot[b], part) for a, b in limbs if a in spot and b in spot]
    dots = [Dot(spot[number], part, number in kept, number in anchors) for number in here]
    bounds = (left, top + LINE, left + PANEL, top + LINE + height)
    drawn.lines += lines
    drawn.dots += dots
    drawn.texts += _labels([(spot[number], label(group, number)) for number in numbered], dots, lines, bounds)
    return _key(drawn, group, kept, left, top + LINE + height)


def label(group: Group, number: int) -> str:
    """A point's number within its group; of points that are called by numbers, their name."""
    return clean(group.points[number], 8) if group.points[number].isdecimal() else str(number)


def _captions(group: Group, hidden: Sequence[int], some: bool) -> Iterator[str]:
    kept = f"{len(group.keep):,} of them looked at" if group.keep else "all looked at"
    yield f"{group.kind}: {len(group.points):,} points ({', '.join(group.coordinates)}), {kept}"
    if hidden:
        few = ", ".join(label(group, number) for number in hidden[:5]) + (", ..." if len(hidden) > 5 else "")
        yield f"{len(hidden):,} without a place in this scheme are not drawn: {few}"
    if some:
        yield "numbered: what is looked at"


def _placed(group: Group, layout: Layout, limbs: list[tuple[int, int]]) -> tuple[np.ndarray, list[int]]:
    """Places of the points `[P, 2]` and the numbers of those that get none.

    What has no place and is joined to nothing stands in rows below the others; of a face with known points it is left
    out, because it is the mesh between them.
    """
    known = at_rest(group, layout)
    found = places(len(group.points), limbs, known)
    lost = np.flatnonzero(np.isnan(found[:, 0])).tolist()
    if known and group.kind == "face":
        return found, lost
    rows, hidden = lost[:MOST_POINTS], lost[MOST_POINTS:]
    if len(lost) == len(found):
        found[rows] = grid(len(rows))
    elif rows:
        low, high = np.nanmin(found, axis=0), np.nanmax(found, axis=0)
        side = max(float((high - low).max()), 1e-6) / 15
        found[rows] = grid(len(rows)) * side + (low[0], high[1] + 1.5 * side)
    return found, hidden


def _numbered(group: Group, found: np.ndarray) -> list[int]:
    """Which of the points that are drawn are numbered."""
    here = np.flatnonzero(np.isfinite(found[:, 0])).tolist()
    if len(here) <= MOST_NUMBERS:
        return here
    wanted = {group.index(name) for name in (*group.keep, *group.anchor)}
    return [number for number in here if number in wanted] if wanted else here[:: -(-len(here) // MOST_NUMBERS)]


def _fit(found: np.ndarray, left: float, top: float) -> tuple[np.ndarray, float]:
    """Places within the panel, in pixels, and the height that they take."""
    inner = np.array([PANEL - 48.0, FIGURE - 48.0])
    low, high = np.nanmin(found, axis=0), np.nanmax(found, axis=0)
    extent = np.maximum(high - low, 1e-9)
    scale = float((inner / extent).min())
    if not np.isfinite(scale) or max(extent) < 1e-6:
        scale = 1.0
    size = extent * scale
    shift = np.array([left + (PANEL - size[0]) / 2, top + 24])
    return (found - low) * scale + shift, float(size[1]) + 48


def _key(drawn: Sheet, group: Group, kept: set[int], left: float, top: float) -> float:
    """The names, in columns, where they say more than the numbers."""
    named = [number for number, name in enumerate(group.points) if not name.isdecimal()][: 3 * MOST_NUMBERS]
    rows = -(-len(named) // KEY_COLUMNS)
    for place, number in enumerate(named):
        column, row = divmod(place, rows)
        at = (left + column * PANEL / KEY_COLUMNS, top + (row + 1) * LINE)
        drawn.texts.append(Text(at, f"{number} {clean(group.points[number])}", USUAL - 1, faint=number not in kept))
    return top + rows * LINE


def _labels(
    wanted: Sequence[tuple[tuple[float, float], str]], dots: Sequence[Dot], lines: Sequence[Line], bounds: Box
) -> Iterator[Text]:
    """Each number beside its dot where it lies on no dot, line or other number, or on as few as can be."""
    boxes = [_around(dot.place, 6.5 if dot.ring else 3.5) for dot in dots]
    boxes += [_around(place, 1.0) for line in lines for place in _along(line)]
    turns = np.deg2rad(np.arange(0, 360, 30) - 90)
    for (x, y), text in wanted:
        wide, high = LETTER * SMALL * len(text), 0.75 * SMALL
        best, least = None, np.inf
        for reach in (9.0, 14.0, 20.0):
            for angle in turns.tolist():
                at = (x + (reach + wide / 2) * np.cos(angle), y + reach * np.sin(angle))
                box = (at[0] - wide / 2 - 1, at[1] - high / 2 - 1, at[0] + wide / 2 + 1, at[1] + high / 2 + 1)
                cost = _overlap(box, boxes) + 0.35 * reach + 60 * _outside(box, bounds)
                if cost < least:
                    best, least = (at, box), cost
        at, box = best
        boxes.append(box)
        yield Text((float(at[0]), float(at[1]) + high / 2), text, SMALL, faint=True, middle=True)


def _around(place: tuple[float, float], reach: float) -> Box:
    return place[0] - reach, place[1] - reach, place[0] + reach, place[1] + reach


def _along(line: Line) -> Iterator[tuple[float, float]]:
    """Places along a line, two pixels apart."""
    (x1, y1), (x2, y2) = line.start, line.end
    count = max(2, int(np.hypot(x2 - x1, y2 - y1) / 2))
    for share in np.linspace(0, 1, count).tolist():
        yield x1 + share * (x2 - x1), y1 + share * (y2 - y1)


def _overlap(box: Box, boxes: Sequence[Box]) -> float:
    """Pixels of a box that lie on others."""
    others = np.array(boxes)
    wide = np.minimum(others[:, 2], box[2]) - np.maximum(others[:, 0], box[0])
    high = np.minimum(others[:, 3], box[3]) - np.maximum(others[:, 1], box[1])
    return float((np.maximum(wide, 0) * np.maximum(high, 0)).sum())


def _outside(box: Box, bounds: Box) -> int:
    return int(box[0] < bounds[0]) + int(box[1] < bounds[1]) + int(box[2] > bounds[2]) + int(box[3] > bounds[3])
