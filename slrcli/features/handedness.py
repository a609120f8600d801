"""Left and right: whether the shoulders and hands of a clip are on the sides that their names say."""

import numpy as np

from slrcli.features.layout import Layout

DECISIVE, SHARE = 10, 0.2  # frames, and part of all frames, that have to tell something before a clip has a side
APART = 0.5  # shoulder widths between two wrists before their order says anything: hands touch and cross
NAN = float("nan")


def shoulder_width(x: np.ndarray, layout: Layout) -> float:
    """Median distance of the shoulders over the frames of a prepared clip `x [T, D]`; NaN without shoulders."""
    if not layout.shoulders:
        return NAN
    points = [locate(x, layout, name, layout.measured_axes) for name in layout.shoulders]
    return _median(np.linalg.norm(points[0] - points[1], axis=1))


def leaps(x: np.ndarray, layout: Layout, width: float) -> int:
    """How often the middle of the shoulders moves by more than their distance between one frame that shows them and the
    next that does: no signer does, but an extractor that goes over to another person.

    Args:
        x: a prepared clip `[T, D]`.
        layout: what its columns mean; without shoulders there are no leaps.
        width: of the shoulders, see `shoulder_width`.
    """
    if not layout.shoulders or not width > 0:
        return 0
    middle = np.mean([locate(x, layout, name, ("x", "y")) for name in layout.shoulders], axis=0)
    middle = middle[np.isfinite(middle).all(axis=1)]
    return int((np.linalg.norm(np.diff(middle, axis=0), axis=1) > width).sum())


def shoulder_side(x: np.ndarray, layout: Layout) -> float:
    """Mean over frames of +1 if the first shoulder has the smaller x, -1 if it has the larger; -1 to 1.

    A mirrored picture reverses the sign. NaN if too few frames show both shoulders.
    """
    if not layout.shoulders:
        return NAN
    first, second = (locate(x, layout, name, ("x",))[:, 0] for name in layout.shoulders)
    return _mean_sign(second - first)


def hand_side(x: np.ndarray, layout: Layout, width: float) -> float:
    """Mean over frames of +1 if the hands are on the sides that their names say, -1 if they are not; -1 to 1.

    If the layout has hands besides a body (MediaPipe), a hand belongs to the nearer wrist of the body. If it has only
    wrists (Kinect), their order along x is compared with that of the shoulders, in frames in which they are well apart.

    Args:
        x: a prepared clip `[T, D]`.
        layout: what its columns mean.
        width: distance of the shoulders.
    """
    wrists = paired(layout, "pose", "wrist")
    if wrists is None or not layout.shoulders or not width > 0:
        return NAN
    axes = layout.measured_axes
    left, right = (locate(x, layout, name, axes) for name in wrists)
    votes = []
    for number, hand in enumerate(paired(layout, "hand", "") or ()):
        own, other = (left, right) if number == 0 else (right, left)
        place = locate(x, layout, hand, axes)
        nearer = np.linalg.norm(place - other, axis=1) - np.linalg.norm(place - own, axis=1)
        votes.append(np.where(np.linalg.norm(left - right, axis=1) > APART * width, nearer, np.nan))
    if not votes:
        first, second = (locate(x, layout, name, ("x",))[:, 0] for name in layout.shoulders)
        apart = right[:, 0] - left[:, 0]
        votes.append(np.where(np.abs(apart) > APART * width, apart * np.sign(second - first), np.nan))
    return _mean_sign(np.concatenate(votes))


def dominance(x: np.ndarray, layout: Layout) -> float:
    """How much more the left hand moves than the right one, from -1 (only the right) to 1 (only the left).

    The wrists of the body are taken, else the hands of a layout without a body; a hand that is not seen does not move.
    NaN if the layout has no hands, or none moves.

    Args:
        x: a prepared clip `[T, D]`, with each hand in its own slot.
        layout: what its columns mean.
    """
    names = paired(layout, "pose", "wrist") or paired(layout, "hand", "")
    if names is None or len(x) < DECISIVE:
        return NAN
    steps = [np.linalg.norm(np.diff(locate(x, layout, name, layout.measured_axes), axis=0), axis=1) for name in names]
    left, right = (float(np.nansum(step)) for step in steps)
    return (left - right) / (left + right) if left + right > 0 else NAN


def locate(x: np.ndarray, layout: Layout, name: str, axes: tuple[str, ...]) -> np.ndarray:
    """`[T, axes]` of the point called `name` (`group.point`)."""
    group, point = layout.find(name)
    return x[:, [group.column(point, axis) for axis in axes if axis in group.coordinates]]


def paired(layout: Layout, kind: str, word: str) -> tuple[str, str] | None:
    """The first mirrored pair of points of groups of a kind whose names hold `word`, left first as there."""
    for pair in layout.mirror:
        if all(layout.find(name)[0].kind == kind and word in layout.find(name)[1] for name in pair):
            return pair
    return None


def _mean_sign(values: np.ndarray) -> float:
    known = values[np.isfinite(values) & (values != 0)]
    return float(np.sign(known).mean()) if known.size >= max(DECISIVE, SHARE * values.size) else NAN


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else NAN
