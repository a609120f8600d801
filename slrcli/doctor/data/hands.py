"""Hands without a body: whether each keeps to its slot, signer by signer."""

from collections.abc import Iterator

from slrcli.doctor.context import Checks, note, some, warning
from slrcli.doctor.data.context import DataContext
from slrcli.findings import Finding

HAND_CHECKS = Checks()


@HAND_CHECKS.add("SLR-D34", "each hand keeps to its slot", needs=("SLR-D04", "SLR-D08"))
def own_slots(context: DataContext) -> Iterator[Finding]:
    """Hands that change places between their slots, and frames in which both slots hold one and the same hand."""
    found = sorted(context.hands, key=lambda item: (item.changes, item.one_hand), reverse=True)
    if not any(item.one_hand or item.changes for item in found):
        return
    shown = some([str(item) for item in found], 10)
    what = "frames in which both slots hold one hand, and changes of slots a clip, by signer"
    if any(item.common for item in found):
        yield warning(
            f"left and right hand often share a slot or change places: {what}",
            shown,
            "training, eval and decode mend it by themselves (data.assign_hands), but streaming recognisers do not: "
            "do not train with --arch streaming on these, or extract a body along with the hands",
        )
    else:
        yield note(what, shown)
