"""The loss of one training step and its gradient: finite, in every parameter, of similar size in all layers."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from slrcli.ctc.loss import ctc_loss
from slrcli.doctor.context import Checks, error, many, note, some, warning
from slrcli.doctor.model.probe import BATCH, ModelContext, forward
from slrcli.findings import Finding

GRADIENT_CHECKS = Checks()

DEAD_SHARE = 0.1  # of all weights; a few dead units in a small gate do little harm, a tenth of the model does
# Root mean square of a weight's gradient, the strongest against the weakest layer.
FADED = 1e6
EXPLODED = 1e6  # norm of the whole gradient
DEAD_UNITS = 0.5  # share of a layer's units without gradient


@GRADIENT_CHECKS.add("SLR-M05", "CTC loss and gradient are sound", needs=("SLR-M01", "SLR-M03"))
def gradient(context: ModelContext) -> Iterator[Finding]:
    """One training step with random targets: a finite loss, and a finite gradient of usable size in every parameter."""
    network = context.network(training=True)
    trainable = {name: p for name, p in network.named_parameters() if p.requires_grad}
    if not trainable:
        yield error("no parameter is trainable", fix="set requires_grad on what should learn")
        return
    loss = training_loss(context, network)
    if not loss.isfinite():
        fix = "look for clips that become shorter than their targets, and for log-probabilities of -inf"
        yield error(f"the CTC loss is {loss.item()}", fix=fix)
        return
    if loss.requires_grad:
        loss.backward()
    grads = {name: p.grad for name, p in trainable.items() if p.grad is not None}
    bad = [name for name, grad in grads.items() if not grad.isfinite().all()]
    if bad:
        fix = "look for a division by zero, a root of zero or a logarithm of zero before this layer"
        yield error(f"the gradient of {many(len(bad), 'parameter')} is not finite: {some(bad)}", bad[0], fix)
        return
    context.measured["gradients"] = {name: grad.norm().item() for name, grad in grads.items()}
    yield from _unreached(trainable, grads)
    yield from _sizes(grads)
    over_time = {layer.name for layer in context.layers if layer.leaving and layer.steps}
    yield from _dead_units({name: part for name, part in network.named_modules() if name in over_time}, grads)
    yield note(
        f"CTC loss {loss.item():.2f} per gloss (ln V is {math.log(context.vocab_size):.2f}), gradient norm "
        f"{_norm(grads):.3g}, in {len(grads)} of {many(len(trainable), 'parameter')}"
    )


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


def _unreached(trainable: dict[str, nn.Parameter], grads: dict[str, Tensor]) -> Iterator[Finding]:
    """Parameters without a gradient, and those whose gradient is zero throughout."""
    cut = [name for name in trainable if name not in grads]
    still = [name for name, grad in grads.items() if not grad.count_nonzero()]
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


def _norm(grads: dict[str, Tensor]) -> float:
    return torch.stack([grad.norm() for grad in grads.values()]).norm().item() if grads else 0.0


def _sizes(grads: dict[str, Tensor]) -> Iterator[Finding]:
    """A gradient that explodes, and layers that learn a million times slower than another."""
    norm = _norm(grads)
    if norm > EXPLODED:
        largest = max(grads, key=lambda name: grads[name].norm().item())
        fix = "normalise between the layers, or initialise with smaller weights; clipping alone hides the fault"
        yield warning(f"the gradient explodes: its norm is {norm:.2g}", largest, fix)
    sizes = {
        name: grad.double().square().mean().sqrt().item()
        for name, grad in grads.items()
        if grad.dim() >= 2 and grad.any()
    }
    strongest = max(sizes, key=sizes.__getitem__, default="")
    faded = sorted((name for name in sizes if sizes[strongest] > FADED * sizes[name]), key=sizes.__getitem__)
    if faded:
        yield warning(
            f"the gradient vanishes: {some([f'{name} {sizes[name]:.1e}' for name in faded])} against "
            f"{sizes[strongest]:.1e} in {strongest}",
            faded[0],
            "add residual connections or normalisation, or replace activations that saturate",
        )


def _dead_units(layers: dict[str, nn.Module], grads: dict[str, Tensor]) -> Iterator[Finding]:
    """Layers most of whose outputs never change, such as those behind a ReLU that is always closed.

    Only layers that see every frame count: a gate that sees three clips may well be closed for all three.
    """
    for name, module in layers.items():
        grad = grads.get(f"{name}.weight")
        if not isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d) or grad is None:
            continue
        dead = (grad.flatten(1) == 0).all(dim=1)
        if DEAD_UNITS < dead.float().mean() < 1:  # a layer dead altogether is reported as unreached
            yield warning(
                f"{int(dead.sum())} of {len(dead)} units get no gradient",
                f"{name} ({type(module).__name__})",
                "look for activations that are always closed: large negative biases, inputs of one sign",
            )
