"""How one quantity is distributed over the clips of each split: extremes, median, counts by bin."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BINS = 24
TAILS = (0.01, 0.99)  # what lies outside is counted in the first and the last bin


@dataclass(frozen=True)
class Spread:
    """One quantity over the clips of one split: number of clips, extremes, median, and counts per bin."""

    split: str
    clips: int
    least: float
    median: float
    most: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Distribution:
    """One quantity over all splits, in the same bins.

    Attributes:
        name: what is measured, with its unit.
        low, high: start of the first bin and end of the last one; values outside are counted in these two bins.
        spreads: one per split.
    """

    name: str
    low: float
    high: float
    spreads: tuple[Spread, ...]

    def to_dict(self) -> dict:
        """Everything as plain values, for `--json`."""
        splits = {
            item.split: {
                "clips": item.clips,
                "min": item.least,
                "median": item.median,
                "max": item.most,
                "counts": list(item.counts),
            }
            for item in self.spreads
        }
        return {"name": self.name, "low": self.low, "high": self.high, "splits": splits}


def distribution(
    name: str, values: Mapping[str, Sequence[float]], bounds: tuple[float, float] | None = None
) -> Iterator[Distribution]:
    """The distribution of some values by split, if there are any.

    Args:
        name: what they measure.
        values: split -> one number per clip.
        bounds: of the bins; None: the values nearest to the 1st and the 99th percentile, on the outer side.
    """
    every = np.concatenate([np.asarray(numbers, float) for numbers in values.values()]) if values else np.zeros(0)
    if not every.size:
        return
    lowest, highest = TAILS  # values that there are, not places between them
    low, high = bounds or (np.quantile(every, lowest, method="lower"), np.quantile(every, highest, method="higher"))
    low, high = float(low), float(high)
    spreads = (spread(split, numbers, low, high) for split, numbers in values.items())
    yield Distribution(name, low, high, tuple(spreads))


def spread(split: str, numbers: Sequence[float], low: float, high: float) -> Spread:
    """One split's numbers, those outside `low` to `high` counted in the first and the last bin."""
    values = np.asarray(numbers, float)
    width = (high - low) / BINS
    places = np.clip((values - low) // width, 0, BINS - 1).astype(int) if width > 0 else np.zeros(len(values), int)
    counts = tuple(np.bincount(places, minlength=BINS).tolist())
    return Spread(split, len(values), float(values.min()), float(np.median(values)), float(values.max()), counts)
