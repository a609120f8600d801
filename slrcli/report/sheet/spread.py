"""Places for points of which nothing is known but what joins them."""

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

Place = tuple[float, float]

MOST = 400  # points of one piece that are spread by their distances; more would take minutes
STEPS = 200
FAN = np.deg2rad(40)  # between points that hang on the same one


def places(count: int, limbs: Sequence[tuple[int, int]], known: Mapping[int, Place]) -> np.ndarray:
    """Places of `count` points `[count, 2]`; NaN for those that are neither known nor joined to anything.

    Where some are known, what is joined to them hangs on them; other pieces stand side by side, each spread so that
    distances in the picture are like those along its limbs.

    Args:
        count: of the points.
        limbs: pairs of numbers of points.
        known: number -> place.
    """
    near: list[list[int]] = [[] for _ in range(count)]
    for a, b in limbs:
        near[a].append(b)
        near[b].append(a)
    found = np.full((count, 2), np.nan)
    for number, place in known.items():
        found[number] = place
    _hang(found, near, [number for number in known if near[number]])
    right = float(np.nanmax(found[:, 0], initial=-1.0)) + 1.0
    unit = _usual_length(found, limbs)
    for piece in _pieces(near, found):
        spread = unit * (_by_distance(piece, near) if len(piece) <= MOST else _in_a_ring(len(piece)))
        spread -= spread.min(axis=0) - (right, 0.0)
        found[piece] = spread
        right = float(spread[:, 0].max()) + unit
    return found


def grid(count: int, columns: int = 16) -> np.ndarray:
    """`count` points in rows `[count, 2]`, for those that nothing joins."""
    numbers = np.arange(count)
    return np.stack([numbers % columns, numbers // columns], axis=1).astype(float)


def _usual_length(found: np.ndarray, limbs: Sequence[tuple[int, int]]) -> float:
    """Of limbs whose ends are known; 1 where there are none."""
    if not limbs:
        return 1.0
    ends = np.array(limbs)
    lengths = np.linalg.norm(found[ends[:, 0]] - found[ends[:, 1]], axis=1)
    lengths = lengths[lengths > 0]
    return float(np.median(lengths)) if lengths.size else 1.0


def _hang(found: np.ndarray, near: Sequence[Sequence[int]], known: list[int]) -> None:
    """Give what is joined to known points, and on from there, places further out."""
    if not known:
        return
    unit = 0.6 * _usual_length(found, [(a, b) for a in known for b in near[a]])
    middle = np.nanmean(found[known], axis=0)
    waiting = deque(known)
    while waiting:
        here = waiting.popleft()
        new = [number for number in dict.fromkeys(near[here]) if np.isnan(found[number, 0])]
        before = [found[number] for number in near[here] if not np.isnan(found[number, 0])]
        away = found[here] - (np.mean(before, axis=0) if before else middle)
        angle = float(np.arctan2(away[1], away[0])) if np.linalg.norm(away) > 1e-6 else np.pi / 2
        for turn, number in enumerate(new):
            side = angle + FAN * (turn - (len(new) - 1) / 2)
            found[number] = found[here] + unit * np.array([np.cos(side), np.sin(side)])
            waiting.append(number)


def _pieces(near: Sequence[Sequence[int]], found: np.ndarray) -> list[list[int]]:
    """What hangs together of the points that have no place yet, and are joined to something."""
    pieces, seen = [], set(np.flatnonzero(~np.isnan(found[:, 0])).tolist())
    for start in range(len(near)):
        if near[start] and start not in seen:
            piece = sorted(_steps_from(start, near))
            seen.update(piece)
            pieces.append(piece)
    return pieces


def _steps_from(start: int, near: Sequence[Sequence[int]]) -> dict[int, int]:
    """How many limbs lead to every point that can be reached."""
    steps, waiting = {start: 0}, deque([start])
    while waiting:
        here = waiting.popleft()
        for number in near[here]:
            if number not in steps:
                steps[number] = steps[here] + 1
                waiting.append(number)
    return steps


def _by_distance(piece: list[int], near: Sequence[Sequence[int]]) -> np.ndarray:
    """Stress majorisation (Gansner, Koren and North, 2004) of the distances along limbs, from classical scaling."""
    if len(piece) == 2:
        return np.array([[0.0, 0.0], [0.0, 1.0]])
    steps = [_steps_from(number, near) for number in piece]
    wanted = np.array([[row[number] for number in piece] for row in steps], dtype=float)
    centred = np.eye(len(piece)) - 1 / len(piece)
    values, vectors = np.linalg.eigh(-0.5 * centred @ wanted**2 @ centred)
    found = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 1e-3))
    found += 0.05 * _in_a_ring(len(piece))  # points of equal distances would lie on each other
    weight = np.where(wanted > 0, 1 / np.maximum(wanted, 1) ** 2, 0.0)
    inverse = np.linalg.pinv(np.diag(weight.sum(axis=1)) - weight)
    for _ in range(STEPS):
        gap = np.linalg.norm(found[:, None] - found[None], axis=2)
        pull = weight * wanted / np.maximum(gap, 1e-9)
        found = inverse @ (pull.sum(axis=1)[:, None] * found - pull @ found)
    return found


def _in_a_ring(count: int) -> np.ndarray:
    """Even places on a circle, one length apart."""
    angle = 2 * np.pi * np.arange(count) / count
    return count / (2 * np.pi) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
