"""What a model costs: its size, multiply-adds per frame, and speed on this machine."""

import time
from collections.abc import Iterator

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from slrcli.config import FRAMES_PER_SECOND
from slrcli.doctor.context import Checks, error, note, warning
from slrcli.doctor.model.probe import ModelContext, forward
from slrcli.findings import Finding

COST_CHECKS = Checks()

BYTES_PER_WEIGHT, MB = 4, 2**20
TIMED = 50  # frames, two seconds of signing
REPEATS = 3  # the fastest counts


@COST_CHECKS.add("SLR-M08", "size and speed are within bounds", needs=("SLR-M02",))
def cost(context: ModelContext) -> Iterator[Finding]:
    """The size of the weights at four bytes each, multiply-adds per frame, and the real-time factor on this machine."""
    count = sum(p.numel() for p in context.model.parameters())
    weight = count * BYTES_PER_WEIGHT / MB
    said = f"{count:,} parameters, {weight:.2f} MB"
    if weight > context.budget:
        yield error(f"{said}: more than the budget of {context.budget:g} MB", fix="make layers narrower, or allow more")
    else:
        yield note(f"{said} of {context.budget:g}")
    operations, seconds = multiply_adds(context) / TIMED, fastest(context, context.network())
    rate, share = TIMED / seconds, seconds * FRAMES_PER_SECOND / TIMED
    context.measured["cost"] = {
        "multiply_adds_per_frame": operations, "frames_per_second": rate, "real_time_factor": share,
        "threads": torch.get_num_threads(),
    }  # fmt: skip
    said = (
        f"{operations / 1e6:,.3g} million multiply-adds and {1000 / rate:.3g} ms per frame: {rate:,.0f} frames/s on "
        f"{torch.get_num_threads()} thread(s) here, real-time factor {share:.2g} at {FRAMES_PER_SECOND:g} frames/s"
    )
    if share > 1:
        yield warning(f"slower than signing: {said}", fix="lower the frame rate early, make layers narrower")
    else:
        yield note(said)


def multiply_adds(context: ModelContext) -> int:
    """Of one clip of `TIMED` frames. Matrix products and convolutions count, what is done value by value does not."""
    x, lengths = context.clips([TIMED])
    # in float32 an LSTM is one opaque operation of oneDNN; in float64 the products inside are seen
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        forward(context.network(double=True), x.double(), lengths)
    return counter.get_total_flops() // 2


def fastest(context: ModelContext, network: nn.Module) -> float:
    """Seconds for a clip of `TIMED` frames alone, the best of a few; one try is enough for a model that slow."""
    x, lengths = context.clips([TIMED])
    best = float("inf")
    for _ in range(REPEATS):
        begin = time.perf_counter()
        with torch.no_grad():
            forward(network, x, lengths)
        best = min(best, time.perf_counter() - begin)
        if best > TIMED / FRAMES_PER_SECOND:
            break
    return best
