"""Numbers that go wrong: missing points, still and absurd clips, half precision."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from slrcli.doctor.context import Checks, error, note, warning
from slrcli.doctor.model.probe import BATCH, ModelContext, forward, frames_of
from slrcli.findings import Finding
from slrcli.models.base import Output

NUMBER_CHECKS = Checks()

NO_KERNEL = "could not create a primitive"  # what oneDNN says of layers that a processor cannot compute so
MISSING = 0.2  # share of the values that are removed from a clip with holes
HUGE = 1e6  # times what is usual
# Share of frames whose best class must be the same in bfloat16: 0.87 and more in sound models, fresh ones too.
AGREE = 0.6
MOST_OFF = 0.4  # by which a probability may differ in bfloat16; up to 0.1 in sound models


def _holes(x: Tensor) -> Tensor:
    gone = torch.rand(x.shape) < MISSING
    gone[:, 3:6] = True
    gone[:, :, 0] = True
    return x.masked_fill(gone, torch.nan)


def _still(x: Tensor) -> Tensor:
    return x[:, :1].expand_as(x)


# What a clip may hold instead of signing, and whether a recording may well look so.
HOSTILE: dict[str, tuple[Callable[[Tensor], Tensor], bool]] = {
    "points here and there, three frames and a column missing": (_holes, True),
    "all zeros": (torch.zeros_like, True),
    "one value throughout": (lambda x: torch.full_like(x, 0.5), True),
    "one frame, repeated": (_still, True),
    "missing points only": (lambda x: torch.full_like(x, torch.nan), True),
    f"values {HUGE:.0e} times too large": (lambda x: HUGE * x, False),
    "an infinite value": (lambda x: x.index_fill(1, torch.tensor([3]), torch.inf), False),
}


@NUMBER_CHECKS.add(
    "SLR-M16", "missing points and absurd clips leave the output finite", needs=("SLR-M01", "SLR-M03", "SLR-M05")
)
def hostile(context: ModelContext) -> Iterator[Finding]:
    """A clip with missing points or without movement that gives NaN is an error; one with absurd numbers a warning."""
    network, training = context.network(), context.network(training=True)
    x, counts = context.clips(BATCH)
    inside = (torch.arange(x.shape[1]) < counts.unsqueeze(1)).unsqueeze(2)
    for name, (change, usual) in HOSTILE.items():
        spoilt = torch.where(inside, change(x), 0.0)
        with torch.no_grad():
            finite = _finite(forward(network, spoilt, counts))
        trouble = "" if finite else "log-probabilities"
        if finite and usual and _spoils(training, spoilt, counts):
            trouble = "gradient"
        if trouble:
            say = error if usual else warning
            yield say(
                f"A clip with {name} makes the {trouble} NaN or infinite.",
                fix="replace NaN by 0 after standardising, guard divisions and roots, clamp the features",
            )
    yield note(f"tried: {', '.join(HOSTILE)}")


def _finite(out: Output) -> bool:
    return all(clip.isfinite().all() for clip in frames_of(out.log_probs, out.lengths))


def _spoils(network: torch.nn.Module, x: Tensor, counts: Tensor) -> bool:
    """Whether a batch gives gradients that are not finite, which an optimiser would write into the weights."""
    network.zero_grad()
    out = forward(network, x, counts)
    torch.cat(frames_of(out.log_probs, out.lengths))[:, 0].sum().backward()
    return not all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


@NUMBER_CHECKS.add("SLR-M17", "half precision agrees", needs=("SLR-M03", "SLR-M18"))
def half_precision(context: ModelContext) -> Iterator[Finding]:
    """Under bfloat16 autocast: finite, log-probabilities in float32, the same best classes."""
    x, counts = context.clips(BATCH)
    exact = torch.cat(frames_of(context.ordinary.log_probs, context.ordinary.lengths))
    try:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            coarse = forward(context.network(), x, counts)
    except RuntimeError as reason:
        if NO_KERNEL not in str(reason):
            raise
        yield note("bfloat16 was not tried: this processor has no kernel for a layer of the model")
        return
    values = torch.cat(frames_of(coarse.log_probs, coarse.lengths))
    if values.dtype != torch.float32:
        fix = "end in .float().log_softmax(-1): the CTC loss is ruined by half precision"
        yield warning(f"under bfloat16 autocast the log-probabilities are {values.dtype}", fix=fix)
    if not values.isfinite().all():
        fix = "keep logarithms, exponentials and divisions in float32"
        yield error("under bfloat16 autocast the log-probabilities are NaN or infinite", fix=fix)
        return
    said, agreement, off = _agreement(exact, values)
    if agreement < AGREE or off > MOST_OFF:
        fix = "look for differences of large numbers and for layers without normalisation"
        yield warning(f"bfloat16 changes what is recognised: {said}", fix=fix)
    else:
        yield note(f"bfloat16 autocast: {said}")


def _agreement(exact: Tensor, values: Tensor) -> tuple[str, float, float]:
    """Both in words, the share of frames with the same best class, and the largest difference of a probability."""
    off = (exact.exp() - values.float().exp()).abs().max().item()
    # a frame whose two best classes are all but equal may well go either way
    lost = exact.max(dim=1).values - exact.gather(1, values.argmax(dim=1, keepdim=True)).squeeze(1)
    same = (lost < 0.05).float().mean().item()
    return f"probabilities differ by up to {off:.2g}, the best class is the same in {same:.1%} of the frames", same, off
