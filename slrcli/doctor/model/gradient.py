"""The loss of one training step and its gradient: finite, reaching every parameter, of one size from layer to layer."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from slrcli.ctc.loss import ctc_loss
from slrcli.doctor.context import Checks, error, many, note, some, warning
from slrcli.doctor.model.probe import BATCH, ModelContext, forward
from slrcli.findings import Finding

GRADIENT_CHECKS = Checks()

DEAD_SHARE = 0.1  # of all weights; a few dead units in a small gate are no catastrophe, a tenth of the model is
# Root mean square of a weight's gradient, the strongest against the weakest layer.
FADED = 1e6
EXPLODED = 1e6  # norm of the whole gradient
DEAD_UNITS = 0.5  # share of a layer's units without gradient
WEAKEST = 3  # layers named at both ends


@GRADIENT_CHECKS.add("SLR-M05", "CTC loss and its gradient are finite", needs=("SLR-M01", "SLR-M03"))
def finite_loss(context: ModelContext) -> Iterator[Finding]:
    """One training step's loss and gradient, on made-up targets that fit into the clips."""
    network = context.network(training=True)
    loss = training_loss(context, network)
    chance = math.log(context.vocab_size)
    if not loss.isfinite():
        yield error(
            f"the CTC loss is {loss.item()}",
            fix="look for clips that become shorter than their targets, and for log-probabilities of -inf",
        )
        return
    if not loss.requires_grad:  # SLR-M06 says so
        yield note(f"CTC loss {loss.item():.2f} a gloss (ln V is {chance:.2f})")
        return
    loss.backward()
    grads = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    bad = [name for name, grad in grads.items() if not grad.isfinite().all()]
    if bad:
        yield error(
            f"the gradient of {many(len(bad), 'parameter')} is not finite: {some(bad)}",
            bad[0],
            "look for a division by zero, a root of zero or a logarithm of zero before this layer",
        )
        return
    norm = torch.stack([grad.norm() for grad in grads.values()]).norm().item() if grads else 0.0
    yield note(f"CTC loss {loss.item():.2f} a gloss (ln V is {chance:.2f}), norm of the gradient {norm:.3g}")


@GRADIENT_CHECKS.add("SLR-M06", "gradient reaches every parameter", needs=("SLR-M05",))
def gradient_reaches(context: ModelContext) -> Iterator[Finding]:
    """Each trainable parameter gets a gradient, and one that is not zero throughout."""
    network = context.network(training=True)
    trainable = {name: p for name, p in network.named_parameters() if p.requires_grad}
    if not trainable:
        yield error("no parameter is trainable", fix="set requires_grad on what should learn")
        return
    loss = training_loss(context, network)
    if loss.requires_grad:
        loss.backward()
    cut = [name for name, p in trainable.items() if p.grad is None]
    still = [name for name, p in trainable.items() if p.grad is not None and not p.grad.count_nonzero()]
    if cut:
        yield error(
            f"{many(len(cut), 'parameter is', 'parameters are')} not connected to the loss: {some(cut)}",
            cut[0],
            "look for detach(), no_grad(), or a layer that the forward pass leaves out",
        )
    if still:
        share = sum(trainable[name].numel() for name in still) / sum(p.numel() for p in trainable.values())
        say = error if share > DEAD_SHARE else warning
        yield say(
            f"the gradient of {many(len(still), 'parameter')} is zero throughout ({share:.1%} of all weights): "
            f"{some(still)}",
            still[0],
            "look for dead activations or a factor of zero behind this layer",
        )
    reached = len(trainable) - len(cut) - len(still)
    yield note(f"gradient reaches {reached} of {many(len(trainable), 'parameter')}")


def training_loss(context: ModelContext, network: torch.nn.Module) -> Tensor:
    """The loss of one batch, inner heads included, with as many random glosses as the shortest outputs can carry."""
    out = forward(network, *context.clips(BATCH))
    generator = torch.Generator().manual_seed(context.seed)
    counts = torch.clamp(out.lengths // 3, min=1, max=8)
    # neighbours differ, so that no blank is needed between them
    targets = [_different(int(n), context.vocab_size, generator) for n in counts]
    losses = [ctc_loss(head, out.lengths, torch.cat(targets), counts) for head in (out.log_probs, *out.aux)]
    return torch.stack(losses).mean()


def _different(count: int, classes: int, generator: torch.Generator) -> Tensor:
    glosses = max(classes - 1, 1)
    step = torch.randint(1, max(glosses, 2), (count,), generator=generator)
    return step.cumsum(0) % glosses + 1


@GRADIENT_CHECKS.add("SLR-M14", "gradients are of one size from layer to layer", needs=("SLR-M06",))
def gradient_sizes(context: ModelContext) -> Iterator[Finding]:
    """No layer learns a million times slower than another, none explodes, and no layer is mostly dead units."""
    network = context.network(training=True)
    training_loss(context, network).backward()
    grads = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    context.measured["gradients"] = {name: grad.norm().item() for name, grad in grads.items()}
    norm = torch.stack([grad.norm() for grad in grads.values()]).norm().item()
    if norm > EXPLODED:
        largest = max(grads, key=lambda name: grads[name].norm().item())
        fix = "normalise between the layers, or draw smaller weights; clipping alone hides it"
        yield warning(f"the norm of the gradient is {norm:.2g}: it explodes", largest, fix)
    sizes = {name: _rms(grad) for name, grad in grads.items() if grad.dim() >= 2 and grad.any()}
    order = sorted(sizes, key=sizes.get)
    if order and sizes[order[-1]] > FADED * sizes[order[0]]:
        faded = [name for name in order if sizes[order[-1]] > FADED * sizes[name]]
        yield warning(
            f"the gradient fades: {some([f'{name} {sizes[name]:.1e}' for name in faded])} against "
            f"{sizes[order[-1]]:.1e} in {order[-1]}",
            faded[0],
            "add residual connections or normalisation, or replace activations that saturate",
        )
    over_time = {layer.name for layer in context.layers if layer.leaving and layer.steps}
    yield from _dead_units({name: part for name, part in network.named_modules() if name in over_time}, grads)
    shown = [f"{name} {sizes[name]:.1e}" for name in (*order[:WEAKEST], *order[-WEAKEST:])]
    yield note(f"root mean square of the gradient, weakest and strongest layers: {', '.join(dict.fromkeys(shown))}")


def _rms(grad: Tensor) -> float:
    return grad.double().square().mean().sqrt().item()


def _dead_units(layers: dict[str, nn.Module], grads: dict[str, Tensor]) -> Iterator[Finding]:
    """Layers of which most outputs never move: behind a ReLU that is always closed, say.

    Those that see every frame, that is: a gate that sees three clips may well be closed to all three.
    """
    for name, module in layers.items():
        grad = grads.get(f"{name}.weight")
        if not isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d) or grad is None:
            continue
        dead = (grad.flatten(1) == 0).all(dim=1)
        if DEAD_UNITS < dead.float().mean() < 1:  # a layer dead altogether is a matter for SLR-M06
            yield warning(
                f"{int(dead.sum())} of {len(dead)} units get no gradient",
                f"{name} ({type(module).__name__})",
                "look for activations that are always closed: large negative biases, inputs of one sign",
            )
