"""The optimiser, its learning rate, and the EMA of the weights, which makes fewer errors than those of any one step.

After every step each averaged weight moves a small part of the way to the trained one (Polyak & Juditsky 1992, with an
exponential window). Early in a run the window is short, so that the average does not hang on to the beginning. Running
statistics of normalisations are taken over as they are.
"""

import copy
import math

import torch
from torch import Tensor, nn

from slrcli.config import OptimConfig
from slrcli.models.base import SignModel


def make_optimiser(model: nn.Module, options: OptimConfig, device: torch.device) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019), fused where the device has it; biases and norms are not decayed."""
    trained = [item for item in model.parameters() if item.requires_grad]
    groups = [
        {"params": [item for item in trained if item.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [item for item in trained if item.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=options.lr, fused=device.type in ("cpu", "cuda"))


def learning_rate(progress: float, options: OptimConfig) -> float:
    """The learning rate after `progress` epochs (a fraction counts): a linear rise, then the decay of the schedule.

    The schedule is one of `slrcli.config.names.SCHEDULES`, which `check_bounds` makes sure of.
    """
    warmup = min(options.warmup_epochs, options.epochs / 4)
    if progress < warmup:
        return options.lr * max(progress / warmup, 1e-3)
    done = min((progress - warmup) / max(options.epochs - warmup, 1e-9), 1.0)
    share = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}[options.schedule]
    return options.lr * (options.final_lr + (1 - options.final_lr) * share)


STEPS = "steps"  # name of the count beside the weights
SOON = 10.0  # steps: after n of them the window is about n / 10 long, until it has its full length


class EMA:
    """The averaged twin of a model.

    Args:
        model: the one that is trained; the twin starts from its weights.
        decay: share of the average that a step leaves as it is, below 1; 0 makes the twin follow the model.

    Attributes:
        model: the twin.
        steps: updates so far.
    """

    def __init__(self, model: SignModel, decay: float):
        self.model = copy.deepcopy(model).eval()
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after a step."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + SOON))
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), 1 - decay)
        for own, other in zip(self.model.buffers(), model.buffers(), strict=True):
            own.copy_(other)

    def state(self) -> dict[str, Tensor]:
        """What `restore` takes."""
        return self.model.state_dict() | {STEPS: torch.tensor(self.steps)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on where `state` was taken, or begin with a model's own weights."""
        self.steps = int(tensors.get(STEPS, 0))
        self.model.load_state_dict({name: item for name, item in tensors.items() if name != STEPS})
