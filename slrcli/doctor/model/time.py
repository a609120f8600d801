"""What a model makes of time: whether it keeps it and which layer loses it, whether order matters, how far it looks."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from slrcli.doctor.context import Checks, error, many, note, some, warning
from slrcli.doctor.model.layers import Layer, find_loss, last_local
from slrcli.doctor.model.probe import BATCH, ModelContext, forward, frames_of
from slrcli.findings import Finding

TIME_CHECKS = Checks()

# Near against far, measured untrained over all layouts and two seeds: 100 and more for the sound architectures, 1 for
# the collapsed one (69 against 1.7 on its authors' version of both, whose middle on a log scale is 11).
LEAST_CONTRAST = 10.0
# Variance over time against variance over clips, likewise: 3 to 100 for the sound ones, 0 for the collapsed one.
LEAST_VARIATION = 0.05
# At the output, behind a recurrence that may carry anything anywhere: 3.3 and more for trained recognisers, 60 and more
# for fresh ones; 1.0 where the output was averaged.
LEAST_OUTPUT_CONTRAST = 1.5
LEAST_OUTPUT_VARIATION = 0.005

ORDERED = 96  # frames of the clips that are shuffled; divisible by every usual stride
SAME = 1e-6  # of the output's own spread; in float64, sound models differ by 0.01 and more
FELT = 257  # frames of the clip whose influence on its middle is measured
DRAWS = 4  # of noise on the clips, in none of which an unseen frame has an effect
WEAK = 0.01  # of the strongest influence; frames below it hardly count
LEAST_FIELD = 8  # frames, a third of a second: shorter than nearly every sign


@TIME_CHECKS.add("SLR-M04", "time is kept", needs=("SLR-M01", "SLR-M18"))
def time_kept(context: ModelContext) -> Iterator[Finding]:
    """The input of the recurrence, and behind it the output, differ from frame to frame, and respond locally.

    Temporal variance alone would not do at the output, since a recurrence makes it out of constant input.
    """
    layers = context.layers
    found = last_local(context.model, layers, context.vocab_size)
    if found is None:
        fix = "give the model an attribute `recurrence`: the module that first sees the whole clip"
        yield warning("no layer was found behind which frames are no longer local", fix=fix)
    elif not found.variation and not found.near:
        yield error("the layer is constant, whatever the clip", found.label, "look for dead activations before it")
        return
    elif not found.keeps(LEAST_VARIATION, LEAST_CONTRAST):
        where = _named(layers[: layers.index(found) + 1], LEAST_VARIATION, LEAST_CONTRAST)
        fix = (
            "keep one step for every few frames in this layer: no global pooling, no flattening, few strides of 2 "
            "(--profile shows all layers)"
        )
        yield error(f"time is lost before {found.label}: {_said(found)}", where, fix)
        return
    else:
        yield note(f"time is kept: {_said(found)}", f"the input of {found.label}")
    yield from _time_in_the_output(layers)


def _time_in_the_output(layers: list[Layer]) -> Iterator[Finding]:
    if not layers or layers[-1].name:
        yield warning("the axes of the output were not recognised", fix="return log-probabilities as [B, T', V]")
        return
    out = layers[-1]
    if not out.keeps(LEAST_OUTPUT_VARIATION, LEAST_OUTPUT_CONTRAST):
        where = _named(layers, LEAST_OUTPUT_VARIATION, LEAST_OUTPUT_CONTRAST)
        fix = "let this layer compute every step separately (--profile shows all layers)"
        yield error(f"time is lost before the output: {_said(out)}", where, fix)
        return
    weakest = min((layer for layer in layers if layer.leaving and layer.steps), key=lambda layer: layer.contrast)
    yield note(
        f"in the output {_said(out)}; effective rank over time {out.rank:.3g} of {out.steps} steps; "
        f"weakest layer: {weakest.label}"
    )


def _said(layer: Layer) -> str:
    ratio = f"{layer.contrast:.3g} : 1" if math.isfinite(layer.contrast) else "infinite"
    return (
        f"temporal variance is {layer.variation:.2g} times the variance between clips; "
        f"a local change of the input has an effect of {ratio} near and far"
    )


def _named(layers: list[Layer], least_variation: float, least_contrast: float) -> str:
    """Where time is lost on the way to the last of these layers.

    Where nothing varies, the contrast does not count: at a low frame rate a sound layer responds far away too, since
    each of its few steps sees much of the clip (1.2 to 4 at a thirty-second of the frames).
    """
    still = layers[-1].variation < least_variation
    loss = find_loss(layers, least_variation if still else 0.0, 0.0 if still else least_contrast)
    return loss.where if loss is not None else f"before {layers[-1].label}"


@TIME_CHECKS.add("SLR-M11", "order matters", needs=("SLR-M02", "SLR-M04"))
def order(context: ModelContext) -> Iterator[Finding]:
    """A shuffled or reversed clip gives something else than the same output shuffled or reversed."""
    network = context.network(double=True)
    x = context.clips([ORDERED] * 2)[0].double()
    base = _log_probs(network, x)
    steps = base.shape[1]
    if ORDERED % steps:
        yield note(f"order was not tested: {ORDERED} frames become {steps} steps, which is no integer stride")
        return
    stride = ORDERED // steps
    places = torch.randperm(steps)
    frames = (places.unsqueeze(1) * stride + torch.arange(stride)).flatten()
    spread = (base - base.mean(dim=1, keepdim=True)).abs().mean()
    shuffled = _off(_log_probs(network, x[:, frames]), base[:, places], spread)
    mirrored = _off(_log_probs(network, x.flip(1)), base.flip(1), spread)
    if shuffled < SAME:
        yield _orderless(context, stride)
    elif mirrored < SAME:
        yield warning(
            "a clip backwards gives the same output backwards: a movement cannot be told from its opposite",
            fix="let a layer weight earlier and later frames differently, or add derivatives to the features",
        )
    if _runs_backwards(network, x[:1]):
        yield error(
            "the output is reversed: each output depends most on the frames at the opposite place",
            fix="flip again what a layer has flipped, such as the backward direction of a recurrence",
        )
    yield note(
        f"relative to the spread of the output, shuffling the clip in steps of {many(stride, 'frame')} changes it by "
        f"{shuffled:.2g}, reversing it by {mirrored:.2g}"
    )


def _orderless(context: ModelContext, stride: int) -> Finding:
    """What to say where the steps of a shuffled clip give the shuffled output."""
    out = context.layers[-1]
    if out.far <= SAME * out.near:
        return warning(
            f"every output depends only on its own {many(stride, 'frame')}: movement is ignored",
            fix="add a layer with temporal context, or derivatives to the features",
        )
    return error(
        "the order of frames does not matter: a shuffled clip gives the same output, shuffled",
        fix="encode the position of frames: positions for attention, a convolution, or a recurrence",
    )


def _runs_backwards(network: nn.Module, x: Tensor) -> bool:
    """Whether outputs far from the middle are moved the most by frames that lie nearer to the opposite place."""
    x = x.clone().requires_grad_(True)
    log_probs = forward(network, x, torch.tensor([x.shape[1]])).log_probs
    frames, steps = x.shape[1], log_probs.shape[1]
    if not log_probs.requires_grad:
        return False
    for step in (steps // 4, steps - 1 - steps // 4):
        weighted = (log_probs[0, step] * torch.randn(log_probs.shape[2], dtype=log_probs.dtype)).sum()
        (gradient,) = torch.autograd.grad(weighted, x, retain_graph=True, allow_unused=True)
        if gradient is None:
            return False
        strongest, own = int(gradient[0].abs().sum(dim=1).argmax()), (step + 0.5) * frames / steps
        if abs(strongest - own) <= abs(strongest - (frames - own)):
            return False
    return True


def _log_probs(network: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return forward(network, x, torch.full((len(x),), x.shape[1])).log_probs.double()


def _off(values: Tensor, others: Tensor, spread: Tensor) -> float:
    return ((values - others).abs().mean() / spread.clamp(min=1e-30)).item()


@TIME_CHECKS.add("SLR-M12", "the model sees as much of a clip as a sign lasts", needs=("SLR-M02", "SLR-M04", "SLR-M05"))
def receptive_field(context: ModelContext) -> Iterator[Finding]:
    """How far from the middle of a clip its frames still move the output there, by the gradient."""
    network = context.network()
    x, lengths = context.clips([FELT])
    x.requires_grad_(True)
    log_probs = forward(network, x, lengths).log_probs
    middle = log_probs.shape[1] // 2
    (log_probs[0, middle] * torch.randn(log_probs.shape[2])).sum().backward()
    felt = x.grad[0].abs().sum(dim=1) if x.grad is not None else torch.zeros(FELT)
    if not felt.isfinite().all() or not felt.any():
        yield warning(
            "the output's gradient does not reach the features",
            fix="look for detach() or an operation without gradient between the features and the first layer",
        )
        return
    yield from _unseen(context)
    stride = FELT / log_probs.shape[1]
    first, last = round(middle * stride), min(round((middle + 1) * stride), FELT) - 1
    back, ahead = _reach(felt, 0.0, first, last)
    strong_back, strong_ahead = _reach(felt, WEAK, first, last)
    field = strong_back + strong_ahead + last - first + 1
    context.measured["receptive_field"] = {
        "frames": field, "back": strong_back, "ahead": strong_ahead, "causal": ahead == 0,
        "any_back": back, "any_ahead": ahead,
    }  # fmt: skip
    said = (
        f"an output depends on {many(field, 'frame')}: {strong_back} back and {strong_ahead} ahead count "
        f"(more than {WEAK:.0%} of the strongest), {back} and {ahead} have any effect in a clip of {FELT}"
    )
    if field < LEAST_FIELD:
        fix = f"widen the kernels or add a recurrence: few signs are shorter than {LEAST_FIELD} frames"
        yield warning(said, fix=fix)
    else:
        yield note(f"{said}; {'causal' if ahead == 0 else 'not causal'}")


def _unseen(context: ModelContext) -> Iterator[Finding]:
    """Frames of clips in a batch, in whatever place, that move no output of their clip."""
    clips, lengths = context.clips(BATCH)
    network, felt = context.network(), torch.zeros(clips.shape[:2])
    for _ in range(DRAWS):  # a unit that is closed in one clip may hide a frame, in several clips it hardly does
        x = (clips + torch.randn_like(clips)).requires_grad_(True)
        out = forward(network, x, lengths)
        valid = torch.cat(frames_of(out.log_probs, out.lengths))
        (gradient,) = torch.autograd.grad((valid * torch.randn(valid.shape)).sum(), x)
        felt += gradient.abs().sum(dim=2)
    unseen = [
        f"frame {place + 1} of {count}"
        for row, count in enumerate(BATCH)
        for place in (felt[row, :count] == 0).nonzero().flatten().tolist()
    ]
    if unseen:
        yield error(
            f"{many(len(unseen), 'frame')} of {sum(BATCH)} have no effect on any output",
            some(unseen),
            "compare masks and lengths: the last valid frame is number length - 1; no stride may leave frames out",
        )


def _reach(felt: Tensor, least: float, first: int, last: int) -> tuple[int, int]:
    """Frames before `first` and after `last` up to the farthest whose influence is more than `least` of the most."""
    frames = (felt > least * felt.max()).nonzero().flatten()
    return max(first - int(frames[0]), 0), max(int(frames[-1]) - last, 0)
