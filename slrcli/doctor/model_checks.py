"""What breaks training or recognition whatever the data are, found in the model itself."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from slrcli.ctc import ctc_loss
from slrcli.doctor.context import Checks, error, many, note, some, warning
from slrcli.doctor.probe import BATCH, ModelContext, forward
from slrcli.doctor.timekeeping import measure
from slrcli.findings import Finding
from slrcli.models.base import Output

MODEL_CHECKS = Checks()

SWEEP = (1, 2, 3, 4, 5, 7, 8, 16, 33, 97, 300, 1001)  # frames: single ones, odd ones, one longer than most clips
BYTES_A_WEIGHT, MB = 4, 2**20
NORMALISED = 1e-3  # |log sum exp| of the classes; float32 over 1,300 classes stays below 1e-5
# Where padding leaks, log-probabilities differ by 1e-3 to 1 (planted faults: 4e-3 and more). Compared in float64, what
# is left of a sound model is the rounding of the result to float32: 6e-8 of values up to some tens.
LEAK, LEAK_SHARE = 1e-5, 1e-6
# Near against far, measured untrained over all layouts and two seeds: 100 and more for the sound architectures, 1 for
# the collapsed one (69 against 1.7 on its authors' version of both, whose middle on a log scale is 11).
LEAST_CONTRAST = 10.0
# Variance over time against variance over clips, likewise: 3 to 100 for the sound ones, 0 for the collapsed one.
LEAST_VARIATION = 0.05
DEAD_SHARE = 0.1  # of all weights; a few dead units in a small gate are no catastrophe, a tenth of the model is
MISSING = 0.2  # share of values taken away in the check for missing points


def frames_of(log_probs: Tensor, lengths: Tensor) -> list[Tensor]:
    """The valid frames of each clip, `[T'_i, V]`."""
    return [clip[:count] for clip, count in zip(log_probs, lengths.tolist(), strict=True)]


@MODEL_CHECKS.add("SLR-M01", "CTC receives [T', B, V]")
def shape(context: ModelContext) -> Iterator[Finding]:
    """Log-probabilities `[B, T', V]` and whole-numbered lengths `[B]` within T' come out of a batch."""
    out, batch = context.ordinary, len(BATCH)
    got = list(out.log_probs.shape)
    fix = f"return log-probabilities as [batch, frames, classes], here [{batch}, T', {context.vocab_size}]"
    if len(got) != 3:
        yield error(f"the output has {len(got)} dimensions {got} instead of the three of [B, T', V]", fix=fix)
        return
    if got[0] != batch:
        swapped = " (frames stand first)" if got[1] == batch else ""
        yield error(f"the output {got} is not [B, T', V] for a batch of {batch}{swapped}", fix=fix)
        return
    if got[2] != context.vocab_size:
        what = f"{got[2]} classes come out, the vocabulary has {context.vocab_size} (the blank included)"
        yield error(what, fix="build the classifier for the vocabulary's size")
    for number, inner in enumerate(out.aux):
        if inner.shape != out.log_probs.shape:
            yield error(f"inner head {number} gives {list(inner.shape)}, the output is {got}", fix=fix)
    if out.lengths.shape != (batch,) or out.lengths.is_floating_point():
        yield error(
            f"the lengths are {out.lengths.dtype} of shape {list(out.lengths.shape)}",
            fix="return one whole number a clip, int64 [B]",
        )
    elif not all(1 <= count <= got[1] for count in out.lengths.tolist()):
        yield error(f"the lengths {out.lengths.tolist()} do not lie between 1 and T' = {got[1]}", fix="see SLR-M02")
    yield note(f"CTC receives [T', B, V] = {[got[1], got[0], got[2]]} for clips of {some(BATCH)} frames")


@MODEL_CHECKS.add("SLR-M02", "output lengths are right for every clip length", needs=("SLR-M01",))
def lengths(context: ModelContext) -> Iterator[Finding]:
    """For clips of 1, odd and many frames: T' comes out as said, as `output_length` says, and the same in a batch."""
    network, told = context.network(), getattr(context.model, "output_length", None)
    kept: dict[int, int] = {}
    for frames in SWEEP:
        try:
            with torch.no_grad():
                out = forward(network, *context.clips([frames]))
        except Exception as problem:
            reason = (str(problem).splitlines() or [""])[0]
            yield error(
                f"a clip of {many(frames, 'frame')} breaks the model: {type(problem).__name__}: {reason}",
                fix="pad inside the model, or round lengths up, so that every clip has an output",
            )
            continue
        kept[frames] = int(out.lengths[0])
        yield from _length_faults(frames, out, told)
    yield from _batched_length_faults(context, kept, told)
    shown = ", ".join(f"{frames} -> {count}" for frames, count in kept.items())
    yield note(f"frames in and out: {shown}")


def _length_faults(frames: int, out: Output, told) -> Iterator[Finding]:
    said, came = int(out.lengths[0]), out.log_probs.shape[1]
    fix = "compute lengths with the same formula as the layers: stride, padding and rounding"
    if not 1 <= said <= came:
        yield error(f"a clip of {many(frames, 'frame')} has length {said}, {many(came, 'frame')} come out", fix=fix)
    elif came > said:
        yield error(
            f"a clip of {frames} frames alone gives {came} frames, of which only {said} are said to count", fix=fix
        )
    if told is not None and int(told(frames)) != said:
        yield error(f"output_length({frames}) is {int(told(frames))}, the model gives {said}", fix=fix)


def _batched_length_faults(context: ModelContext, kept: dict[int, int], told) -> Iterator[Finding]:
    clips = sorted(kept, reverse=True)[2:] or sorted(kept)
    with torch.no_grad():
        together = forward(context.network(), *context.clips(clips)).lengths.tolist()
    wrong = [f"{n}: {count} instead of {kept[n]}" for n, count in zip(clips, together, strict=True) if count != kept[n]]
    if wrong:
        yield error(
            f"in a batch, lengths differ from those of clips alone ({some(wrong)})",
            fix="derive each clip's length from its own frames",
        )
    if told is not None and torch.as_tensor(told(torch.tensor(clips))).tolist() != [int(told(n)) for n in clips]:
        yield error(
            "output_length gives other lengths for a tensor than for single numbers",
            fix="use operations that round whole numbers alike",
        )


@MODEL_CHECKS.add("SLR-M03", "log-probabilities are normalised", needs=("SLR-M01",))
def normalised(context: ModelContext) -> Iterator[Finding]:
    """What CTC's gradient rests on: the classes' probabilities add up to 1 in every valid frame, in float32."""
    out = context.ordinary
    worst = 0.0
    for name, head in [("", out.log_probs)] + [(f"inner head {i}", inner) for i, inner in enumerate(out.aux)]:
        valid = torch.cat(frames_of(head, out.lengths))
        if not valid.isfinite().all():
            share = 1 - valid.isfinite().float().mean().item()
            yield error(f"{share:.1%} of the log-probabilities are NaN or infinite", name, "look for overflow or log 0")
            continue
        off = valid.double().logsumexp(1).abs().max().item()
        worst = max(worst, off)
        if off > NORMALISED:
            plain = valid.min() >= 0 and (valid.double().sum(1) - 1).abs().max() < NORMALISED
            fix = (
                "these are probabilities: take the logarithm" if plain else "apply log_softmax over the last dimension"
            )
            yield error(f"the classes' probabilities do not add up to 1: log sum exp is off by {off:.3g}", name, fix)
        if head.dtype != torch.float32:
            yield error(f"log-probabilities are {head.dtype}", name, "apply log_softmax in float32: CTC needs it")
    yield note(f"probabilities add up to 1 within {worst:.0e}")


@MODEL_CHECKS.add("SLR-M04", "time is kept", needs=("SLR-M01",))
def time_kept(context: ModelContext) -> Iterator[Finding]:
    """What enters the recurrence tells the moments of a clip apart, and a local change of the input stays local."""
    found = measure(context)
    if found is None:
        fix = "give the model an attribute `recurrence`: the module that first looks at the whole clip"
        yield warning("no layer could be found whose view of single moments can be looked at", fix=fix)
        return
    ratio = f"{found.contrast:.3g} : 1" if math.isfinite(found.contrast) else "infinitely more"
    said = (
        f"variance over time is {found.variation:.2g} times that over clips; "
        f"near against far from a local change of the input, it changes {ratio}"
    )
    fix = "look for global pooling, or too many steps of stride 2, before this layer: no frame can be told from another"
    if not found.alive:
        yield error("the layer is constant, whatever clip comes in", found.name, "look for dead activations before it")
    elif found.variation < LEAST_VARIATION or found.contrast < LEAST_CONTRAST:
        yield error(f"time is lost: {said}", f"what enters {found.name}", fix)
    else:
        yield note(f"time is kept: {said}", f"what enters {found.name}")


@MODEL_CHECKS.add("SLR-M05", "CTC loss and its gradient are finite", needs=("SLR-M01", "SLR-M03"))
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


@MODEL_CHECKS.add("SLR-M06", "gradient reaches every parameter", needs=("SLR-M05",))
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


@MODEL_CHECKS.add("SLR-M07", "a clip gives the same alone and in a padded batch", needs=("SLR-M02", "SLR-M03"))
def padding(context: ModelContext) -> Iterator[Finding]:
    """No clip's log-probabilities depend on what it is batched with, nor on how much padding follows it."""
    network = context.network(double=True)
    x, counts = context.clips(BATCH)
    x = x.double()
    longer = torch.nn.functional.pad(x, (0, 0, 0, 23))
    with torch.no_grad():
        alone = [forward(network, x[i : i + 1, :n], counts[i : i + 1]).log_probs[0] for i, n in enumerate(BATCH)]
        batches = {"in a batch": forward(network, x, counts), "with more padding": forward(network, longer, counts)}
    fix = "mask the padding in convolutions, normalisation, pooling, squeeze-and-excitation, attention, backward LSTM"
    worst = 0.0
    for how, out in batches.items():
        pairs = list(zip(alone, frames_of(out.log_probs, out.lengths), strict=True))
        off = max((clip - other).abs().max().item() for clip, other in pairs)
        worst = max(worst, off)
        if not all(torch.allclose(other, clip, rtol=LEAK_SHARE, atol=LEAK) for clip, other in pairs):
            yield error(
                f"log-probabilities differ by up to {off:.2g} when a clip stands {how} instead of alone", fix=fix
            )
    agree = f"within {worst:.0e}" if worst else "exactly"
    yield note(f"log-probabilities alone and in a padded batch agree {agree}")


@MODEL_CHECKS.add("SLR-M08", "the size is within the budget")
def size(context: ModelContext) -> Iterator[Finding]:
    """Parameters, and what they weigh at four bytes each."""
    count = sum(p.numel() for p in context.model.parameters())
    weight = count * BYTES_A_WEIGHT / MB
    said = f"{count:,} parameters, {weight:.2f} MB"
    if weight > context.budget:
        yield error(f"{said}: more than the budget of {context.budget:g} MB", fix="make layers narrower, or allow more")
    else:
        yield note(f"{said} of {context.budget:g}")


@MODEL_CHECKS.add("SLR-M09", "missing points leave the output finite", needs=("SLR-M01", "SLR-M03"))
def missing_points(context: ModelContext) -> Iterator[Finding]:
    """Features hold NaN where a point is missing: some values, whole frames and whole columns of them."""
    x, counts = context.clips(BATCH)
    gone = torch.rand(x.shape) < MISSING
    gone[:, 3:6] = True
    gone[:, :, 0] = True
    holes = torch.where(gone & (torch.arange(x.shape[1]) < counts.unsqueeze(1)).unsqueeze(2), torch.nan, x)
    with torch.no_grad():
        out = forward(context.network(), holes, counts)
    bad = [i for i, clip in enumerate(frames_of(out.log_probs, out.lengths)) if not clip.isfinite().all()]
    if bad:
        yield error(
            f"missing points (NaN) make the log-probabilities of {len(bad)} of {len(BATCH)} clips NaN",
            fix="replace NaN by 0 after standardising, as the frontend does",
        )
    else:
        yield note(f"finite with {MISSING:.0%} of the values, whole frames and a whole column missing")
