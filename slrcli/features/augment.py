"""Variants of training clips: another speed, another body and camera, missing points.

All functions work on prepared clips `[T, D]` with NaN where a point is missing, and never restore a missing point.
Groups of kind `features` have no position in space: only their speed, masks and dropped columns are varied. Stored
derivatives are computed again from the varied positions, as plain differences over time.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from slrcli.config import AugmentConfig
from slrcli.errors import SlrError, UsageError
from slrcli.features.layout import Layout
from slrcli.features.layout.layout import AXES, Group
from slrcli.plugins import AUGMENTATIONS, plugin


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
        rng: source of all randomness: the same state gives the same variant.
        minimum: the fewest frames of a faster variant (such as CTC needs for the clip's glosses).
        rest: source of all randomness but that of the speed, so that two variants of a clip can share their timing;
            None: `rng`.

    Returns:
        Float32 `[T', D]`, T' at least 1.
    """
    positions = x[:, : layout.positions]
    varied = _vary_pace(positions, options, rng, minimum)
    rng = rest or rng
    varied = _vary_places(varied, layout, options, rng)
    varied = _vary_hands(varied, layout, options, rng)
    varied = _drop_points(varied, layout, options, rng)
    varied = _vary_as_added(varied, layout, options, rng)
    if layout.stored_derivatives:
        stored = x[:, layout.positions :]
        varied = np.hstack([varied, stored if varied is positions else derivatives(varied, layout.stored_derivatives)])
    return _mask_spans(varied, options, rng)


def _vary_as_added(x: np.ndarray, layout: Layout, options: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """The positions as the augmentations of other packages vary them."""
    for name in options.added:
        varied = np.asarray(added(name)(x, layout, rng), np.float32)
        if varied.shape != x.shape:
            what = f"The augmentation {name} turns {x.shape[0]} frames of {x.shape[1]} columns into {varied.shape}."
            raise SlrError(what, "augment.added", "Let it return an array of the same shape.")
        x = varied
    return x


def added(name: str) -> Callable[[np.ndarray, Layout, np.random.Generator], np.ndarray]:
    """An augmentation of another package: `function(x [T, layout.positions], layout, rng)`, NaN where a point is
    missing, gives an array of the same shape and leaves `x` as it is.

    Raises:
        UsageError: none is registered under that name.
    """
    found = plugin(AUGMENTATIONS, name)
    if found is None:
        fix = "Install the package that registers it, or leave it out."
        raise UsageError(f"No package registers an augmentation '{name}'.", "augment.added", fix)
    return found


def resample(x: np.ndarray, frames: int) -> np.ndarray:
    """`x [T, D]` interpolated at `frames` evenly spaced moments from its first frame to its last."""
    return x if frames == len(x) else read_at(x, np.linspace(0, len(x) - 1, frames))


def read_at(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """`x [T, D]` at moments `at [T']` between its frames, by linear interpolation.

    If a neighbour is missing, the nearer one is taken, so that no additional values go missing.
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
    """The mirrored positions `[T, layout.positions]`: x is reflected, left and right are swapped.

    Points without a partner in the layout keep their place in the array. Groups of kind `features` have no position in
    the picture: if the layout pairs their points and they have an x, it is reflected about their own origin.
    """
    order, horizontal, own = _mirror_plan(layout)
    y = x[:, order]
    y[:, horizontal] = 2 * _middle(x, layout)[0] - y[:, horizontal]
    y[:, own] *= -1
    return y


def mirrored_clip(x: np.ndarray, layout: Layout, across: float | None = None) -> np.ndarray:
    """A whole clip `[T, layout.width]` in the mirror, with stored derivatives; twice gives the clip again.

    Args:
        x: the clip, NaN where a point is missing.
        layout: what its columns mean.
        across: the x that becomes 0, such as the width of the picture; None: x is reflected about its own middle.
    """
    order, horizontal, own = _mirror_plan(layout)
    blocks = []
    for start in range(0, layout.width, layout.positions):
        block = x[:, start : start + layout.positions][:, order]
        middle = 2 * _middle(x[:, : layout.positions], layout)[0] if across is None else across
        block[:, horizontal] = (middle if start == 0 else 0) - block[:, horizontal]
        block[:, own] *= -1
        blocks.append(block)
    return np.hstack(blocks)


def derivatives(positions: np.ndarray, count: int) -> np.ndarray:
    """`count` blocks of differences over time of `positions [T, N]`, `[T, count * N]`; the n-th begins with n zeros.

    NaN where a position is missing. The network's frontend computes the same if none are stored.
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
    if not (options.rotate or options.scale or options.shear):
        return x
    stretch = 1 + rng.uniform(-options.scale, options.scale, len(AXES))
    shear = np.eye(len(AXES))
    shear[0, 1] = rng.uniform(-options.shear, options.shear)
    turn = _turn(rng.uniform(-options.rotate, options.rotate))
    centre, matrix = _middle(x, layout), (turn @ shear @ np.diag(stretch)).astype(x.dtype)
    y = x.copy()
    for group in layout.groups:
        if group.spatial:
            _move(y, group, centre, matrix)
    return y


def _vary_hands(x: np.ndarray, layout: Layout, options: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Turn and stretch each hand about its own anchor, one draw for the clip: people hold their wrists differently."""
    if not (options.hand_rotate or options.hand_scale):
        return x
    y = x.copy()
    for group in layout.groups:
        if group.kind != "hand" or not group.anchor or len(group.points) == 1:
            continue
        turn = _turn(rng.uniform(-options.hand_rotate, options.hand_rotate))
        stretch = np.diag([*(1 + rng.uniform(-options.hand_scale, options.hand_scale, 2)), 1])
        anchor = [x[:, [group.column(point, axis) for point in group.anchor]].mean(axis=1) for axis in AXES[:2]]
        # where the anchor is not seen nobody knows what to turn about
        seen = np.isfinite(anchor).all(axis=0)
        part = y[seen]
        _move(part, group, [place[seen, None] for place in anchor], (turn @ stretch).astype(x.dtype))
        y[seen] = part
    return y


def _turn(degrees: float) -> np.ndarray:
    """A turn in the picture plane, `[3, 3]`."""
    angle, turn = np.deg2rad(degrees), np.eye(len(AXES))
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn


def _move(y: np.ndarray, group: Group, centre: Sequence[np.ndarray] | np.ndarray, matrix: np.ndarray) -> None:
    """Move the points of a group in place: `matrix [3, 3]` about `centre`, of each axis that moves a number a frame,
    `[T, 1]`, or one for all."""
    axes = [AXES.index(name) for name in AXES if name in group.coordinates]
    moving = [axis for axis in axes if (matrix[axis] != np.eye(len(AXES))[axis]).any()]
    own = {axis: y[:, _axis(group, AXES[axis])] - centre[axis] for axis in axes if matrix[moving, axis].any()}
    for axis in moving:
        moved = centre[axis] + matrix[axis, axis] * own[axis]
        for other in own:
            if other != axis and matrix[axis, other]:
                moved += matrix[axis, other] * own[other]
        y[:, _axis(group, AXES[axis])] = moved


def _drop_points(x: np.ndarray, layout: Layout, options: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Some points missing throughout."""
    if not options.point_drop:
        return x
    lost = []
    for group, droppable in _droppable(layout):
        dropped = rng.random(len(group.points)) < options.point_drop
        lost.append(group.start + np.flatnonzero(np.repeat(dropped & droppable, len(group.coordinates))))
    columns = np.concatenate(lost)
    if columns.size:
        x = x.copy()
        x[:, columns] = np.nan
    return x


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


def _middle(x: np.ndarray, layout: Layout) -> np.ndarray:
    """Middle of the body over a clip, `[3]`: of its shoulders, else of all points; 0 if none is seen."""
    points = [layout.find(name) for name in layout.shoulders]
    ends = [[_mean(x[:, group.column(p, axis)]) for axis in AXES if axis in group.coordinates] for group, p in points]
    if ends and np.isfinite(ends).all():
        first, second = (np.array([*end, 0.0])[:3] for end in ends)
        if (first != second)[: len(layout.measured_axes)].any():
            return ((first + second) / 2).astype(x.dtype)
    centre = np.zeros(3, x.dtype)
    for i, axis in enumerate(AXES):
        own = [x[:, _axis(g, axis)].ravel() for g in layout.groups if g.spatial and axis in g.coordinates]
        centre[i] = np.nan_to_num(_mean(np.concatenate(own))) if own else 0
    return centre


def _mean(values: np.ndarray) -> float:
    """Mean of what is there; NaN, without a warning, if nothing is."""
    there = values[np.isfinite(values)]
    return float(there.mean()) if there.size else float("nan")


@lru_cache(maxsize=16)
def _mirror_plan(layout: Layout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which column comes from which, the columns of x in the picture, and those of x about an origin of their own."""
    order = np.arange(layout.positions)
    for names in layout.mirror:
        (group, a), (other, b) = map(layout.find, names)
        for coordinate in group.coordinates:
            one, two = group.column(a, coordinate), other.column(b, coordinate)
            order[[one, two]] = two, one
    paired = {layout.find(name)[0].name for names in layout.mirror for name in names}
    picture, own = [np.zeros(0, int)], [np.zeros(0, int)]
    for group in layout.groups:
        if "x" in group.coordinates and (group.spatial or group.name in paired):
            (picture if group.spatial else own).append(np.arange(layout.positions)[_axis(group, "x")])
    return order, np.concatenate(picture), np.concatenate(own)


@lru_cache(maxsize=16)
def _droppable(layout: Layout) -> list[tuple[Group, np.ndarray]]:
    """For each group which points may go missing: not those by which the body is placed and measured."""
    shoulders = {(group.name, point) for group, point in map(layout.find, layout.shoulders)}
    return [
        (group, np.array([p not in group.anchor and (group.name, p) not in shoulders for p in group.points]))
        for group in layout.groups
    ]
