"""Whether the groups of a layout stand in the columns of a clip in the order that the layout says, or in another.

Two things tell: a group is seen or missing as a whole, so that what is missing begins and ends where groups do; and the
wrist of a hand is where the wrist of the body is on that side.
"""

from functools import lru_cache
from itertools import permutations

import numpy as np

from slrcli.features.handedness import paired
from slrcli.features.layout import Layout

MOST_GROUPS = 5  # of which all orders are tried
TINY = 0.01  # of the interquartile range: points that lie together are no shoulders
FRAMES = 32  # of a clip, which are enough
NAN = float("nan")

Order = tuple[int, ...]  # numbers of groups of the layout, as they stand in the columns


def orders(layout: Layout) -> list[Order]:
    """All orders in which the groups of a layout may stand, its own first; only that if there are many groups."""
    count = len(layout.groups)
    return list(permutations(range(count))) if 1 < count <= MOST_GROUPS and layout.spatial else [tuple(range(count))]


def in_order(layout: Layout, order: Order) -> list[int]:
    """The first column of each group of the layout if its groups stand in another order."""
    starts, column = [0] * len(order), 0
    for number in order:
        starts[number] = column
        column += layout.groups[number].width
    return starts


def edges(seen: np.ndarray) -> np.ndarray | None:
    """In how many frames of `seen [T, positions]` a column is seen and the one before it is not, or the other way
    round, float32 `[positions]`; None if nothing or everything is."""
    if seen.all() or not seen.any():
        return None
    return np.concatenate([[0], (seen[:, 1:] != seen[:, :-1]).sum(axis=0)]).astype(np.float32)


def outside(found: np.ndarray, layout: Layout, order: Order) -> float:
    """Share of the edges that lie within groups if these stand in an order; NaN without any edge."""
    total = float(found.sum())
    return 1 - float(found[sorted(in_order(layout, order))].sum()) / total if total else NAN


def wrist_gaps(x: np.ndarray, layout: Layout) -> np.ndarray | None:
    """For each order, how far the wrists of the hands are from those of the body; None without both.

    Float32 `[orders]`: the median over frames, of the hand that is further away, in the distance of what would be the
    shoulders, or in the interquartile range of all values where that is smaller: it is about a body, and does not
    depend on the order. NaN if no hand is seen.

    Args:
        x: a prepared clip `[T, D]`.
        layout: what its columns mean.
    """
    plan = _plan(layout)
    if plan is None:
        return None
    part = x[:: max(1, len(x) // FRAMES), : layout.positions]
    known = part[np.isfinite(part)]
    if known.size < layout.positions:
        return None
    low, high = np.quantile(known, (0.25, 0.75))
    if high <= low:
        return None
    found = _medians(np.linalg.norm(part[:, plan[:, :, 0]] - part[:, plan[:, :, 1]], axis=3))  # [orders, pairs]
    size = np.fmin(found[:, 2:].min(axis=1, initial=np.inf), high - low)
    return (np.fmax(found[:, 0], found[:, 1]) / np.maximum(size, TINY * (high - low))).astype(np.float32)


def _medians(distances: np.ndarray) -> np.ndarray:
    """Medians over the frames of `[T, orders, pairs]` that are known; NaN where none is."""
    known = np.isfinite(distances)
    return np.array(
        [
            [np.median(own[there]) if there.any() else NAN for own, there in zip(row.T, seen.T, strict=True)]
            for row, seen in zip(distances.swapaxes(0, 1), known.swapaxes(0, 1), strict=True)
        ]
    )


@lru_cache(maxsize=16)
def _plan(layout: Layout) -> np.ndarray | None:
    """Columns `[orders, pairs, both ends, x and y]` of the wrists of either side and the shoulders."""
    body, hands = paired(layout, "pose", "wrist"), paired(layout, "hand", "")
    if body is None or hands is None:
        return None
    numbers = {group.name: number for number, group in enumerate(layout.groups)}
    ends = [*zip(hands, body, strict=True), *([layout.shoulders] if layout.shoulders else [])]
    plan = []
    for order in orders(layout):
        starts = in_order(layout, order)
        plan.append([[_columns(layout, name, numbers, starts) for name in pair] for pair in ends])
    return np.array(plan)


def _columns(layout: Layout, name: str, numbers: dict[str, int], starts: list[int]) -> list[int]:
    group, point = layout.find(name)
    return [starts[numbers[group.name]] + group.column(point, axis) - group.start for axis in ("x", "y")]
