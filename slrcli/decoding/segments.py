"""Semi-Markov decoding and segmentation: a clip as a sequence of signs, each with a duration.

A model trained frame by frame (`loss.frames`) emits a gloss throughout its sign, not as a spike. The best path then
splits a sign wherever the posteriors waver for a moment, and keeps fragments too short to be signs. The search here
instead divides a clip into signs with blanks between them, and scores the duration of each sign as well, as in hidden
semi-Markov models (Ferguson 1980; Murphy 2002, "Hidden semi-Markov models (HSMMs)").
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from slrcli.decoding.greedy import check_numbers, check_shapes
from slrcli.decoding.hypothesis import Decodes, Hypothesis, input_frame, input_span
from slrcli.errors import DataError
from slrcli.glosses.vocabulary import BLANK

REACH = 3.0  # standard deviations of the log-duration that the search covers on either side of the median
WIDER = 1.3  # factor on the spread: unseen signers vary more in pace than the training signers
LEAST = 2  # shortest sign in `segment`, in output frames
LONGEST = 40  # longest sign in `segment`, in output frames, unless few signs fill a long clip
EVEN = 2.0  # weight of the duration prior in `segment`, which is centred on the clip's mean duration
EVEN_SPREAD = 0.5  # standard deviation of the log-duration under that prior
FLOOR = -8.0  # lowest log-probability of a gloss in a frame, in nats
SURELY_BLANK = 0.9999
NEVER = -1e18


@dataclass(frozen=True)
class Lengths:
    """The distribution of sign durations, which is log-normal.

    Attributes:
        frames: median duration, in input frames.
        spread: standard deviation of the log-duration.
    """

    frames: float
    spread: float

    @classmethod
    def of(cls, frames: Sequence[float]) -> "Lengths":
        """The distribution fitted to the durations of at least one sign, in input frames."""
        logs = np.log(np.maximum(np.asarray(frames, np.float64), 1.0))
        return cls(float(np.exp(logs.mean())), float(logs.std()))


class SegmentSearch:
    """A `Decoder` that finds the best sequence of signs and blanks under a distribution of sign durations.

    A sign scores the log-probabilities of its gloss, summed over its frames, plus `weight` times the log-likelihood of
    its duration relative to the median's, plus `bonus`. A frame between signs scores the log-probability of the blank.

    In a hypothesis, `score` is the log-probability of the path and `rating` the total that the search maximises. The
    confidence of a gloss is its mean probability over its sign.

    Args:
        vocab: the vocabulary of the log-probabilities.
        lengths: distribution of sign durations.
        weight: weight of the durations.
        bonus: insertion bonus in nats, added per gloss; a negative one suppresses doubtful glosses.
    """

    def __init__(self, vocab: Decodes, lengths: Lengths, weight: float, bonus: float):
        self._vocab, self._lengths, self._weight, self._bonus = vocab, lengths, weight, bonus

    def __call__(
        self,
        log_probs: np.ndarray,
        lengths: Sequence[int],
        stride: float,
        input_lengths: Sequence[int] | None = None,
        clips: Sequence[str] | None = None,
    ) -> list[Hypothesis]:
        """See `Decoder`."""
        log_probs, frames = np.asarray(log_probs), np.asarray(lengths, dtype=np.int64)
        check_shapes(log_probs, frames, len(self._vocab.tokens))
        valid = np.arange(log_probs.shape[1]) < frames[:, None]
        check_numbers(np.where(valid, log_probs.max(axis=2, initial=NEVER), 0.0), clips)
        possible, prior = self._possible(stride)
        inputs = [None] * len(frames) if input_lengths is None else [int(count) for count in input_lengths]
        return [
            self._hypothesis(row[:count].astype(np.float64), possible, prior, stride, length)
            for row, count, length in zip(log_probs, frames.tolist(), inputs, strict=True)
        ]

    def _possible(self, stride: float) -> tuple[np.ndarray, np.ndarray]:
        """The possible durations of a sign, in output frames, and the score of each; both `[D]`."""
        median, spread = self._lengths.frames / stride, max(self._lengths.spread, 1e-3)
        shortest, longest = (median * math.exp(sign * REACH * spread) for sign in (-1, 1))
        possible = np.arange(max(1, math.floor(shortest)), max(1, math.ceil(longest)) + 1)
        away = np.log(possible / median) / (WIDER * spread)
        return possible, self._bonus - self._weight * 0.5 * away**2

    def _hypothesis(
        self, table: np.ndarray, possible: np.ndarray, prior: np.ndarray, stride: float, length: int | None
    ) -> Hypothesis:
        signs, rating = best_row(table, possible, prior)
        own = [table[first:stop, gloss] for gloss, first, stop in signs]
        spoken = np.zeros(len(table), bool)
        for _, first, stop in signs:
            spoken[first:stop] = True
        score = float(table[~spoken, BLANK].sum() + sum(values.sum() for values in own))
        found = Hypothesis.from_ids(
            [gloss for gloss, *_ in signs],
            self._vocab,
            [input_span(first, stop - 1, stride, length) for _, first, stop in signs],
            [float(np.exp(np.minimum(values, 0.0)).mean()) for values in own],
            score,
            [input_frame(first + int(v.argmax()), stride, length) for (_, first, _), v in zip(signs, own, strict=True)],
        )
        return replace(found, rating=rating)


def best_row(table: np.ndarray, possible: np.ndarray, prior: np.ndarray) -> tuple[list[tuple[int, int, int]], float]:
    """The sequence of signs and blanks with the highest score, by dynamic programming.

    Args:
        table: log-probabilities of a clip `[T', V]`, float64.
        possible: possible durations of a sign in output frames, ascending, `[D]`.
        prior: score of each duration, `[D]`.

    Returns:
        The gloss id, first frame and end frame (exclusive) of each sign, and the score of the sequence.
    """
    sums = np.concatenate([np.zeros((1, table.shape[1])), np.cumsum(table, axis=0)])
    best = np.zeros(len(table) + 1)
    before: list[tuple[int, int]] = []  # per end frame: start and class of the best last segment
    for stop in range(1, len(table) + 1):
        choice, most = (stop - 1, BLANK), best[stop - 1] + table[stop - 1, BLANK]
        starts = stop - possible[: np.searchsorted(possible, stop, side="right")]
        if len(starts) and table.shape[1] > 1:
            said = sums[stop, 1:] - sums[starts, 1:]
            gloss = said.argmax(axis=1)
            counted = best[starts] + said[np.arange(len(starts)), gloss] + prior[: len(starts)]
            place = int(counted.argmax())
            if counted[place] > most:
                choice, most = (int(starts[place]), int(gloss[place]) + 1), counted[place]
        best[stop] = most
        before.append(choice)
    signs, stop = [], len(table)
    while stop:
        start, gloss = before[stop - 1]
        if gloss != BLANK:
            signs.append((gloss, start, stop))
        stop = start
    return signs[::-1], float(best[-1])


def segment(log_probs: np.ndarray, targets: Sequence[int]) -> list[tuple[int, int]]:
    """The best segmentation of a clip into its known glosses, in which every frame belongs to a gloss.

    A frame scores the probability of the gloss among all glosses, with the blank excluded, so that the whole sign is
    found even where the model emits its gloss as a spike. A weak prior favours signs of about equal duration.

    Args:
        log_probs: `[T', V]`, natural log-probabilities of one clip without padding, blank at 0.
        targets: gloss ids of the clip in order, at least one, none of them blank.

    Returns:
        The first and the end frame (exclusive) of each gloss, in output frames; a gloss begins where the one before it
        ends.

    Raises:
        DataError: the clip has fewer than 2 output frames per gloss.
    """
    frames, count = len(log_probs), len(targets)
    if frames < LEAST * count:
        what = f"{count} glosses need {LEAST * count} output frames to be segmented, but the clip has {frames}."
        raise DataError(what, fix="Check the clip's length against its annotation.")
    mean = frames / count
    possible = np.arange(LEAST, min(frames, max(LONGEST, math.ceil(4 * mean))) + 1)
    prior = -EVEN * 0.5 * (np.log(possible / mean) / EVEN_SPREAD) ** 2
    sums = np.concatenate([np.zeros((1, count)), np.cumsum(_among_glosses(log_probs, targets), axis=0)])
    starts = np.arange(frames + 1)[:, None] - possible
    reached = np.full(frames + 1, NEVER)
    reached[0] = 0.0
    lengths = []
    for column in sums.T:
        counted = np.where(starts >= 0, (reached - column)[np.maximum(starts, 0)] + prior, NEVER)
        choice = counted.argmax(axis=1)
        lengths.append(possible[choice])
        reached = np.maximum(counted[np.arange(frames + 1), choice] + column, NEVER)
    spans, stop = [], frames
    for length in lengths[::-1]:
        spans.append((int(stop - length[stop]), int(stop)))
        stop -= length[stop]
    return spans[::-1]


def _among_glosses(log_probs: np.ndarray, targets: Sequence[int]) -> np.ndarray:
    """Log-probabilities of the targets given that the frame is not blank, `[T', N]`, at least `FLOOR`."""
    blank = np.minimum(np.exp(log_probs[:, BLANK], dtype=np.float64), SURELY_BLANK)
    return np.maximum(log_probs[:, list(targets)] - np.log1p(-blank)[:, None], FLOOR)
