"""What is seen of every part of a clip over time, how fast it moves, and where hands change places."""

from dataclasses import dataclass

import numpy as np

from slrcli.features.handedness import shoulder_width
from slrcli.features.hands import hand_tracks
from slrcli.features.layout import Layout
from slrcli.features.speed import speed

SHOWN = 10  # frames that are named


@dataclass(frozen=True, eq=False)
class Strip:
    """One part over time.

    Attributes:
        name: of the group.
        seen: share of its points that are known, `[T]`, 0 to 1.
        speed: in `unit`, `[T]`; NaN where nothing of it is seen there and in the frame before.
        unit: shoulder widths, the layout's units or (columns of unknown meaning) deviations, a second or a frame.
    """

    name: str
    seen: np.ndarray
    speed: np.ndarray
    unit: str

    @property
    def presence(self) -> float:
        """Share of the frames in which something of it is seen."""
        return float((self.seen > 0).mean())

    @property
    def mean_speed(self) -> float:
        """Mean speed where it is known; NaN if it never is."""
        known = self.speed[np.isfinite(self.speed)]
        return float(known.mean()) if known.size else float("nan")


def timeline(x: np.ndarray, layout: Layout, fps: float) -> list[Strip]:
    """A strip for every group of the layout.

    Args:
        x: positions `[T, positions]`, NaN where missing.
        layout: what the columns mean.
        fps: frames a second; 0: speeds are per frame.
    """
    width = shoulder_width(x, layout)
    per = "second" if fps else "frame"
    strips = []
    for group in layout.groups:
        own = x[:, group.start : group.stop].reshape(len(x), len(group.points), -1)
        seen = (~np.isnan(own).any(axis=2)).mean(axis=1)
        scale, unit = (1.0, layout.units) if group.spatial else (1.0, "standard deviations")
        if group.spatial and width > 0:
            scale, unit = 1 / width, "shoulder widths"
        pace = speed(x, layout, [group]) * scale * (fps or 1.0)
        known = np.concatenate([[False], (seen[1:] > 0) & (seen[:-1] > 0)])
        strips.append(Strip(group.name, seen, np.where(known, pace, np.nan), f"{unit} per {per}"))
    return strips


@dataclass(frozen=True, eq=False)
class Slots:
    """How two hands without a body stand in their slots, as `slr check data` measures it (D34).

    Attributes:
        changes: the frames, from 0, from which on the hands stand the other way round than before.
        one_hand: whether both slots hold one and the same hand, `[T]`.
    """

    changes: tuple[int, ...]
    one_hand: np.ndarray

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First frame of every run in which both slots hold one hand, and the one after its last."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], self.one_hand, [False]]).astype(int)))
        return [(int(first), int(last)) for first, last in zip(edges[::2], edges[1::2], strict=True)]

    @property
    def words(self) -> str:
        """`2 changes of slots (frames 21, 46); both hold one hand in 10.0 % of the frames`; frames count from 1."""
        count, shown = len(self.changes), ", ".join(str(frame + 1) for frame in self.changes[:SHOWN])
        more = f" and {count - SHOWN:,} more" if count > SHOWN else ""
        where = f" (frame{'' if count == 1 else 's'} {shown}{more})" if count else ""
        changes = f"{count:,} change{'' if count == 1 else 's'} of slots{where}"
        return f"{changes}; both hold one hand in {100 * self.one_hand.mean():.1f} % of the frames"

    def to_dict(self) -> dict[str, list]:
        """Plain values, for `--json`."""
        return {"changes": [*self.changes], "one_hand": [[*span] for span in self.spans]}


def slots(x: np.ndarray, layout: Layout) -> Slots | None:
    """The slots of the hands in positions `[T, positions]`; None with a body, or where each hand keeps to its slot."""
    tracks = hand_tracks(x, layout)
    if tracks is None or not (tracks.changes or tracks.together.any()):
        return None
    telling = np.flatnonzero(~tracks.together & ~tracks.empty)
    changed = telling[1:][np.diff(tracks.crossed[telling].astype(int)) != 0]
    return Slots(tuple(changed.tolist()), tracks.together)


def binned(values: np.ndarray, bins: int) -> np.ndarray:
    """The mean of what is known of `values [T]` in each of at most `bins` even spans; NaN where nothing is."""
    if len(values) <= bins:
        return values.astype(float)
    return np.array(
        [known.mean() if (known := span[np.isfinite(span)]).size else np.nan for span in np.array_split(values, bins)]
    )
