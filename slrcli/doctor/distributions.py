"""How lengths, signing rates and the presence of hands and face are distributed over the clips of each split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from slrcli.config import FRAMES_PER_SECOND
from slrcli.doctor.records import DataContext

BINS = 24
TAILS = (0.01, 0.99)  # what lies outside is counted in the first and the last bin


@dataclass(frozen=True)
class Spread:
    """One quantity over the clips of one split: how many clips, the extremes and the median, counts by bin."""

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
        low, high: where the first bin begins and the last one ends; what lies outside is counted in them.
        spreads: one a split.
    """

    name: str
    low: float
    high: float
    spreads: tuple[Spread, ...]

    def as_dict(self) -> dict:
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


def distributions(context: DataContext) -> Iterator[Distribution]:
    """Frames a clip and glosses a second of all clips; hands and face of those whose numbers were read."""
    layout = context.usual_layout
    if layout is None:
        return
    fps = context.fps or layout.fps or FRAMES_PER_SECOND
    frames: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for item, facts in context.readable():
        frames.setdefault(item.split, []).append(facts.frames)
        if item.glosses:
            rates.setdefault(item.split, []).append(len(item.glosses) * fps / facts.frames)
    yield from distribution("frames a clip", frames)
    yield from distribution(f"glosses a second (at {fps:g} frames)", rates)
    for group in layout.groups:
        if group.kind in ("hand", "face"):
            seen: dict[str, list[float]] = {}
            for item, facts in context.comparable:
                seen.setdefault(item.split, []).append(1 - facts.absent[group.name])
            yield from distribution(f"share of frames with {group.name}", seen, (0.0, 1.0))


def distribution(
    name: str, values: dict[str, list[float]], bounds: tuple[float, float] | None = None
) -> Iterator[Distribution]:
    """The distribution of some values by split, if there are any.

    Args:
        name: what they are.
        values: split -> a number a clip.
        bounds: of the bins; None: where all but the last hundredths of all values lie.
    """
    every = np.concatenate([np.asarray(numbers, float) for numbers in values.values()]) if values else np.zeros(0)
    if not every.size:
        return
    low, high = bounds or (float(edge) for edge in np.quantile(every, TAILS))
    spreads = (spread(split, numbers, low, high) for split, numbers in values.items())
    yield Distribution(name, low, high, tuple(spreads))


def spread(split: str, numbers: Sequence[float], low: float, high: float) -> Spread:
    """One split's numbers, those outside `low` to `high` counted in the first and the last bin."""
    values = np.asarray(numbers, float)
    width = (high - low) / BINS
    places = np.clip((values - low) // width, 0, BINS - 1).astype(int) if width > 0 else np.zeros(len(values), int)
    counts = tuple(np.bincount(places, minlength=BINS).tolist())
    return Spread(split, len(values), float(values.min()), float(np.median(values)), float(values.max()), counts)
