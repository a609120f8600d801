"""The paths that a labelling takes through the frames of a clip, in numpy alone: the best one, and the mass of all.

The blank is class 0. A path gives every frame one class; a run of equal classes is one token, blanks are dropped, so a
token that follows itself needs a blank between (Graves et al. 2006).
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from slrcli.errors import DataError
from slrcli.glosses.vocabulary import BLANK

ROOM = 600.0  # nats that masses may lose or gain before they are brought back near 1; a float64 has 700
LEAST = 1e-45  # of a float32
NOTHING = 1e-300
STEEPEST = 80.0  # nats from one state down to the next
CELLS = 1 << 22  # probabilities that are gathered at once


def minimum_frames(targets: Sequence) -> int:
    """The fewest output frames that can carry `targets`: one per token, and one blank between equal neighbours."""
    tokens = list(targets)
    return len(tokens) + sum(left == right for left, right in pairwise(tokens))


def log_likelihoods(probs: np.ndarray, labellings: Sequence[Sequence[int]]) -> np.ndarray:
    """The log-probability of each of several labellings of one clip, summed over all its paths.

    Args:
        probs: probabilities (not their logarithms) `[T', V]`, float32 or float64.
        labellings: N lists of token ids, none of them blank; any may be empty.

    Returns:
        float64 `[N]`; -inf where the clip is too short.
    """
    longest = max(map(len, labellings), default=0)
    part = max(1, CELLS // max(1, len(probs) * longest))
    parts = [labellings[start : start + part] for start in range(0, len(labellings), part)]
    return np.concatenate([_forward(probs, part) for part in parts]) if parts else np.zeros(0)


def _forward(probs: np.ndarray, labellings: Sequence[Sequence[int]]) -> np.ndarray:
    """The forward pass for N labellings side by side, in linear masses; each state is brought back near 1 by itself.

    A state is how many of the tokens are done. Its mass is the number kept for it times the exponential of its scale.
    """
    lengths = np.array([len(ids) for ids in labellings])
    count, longest = len(labellings), int(lengths.max())
    tokens = np.zeros((longest, count), np.int64)
    for place, ids in enumerate(labellings):
        tokens[: len(ids), place] = ids
    emitted = probs.take(tokens.ravel(), axis=1).reshape(len(probs), longest, count)
    differs = np.ones((longest, count))
    differs[1:] = tokens[1:] != tokens[:-1]
    # before the first frame all mass is at no token, as if a blank had been there
    in_blank, in_token = np.zeros((longest + 1, count)), np.zeros((longest + 1, count))
    in_blank[0] = 1.0
    before, here, after_blank = in_token[:-1], in_token[1:], in_blank[:-1]
    arriving, leaping = np.empty((longest, count)), np.empty((longest, count))
    scale, step, may_skip = np.zeros((longest + 1, count)), np.ones((longest, count)), differs
    lost = risen = rise = 0.0
    for blank, token, loss in zip(probs[:, BLANK].tolist(), emitted, _losses(probs, emitted), strict=True):
        lost, risen = lost + loss, risen + rise
        if max(lost, risen) > ROOM:
            step = _rescale(in_blank, in_token, scale)
            may_skip, rise = step * differs, float(np.log(step.max(initial=1.0)))
            lost, risen = loss, rise
        np.multiply(after_blank, step, out=arriving)
        np.multiply(before, may_skip, out=leaping)
        arriving += leaping
        arriving += here
        in_blank += in_token
        in_blank *= blank
        np.multiply(arriving, token, out=here)
    column = np.arange(count)
    with np.errstate(divide="ignore"):
        return np.log(in_blank[lengths, column] + in_token[lengths, column]) + scale[lengths, column]


def _losses(probs: np.ndarray, emitted: np.ndarray) -> list[float]:
    """How many nats a mass may lose in each frame at most."""
    least = np.minimum(probs[:, BLANK], emitted.min(axis=(1, 2), initial=1.0))
    return (-np.log(np.where(least > 0, least, LEAST), dtype=np.float64)).tolist()


def _rescale(in_blank: np.ndarray, in_token: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Bring the masses `[L + 1, N]` near 1 and their scales with them, all in place.

    Returns:
        What a mass is multiplied with on its way from one state into the next, `[L, N]`.
    """
    most = np.maximum(in_blank, in_token)
    reached = most > NOTHING
    wanted = scale + np.log(np.where(reached, most, 1.0))
    place = np.arange(len(scale))[:, None]
    # what is not reached yet follows the state before, and no state stands further below that one than a step can lift
    nearest = np.maximum.accumulate(np.where(reached, place, 0), axis=0)
    wanted = np.take_along_axis(wanted, nearest, axis=0) + STEEPEST * place
    wanted = np.maximum.accumulate(wanted, axis=0) - STEEPEST * place
    factor = np.where(reached, np.exp(np.where(reached, scale - wanted, 0.0)), 0.0)
    in_blank *= factor
    in_token *= factor
    scale[:] = wanted
    return np.exp(wanted[:-1] - wanted[1:])


def forced_alignment(log_probs: ArrayLike, targets: Sequence[int]) -> tuple[list[tuple[int, int]], float]:
    """The most probable alignment of `targets` to the frames (Viterbi).

    Args:
        log_probs: log-probabilities of one clip, `[T', V]`, without padding.
        targets: token ids, none of them blank; may be empty.

    Returns:
        For each token its first frame and the one after its last, and the alignment's log-probability.

    Raises:
        DataError: the clip has fewer frames than the tokens need, or no path of theirs has a probability above 0.
    """
    scores = np.asarray(log_probs)
    if scores.ndim != 2:
        raise ValueError(f"log_probs must be [T', V], not of shape {scores.shape}")
    tokens = np.asarray(targets, dtype=np.int64).reshape(-1)
    _check_tokens(tokens, scores.shape[1])
    needed = minimum_frames(tokens.tolist())
    if len(scores) < max(needed, 1):
        raise DataError(
            f"{len(tokens)} glosses need {needed} output frames, but the clip has {len(scores)}.",
            fix="Check the clip's length against its annotation.",
        )
    states = np.full(2 * len(tokens) + 1, BLANK, dtype=np.int64)
    states[1::2] = tokens
    path, score = _viterbi(scores[:, states].astype(np.float64), states)
    if score == -np.inf:
        what = "The glosses cannot be aligned: the model gives them probability 0 everywhere in the clip."
        raise DataError(what, fix="Check that the clip and its annotation belong together.")
    firsts = np.searchsorted(path, np.arange(1, len(states), 2), side="left")
    stops = np.searchsorted(path, np.arange(1, len(states), 2), side="right")
    return list(zip(firsts.tolist(), stops.tolist(), strict=True)), score


def _check_tokens(tokens: np.ndarray, classes: int) -> None:
    if len(tokens) and (tokens.min() <= BLANK or tokens.max() >= classes):
        raise ValueError(f"targets must lie between 1 and {classes - 1}; {BLANK} is the blank")


def _viterbi(emission: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, float]:
    """The best path through blank, token, blank, token, ..., blank: its state at each frame, and its score.

    Args:
        emission: log-probability of every state at every frame, `[T', S]`.
        states: class of every state, `[S]`, blank at the even places.
    """
    frames, count = emission.shape
    # from the token two places before, unless that is the same token (then the blank between is needed)
    skip = np.full(count, -np.inf)
    skip[3::2] = np.where(states[3::2] != states[1:-2:2], 0.0, -np.inf)
    reached = np.full((frames, count + 2), -np.inf)  # two places in front, from which nothing comes
    reached[0, 2:4] = emission[0, :2]
    leap = np.empty(count)
    for before, after, emitted in zip(reached[:-1], reached[1:, 2:], emission[1:], strict=True):
        np.add(before[:-2], skip, out=leap)
        np.maximum(before[2:], before[1:-1], out=after)
        np.maximum(after, leap, out=after)
        after += emitted
    last = count - 1 if count == 1 or reached[-1, -1] >= reached[-1, -2] else count - 2
    return _trace_back(reached, skip, last), float(reached[-1, last + 2])


def _trace_back(reached: np.ndarray, skip: np.ndarray, last: int) -> np.ndarray:
    """The path that ends in the state `last`; where several are as good, the one that moved on the latest."""
    path = np.empty(len(reached), dtype=np.int64)
    path[-1] = state = last
    for frame in range(len(reached) - 2, -1, -1):
        two, one, same = reached[frame, state : state + 3].tolist()
        two += skip[state]
        state -= 0 if same >= one and same >= two else 1 if one >= two else 2
        path[frame] = state
    return path
