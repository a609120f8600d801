"""Variants of training clips: another pace, another build and camera, points that were not seen.

Everything works on prepared clips `[T, D]` with NaN where a point is missing, and never brings a missing point back.
Groups of kind `features` have no place in space: only their pace, noise, masks and dropped columns are varied. Stored
derivatives are computed anew from the varied positions, as plain differences over time.
"""

from functools import lru_cache

import numpy as np

from slrcli.config import AugmentConfig
from slrcli.features.layout import AXES, Group, Layout


def augment(
    x: np.ndarray,
    layout: Layout,
    options: AugmentConfig,
    rng: np.random.Generator,
    minimum: int = 1,
    rest: np.random.Generator | None = None,
) -> np.ndarray:
    """A random variant of a clip.

    Args:
        x: float32 `[T, D]`, NaN where missing; not changed.
        layout: meaning of the D columns.
        options: what is varied, and how far.
        rng: where all randomness comes from: the same state gives the same variant.
        minimum: the fewest frames that playing faster may leave (such as CTC needs for the clip's glosses).
        rest: where all but the pace comes from, so that two variants of a clip can keep in step; None: `rng`.

    Returns:
        Float32 `[T', D]`, T' at least 1.
    """
    positions = x[:, : layout.positions]
    varied = _vary_pace(positions, options, rng, minimum)
    rng = rest or rng
    varied = _vary_places(varied, layout, options, rng)
    varied = _vary_values(varied, layout, options, rng)
    if layout.stored_derivatives:
        stored = x[:, layout.positions :]
        varied = np.hstack([varied, stored if varied is positions else derivatives(varied, layout.stored_derivatives)])
    return _mask_spans(varied, options, rng)


def resample(x: np.ndarray, frames: int) -> np.ndarray:
    """`x [T, D]` on `frames` frames evenly from its first to its last."""
    return x if frames == len(x) else read_at(x, np.linspace(0, len(x) - 1, frames))


def read_at(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """`x [T, D]` at moments `at [T']` between its frames, linear in between.

    Where a neighbour is missing, the nearer one decides, so that no more goes missing than was.
    """
    before = np.floor(at).astype(int)
    after = np.minimum(before + 1, len(x) - 1)
    weight = (at - before).astype(x.dtype)[:, None]
    first, second = x[before], x[after]
    y = first + weight * (second - first)
    unknown = np.isnan(y)
    if unknown.any():
        y = np.where(unknown, np.where(weight < 0.5, first, second), y)
    return y


def mirror(x: np.ndarray, layout: Layout) -> np.ndarray:
    """The positions `[T, layout.positions]` of the same signs by the other hand: x turned over, left and right swapped.

    Points without a partner in the layout (and what `kind = "features"` holds) keep their place in the array.
    """
    order, horizontal = _mirror_plan(layout)
    y = x[:, order]
    y[:, horizontal] = 2 * _body(x, layout)[0][0] - y[:, horizontal]
    return y


def derivatives(positions: np.ndarray, count: int) -> np.ndarray:
    """`count` blocks of differences over time of `positions [T, N]`, `[T, count * N]`; the n-th begins with n zeros.

    NaN where a position is missing. The network's frontend computes the same when none are stored.
    """
    blocks, last = [], positions
    for order in range(1, count + 1):
        step = np.diff(last, axis=0, prepend=last[:1])
        step[:order] = np.where(np.isnan(last[:order]), last[:order], 0)
        blocks.append(step)
        last = step
    return np.hstack(blocks)


def _vary_pace(x: np.ndarray, options: AugmentConfig, rng: np.random.Generator, minimum: int) -> np.ndarray:
    """Another duration, and slower and faster stretches within it: between knots the pace changes steadily."""
    frames = _duration(len(x), options.resample, rng, minimum)
    if not options.warp or frames < 2:
        return resample(x, frames)
    knots = 2 + frames // options.warp_frames
    bends = rng.uniform(-1, 1, knots) * np.log1p(options.warp)
    pace = np.exp(np.interp(np.linspace(0, knots - 1, frames - 1), np.arange(knots), bends))
    at = np.concatenate([[0.0], pace.cumsum()])
    return read_at(x, at * ((len(x) - 1) / at[-1]))


def _duration(frames: int, limits: tuple[float, float], rng: np.random.Generator, minimum: int) -> int:
    """Frames of the variant: log-uniform between the limits, no fewer than `minimum` unless the clip had fewer."""
    low, high = limits
    if low == high == 1:
        return frames
    factor = np.exp(rng.uniform(np.log(low), np.log(high)))
    return max(1, round(frames * factor), min(minimum, frames))


def _vary_places(x: np.ndarray, layout: Layout, options: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Mirror, turn, stretch and shear the groups that lie in space; one draw for the clip."""
    if not layout.spatial:
        return x
    if options.mirror and rng.random() < options.mirror:
        x = mirror(x, layout)
    depth = options.turn if "z" in layout.measured_axes else 0.0
    if not (options.rotate or options.scale or options.shear or depth):
        return x
    stretch = 1 + rng.uniform(-options.scale, options.scale, len(AXES))
    shear = np.eye(len(AXES))
    shear[0, 1] = rng.uniform(-options.shear, options.shear)
    matrix = _rotation(0, 1, options.rotate, rng) @ shear @ np.diag(stretch)
    if depth:
        matrix = matrix @ _rotation(1, 2, depth / 2, rng) @ _rotation(2, 0, depth, rng)
    return _transform(x, layout, matrix)


def _rotation(one: int, other: int, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """A turn in the plane of two axes by up to so many degrees, `[3, 3]`."""
    angle = np.deg2rad(rng.uniform(-degrees, degrees))
    matrix = np.eye(len(AXES))
    matrix[[one, other], [one, other]] = np.cos(angle)
    matrix[one, other], matrix[other, one] = -np.sin(angle), np.sin(angle)
    return matrix


def _transform(x: np.ndarray, layout: Layout, matrix: np.ndarray) -> np.ndarray:
    """All points about the body's middle, `matrix [3, 3]`."""
    centre, _ = _body(x, layout)
    matrix = matrix.astype(x.dtype)
    y = x.copy()
    for group in layout.groups:
        if not group.spatial:
            continue
        axes = [AXES.index(name) for name in AXES if name in group.coordinates]
        own = [x[:, _axis(group, AXES[axis])] - centre[axis] for axis in axes]
        for i, axis in enumerate(axes):
            if (matrix[axis] == np.eye(len(AXES))[axis]).all():
                continue
            moved = centre[axis] + matrix[axis, axis] * own[i]
            for j, other in enumerate(axes):
                if j != i and matrix[axis, other]:
                    moved += matrix[axis, other] * own[j]
            y[:, _axis(group, AXES[axis])] = moved
    return y


def _vary_values(x: np.ndarray, layout: Layout, options: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Noise on the values, points, hands, fingers and faces that are missing throughout."""
    if options.noise:
        x = x + options.noise * _spread(x, layout) * rng.standard_normal(x.shape, dtype=np.float32)
    lost = []
    if options.point_drop:
        for group, droppable in _droppable(layout):
            dropped = rng.random(len(group.points)) < options.point_drop
            lost.append(group.start + np.flatnonzero(np.repeat(dropped & droppable, len(group.coordinates))))
    hands = [group for group in layout.groups if group.kind == "hand"]
    if options.hand_drop and hands:
        dropped = [hand for hand in hands if rng.random() < options.hand_drop]
        if len(dropped) == len(hands):  # a clip without any hand says nothing
            dropped.pop(rng.integers(len(dropped)))
        lost += [np.arange(hand.start, hand.stop) for hand in dropped]
    if options.finger_drop:
        lost += [finger for finger in fingers(layout) if rng.random() < options.finger_drop]
    faces = [group for group in layout.groups if group.kind == "face"]
    if options.face_drop and 0 < len(faces) < len(layout.groups) and rng.random() < options.face_drop:
        lost += [np.arange(face.start, face.stop) for face in faces]
    if any(columns.size for columns in lost):
        x = x.copy()
        x[:, np.concatenate(lost)] = np.nan
    return x


@lru_cache(maxsize=16)
def fingers(layout: Layout) -> list[np.ndarray]:
    """The columns of every finger of every hand, as the layout's limbs draw them.

    A finger goes from its tip, a point at which one line ends, to where several lines meet, or to the hand's anchor;
    neither of these belongs to it.
    """
    found, first = [], 0
    for group in layout.groups:
        if group.kind == "hand":
            lines: dict[int, list[int]] = {}
            for a, b in sorted({(min(ends), max(ends)) for ends in layout.limbs}):
                if first <= a and b < first + len(group.points):
                    lines.setdefault(a - first, []).append(b - first)
                    lines.setdefault(b - first, []).append(a - first)
            palm = {group.index(name) for name in group.anchor} | {p for p, ends in lines.items() if len(ends) > 2}
            for tip in (point for point, ends in lines.items() if len(ends) == 1 and point not in palm):
                step = np.arange(len(group.coordinates))
                found.append(np.concatenate([group.start + p * len(step) + step for p in _chain(tip, lines, palm)]))
        first += len(group.points)
    return found


def _chain(tip: int, lines: dict[int, list[int]], palm: set[int]) -> list[int]:
    """The points from a tip inwards, up to the palm."""
    chain: list[int] = []
    ahead = [tip]
    while ahead:
        chain.append(ahead[0])
        ahead = [point for point in lines[ahead[0]] if point not in palm and point not in chain]
    return chain


def _mask_spans(x: np.ndarray, options: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Up to `time_masks` spans of frames set to NaN, each up to `time_mask_share` of the clip."""
    if not (options.time_masks and options.time_mask_share):
        return x
    longest = int(options.time_mask_share * len(x))
    y = x.copy()
    for _ in range(rng.integers(options.time_masks + 1)):
        length = rng.integers(longest + 1)
        start = rng.integers(len(x) - length + 1)
        y[start : start + length] = np.nan
    return y


def _axis(group: Group, axis: str) -> slice:
    """Columns of one coordinate of all points of a group."""
    return slice(group.start + group.coordinates.index(axis), group.stop, len(group.coordinates))


def _body(x: np.ndarray, layout: Layout) -> tuple[np.ndarray, float]:
    """Middle `[3]` and size of the body over a clip: by its shoulders, else by all points; 0 and 1 if none is seen."""
    points = [layout.find(name) for name in layout.shoulders]
    ends = [[_mean(x[:, group.column(p, axis)]) for axis in AXES if axis in group.coordinates] for group, p in points]
    if ends and np.isfinite(ends).all():
        first, second = (np.array([*end, 0.0])[:3] for end in ends)
        size = np.linalg.norm((second - first)[: len(layout.measured_axes)])
        if size > 0:
            return ((first + second) / 2).astype(x.dtype), float(size)
    return _cloud(x, layout)


def _cloud(x: np.ndarray, layout: Layout) -> tuple[np.ndarray, float]:
    """The same by all points: their mean and their root mean square distance from it in the picture plane."""
    centre, variance = np.zeros(3, x.dtype), 0.0
    for i, axis in enumerate(AXES):
        own = [x[:, _axis(g, axis)].ravel() for g in layout.groups if g.spatial and axis in g.coordinates]
        values = np.concatenate(own) if own else np.zeros(1)
        values = values[np.isfinite(values)]
        if values.size:
            centre[i] = values.mean()
            variance += values.var() if i < 2 else 0
    return centre, float(np.sqrt(variance)) or 1.0


def _mean(values: np.ndarray) -> float:
    """Mean of what is there; NaN, without a warning, if nothing is."""
    there = values[np.isfinite(values)]
    return float(there.mean()) if there.size else float("nan")


def _spread(x: np.ndarray, layout: Layout) -> np.ndarray:
    """What noise is measured against, `[N]`: the body's size for coordinates, a column's own deviation for features."""
    spread = np.zeros(x.shape[1], np.float32)
    size = _body(x, layout)[1] if layout.spatial else 0.0
    for group in layout.groups:
        if group.spatial:
            for axis in group.axes:
                spread[_axis(group, axis)] = size
        else:
            own = x[:, group.start : group.stop]
            there = np.isfinite(own)
            count = np.maximum(there.sum(axis=0), 1)
            mean = np.where(there, own, 0).sum(axis=0) / count
            spread[group.start : group.stop] = np.sqrt((np.where(there, own - mean, 0) ** 2).sum(axis=0) / count)
    return spread


@lru_cache(maxsize=16)
def _mirror_plan(layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Which column comes from which, and the columns of x coordinates."""
    order = np.arange(layout.positions)
    for names in layout.mirror:
        (group, a), (other, b) = map(layout.find, names)
        for coordinate in group.coordinates:
            one, two = group.column(a, coordinate), other.column(b, coordinate)
            order[[one, two]] = two, one
    horizontal = [np.arange(layout.positions)[_axis(group, "x")] for group in layout.groups if group.spatial]
    return order, np.concatenate([*horizontal, np.zeros(0, int)]).astype(int)


@lru_cache(maxsize=16)
def _droppable(layout: Layout) -> list[tuple[Group, np.ndarray]]:
    """For each group which points may go missing: not those by which the body is placed and measured."""
    shoulders = {(group.name, point) for group, point in map(layout.find, layout.shoulders)}
    return [
        (group, np.array([p not in group.anchor and (group.name, p) not in shoulders for p in group.points]))
        for group in layout.groups
    ]
