"""A take of a prompt, and what speaks against it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from slrcli.ctc.paths import minimum_frames
from slrcli.video.holistic import PARTS, Columns, seen
from slrcli.video.timing import Evenly, frame_rate

FEW_HANDS = 0.5  # share of the frames below which hands were seen too rarely
SLOW = 0.6  # of the wanted frame rate; below it too much of the motion between two frames is made up
STRIDE = 4  # input frames per output frame of most architectures
HANDS = ("left_hand", "right_hand")


@dataclass(frozen=True, eq=False)
class Take:
    """The landmarks of one take.

    Attributes:
        features: float32 `[T, D]` at `fps` frames per second, NaN where a point is missing.
        fps: of the features.
        times: seconds at which frames were seen, `[frames]`, from those of the first one on.
        seen: for each part, the share of these frames in which it was found.
        hands: the share in which one hand at least was found.
    """

    features: np.ndarray
    fps: float
    times: np.ndarray
    seen: dict[str, float]
    hands: float

    @property
    def rate(self) -> float:
        """Frames per second that were seen; 0 for a single one."""
        return frame_rate(self.times)

    def __str__(self) -> str:
        frames = len(self.features)
        shares = ", ".join(f"{part.replace('_', ' ')} {self.seen[part]:.0%}" for part in HANDS)
        return f"{frames} frames, {frames / self.fps:.1f} s, {self.rate:.1f} frames/s seen; {shares} of them."


@dataclass
class Taking:
    """A take that is being recorded.

    Args:
        columns: of the layout of the features.
        fps: frames per second of the features.
    """

    columns: Columns
    fps: float
    _times: list[float] = field(default_factory=list)
    _rows: list[np.ndarray] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))
    _hands: int = 0

    def __post_init__(self) -> None:
        self._evenly = Evenly(self.fps)

    @property
    def seconds(self) -> float:
        """From the first frame to the newest."""
        return self._times[-1] - self._times[0] if self._times else 0.0

    def add(self, time: float, points: np.ndarray) -> None:
        """A frame: its time in seconds, later than the one before, and its points `[543, 4]` as features have them."""
        self._times.append(time)
        self._rows.append(self._evenly.push(self.seconds, self.columns.positions(points[None])[0]))
        there = seen(points)
        for part, found in there.items():
            self._counts[part] += found
        self._hands += any(there[part] for part in HANDS)

    def take(self) -> Take:
        """What was recorded; without frames where there were none."""
        frames = max(len(self._times), 1)
        positions = np.concatenate(self._rows) if self._rows else np.empty((0, len(self.columns.point)), np.float32)
        return Take(
            self.columns.complete(positions.astype(np.float32)),
            self.fps,
            np.array(self._times),
            {part: count / frames for part, count in self._counts.items()},
            self._hands / frames,
        )


def useless(take: Take, glosses: Sequence[str]) -> str:
    """Why nothing can be learnt from a take; "" where something can."""
    needed = minimum_frames(glosses)
    if len(take.features) < needed:
        return f"It has {len(take.features)} frames, and {len(glosses)} glosses need {needed} at least."
    if not take.hands:
        return "No hand was seen in any frame."
    return ""


def doubts(take: Take, glosses: Sequence[str]) -> Iterator[str]:
    """What speaks against a take from which something can be learnt."""
    if take.hands < FEW_HANDS:
        yield f"A hand was seen in only {take.hands:.0%} of the frames: are they in the picture, and in the light?"
    if -(-len(take.features) // STRIDE) < minimum_frames(glosses):
        yield f"It is too short for recognisers that keep one frame in {STRIDE}, as most do."
    if take.rate < SLOW * take.fps:
        yield (
            f"Only {take.rate:.1f} of {take.fps:g} frames/s were seen: close other programs, or record with a lower "
            "--fps or --max-side."
        )
