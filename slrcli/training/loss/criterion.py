"""What a step learns from: the CTC losses of all heads, and whatever the configuration adds to them
or puts in their place.

Two variants of a clip should read alike (Yao et al. 2024, arXiv:2410.05101): each frame's posteriors are drawn to those
of the other variant, which stand still meanwhile.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from operator import add
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from slrcli.config import Config
from slrcli.corpus.clips import Batch
from slrcli.ctc.loss import ctc_loss
from slrcli.models.base import Output
from slrcli.models.layers import mask
from slrcli.training.loss.distill import at_frames, distillation, sequence_loss
from slrcli.training.loss.framewise import frame_labels, framewise_loss

if TYPE_CHECKING:
    from slrcli.training.loss.own import OwnLoss

Teacher = Callable[[Batch], tuple[Tensor, Tensor]]  # a batch -> log-probabilities [B, S, V], frames of each clip [B]


class Criterion:
    """The loss of a batch, term by term.

    Args:
        config: its sections `optim`, `loss` and `distill`.
        teacher: whose posteriors to learn from as well.

    Raises:
        SlrError: there is no such loss of the user's own as the configuration names.

    Attributes:
        placing: whether frames are learnt by the places of the glosses, as `loss.frames` says; `Trainer` knows when.
    """

    def __init__(self, config: Config, teacher: Teacher | None = None):
        self.optim, self.loss, self.distill, self.teacher = config.optim, config.loss, config.distill, teacher
        self.framewise = False
        self._own = own_loss(config.loss.own) if config.loss.own else None

    def __call__(self, output: Output, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum to be learnt from, and its terms before weighting: `ctc` (the last head) and those that are on."""

        def ctc(log_probs: Tensor, targets: Tensor = batch.targets, counts: Tensor = batch.target_lengths) -> Tensor:
            return ctc_loss(log_probs, output.lengths, targets, counts)

        terms = {"ctc": mean_of(ctc, output.learnt)}
        total = terms["ctc"]
        if output.aux:
            terms["inner"] = mean_of(ctc, output.aux)
            total = total + self.optim.aux_weight * terms["inner"]
        if self._own is not None:
            total = self._with_own(self._own, output, batch, total, terms)
        if self.framewise:
            framewise = partial(framewise_loss, labels=frame_labels(output, batch.targets, batch.target_lengths))
            own = terms["frames"] = mean_of(framewise, output.learnt)
            if output.aux:
                own = own + self.optim.aux_weight * mean_of(framewise, output.aux)
            total = (1 - self.loss.frames) * total + self.loss.frames * own
        if self.teacher is not None:
            total = total * (1 - self.distill.weight)
            for name, weight, value in self._from_teacher(self.teacher, output, batch):
                terms[name] = value
                total = total + weight * value
        if self.loss.consistency:
            terms["consistency"] = disagreement(output, batch.target_lengths)
            total = total + self.loss.consistency * terms["consistency"]
        return total, terms

    def _with_own(
        self, loss: "OwnLoss", output: Output, batch: Batch, total: Tensor, terms: dict[str, Tensor]
    ) -> Tensor:
        """The sum with a loss of the user's own in it, or in its place; inner heads count as they do with CTC."""

        def of(log_probs: Tensor) -> Tensor:
            return loss(log_probs, output.lengths, batch.targets, batch.target_lengths)

        own = terms["own"] = mean_of(of, output.learnt)
        if output.aux:
            own = own + self.optim.aux_weight * mean_of(of, output.aux)
        share = self.loss.own_weight
        return own if share == 1 else (1 - share) * total + share * own

    def _from_teacher(self, teacher: Teacher, output: Output, batch: Batch) -> list[tuple[str, float, Tensor]]:
        """Name, weight and value of what the teacher teaches."""
        options = self.distill
        log_probs, lengths = teacher(batch)
        soft = at_frames(log_probs, lengths, output.lengths, output.log_probs.shape[1])
        value = distillation(output.log_probs, soft, output.lengths, options.blanks, options.temperature)
        found = [("distillation", options.weight, value)]
        if options.sequence:
            found.append(("sequence", options.sequence, sequence_loss(output, log_probs, lengths)))
        return found


def own_loss(name: str) -> "OwnLoss":
    """A loss of the user's own; what it needs is loaded for the few who have one. Raises like `OwnLoss`."""
    from slrcli.training.loss.own import OwnLoss

    return OwnLoss(name)


def mean_of(loss: Callable[[Tensor], Tensor], heads: Sequence[Tensor]) -> Tensor:
    """The mean loss of some heads, one at least."""
    return reduce(add, map(loss, heads)) / len(heads)


def disagreement(output: Output, target_lengths: Tensor) -> Tensor:
    """How far the posteriors of two variants of each clip lie apart, the variants being the halves of the batch.

    The sum over the frames of the divergence each way, by the gloss, as the CTC loss is; the mean over the clips.
    """
    half = len(output.lengths) // 2
    valid = mask(output.lengths[:half], output.log_probs.shape[1])
    apart = torch.zeros(half, device=output.log_probs.device)
    pair = output.log_probs[:half], output.log_probs[half:]
    for own, other in (pair, pair[::-1]):
        frames = F.kl_div(own, other.detach(), reduction="none", log_target=True).sum(dim=2)
        apart = apart + torch.where(valid, frames, 0.0).sum(dim=1) / 2
    return (apart / target_lengths[:half].clamp(min=1)).mean()
