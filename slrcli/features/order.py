"""Whether the groups of a layout stand in the columns of a clip in the order that the layout says, or in another.

Two things tell: a group is seen or missing as a whole, so that what is missing begins and ends where groups do; and the
wrist of a hand is where the wrist of the body is on that side.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np

from slrcli.features.handedness import paired
from slrcli.features.layout import Layout, layouts_of_width

MOST_GROUPS = 5  # of which all orders are tried
TINY = 0.01  # of the interquartile range: points that lie together are no shoulders
FRAMES = 32  # of a clip, which are enough
NAN = float("nan")
# Share of the edges of what is missing that lie within groups, if the groups are not in this order, and if they are.
BROKEN, UNBROKEN = 0.3, 0.05
NEAR, FAR = 0.25, 0.4  # distance of the wrists of hands and body, in distances of the shoulders: in sound clips to 0.15

Order = tuple[int, ...]  # numbers of groups of the layout, as they stand in the columns


class OtherOrder(NamedTuple):
    """What is to be said of clips whose groups stand in another order than their layout has."""

    what: str
    fix: str


def told_order(
    layout: Layout, edges: Sequence[np.ndarray | None], gaps: Sequence[np.ndarray | None]
) -> OtherOrder | None:
    """The order of the groups that fits some clips much better than that of their layout; None if there is none.

    Args:
        layout: what the columns should mean.
        edges: of each clip, see `edges`.
        gaps: of each clip, see `wrist_gaps`.
    """
    missing, known = ([item for item in items if item is not None] for items in (edges, gaps))
    found = _fitting(layout, missing, known)
    if found is None:
        return None
    order, why = found
    groups = [layout.groups[number] for number in order]
    names = ", ".join(group.name for group in groups)
    shape = [(group.name, group.width) for group in groups]
    alike = [
        other.name
        for other in layouts_of_width(layout.width)
        if [(group.name, group.width) for group in other.groups] == shape
    ]
    return OtherOrder(
        f"the columns are not in the order of the layout {layout.name} ({', '.join(layout.by_name)}): {why}; "
        f"the order {names} fits",
        f"use --layout {alike[0]}"
        if alike
        else f'write a layout with like = "{layout.name}" and one [[groups]] table with a name for each of {names}, in '
        "this order, and use it with --layout",
    )


def _fitting(layout: Layout, missing: Sequence[np.ndarray], gaps: Sequence[np.ndarray]) -> tuple[Order, str] | None:
    """The order of groups that fits, and what says so; None if that of the layout fits, or none does."""
    choices = orders(layout)
    if len(choices) < 2:
        return None
    fit, why = np.ones(len(choices), bool), ""
    if missing:
        broken = np.array([outside(np.sum(missing, axis=0), layout, order) for order in choices])
        if broken[0] > BROKEN and broken.min() < UNBROKEN:
            fit, why = broken < UNBROKEN, "what is missing does not begin and end where groups do"
    apart = np.zeros(len(choices))
    if gaps:
        columns = [column[~np.isnan(column)] for column in np.array(gaps).T]
        apart = np.array([np.median(known) if known.size else np.inf for known in columns])
        near = fit & (apart < NEAR)
        if near.any() and apart[0] > max(FAR, 3 * apart[near].min()):
            fit, why = near, why or "the hands are not at the wrists of the body"
    if not why:
        return None
    return choices[min(np.flatnonzero(fit), key=lambda number: apart[number])], why


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
