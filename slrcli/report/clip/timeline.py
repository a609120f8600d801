"""What is seen of every part of a clip over time, and how fast it moves."""

from dataclasses import dataclass

import numpy as np

from slrcli.features.handedness import shoulder_width
from slrcli.features.layout import Layout
from slrcli.features.speed import speed


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


def binned(values: np.ndarray, bins: int) -> np.ndarray:
    """The mean of what is known of `values [T]` in each of at most `bins` even spans; NaN where nothing is."""
    if len(values) <= bins:
        return values.astype(float)
    return np.array(
        [known.mean() if (known := span[np.isfinite(span)]).size else np.nan for span in np.array_split(values, bins)]
    )
