"""Where the points of a clip are in a picture, and which of them are joined by lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from slrcli.features.layout import Layout
from slrcli.features.layout.layout import Group

MARGIN = 0.06  # of the larger side, around everything
OUTLIERS = 0.5  # percent of the positions that may lie outside on either side

# What is joined in a body whose layout does not say so: on one side of the body, and across it.
_SIDE = (
    ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand"), ("wrist", "thumb"), ("wrist", "index"),
    ("wrist", "pinky"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"),
    ("ankle", "heel"), ("ankle", "foot_index"),
)  # fmt: skip
_ACROSS = (
    ("head", "shoulder_centre"), ("head", "neck"), ("nose", "neck"), ("shoulder_centre", "spine"),
    ("spine", "hip_centre"), ("mouth_left", "mouth_right"), ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A clip as it is drawn.

    Attributes:
        points: float32 `[T, P, 2]`, x to the right and y downwards, the larger side of the picture from 0 to 1; NaN
            where a point is missing.
        limbs: pairs of numbers of points.
        parts: names of the groups that are drawn.
        part: number of the part of every point.
        size: width and height of the picture, the larger of which is 1.
    """

    points: np.ndarray
    limbs: tuple[tuple[int, int], ...]
    parts: tuple[str, ...]
    part: tuple[int, ...]
    size: tuple[float, float]


def square(x: np.ndarray, layout: Layout, aspect: float) -> np.ndarray:
    """Positions `[T, positions]` in which x and y count alike: shares of the picture become shares of its height.

    Args:
        x: not changed.
        layout: what the columns mean.
        aspect: width of the picture in heights.
    """
    if layout.units != "image" or aspect == 1:
        return x
    x = x.copy()
    for group in layout.groups:
        if group.spatial:
            x[:, group.start + group.coordinates.index("x") : group.stop : len(group.coordinates)] *= aspect
    return x


def skeleton(x: np.ndarray, layout: Layout) -> Skeleton | None:
    """What is drawn of a clip; None if its layout has no points in space, or nothing of them is ever seen.

    Args:
        x: positions `[T, positions]`, NaN where missing, x and y alike.
        layout: what the columns mean; of a group that names the points worth looking at, those alone are drawn, and of
            a body or a hand what its limbs join.
    """
    groups = [group for group in layout.groups if group.spatial]
    if not groups:
        return None
    places, part, numbers, first = [], [], {}, 0
    starts = first_numbers(layout)
    for number, group in enumerate(groups):
        kept = _drawn(group, layout, starts[group.name])
        columns = [[group.start + i * len(group.coordinates) + group.coordinates.index(a) for a in "xy"] for i in kept]
        places.append(x[:, np.array(columns)])
        part += [number] * len(kept)
        numbers.update({starts[group.name] + i: first + k for k, i in enumerate(kept)})
        first += len(kept)
    points = np.concatenate(places, axis=1).astype(np.float32)
    if np.isnan(points).all():
        return None
    if layout.units == "metres":
        points[..., 1] *= -1  # y is up there
    limbs = tuple((numbers[a], numbers[b]) for a, b in drawing_order(layout) if a in numbers and b in numbers)
    fitted, size = _fit(points)
    return Skeleton(fitted, limbs, tuple(group.name for group in groups), tuple(part), size)


def _drawn(group: Group, layout: Layout, start: int) -> list[int]:
    """Numbers within the group of its points that are drawn."""
    joined: set[int] = set()
    if group.kind != "face":
        joined = {end - start for limb in drawing_order(layout) for end in limb if 0 <= end - start < len(group.points)}
    return sorted({group.index(name) for name in group.keep or group.points} | joined)


def drawing_order(layout: Layout) -> list[tuple[int, int]]:
    """Pairs of points that a line joins, as numbers over all groups: what the layout says, and of a body or a hand of
    which it says nothing, what its names say."""
    starts = first_numbers(layout)
    said = {layout.point_names[end].partition(".")[0] for limb in layout.limbs for end in limb}
    return list(layout.limbs) + [
        (starts[group.name] + group.index(a), starts[group.name] + group.index(b))
        for group in layout.groups
        if group.kind in ("pose", "hand") and group.name not in said
        for a, b in (_hand(group) if group.kind == "hand" else _body(group.points))
    ]


def first_numbers(layout: Layout) -> dict[str, int]:
    """The number of the first point of every group, counted over all points."""
    numbers, first = {}, 0
    for group in layout.groups:
        numbers[group.name] = first
        first += len(group.points)
    return numbers


def _body(points: Sequence[str]) -> Iterator[tuple[str, str]]:
    pairs = [(f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in _SIDE]
    pairs += [
        *_ACROSS,
        *((f"{end}_centre", f"{side}_{end}") for end in ("shoulder", "hip") for side in ("left", "right")),
    ]
    known = set(points)
    yield from (pair for pair in pairs if known.issuperset(pair))


def _hand(group: Group) -> Iterator[tuple[str, str]]:
    """From the anchor along each finger: points whose names begin alike, in their order."""
    root = group.anchor[0] if group.anchor else group.points[0]
    last: dict[str, str] = {}
    for name in group.points:
        finger = name.partition("_")[0]
        if name != root:
            yield last.get(finger, root), name
            last[finger] = name


def _fit(points: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Points moved and scaled into the picture, and its width and height."""
    points = np.where(np.isfinite(points), points, np.nan).astype(np.float64)  # in float32 their sums may overflow
    flat = points.reshape(-1, 2)
    if np.isnan(flat).all(axis=0).any():
        return np.full(points.shape, np.nan, np.float32), (1.0, 1.0)
    low = np.nanpercentile(flat, OUTLIERS, axis=0)
    extent = np.maximum(np.nanpercentile(flat, 100 - OUTLIERS, axis=0) - low, 1e-9)
    extent = np.maximum(extent, 0.2 * extent.max())
    margin = MARGIN * extent.max()
    whole = extent + 2 * margin
    fitted = (points - low + margin) / whole.max()
    width, height = whole / whole.max()
    return fitted.astype(np.float32), (float(width), float(height))
