"""Clips read as a row of signs, each of which lasts a while: a semi-Markov view of a model's posteriors.

A model that has learnt where each gloss is, and not only that it is somewhere (`loss.frames`), says it in every frame
of its sign. Its best path then splits a sign in two wherever it wavers for a moment, and lets unlikely snippets stand.
Here a clip is parted into signs and the blanks between them instead, and how long signs usually last counts as well,
as in hidden semi-Markov models (Ferguson 1980; Murphy 2002, "Hidden semi-Markov models (HSMMs)").
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from slrcli.decoding.greedy import check_numbers, check_shapes
from slrcli.decoding.hypothesis import Decodes, Hypothesis, input_frame, input_span
from slrcli.errors import DataError
from slrcli.glosses.vocabulary import BLANK

REACH = 3.0  # deviations of the logarithm of a length beyond which no sign is looked for
WIDER = 1.3  # people who are not known differ more in their pace than those who were learnt from
LEAST = 2  # output frames of a sign whose gloss is known
LONGEST = 40  # output frames of such a sign, unless few signs fill a long clip
EVEN = 2.0  # weight of a sign's length against the mean one of its clip, where nothing else is known of it
EVEN_SPREAD = 0.5  # deviation of its logarithm
FLOOR = -8.0  # nats: less than this a frame cannot say against a gloss
SURELY_BLANK = 0.9999
NEVER = -1e18


@dataclass(frozen=True)
class Lengths:
    """How long signs last: the logarithm of their length has a normal distribution.

    Attributes:
        frames: the median, in input frames.
        spread: deviation of the logarithm.
    """

    frames: float
    spread: float

    @classmethod
    def of(cls, frames: Sequence[float]) -> "Lengths":
        """Those of some signs, one at least."""
        logs = np.log(np.maximum(np.asarray(frames, np.float64), 1.0))
        return cls(float(np.exp(logs.mean())), float(logs.std()))


class SegmentSearch:
    """A `Decoder`: the best row of signs and blanks, every sign as long as signs may be.

    A sign counts its gloss's log-probabilities, `weight` times the logarithm of how likely its length is (against the
    likeliest one), and `bonus`; a frame between signs counts the blank's.

    `score` is the log-probability of the path, `rating` what it was chosen by; a confidence is the mean probability of
    the gloss over its sign.

    Args:
        lengths: of signs.
        weight: of their lengths.
        bonus: added for every gloss, in nats; below 0 it asks for good reasons.
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
        """The lengths that a sign may have, in output frames, and what each counts; both `[D]`."""
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
    """The row of signs and blanks that counts most.

    Args:
        table: log-probabilities of a clip `[T', V]`, float64.
        possible: lengths that a sign may have, ascending, `[D]`.
        prior: what a sign of each length counts, `[D]`.

    Returns:
        Gloss, first frame and the one after the last of each sign, and what the row counts.
    """
    sums = np.concatenate([np.zeros((1, table.shape[1])), np.cumsum(table, axis=0)])
    best = np.zeros(len(table) + 1)
    before: list[tuple[int, int]] = []  # for each end the start of the best last piece, and its class
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
    """Where each of a clip's glosses is, if every frame belongs to one of them: the best segmentation.

    What counts is each frame's probability of the gloss among all glosses, the blank left out, so that a model that
    says a gloss in a single frame is asked for all of its sign; and, a little, that the signs of a clip are about
    equally long.

    Args:
        log_probs: `[T', V]`, natural log-probabilities of one clip without padding, blank at 0.
        targets: its glosses in their order, one at least, none of them blank.

    Returns:
        First output frame and the one after the last of each gloss; each begins where the one before ends.

    Raises:
        DataError: a gloss would have less than 2 output frames.
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
    """Log-probabilities of the targets where the blank is ruled out, `[T', N]`, not below `FLOOR`."""
    blank = np.minimum(np.exp(log_probs[:, BLANK], dtype=np.float64), SURELY_BLANK)
    return np.maximum(log_probs[:, list(targets)] - np.log1p(-blank)[:, None], FLOOR)
