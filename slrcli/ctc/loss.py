"""Connectionist temporal classification: the loss (its paths are in `slrcli.ctc.paths`)."""

import torch.nn.functional as F
from torch import Tensor

from slrcli.glosses.vocabulary import BLANK

REDUCTIONS = ("mean", "sum", "none")


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
