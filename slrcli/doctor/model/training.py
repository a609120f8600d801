"""How training differs from evaluation: padding in the statistics, another network altogether, a blank head start."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from slrcli.doctor.context import Checks, error, note, warning
from slrcli.doctor.model.probe import BATCH, FITTED, ModelContext, forward, frames_of
from slrcli.findings import Finding
from slrcli.glosses.vocabulary import BLANK

TRAINING_CHECKS = Checks()

# Where padding enters statistics, log-probabilities move by 1e-3 and more; in float64 sound models agree to 1e-7.
LEAK = 1e-5
MORE_PADDING = 23  # frames
# Difference between training and evaluation, as a share of what the log-probabilities vary: 0.2 and less for sound
# models on clips that their statistics were taken from, 1 for planted faults.
FAR_APART = 0.5
# Share of all probability that a fresh model gives to the blank; 1 / V would be even. 0.0001 to 0.05 in those shipped.
BLANK_MOST = 0.9


@TRAINING_CHECKS.add("SLR-M13", "training agrees with evaluation", needs=("SLR-M04", "SLR-M05", "SLR-M07"))
def agreement(context: ModelContext) -> Iterator[Finding]:
    """Without dropout, the output in training depends neither on padding nor on anything that evaluation lacks."""
    yield from _padding(context)
    x, counts = context.clips(FITTED)
    evaluated = _valid(context.network(), x, counts)
    network = without_dropout(context.network(training=True))
    trained = _valid(network, x, counts)
    off = (trained - evaluated).square().mean().sqrt() / (evaluated - evaluated.mean()).square().mean().sqrt()
    said = f"log-probabilities in training and evaluation differ by {off:.2g} of their spread"
    if context.trained:
        yield note(f"{said} (on synthetic clips; the statistics are those of real clips)")
    elif not _repeats(network, x, counts, trained):
        yield note(f"{said} (training is random apart from dropout layers)")
    elif not off <= FAR_APART:
        yield error(
            f"{said}: the network that is trained is not the one that is evaluated",
            fix="look for `if self.training`, factors in training alone, statistics that are never updated",
        )
    else:
        yield note(said)


def _padding(context: ModelContext) -> Iterator[Finding]:
    """Whether the content or the amount of padding changes the output of any clip in training."""
    network = without_dropout(context.network(double=True, training=True))
    x, counts = context.clips(BATCH)
    x = x.double()
    inside = (torch.arange(x.shape[1]) < counts.unsqueeze(1)).unsqueeze(2)
    plain = _valid(network, x, counts)
    changed = {"the content of the padding": torch.where(inside, x, torch.randn_like(x))}
    if _repeats(network, x, counts, plain):  # else the amount of randomness would change with the amount of padding
        changed["the amount of padding"] = F.pad(x, (0, 0, 0, MORE_PADDING))
    for name, batch in changed.items():
        off = (_valid(network, batch, counts) - plain).abs().max().item()
        if off > LEAK:
            norms = [n for n, part in network.named_modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
            yield warning(
                f"in training, {name} changes log-probabilities by up to {off:.2g}: padding enters the statistics",
                norms[0] if norms else "",
                "normalise over valid frames alone (MaskedBatchNorm1d), or by layer or group",
            )
            return


@TRAINING_CHECKS.add("SLR-M15", "blank has no head start", needs=("SLR-M03",))
def blank_prior(context: ModelContext) -> Iterator[Finding]:
    """How much of all probability fresh weights give to the blank, and in how many frames it is the best."""
    out = context.ordinary
    values = torch.cat(frames_of(out.log_probs, out.lengths))
    share = values[:, BLANK].exp().mean().item()
    best = (values.argmax(dim=1) == BLANK).float().mean().item()
    said = f"the blank holds {share:.3g} of all probability (even: {1 / context.vocab_size:.2g}), best in {best:.0%}"
    if context.trained:
        yield note(f"{said} of the frames of synthetic clips")
    elif share > BLANK_MOST:
        margin = math.log(share / max(1 - share, 1e-12))
        yield warning(
            f"{said} of the frames, {margin:.1f} nats ahead of all glosses together: training takes long to leave it",
            fix="start with a bias of 0 or below for class 0, and with smaller weights in the classifier",
        )
    else:
        yield note(f"{said} of the frames")


def without_dropout(network: nn.Module) -> nn.Module:
    """The network itself, its dropout set to nothing wherever a module says how much it is."""
    for part in network.modules():
        if isinstance(part, nn.modules.dropout._DropoutNd):
            part.p = 0.0
        elif isinstance(part, nn.RNNBase | nn.MultiheadAttention):
            part.dropout = 0.0
    return network


def _valid(network: nn.Module, x: Tensor, counts: Tensor) -> Tensor:
    torch.manual_seed(0)
    with torch.no_grad():
        out = forward(network, x, counts)
    return torch.cat(frames_of(out.log_probs, out.lengths))


def _repeats(network: nn.Module, x: Tensor, counts: Tensor, before: Tensor) -> bool:
    """Whether other random numbers give the same."""
    torch.manual_seed(1)
    with torch.no_grad():
        out = forward(network, x, counts)
    return torch.allclose(torch.cat(frames_of(out.log_probs, out.lengths)), before, atol=1e-9)
