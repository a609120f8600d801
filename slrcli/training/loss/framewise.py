"""Learning frame by frame: each belongs to the gloss that is signed there, as the recogniser itself places it.

The CTC loss asks for a gloss somewhere in its sign, and is content with a spike: the rest of the sign is never named,
where the spike stands is left to chance, and of a signer that nobody knows it easily comes out too weak or twice. Once
the glosses of the training clips can be placed, every frame of a sign can learn what it is part of (the re-alignment of
Koller et al. 2017, "Re-Sign", here within one run and anew for every variant of a clip).
"""

from contextlib import suppress

import torch
import torch.nn.functional as F
from torch import Tensor

from slrcli.decoding.segments import segment
from slrcli.errors import DataError
from slrcli.glosses.vocabulary import BLANK
from slrcli.models.base import Output
from slrcli.parallel.distributed import portion

UNKNOWN = -100  # label of frames of which nothing is learnt: padding, and clips too short to be segmented


def frame_labels(output: Output, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Which class each output frame belongs to, int64 `[B, T']`.

    A clip is split into its glosses (`segment`); the frame where the next one begins is the transition to it, blank,
    which also keeps two like neighbours apart.

    Args:
        output: of the model, by whose `local` the glosses are placed; no gradient goes there.
        targets: gloss ids of all clips, one after the other, int64 `[sum(target_lengths)]`.
        target_lengths: glosses of each clip, int64 `[B]`.
    """
    tables = output.local.detach().float().cpu().numpy()
    labels = torch.full(tables.shape[:2], UNKNOWN)
    own = targets.cpu().split(target_lengths.tolist())
    for row, (table, frames, ids) in enumerate(zip(tables, output.lengths.tolist(), own, strict=True)):
        with suppress(DataError):  # too short
            for place, ((first, stop), gloss) in enumerate(
                zip(segment(table[:frames], ids.tolist()), ids, strict=True)
            ):
                labels[row, first:stop] = gloss
                if place:
                    labels[row, first] = BLANK
    return labels.to(output.log_probs.device)


def framewise_loss(log_probs: Tensor, labels: Tensor) -> Tensor:
    """The mean negative log-probability of the labels, over the frames that have one.

    Args:
        log_probs: `[B, T', V]`.
        labels: as `frame_labels` gives them.
    """
    known = (labels != UNKNOWN).sum()
    total = F.nll_loss(log_probs.flatten(0, 1), labels.flatten(), ignore_index=UNKNOWN, reduction="sum")
    return total / portion(known, len(labels)).clamp(min=1)
