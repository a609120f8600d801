"""Whether a checkpoint reads the signs of dev, or says sentences whose order it knows."""

from collections.abc import Iterator

from slrcli.doctor.checkpoint.checks import CheckpointContext
from slrcli.doctor.checkpoint.order import OrderEffect, order_effect
from slrcli.doctor.context import Checks, note, warning
from slrcli.errors import DataError, reason_of
from slrcli.findings import Finding

ORDER_CHECKS = Checks()

MUCH = 10.0  # percent points that a new order costs beyond cutting and joining
FIX = (
    "train with the default network, whose context is a few signs, and exchange signs among clips "
    "(augment.recombine); choose the epoch on new sentences: slr corpus --split-by sentence"
)


@ORDER_CHECKS.add("SLR-C13", "it reads signs, in whatever order", needs=("SLR-C09",))
def reads_signs(context: CheckpointContext) -> Iterator[Finding]:
    """The word error rate on the signs of dev in new orders, against that on the same takes in their own order."""
    try:
        recogniser, clips = context.open_dev()
    except DataError as problem:
        yield note(f"not measured, since there is no dev to measure it on: {reason_of(problem)}", problem.where)
        return
    if not any(item.signer for item in clips.utterances):
        yield note(
            "new orders were not tried: sentences are composed of signs of one signer, and the annotations name none"
        )
        return
    effect = order_effect(recogniser, clips, context.seed)
    if effect is not None:
        context.measured["order"] = effect
    yield from order_findings(effect)


def order_findings(effect: OrderEffect | None) -> Iterator[Finding]:
    """What `order_effect` means."""
    if effect is None:
        yield note("new orders were not tried: no clip of dev has two different glosses that can be placed")
        return
    yield note(
        f"WER {effect.whole.wer:.1f} % on dev as it is; signs cut out and exchanged ({effect.exchanged:.0f} % from "
        f"another clip) {effect.control.wer:.1f} % in their own order, {effect.reordered.wer:.1f} % in a new one"
    )
    if effect.inner:
        control, reordered = effect.inner
        yield note(
            f"the inner heads, on the same cuts: WER {control.wer:.1f} % in their own order, {reordered.wer:.1f} % in "
            "a new one"
        )
    low, high, units = effect.interval.low, effect.interval.high, effect.interval.units
    if effect.left_out:
        yield note(f"{effect.left_out:,} clips of dev were left out: too short, unnamed, or of a single gloss")
    if not low > 0 or effect.difference <= MUCH:
        yield note(f"a new order costs {effect.difference:+.1f} points (95 % {low:.1f} to {high:.1f}, {units} clips)")
        return
    yield warning(
        f"it leans on the order of glosses: signs in a new order cost {effect.difference:.1f} points of WER more "
        f"(95 % {low:.1f} to {high:.1f}, {units} clips) than the same signs in their own",
        fix=FIX,
    )
