"""The facts of one feature file: its header, and measurements of its values.

Each file is measured on its own, so files can be measured in any order and in several processes.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from slrcli.errors import DataError
from slrcli.features.clip import digest
from slrcli.features.handedness import dominance, hand_side, leaps, shoulder_side, shoulder_width
from slrcli.features.hands import hand_tracks, on_tracks
from slrcli.features.layout import Layout, guess_layout
from slrcli.features.order import edges, wrist_gaps
from slrcli.features.readers import feature_header, frame_rate, read_features
from slrcli.features.recording import missing_share, prepare

# Numbers that programs write for missing points. Zero is handled apart: a layout may say that it means missing.
PLACEHOLDERS = (-1.0, -99.0, -999.0, -9999.0, 999.0, 9999.0)
LOOKED_AT = 16  # frames of a clip, which are enough to tell its unit
EVERY = 7  # of the columns, which are enough to tell whether stored differences belong to the positions
ACTIVE = 0.99  # quantile by which features of unknown meaning are compared
NAN = float("nan")


@dataclass(frozen=True)
class Facts:
    """The facts of one feature file.

    Attributes:
        frames, columns: its shape `[T, D]`; 0 if it could not be read.
        stored_as: type of the stored numbers, such as `float32`.
        fps: frames per second, as the file says; 0 if it does not.
        problem: why it cannot be read; None if it can be read.
        first, ends: hashes of its first values, and of those in the middle and at the end; equal arrays have equal
            hashes. `ends` is empty if it would require reading the whole file.
        read_fully: whether the values were read, not only the header; only then are the following fields known.
        digest: hash of the values.
        missing: share of the positions that are missing (NaN, infinite, or zero where the layout says so).
        infinite: number of infinite values.
        extreme: number of finite values that are beyond all proportion, see `extremes`.
        missing_points: share of the points that are missing, per group of the layout.
        absent: share of the frames in which all points of a group are missing, per group.
        handless: share of the frames in which all groups of kind hand are missing; 0 without such a group.
        empty: share of the frames in which everything is missing.
        zeros: share of the points (in a generic layout: of the frames) whose coordinates are all exactly zero, if the
            layout does not say that zero means missing.
        placeholders: the same for points whose coordinates all equal a placeholder for missing values, such as -999.
        repeated: share of the frames that equal the previous frame.
        frozen: length of the longest run of identical frames.
        magnitude: median of the absolute positions along the measured axes; in a generic layout, what 99 % of the
            absolute values other than zero stay below: many features are zero most of the time.
        scale: body size: distance of the shoulders, else the median standard deviation of the columns.
        speed: mean change from frame to frame, in standard deviations of the columns.
        shoulder_side, hand_side, dominance: see `handedness`; NaN if undecidable.
        edges, wrist_gaps: whether the columns stand in the order of the layout; see `order`.
        one_hand: share of the frames in which both slots of a layout with two hands and no body hold the same hand; 0
            in other layouts.
        slot_changes: number of times these slots are swapped.
        leaps: of the body, see `handedness.leaps`.
        differences: for each stored block of differences that can be checked, its cosine with the computed differences
            of the previous block.
        centre, spread: mean and standard deviation of every position column, float32 `[positions]`; NaN if never seen.
    """

    frames: int = 0
    columns: int = 0
    stored_as: str = ""
    fps: float = 0.0
    problem: DataError | None = None
    first: bytes = b""
    ends: bytes = b""
    read_fully: bool = False
    digest: str = ""
    missing: float = 0.0
    infinite: int = 0
    extreme: int = 0
    missing_points: dict[str, float] = field(default_factory=dict)
    absent: dict[str, float] = field(default_factory=dict)
    handless: float = 0.0
    empty: float = 0.0
    zeros: float = 0.0
    placeholders: float = 0.0
    repeated: float = 0.0
    frozen: int = 1
    magnitude: float = NAN
    scale: float = NAN
    speed: float = NAN
    shoulder_side: float = NAN
    hand_side: float = NAN
    dominance: float = NAN
    edges: np.ndarray | None = None
    wrist_gaps: np.ndarray | None = None
    one_hand: float = 0.0
    slot_changes: int = 0
    leaps: int = 0
    differences: tuple[float, ...] = ()
    centre: np.ndarray | None = None
    spread: np.ndarray | None = None

    @property
    def still(self) -> bool:
        """Whether all frames are identical."""
        return self.frames > 1 and self.frozen == self.frames


def read_stats(path: Path, layout: Layout | None, fully: bool) -> Facts:
    """The facts of one file, complete (`fully`) or from its header only."""
    try:
        header = feature_header(path, layout)
        first, ends = (hashlib.blake2b(part, digest_size=16).digest() if part else b"" for part in header.sample)
        facts = Facts(header.frames, header.columns, header.stored_as, frame_rate(path), first=first, ends=ends)
        return add_array_stats(facts, read_features(path, layout), layout) if fully else facts
    except DataError as problem:
        return Facts(problem=problem)


def read_all_stats(paths: Iterable[Path], layout: Layout | None, fully: bool) -> list[Facts]:
    """The facts of several files, in their order: the work of one process."""
    return [read_stats(path, layout, fully) for path in paths]


BEYOND = 1e4  # times what nearly all values of a clip keep to: no unit and no pose explains it
NEARLY_ALL = 0.95


def extremes(x: np.ndarray) -> int:
    """How many finite values of a clip are more than `BEYOND` times as large as nearly all are; 0 where most are 0."""
    sizes = np.abs(x[np.isfinite(x)])
    if not sizes.size:
        return 0
    place = int(NEARLY_ALL * (sizes.size - 1))
    usual = float(np.partition(sizes, place)[place])
    return int((sizes > BEYOND * usual).sum()) if usual > 0 else 0


@np.errstate(over="ignore", invalid="ignore")  # distances between numbers that no body has are infinite
def add_array_stats(facts: Facts, x: np.ndarray, layout: Layout | None) -> Facts:
    """`facts`, completed by those that need the values `x [T, D]`.

    Args:
        facts: from the header.
        x: float32 `[T, D]`.
        layout: the meaning of the columns; None, or one of another width: the layout of that width.
    """
    if layout is None or layout.width != x.shape[1]:
        layout = guess_layout(x.shape[1])
    prepared = prepare(x, layout, max_gap=0)
    positions = prepared[:, : layout.positions]
    seen = ~np.isnan(positions)
    hands = hand_tracks(prepared, layout)
    tracked = on_tracks(prepared, layout, hands)[:, : layout.positions] if hands else positions
    centre, spread = moments(tracked, ~np.isnan(tracked))
    repeated, frozen = frozen_frames(x[:, : layout.positions], seen.any(axis=1))
    width = shoulder_width(prepared, layout)
    moving = spread[spread > 0]
    return replace(
        facts,
        read_fully=True,
        digest=digest(x),
        missing=float(1 - seen.mean()),
        infinite=int(np.isinf(x).sum()),
        extreme=extremes(x),
        missing_points={group.name: missing_share(prepared, group) for group in layout.groups},
        absent={group.name: float((~seen[:, group.start : group.stop]).all(axis=1).mean()) for group in layout.groups},
        handless=handless(seen, layout),
        empty=float((~seen.any(axis=1)).mean()),
        zeros=0.0 if layout.zero_is_missing else share_of(x, layout, (0.0,)),
        placeholders=share_of(x, layout, PLACEHOLDERS),
        repeated=repeated,
        frozen=frozen,
        magnitude=magnitude(positions[:, placed(layout)]) if layout.spatial else activity(positions),
        scale=width if width == width else float(np.median(moving)) if moving.size else NAN,
        speed=speed(tracked, spread, layout),
        shoulder_side=shoulder_side(prepared, layout),
        hand_side=hand_side(prepared, layout, width),
        dominance=dominance(tracked, layout),
        edges=edges(seen),
        wrist_gaps=wrist_gaps(prepared, layout),
        one_hand=float(hands.together.mean()) if hands else 0.0,
        slot_changes=hands.changes if hands else 0,
        leaps=leaps(prepared, layout, width),
        differences=tuple(differences(prepared, layout)),
        centre=centre,
        spread=spread,
    )


def moments(x: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the `seen` values of each column of `x [T, N]`, float32 `[N]`; NaN if none is."""
    count = seen.sum(axis=0).astype(np.float64)
    count[count == 0] = np.nan
    filled = np.where(seen, x, 0).astype(np.float64)
    centre = filled.sum(axis=0) / count
    deviation = np.sqrt((np.where(seen, filled - centre, 0) ** 2).sum(axis=0) / count)
    # What is left when equal numbers are subtracted from their own mean is rounding, not movement.
    deviation[deviation < 1e-6 * np.abs(centre)] = 0
    return centre.astype(np.float32), deviation.astype(np.float32)


def handless(seen: np.ndarray, layout: Layout) -> float:
    """Share of the frames of `seen [T, positions]` in which all points of all hands are missing."""
    hands = [group for group in layout.groups if group.kind == "hand"]
    if not hands:
        return 0.0
    return float(np.all([~seen[:, group.start : group.stop].any(axis=1) for group in hands], axis=0).mean())


def placed(layout: Layout) -> np.ndarray:
    """Columns of measured positions, without confidence and estimated depth; all columns if no group is spatial."""
    columns = [
        np.arange(group.start + group.coordinates.index(axis), group.stop, len(group.coordinates))
        for group in layout.groups
        for axis in layout.measured_axes
        if group.spatial and axis in group.coordinates
    ]
    return np.concatenate(columns) if columns else np.arange(layout.positions)


def magnitude(x: np.ndarray) -> float:
    """Median of the absolute values in some evenly spaced frames of `x [T, N]`; NaN if nothing is seen."""
    part = np.abs(x[:: max(1, len(x) // LOOKED_AT)])
    known = part[~np.isnan(part)]
    return float(np.median(known)) if known.size else NAN


def activity(x: np.ndarray) -> float:
    """What nearly all absolute values of some evenly spaced frames of `x [T, N]` stay below.

    Neither zeros nor placeholders for missing values count.
    """
    part = x[:: max(1, len(x) // LOOKED_AT)]
    known = np.abs(part[(np.abs(part) > 0) & ~np.isin(part, np.asarray(PLACEHOLDERS, part.dtype))])
    return float(np.quantile(known, ACTIVE)) if known.size else NAN


def frozen_frames(x: np.ndarray, seen: np.ndarray) -> tuple[float, int]:
    """Share of the `seen` frames of `x [T, N]` that equal their predecessor, and the longest run of equal frames."""
    if len(x) < 2:
        return 0.0, 1
    bits = np.ascontiguousarray(x).view(np.uint32)  # so that NaN equals itself
    same = (bits[1:] == bits[:-1]).all(axis=1) & seen[1:]
    edges = np.flatnonzero(np.diff(np.concatenate(([0], same.astype(np.int8), [0]))))
    longest = int((edges[1::2] - edges[::2]).max()) if edges.size else 0
    return float(same.mean()), longest + 1


def share_of(x: np.ndarray, layout: Layout, numbers: tuple[float, ...]) -> float:
    """Share of the points, or of the frames of a group without points, whose coordinates are all one of `numbers`."""
    found = total = 0
    for group in layout.groups:
        own = x[:, group.start : group.stop]
        step = len(group.axes) if group.spatial else group.width
        points = own.reshape(len(x), -1, len(group.coordinates) if group.spatial else group.width)[:, :, :step]
        first = points[:, :, 0]
        candidates = np.isin(first, np.asarray(numbers, np.float32))
        total += first.size
        if candidates.any():
            found += int((points == first[:, :, None]).all(axis=2)[candidates].sum())
    return found / max(1, total)


def speed(x: np.ndarray, spread: np.ndarray, layout: Layout) -> float:
    """Mean change from frame to frame of `x [T, N]` in standard deviations of its columns; NaN if nothing moves.

    Landmarks have one common unit, so the points that move most count most: changes of the others are mostly noise.
    Columns of unknown meaning have equal weights.
    """
    moving = np.zeros(len(spread), bool)
    for group in layout.groups:
        axes = layout.measured_axes if group.spatial else group.axes
        for place, axis in enumerate(group.coordinates):
            moving[group.start + place : group.stop : len(group.coordinates)] = axis in axes
    moving &= spread > 0
    if len(x) < 3 or not moving.any():
        return NAN
    steps = np.abs(np.diff(x[:, moving], axis=0))
    seen = ~np.isnan(steps)
    weight = spread[moving] if layout.spatial else np.ones(int(moving.sum()), np.float32)
    units = np.where(seen, weight, 0).sum(dtype=np.float64)
    return float(np.where(seen, steps * (weight / spread[moving]), 0).sum(dtype=np.float64) / units) if units else NAN


def differences(x: np.ndarray, layout: Layout) -> list[float]:
    """How well stored velocities match the positions, and accelerations the velocities: the best cosine of each.

    Programs store the difference to the previous frame, to the next one, or half that between both neighbours, with any
    scale: the best match counts. There is no convention for a third block, so it is not checked.
    """
    blocks = [x[:, i * layout.positions : (i + 1) * layout.positions : EVERY] for i in range(layout.stored_derivatives)]
    blocks = [*blocks, x[:, layout.stored_derivatives * layout.positions :: EVERY]][:3]
    if layout.stored_derivatives == 0 or len(x) < 4:
        return []
    fits = []
    for before, stored in pairwise(blocks):
        step = np.diff(before, axis=0)  # [T - 1, N]; step[t] leads from t to t + 1
        candidates = ((step[:-1], stored[1:-1]), (step[1:], stored[1:-1]), (step[:-1] + step[1:], stored[1:-1]))
        fits.append(max((cosine(made, kept) for made, kept in candidates), key=lambda fit: -1 if fit != fit else fit))
    return fits


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two arrays where both are known; NaN if the first is zero there, 0 if only the second is."""
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known].astype(np.float64), b[known].astype(np.float64)
    own, other = float(a @ a), float(b @ b)
    if own == 0:
        return NAN
    return float(a @ b) / (own * other) ** 0.5 if other else 0.0
