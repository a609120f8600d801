"""A loss: CTC in which utterances that are read well count less (Feng et al. 2019, focal CTC)."""

import torch.nn.functional as F
from torch import Tensor

GAMMA = 1.0


def focal(log_probs: Tensor, targets: Tensor, lengths: Tensor, target_lengths: Tensor) -> Tensor:
    """The loss of each utterance `[B]`, from what `torch.nn.functional.ctc_loss` takes."""
    losses = F.ctc_loss(log_probs, targets, lengths, target_lengths, reduction="none")
    likelihood = (-losses / target_lengths).exp()  # per gloss
    return (1 - likelihood) ** GAMMA * losses
