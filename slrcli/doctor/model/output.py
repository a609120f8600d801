"""What comes out of a model: its shape, its lengths, probabilities, and the same for a clip wherever it stands."""

from collections.abc import Iterator

import torch

from slrcli.doctor.context import Checks, error, many, note, some
from slrcli.doctor.model.probe import BATCH, ModelContext, forward, frames_of
from slrcli.findings import Finding
from slrcli.models.base import Output

OUTPUT_CHECKS = Checks()

SWEEP = (1, 2, 3, 4, 5, 7, 8, 16, 33, 97, 300, 1001)  # frames: single ones, odd ones, one longer than most clips
MANY = (9, 24, 13, 18, 24, 11, 20, 15, 22, 17, 10)  # frames of the clips of a larger batch
NORMALISED = 1e-3  # |log sum exp| of the classes; float32 over 1,300 classes stays below 1e-5
# Where padding leaks, log-probabilities differ by 1e-3 to 1 (planted faults: 4e-3 and more). Compared in float64, what
# is left of a sound model is the rounding of the result to float32: 6e-8 of values up to some tens.
LEAK, LEAK_SHARE = 1e-5, 1e-6


@OUTPUT_CHECKS.add("SLR-M01", "CTC receives [T', B, V]")
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
            fix="return one integer per clip, int64 [B]",
        )
    elif not all(1 <= count <= got[1] for count in out.lengths.tolist()):
        yield error(f"the lengths {out.lengths.tolist()} do not lie between 1 and T' = {got[1]}", fix="see SLR-M02")
    yield note(f"CTC receives [T', B, V] = {[got[1], got[0], got[2]]} for clips of {some(BATCH)} frames")


@OUTPUT_CHECKS.add("SLR-M02", "output lengths are right for every clip length", needs=("SLR-M01",))
def lengths(context: ModelContext) -> Iterator[Finding]:
    """For 1, odd and many frames and clips: T' comes out as said, as `output_length` says, and the same in a batch."""
    network, told = context.network(), getattr(context.model, "output_length", None)
    kept: dict[int, int] = {}
    broken: dict[str, tuple[str, list[int]]] = {}
    for frames in SWEEP:
        try:
            with torch.no_grad():
                out = forward(network, *context.clips([frames]))
        except Exception as problem:
            reason = (str(problem).splitlines() or [""])[0]
            broken.setdefault(type(problem).__name__, (reason, []))[1].append(frames)
            continue
        if out.log_probs.dim() != 3 or len(out.log_probs) != 1 or len(out.lengths) != 1:
            got = f"{list(out.log_probs.shape)} and {list(out.lengths.shape)}"
            fix = "name the axis in squeeze(): a batch of one clip, or a clip of one frame, loses its axis otherwise"
            yield error(f"one clip of {many(frames, 'frame')} gives {got} instead of [1, T', V] and [1]", fix=fix)
            continue
        kept[frames] = int(out.lengths[0])
        yield from _length_faults(frames, out, told)
    for kind, (reason, clips) in broken.items():
        yield error(
            f"clips of {some(clips, len(SWEEP))} frames break the model: {kind}: {reason}",
            fix="pad inside the model, or round lengths up, so that every clip has an output",
        )
    if kept:
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
            f"a clip of {frames} frames alone gives {came} frames, of which the length counts only {said}", fix=fix
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
            fix="use operations that round integers and tensors alike",
        )


@OUTPUT_CHECKS.add("SLR-M03", "log-probabilities are normalised", needs=("SLR-M01",))
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
            yield error(f"the class probabilities do not sum to 1: log sum exp is off by {off:.3g}", name, fix)
        if head.dtype != torch.float32:
            yield error(f"log-probabilities are {head.dtype}", name, "apply log_softmax in float32: CTC needs it")
    yield note(f"probabilities sum to 1 within {worst:.0e}")


@OUTPUT_CHECKS.add("SLR-M07", "a clip gives the same alone and in a batch", needs=("SLR-M02", "SLR-M03", "SLR-M04"))
def padding(context: ModelContext) -> Iterator[Finding]:
    """No clip's log-probabilities depend on what it is batched with, nor on how much padding follows it."""
    network = context.network(double=True)
    padding = (
        "mask the padding in convolutions, normalisation, pooling, squeeze-and-excitation, attention, backward LSTM"
    )
    among = "let no layer mix or sort clips along the batch axis"
    worst = 0.0
    for how, clips, beyond, fix in (
        ("in a batch", BATCH, 0, padding),
        ("padded further", BATCH, 23, padding),
        (f"in a batch of {len(MANY)}", MANY, 0, among),
    ):
        x, counts = context.clips(clips)
        x = torch.nn.functional.pad(x.double(), (0, 0, 0, beyond))
        with torch.no_grad():
            alone = [forward(network, x[i : i + 1, :n], counts[i : i + 1]).log_probs[0] for i, n in enumerate(clips)]
            out = forward(network, x, counts)
        pairs = list(zip(alone, frames_of(out.log_probs, out.lengths), strict=True))
        off = max((clip - other).abs().max().item() for clip, other in pairs)
        worst = max(worst, off)
        if not all(torch.allclose(other, clip, rtol=LEAK_SHARE, atol=LEAK) for clip, other in pairs):
            yield error(f"log-probabilities differ by up to {off:.2g} when a clip is {how} rather than alone", fix=fix)
    agree = f"within {worst:.0e}" if worst else "exactly"
    yield note(f"log-probabilities alone and in a padded batch agree {agree}")
