"""The last layer, which several architectures and several heads of one share."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.ctc.paths import BLANK


class NormalisedClassifier(nn.Module):
    """Scores by the length of a feature along each class's direction: weights of unit length, one learnt factor.

    Args:
        inputs: channels of a feature.
        classes: the blank included.
        scale: initial factor.
        blank_bias: initial score of the blank against the glosses'.
    """

    def __init__(self, inputs: int, classes: int, scale: float, blank_bias: float):
        super().__init__()
        weight = torch.empty(classes, inputs)
        # Without memory (a checkpoint fills it) nothing is drawn; to try would load half of torch's compiler.
        self.weight = nn.Parameter(weight if weight.is_meta else weight.normal_())
        self.scale = nn.Parameter(torch.tensor(float(scale)))
        self.bias = nn.Parameter(torch.zeros(classes))
        with torch.no_grad():
            self.bias[BLANK] = blank_bias

    def forward(self, x: Tensor) -> Tensor:
        """x `[..., inputs]` -> scores `[..., classes]`."""
        return F.linear(x, self.scale * F.normalize(self.weight, dim=1), self.bias)
