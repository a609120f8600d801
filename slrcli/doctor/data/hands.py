"""Hands without a body: whether each keeps to its slot, signer by signer."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from slrcli.corpus.facts import mean_over_frames
from slrcli.doctor.context import Checks, note, some, warning
from slrcli.doctor.data.context import DataContext
from slrcli.features.hands import free_hands
from slrcli.features.measure import Facts
from slrcli.findings import Finding

HAND_CHECKS = Checks()

COMMON = 0.05  # share of the frames in which both slots hold one hand
OFTEN = 1.0  # changes of slots a clip


@dataclass(frozen=True)
class HandSlots:
    """How one signer's hands stand in their slots.

    Attributes:
        split, signer: whose clips; no name where the tables have none.
        clips: that were looked at.
        one_hand: share of their frames in which both slots hold one hand.
        changes: of slots, a clip on average.
    """

    split: str
    signer: str
    clips: int
    one_hand: float
    changes: float

    @property
    def common(self) -> bool:
        """Whether it is more than a few frames now and then."""
        return self.one_hand > COMMON or self.changes > OFTEN

    def as_dict(self) -> dict:
        """Plain values, for `--json`."""
        return asdict(self)

    def __str__(self) -> str:
        who = f"{self.signer} ({self.split})" if self.signer else self.split
        return f"{who} {self.one_hand:.1%}, {self.changes:.1f}"


def hand_slots(context: DataContext) -> tuple[HandSlots, ...]:
    """Split by split and signer by signer; nothing where the layout has no two hands without a body."""
    layout = context.usual_layout
    if layout is None or free_hands(layout) is None:
        return ()
    people: dict[tuple[str, str], list[Facts]] = {}
    for item, facts in context.comparable:
        people.setdefault((item.split, item.signer), []).append(facts)
    return tuple(
        HandSlots(
            *who,
            len(members),
            mean_over_frames([(facts.one_hand, facts.frames) for facts in members]),
            sum(facts.slot_changes for facts in members) / len(members),
        )
        for who, members in people.items()
    )


@HAND_CHECKS.add("SLR-D34", "each hand keeps to its slot", needs=("SLR-D04", "SLR-D08"))
def own_slots(context: DataContext) -> Iterator[Finding]:
    """Hands that change places between their slots, and frames in which both slots hold one and the same hand."""
    found = sorted(hand_slots(context), key=lambda item: (item.changes, item.one_hand), reverse=True)
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
