"""How two hands without a body stand in the slots of a layout, by split and signer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from slrcli.corpus import Utterance
from slrcli.corpus.facts import mean_over_frames
from slrcli.features.hands import free_hands
from slrcli.features.layout import Layout
from slrcli.features.measure import Facts

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

    def to_dict(self) -> dict:
        """Plain values, for `--json`."""
        return asdict(self)

    def __str__(self) -> str:
        who = f"{self.signer} ({self.split})" if self.signer else self.split
        return f"{who} {self.one_hand:.1%}, {self.changes:.1f}"


def hand_slots(layout: Layout | None, clips: Sequence[tuple[Utterance, Facts]]) -> tuple[HandSlots, ...]:
    """Split by split and signer by signer; nothing where the layout has no two hands without a body."""
    if layout is None or free_hands(layout) is None:
        return ()
    people: dict[tuple[str, str], list[Facts]] = {}
    for item, facts in clips:
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
