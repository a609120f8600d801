"""Learning from a teacher's posteriors: which frames are compared, and how.

A CTC model says blank nearly everywhere and glosses in spikes, and no two models spike in the same frame. What is
compared is therefore a choice (`distill.blanks`):

* `all`: every frame (Hinton et al. 2015).
* `symmetric`: those in which the teacher says a gloss, and the blank frame before and after each run of them, so that a
  spike is learnt with both of its edges (after arXiv:2506.01503).

Beside its frames a teacher has hypotheses: whole labellings, of which the likeliest of a beam search stand for all (Kim
and Rush 2016, arXiv:1606.07947), each with its share of their probability.
"""

from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from slrcli.ctc.loss import ctc_loss
from slrcli.decoding.prefixes import prefix_beam_search
from slrcli.glosses.vocabulary import BLANK
from slrcli.models.base import Output
from slrcli.models.layers import mask
from slrcli.parallel.distributed import portion

BEAM = 10  # prefixes that the search for a teacher's hypotheses keeps, where not more hypotheses are wanted
NBEST = 4  # labellings of a clip that count, at most


def distillation(student: Tensor, teacher: Tensor, lengths: Tensor, blanks: str, temperature: float) -> Tensor:
    """How far the student's posteriors are from the teacher's.

    The mean Kullback-Leibler divergence of what is compared, multiplied by the square of the temperature, so that
    the gradient keeps its size (Hinton et al. 2015).

    Args:
        student: log-probabilities `[B, T', V]`.
        teacher: the same, at the same frames; no gradient goes there.
        lengths: valid frames, int64 `[B]`.
        blanks: one of `slrcli.config.names.BLANKS`.
        temperature: both are divided by it before they are normalised again; 1 leaves them as they are.
    """
    valid = mask(lengths, student.shape[1])
    best = teacher.argmax(dim=2)
    soft = (teacher / temperature).log_softmax(dim=2)
    own = (student / temperature).log_softmax(dim=2)
    compared = frames_compared(best, valid, blanks)
    apart = F.kl_div(own, soft, reduction="none", log_target=True).sum(dim=2)
    return temperature**2 * torch.where(compared, apart, 0.0).sum() / portion(compared.sum(), len(lengths)).clamp(min=1)


def sequence_loss(output: Output, teacher: Tensor, lengths: Tensor, hypotheses: int = NBEST) -> Tensor:
    """The CTC loss per gloss of the teacher's likeliest labellings, weighted by their probabilities, the clips' mean.

    A labelling for which the student has too few frames counts nothing.

    Args:
        output: the student's.
        teacher: log-probabilities `[B, S, V]`.
        lengths: its frames of each clip, int64 `[B]`.
        hypotheses: labellings per clip, at most; their probabilities are normalised to sum to one.
    """
    rows, labels, counts, shares = [], [], [], []
    for row, (table, frames) in enumerate(zip(teacher.double().cpu().numpy(), lengths.tolist(), strict=True)):
        found = prefix_beam_search(table[:frames], max(BEAM, hypotheses))[:hypotheses]
        scores = torch.tensor([item.log_prob for item in found], dtype=torch.float64)
        rows += [row] * len(found)
        labels += [gloss for item in found for gloss in item.ids]
        counts += [len(item.ids) for item in found]
        shares.append(scores.softmax(dim=0).float())
    device = output.log_probs.device
    targets, sizes, which = (torch.tensor(item, dtype=torch.int64, device=device) for item in (labels, counts, rows))
    student = output.log_probs[which], output.lengths[which]
    each = ctc_loss(*student, targets, sizes, "none", zero_infinity=True) / sizes.clamp(min=1)
    return (torch.cat(shares).to(device) * each).sum() / len(lengths)


def frames_compared(best: Tensor, valid: Tensor, blanks: str) -> Tensor:
    """The frames that are compared, bool `[B, T']`, by the teacher's best classes `[B, T']` in its valid frames."""
    if blanks == "all":
        return valid
    spoken = valid & (best != BLANK)
    wide = F.max_pool1d(spoken.float().unsqueeze(1), 3, stride=1, padding=1).squeeze(1) > 0
    return wide & valid


def at_frames(log_probs: Tensor, lengths: Tensor, wanted: Tensor, frames: int) -> Tensor:
    """Posteriors at another frame rate: log-probabilities `[B, frames, V]` of `[B, S, V]`.

    Each frame wanted takes, of the frames whose time it covers, the largest probability of every class, normalised
    again: a spike stays a spike. Where it covers less than a frame it takes that frame. Equal lengths change nothing.

    Args:
        log_probs: `[B, S, V]`.
        lengths: valid frames among the S, int64 `[B]`.
        wanted: valid frames among those that come out, int64 `[B]`.
        frames: how many come out, padding included.
    """
    if log_probs.shape[1] == frames and torch.equal(lengths, wanted):
        return log_probs
    place = torch.arange(frames, device=log_probs.device)
    start = (place * lengths.unsqueeze(1)) // wanted.unsqueeze(1)
    stop = torch.maximum(-((-(place + 1) * lengths.unsqueeze(1)) // wanted.unsqueeze(1)), start + 1)
    last = (lengths - 1).unsqueeze(1)

    def covered(step: int) -> Tensor:
        index = torch.minimum(torch.minimum(start + step, stop - 1), last)
        return log_probs.gather(1, index.unsqueeze(2).expand(-1, -1, log_probs.shape[2]))

    return reduce(torch.maximum, map(covered, range(int((stop - start).max())))).log_softmax(dim=2)
