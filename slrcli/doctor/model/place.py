"""Whether every output stands for the frames that it sees, and not for those of a step before or after."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from slrcli.doctor.context import Checks, error, many, note, warning
from slrcli.doctor.model import layers
from slrcli.doctor.model.probe import ModelContext, forward
from slrcli.findings import Finding

PLACE_CHECKS = Checks()

CLIPS, FRAMES = 2, 96
APART = 3  # frames; prime to every usual stride, so that all places within a step are met
NETWORKS = 3  # with weights of their own; the place is their mean, since random weights lean to one side or the other
# Of a step at the coarsest rate inside the network. Over seeds and layouts, sound networks lie from -0.2 to 0.6 where
# one is drawn and from -0.1 to 0.5 on the mean of three (0.5 is where a convolution of stride n is centred on the first
# of its n frames); a step later that is 0.9 and more, a step earlier -0.5 and less.
EARLIEST, LATEST = -0.4, 0.75
COARSEST = 4  # steps of the output that one inside may be taken to last
FIX = (
    "look for a roll, a cut at the beginning, or padding on one side only; a causal network declares its `lookahead`, "
    "and one whose outputs are delayed declares by how many frames (`late`)"
)


class Place(NamedTuple):
    """Where outputs stand.

    Attributes:
        after: frames by which outputs come after what moves them, a mean.
        ahead: frames behind their own that have any effect on them, the most; below 0 where not even all their own do.
        stride: frames that an output stands for.
    """

    after: float
    ahead: int
    stride: float


@PLACE_CHECKS.add("SLR-M23", "outputs stand where their frames are", needs=("SLR-M02", "SLR-M05", "SLR-M11"))
def in_place(context: ModelContext) -> Iterator[Finding]:
    """The middle of what an output sees against the middle of its own frames; how far ahead it says that it looks."""
    if context.trained and context.build is None:
        yield note("not measured: a trained network looks where it has learnt to, and there is no fresh one")
        return
    x, _ = context.clips([FRAMES] * CLIPS)
    places = [place_of(network, x) for network in networks(context)]
    ahead, stride = max(place.ahead for place in places), places[0].stride
    after = sum(place.after for place in places) / len(places) - getattr(context.model, "late", 0)
    context.measured["place"] = {"after": after, "ahead": ahead, "stride": stride}
    lookahead = getattr(context.model, "lookahead", None)
    if lookahead is not None:
        yield _kept_word(ahead, lookahead)
        return
    said = f"{abs(after):.1f} frames {'after' if after > 0 else 'before'} the middle of what they see"
    step = coarsest_step(context, stride)
    if EARLIEST * step <= after <= LATEST * step:
        yield note(f"outputs are {said}, at {stride:.3g} frames per output")
    elif ahead <= 0 or context.build is None:  # it may be meant, or learnt
        yield warning(f"outputs are {said}, at {stride:.3g} frames per output", fix=FIX)
    else:
        yield error(f"outputs are {said}, at {stride:.3g} frames per output", fix=FIX)


def _kept_word(ahead: int, lookahead: int) -> Finding:
    if ahead == lookahead:
        return note(f"outputs see {many(ahead, 'frame')} beyond their own, as the network declares")
    return error(
        f"outputs see {many(ahead, 'frame')} beyond their own, the network declares {lookahead}: they are "
        f"{many(abs(lookahead - ahead), 'frame')} too {'late' if ahead < lookahead else 'early'}",
        fix="look for a roll or a cut that does not fit its `lookahead`",
    )


def networks(context: ModelContext) -> Iterator[nn.Module]:
    """Some with fresh weights; the one there is where nobody can make another."""
    if not context.trained:
        yield context.network()
    if context.build is not None:
        for _ in range(NETWORKS - (not context.trained)):
            yield replace(context, model=context.build()).network()


def place_of(network: nn.Module, x: Tensor) -> Place:
    """Where a network's outputs stand for clips `x [B, T, D]`."""
    with torch.no_grad():
        after, stride = _after(network, x)
    return Place(after, _ahead(network, x[:1]), stride)


def _after(network: nn.Module, x: Tensor) -> tuple[float, float]:
    """How many frames outputs come after what moves them, and how many frames they stand for.

    One frame after the other is exchanged for that of another clip. What changes in the output has a middle, which half
    of the change's energy lies before: unlike a mean, it hardly heeds what a recurrence still knows long after.
    """
    clips, frames, columns = x.shape
    moved = torch.arange(frames // 4, 3 * frames // 4, APART)
    many = x.expand(len(moved) + 1, clips, frames, columns).clone()  # the last stays as it is
    many[torch.arange(len(moved)), :, moved] = x.roll(1, dims=0)[:, moved].transpose(0, 1)
    lengths = torch.full((len(many) * clips,), frames)
    said = forward(network, many.flatten(0, 1), lengths).log_probs.double().unflatten(0, (len(many), clips))
    energy = (said[:-1] - said[-1]).square().sum((1, 3))
    stride, felt = frames / energy.shape[1], energy.sum(1) > 0
    return (middle(energy[felt]) * stride - moved[felt] - 0.5).mean().item(), stride


def middle(energy: Tensor) -> Tensor:
    """The moments `[N]`, in steps from the beginning, that have half of each row of `energy [N, S]` before them."""
    share = energy / energy.sum(1, keepdim=True)
    up_to = share.cumsum(1)
    step = (up_to < 0.5).sum(1, keepdim=True)
    return (step + 1 - (up_to.gather(1, step) - 0.5) / share.gather(1, step)).squeeze(1)


def _ahead(network: nn.Module, x: Tensor) -> int:
    """Frames after its own that the output in the middle of a clip `[1, T, D]` sees, by the gradient."""
    x = x.clone().requires_grad_(True)
    log_probs = forward(network, x, torch.tensor([x.shape[1]])).log_probs
    step = log_probs.shape[1] // 2
    weights = torch.randn(log_probs.shape[2], dtype=log_probs.dtype)
    (gradient,) = torch.autograd.grad((log_probs[0, step] * weights).sum(), x)
    last = int(gradient[0].abs().sum(dim=1).nonzero().max())
    return last + 1 - round((step + 1) * x.shape[1] / log_probs.shape[1])


def coarsest_step(context: ModelContext, stride: float) -> float:
    """Frames that a step lasts where the network has the fewest: what it makes finer again stands no more exactly."""
    fewest = [layers.FRAMES / layer.steps for layer in context.layers if layer.leaving and layer.steps]
    return min(max(stride, *fewest), COARSEST * stride)
