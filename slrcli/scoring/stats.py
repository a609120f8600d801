"""Confidence intervals of error rates, and significance of differences between systems.

Utterances, or signers with all their utterances, are drawn with replacement (the percentile bootstrap of Bisani & Ney,
"Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004). The matched-pairs test is
that of Gillick & Cox, "Some statistical issues in the comparison of speech recognition algorithms", ICASSP 1989, with
the utterance as the segment.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from slrcli.errors import DataError
from slrcli.scoring.wer import Score

DRAWS = 2000
LEVEL = 0.95
_CHUNK = 2_000_000  # random numbers at a time


@dataclass(frozen=True)
class Interval:
    """The confidence interval of a rate at `LEVEL`, in percent, from draws among `units` units."""

    low: float
    high: float
    units: int


def intervals_dict(intervals: Mapping[str, Interval]) -> dict[str, Any]:
    """Intervals by name as JSON values; that of the whole ('') is named `utterances`."""
    return {name or "utterances": asdict(found) for name, found in intervals.items()}


@dataclass(frozen=True)
class Comparison:
    """System B compared with system A on the same references.

    Attributes:
        difference: WER of B minus WER of A, in percentage points; negative if B is better.
        interval: of that difference, by the paired bootstrap.
        p_bootstrap: two-sided: twice the share of draws with a difference on the other side of zero.
        p_matched: two-sided, of the matched-pairs test.
        better, worse, same: numbers of utterances with fewer, more and equally many errors of B.
    """

    difference: float
    interval: Interval
    p_bootstrap: float
    p_matched: float
    better: int
    worse: int
    same: int


def interval(score: Score, groups: Mapping[str, str] | None = None, draws: int = DRAWS, seed: int = 1) -> Interval:
    """The bootstrap interval of a WER.

    Args:
        score: the utterances to draw from.
        groups: utterance id -> signer, to draw whole signers, for statements about unseen signers; None: utterances.
        draws: number of bootstrap samples.
        seed: of the draws.

    Returns:
        NaN at both ends if there are no reference tokens, or fewer than two units to draw from.
    """
    errors, tokens = _units(score, groups)
    if len(errors) < 2 or not tokens.sum():
        return Interval(math.nan, math.nan, len(errors))
    return _percentiles(_drawn(np.stack([errors, tokens]), draws, seed, _rate), len(errors))


def compare(first: Score, second: Score, draws: int = DRAWS, seed: int = 1) -> Comparison:
    """Compare two systems on the same references under the same protocol.

    Raises:
        DataError: the scores have different utterances or references.
    """
    if [item.id for item in first.utterances] != [item.id for item in second.utterances] or any(
        a.alignment.ref != b.alignment.ref for a, b in zip(first.utterances, second.utterances, strict=True)
    ):
        raise DataError("The two scores have different references.", fix="Score both against the same file.")
    errors = np.array([[item.errors for item in score.utterances] for score in (first, second)], dtype=float)
    tokens = np.array([item.ref_tokens for item in first.utterances], dtype=float)
    units = len(tokens)
    gained = errors[1] - errors[0]
    counts = {"better": int((gained < 0).sum()), "worse": int((gained > 0).sum()), "same": int((gained == 0).sum())}
    if units < 2 or not tokens.sum():
        nothing = Interval(math.nan, math.nan, units)
        return Comparison(math.nan, nothing, math.nan, math.nan, **counts)
    drawn = _drawn(np.stack([gained, tokens]), draws, seed, _rate)
    # A draw that lands on zero speaks for neither side; it counts with both, so that equal systems have p = 1.
    other = min((drawn <= 0).mean(), (drawn >= 0).mean())
    # Systems of one quality are better by turns, like coins: that all differing utterances favour one of them has this
    # probability, and no few differences, however alike, say more.
    surest = 2.0 ** (1 - counts["better"] - counts["worse"])
    return Comparison(
        100.0 * gained.sum() / tokens.sum(),
        _percentiles(drawn, units),
        min(1.0, max(surest, 2.0 * float(other))),
        min(1.0, max(surest, _matched_pairs(gained))),
        **counts,
    )


def difference(first: Score, second: Score, draws: int = DRAWS, seed: int = 1) -> tuple[float, Interval]:
    """WER of the second minus that of the first in percentage points, and its interval by the paired bootstrap.

    Unlike in `compare`, the references may differ, as long as each pair has equally many tokens.

    Raises:
        DataError: the utterances cannot be paired.
    """
    sizes = [[(item.id, item.ref_tokens) for item in score.utterances] for score in (first, second)]
    if sizes[0] != sizes[1]:
        raise DataError("The utterances of the two scores cannot be paired.", fix="Score the same ids on both sides.")
    tokens = np.array([count for _, count in sizes[0]], dtype=float)
    pairs = zip(first.utterances, second.utterances, strict=True)
    gained = np.array([own.errors - other.errors for other, own in pairs], dtype=float)
    if len(tokens) < 2 or not tokens.sum():
        return math.nan, Interval(math.nan, math.nan, len(tokens))
    drawn = _drawn(np.stack([gained, tokens]), draws, seed, _rate)
    return 100.0 * gained.sum() / tokens.sum(), _percentiles(drawn, len(tokens))


def _units(score: Score, groups: Mapping[str, str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Errors and reference tokens of every unit that is drawn as a whole."""
    found: dict[str, list[int]] = {}
    for item in score.utterances:
        unit = found.setdefault(item.id if groups is None else groups.get(item.id, ""), [0, 0])
        unit[0] += item.errors
        unit[1] += item.ref_tokens
    table = np.array(list(found.values()), dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _drawn(values: np.ndarray, draws: int, seed: int, statistic) -> np.ndarray:
    """`statistic` of the sums of `values [k, units]` over each of `draws` sets of units drawn with replacement."""
    rng = np.random.default_rng(seed)
    units = values.shape[1]
    size = max(1, _CHUNK // units)
    parts = []
    for first in range(0, draws, size):
        chosen = rng.integers(0, units, (min(size, draws - first), units))
        parts.append(statistic(values[:, chosen].sum(axis=-1)))
    found = np.concatenate(parts)
    return found[np.isfinite(found)]


def _rate(sums: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return 100.0 * sums[0] / sums[1]


def _percentiles(drawn: np.ndarray, units: int) -> Interval:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), units)


def _matched_pairs(gained: np.ndarray) -> float:
    """Two-sided probability of so large a mean difference of errors an utterance, were there none."""
    spread = gained.std(ddof=1)
    if spread == 0:
        return 1.0 if gained.mean() == 0 else 0.0
    return math.erfc(abs(gained.mean()) / (spread / math.sqrt(len(gained))) / math.sqrt(2))
