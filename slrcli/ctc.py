"""Connectionist temporal classification: the minimum clip length, the loss, and the forced alignment.

The blank is class 0. An alignment gives every frame one class; a run of equal classes is one token, blanks are
dropped, so a token that follows itself needs a blank between (Graves et al. 2006).
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from slrcli.errors import DataError

BLANK = 0
REDUCTIONS = ("mean", "sum", "none")


def minimum_frames(targets: Sequence) -> int:
    """The fewest output frames that can carry `targets`: one a token, and one blank between equal neighbours."""
    tokens = list(targets)
    return len(tokens) + sum(left == right for left, right in pairwise(tokens))


def ctc_loss(
    log_probs: Tensor,
    lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """The negative log-probability of the targets, summed over all their alignments.

    Always computed in float32. The gradient is right for normalised log-probabilities only: whoever subtracts a
    prior from them has to normalise again.

    Args:
        log_probs: log-softmax'd `[B, T', V]`, as models give them.
        lengths: valid frames of each clip, int64 `[B]`.
        targets: token ids of all clips, one after the other, int64 `[sum(target_lengths)]`, none of them blank.
        target_lengths: tokens of each clip, int64 `[B]`.
        reduction: "mean" divides each clip's loss by its number of tokens and averages over the clips; "sum" adds the
            clips' losses; "none" returns them, `[B]`.
        zero_infinity: a clip too short for its tokens counts as 0, without gradient, instead of infinity.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}, not {reduction!r}")
    # torch wants time first; this is the one place where the axes change
    frames_first = log_probs.float().transpose(0, 1)
    return F.ctc_loss(
        frames_first,
        targets,
        lengths,
        target_lengths,
        blank=BLANK,
        reduction=reduction,
        zero_infinity=zero_infinity,
    )


def forced_alignment(log_probs: np.ndarray | Tensor, targets: Sequence[int]) -> tuple[list[tuple[int, int]], float]:
    """The most probable alignment of `targets` to the frames (Viterbi).

    Args:
        log_probs: log-probabilities of one clip, `[T', V]`, without padding.
        targets: token ids, none of them blank; may be empty.

    Returns:
        For each token its first frame and the one after its last, and the alignment's log-probability.

    Raises:
        DataError: the clip has fewer frames than the tokens need.
    """
    scores = _as_numpy(log_probs)
    tokens = np.asarray(targets, dtype=np.int64).reshape(-1)
    _check_tokens(tokens, scores.shape[1])
    needed = minimum_frames(tokens.tolist())
    if len(scores) < max(needed, 1):
        raise DataError(
            f"{len(tokens)} glosses need {needed} output frames, the clip has {len(scores)}",
            fix="check the clip's length against its annotation",
        )
    states = np.full(2 * len(tokens) + 1, BLANK, dtype=np.int64)
    states[1::2] = tokens
    path, score = _viterbi(scores[:, states], states)
    return [_span(path, 2 * i + 1) for i in range(len(tokens))], score


def _as_numpy(log_probs: np.ndarray | Tensor) -> np.ndarray:
    if isinstance(log_probs, Tensor):
        log_probs = log_probs.detach().to("cpu", torch.float64).numpy()
    scores = np.asarray(log_probs, dtype=np.float64)
    if scores.ndim != 2:
        raise ValueError(f"log_probs must be [T', V], not of shape {scores.shape}")
    return scores


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
    may_skip = np.zeros(count, dtype=bool)
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    best = np.full(count, -np.inf)
    best[:2] = emission[0, :2]
    step = np.zeros((frames, count), dtype=np.int8)
    came_from = np.full((3, count), -np.inf)
    for t in range(1, frames):
        came_from[0] = best
        came_from[1, 1:] = best[:-1]
        came_from[2, 2:] = np.where(may_skip[2:], best[:-2], -np.inf)
        step[t] = came_from.argmax(axis=0)
        best = came_from.max(axis=0) + emission[t]
    last = count - 1 if count == 1 or best[-1] >= best[-2] else count - 2
    return _trace_back(step, last), float(best[last])


def _trace_back(step: np.ndarray, last: int) -> np.ndarray:
    path = np.empty(len(step), dtype=np.int64)
    path[-1] = last
    for t in range(len(step) - 1, 0, -1):
        path[t - 1] = path[t] - step[t, path[t]]
    return path


def _span(path: np.ndarray, state: int) -> tuple[int, int]:
    """First frame of `state` on a path that never goes back, and the frame after its last."""
    return int(np.searchsorted(path, state, side="left")), int(np.searchsorted(path, state, side="right"))
