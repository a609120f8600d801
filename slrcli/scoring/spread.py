"""Several runs of one recipe: their mean and spread, over folds and over seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from slrcli.scoring.stats import Interval, interval
from slrcli.scoring.wer import Score, total

Run = tuple[str, int]  # fold and seed


@dataclass(frozen=True)
class Spread:
    """Mean and spread of some rates, in percent.

    Attributes:
        mean: unweighted; NaN without rates.
        deviation: sample standard deviation (divisor `count - 1`); NaN for fewer than two rates.
        low, high: minimum and maximum.
        count: number of rates.
    """

    mean: float
    deviation: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Summary:
    """The summary of the runs of all folds and seeds.

    Attributes:
        by_fold: fold -> its rates, one per seed.
        by_seed: seed -> its rates, one per fold.
        over_folds: the folds' means over seeds. All folds have equal weight, whatever their size.
        over_seeds: the seeds' means over folds.
        errors, tokens: sums over all runs.
        interval: of the pooled rate; utterances (or whole signers) are drawn with their errors of all seeds.
    """

    by_fold: dict[str, Spread]
    by_seed: dict[int, Spread]
    over_folds: Spread
    over_seeds: Spread
    errors: int
    tokens: int
    interval: Interval

    @property
    def pooled(self) -> float:
        """All errors over all tokens, in percent; all tokens have equal weight."""
        return 100.0 * self.errors / self.tokens if self.tokens else math.nan


def spread(rates: Sequence[float]) -> Spread:
    """Mean and spread of some rates."""
    if not rates:
        return Spread(math.nan, math.nan, math.nan, math.nan, 0)
    deviation = statistics.stdev(rates) if len(rates) > 1 else math.nan
    return Spread(statistics.fmean(rates), deviation, min(rates), max(rates), len(rates))


def summarise(scores: Mapping[Run, Score], whole_folds: bool = False, seed: int = 1) -> Summary:
    """Summarise the runs of every fold with every seed.

    Args:
        scores: (fold, seed) -> score of the run on its held-out utterances.
        whole_folds: draw whole folds instead of utterances for the interval, as for signers.
        seed: of the bootstrap.
    """
    folds, seeds = dict.fromkeys(fold for fold, _ in scores), dict.fromkeys(one for _, one in scores)
    by_fold = {fold: spread([item.wer for run, item in scores.items() if run[0] == fold]) for fold in folds}
    by_seed = {one: spread([item.wer for run, item in scores.items() if run[1] == one]) for one in seeds}
    # An utterance is one unit with the errors of all seeds on it: seeds are no further people or sentences.
    named = [
        replace(utterance, id=f"{fold}\t{utterance.id}")
        for (fold, _), item in scores.items()
        for utterance in item.utterances
    ]
    units = {item.id: item.id.partition("\t")[0] if whole_folds else item.id for item in named}
    pooled = total(named)
    return Summary(
        by_fold,
        by_seed,
        spread([item.mean for item in by_fold.values()]),
        spread([item.mean for item in by_seed.values()]),
        pooled.errors,
        pooled.ref_tokens,
        interval(pooled, units, seed=seed),
    )
