"""The optimiser, and the learning rate over a run."""

import math

import torch
from torch import nn

from slrcli.config import OptimConfig
from slrcli.errors import UsageError

SCHEDULES = ("cosine", "linear", "constant")


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

    Raises:
        UsageError: an unknown schedule.
    """
    if options.schedule not in SCHEDULES:
        raise UsageError(f"There is no schedule '{options.schedule}'.", "schedule", f"Known: {', '.join(SCHEDULES)}.")
    warmup = min(options.warmup_epochs, options.epochs / 4)
    if progress < warmup:
        return options.lr * max(progress / warmup, 1e-3)
    done = min((progress - warmup) / max(options.epochs - warmup, 1e-9), 1.0)
    share = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}[options.schedule]
    return options.lr * (options.final_lr + (1 - options.final_lr) * share)
