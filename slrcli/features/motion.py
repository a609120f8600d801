"""Removal of rest poses, and transitions from the end of one clip to the beginning of the next.

`slrcli.corpus.compose` and, in training, `slrcli.features.recombine` build sentences from parts of clips with these.
"""

from collections.abc import Sequence

import numpy as np

from slrcli.features.augment import derivatives
from slrcli.features.layout import Layout
from slrcli.features.recording import prepare
from slrcli.features.speed import speed

SMOOTHED = 3  # frames over which the speed is averaged, against jitter
PEAK = 0.9  # quantile of the speed that counts as the clip's usual full movement
MARGIN = 2  # frames kept before the first and after the last movement
MOST = 0.4  # share of a clip that may be cut from either end
FEWEST = 4  # frames that always remain
LOOK_BACK = 5  # frames in which a point may have been seen last, for a bridge to begin there


def clean(x: np.ndarray, layout: Layout) -> np.ndarray:
    """The positions `[T, positions]` of a clip `[T, width]`, NaN where a point is missing, short gaps filled.

    Each hand is put into a slot of its own (see `slrcli.features.hands`); transitions would confuse them otherwise.
    """
    return prepare(x, layout, hands=True)[:, : layout.positions]


def active(x: np.ndarray, layout: Layout, rest: float) -> tuple[int, int]:
    """The frames `(start, stop)` of a clip without the rest poses at its ends.

    A frame at an end belongs to the rest pose if the speed stays below `rest` times the clip's typical full speed. At
    most `MOST` of the clip is cut from either end, and `FEWEST` frames remain.

    Args:
        x: positions `[T, positions]`.
        layout: what the columns mean.
        rest: share of the full speed; 0 keeps everything.
    """
    frames = len(x)
    if rest <= 0 or frames <= FEWEST:
        return 0, frames
    pace = np.convolve(speed(x, layout), np.full(SMOOTHED, 1 / SMOOTHED), mode="same")
    full = float(np.quantile(pace, PEAK))
    moving = np.flatnonzero(pace > rest * full)
    if full <= 0 or not moving.size:
        return 0, frames
    start = min(max(0, int(moving[0]) - MARGIN), int(MOST * frames))
    stop = max(min(frames, int(moving[-1]) + 1 + MARGIN), frames - int(MOST * frames))
    return (start, stop) if stop - start >= FEWEST else (0, frames)


def bridge(before: np.ndarray, after: np.ndarray, frames: int) -> np.ndarray:
    """The transition from the last pose of one clip to the first of the next, float32 `[frames, D]`, both excluded.

    A hand that moves from one place to another follows the minimum-jerk trajectory (Flash and Hogan 1985). A point seen
    within the last (or first) frames of a clip starts (or ends) there; any other point is missing throughout.

    Args:
        before, after: positions `[T, D]` of both clips.
        frames: length of the transition.
    """
    start, end = _edge(before[::-1]), _edge(after)
    t = np.linspace(0, 1, frames + 2)[1:-1, None]
    share = 10 * t**3 - 15 * t**4 + 6 * t**5
    return ((1 - share) * start + share * end).astype(np.float32)


def _edge(x: np.ndarray) -> np.ndarray:
    """The first known value `[D]` of every column of `x [T, D]` within `LOOK_BACK` frames; NaN where there is none."""
    near = x[:LOOK_BACK]
    seen = ~np.isnan(near)
    return np.where(seen.any(axis=0), near[seen.argmax(axis=0), np.arange(x.shape[1])], np.nan)


def join(clips: Sequence[np.ndarray], gaps: Sequence[int], layout: Layout) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Concatenate clips with transitions between them.

    Args:
        clips: positions `[T, positions]` of each.
        gaps: frames of the transition after each clip but the last.
        layout: what the columns mean; stored derivatives are computed again.

    Returns:
        Float32 `[T, width]`, and the frames `(start, stop)` of every clip in it.
    """
    parts, spans, length = [clips[0]], [(0, len(clips[0]))], len(clips[0])
    for before, clip, gap in zip(clips, clips[1:], gaps, strict=False):
        parts += [bridge(before, clip, gap), clip]
        spans.append((length + gap, length + gap + len(clip)))
        length = spans[-1][1]
    positions = np.concatenate(parts).astype(np.float32)
    if layout.stored_derivatives:
        positions = np.hstack([positions, derivatives(positions, layout.stored_derivatives)])
    return np.ascontiguousarray(positions, dtype=np.float32), spans
