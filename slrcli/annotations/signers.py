"""Whose tiers are whose: several tiers of a file belong to the hands of one signer, or to several signers.

A tier that names its participant is that person's. Otherwise its name tells: without words for a hand, `Gloss_R_A` and
`Gloss_L_A` are the same, and `Gloss_R_B` differs from them in one short word, the signer's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from slrcli.annotations.marks import Tier

# Words for a hand in names of tiers, in lower case.
HANDS = frozenset((
    "r", "l", "rh", "lh", "right", "left", "h1", "h2", "dh", "ndh", "dom", "nondom", "non", "dominant", "nondominant",
    "strong", "weak", "hand", "rechts", "links", "rechte", "linke", "droite", "gauche",
))  # fmt: skip
_WORD = re.compile(r"[^\W_]+")
_HAND_AT_END = re.compile(r"(?<=[a-zà-ÿ])(?=[RL]$)")  # GlossR
_SHORT = re.compile(r"[^\W\d_]{0,12}\d{1,3}|[^\W\d_]{1,2}")  # A, S1, signer2


@dataclass(frozen=True)
class Signer:
    """A signer of a file.

    Attributes:
        label: what tells this signer from the others of the file; empty if there is no other.
        participant: what the file calls the signer; empty where it does not say.
        words: all words of the tiers' names that are not for a hand, in lower case.
        tiers: the signer's tiers.
    """

    label: str
    participant: str
    words: tuple[str, ...]
    tiers: tuple[Tier, ...]

    def owns(self, tier: Tier) -> bool:
        """Whether another tier, such as one of sentences, belongs to this signer of several."""
        if self.participant or tier.participant:
            return self.participant == tier.participant
        return not self.label or self.label.lower() in words_of(tier.name)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a tier's name without those for a hand.

    >>> words_of("Lexem_Gebärde_r_A"), words_of("GlossL S1"), words_of("RH-IDgloss")
    (('lexem', 'gebärde', 'a'), ('gloss', 's1'), ('idgloss',))
    """
    parts = [part for word in _WORD.findall(name) for part in _HAND_AT_END.split(word)]
    return tuple(part.lower() for part in parts if part.lower() not in HANDS)


def signers_of(tiers: Sequence[Tier]) -> list[Signer]:
    """The signers of some tiers of glosses, in the order of the tiers."""
    names = {tier.name: words_of(tier.name) for tier in tiers}
    labels = _labels(list(names.values()))
    found: dict[tuple[str, str], list[Tier]] = {}
    for tier in tiers:
        label = "" if tier.participant else labels.get(names[tier.name], "")
        found.setdefault((tier.participant, label), []).append(tier)
    return [
        Signer(
            label or (participant if len(found) > 1 else ""),
            participant,
            tuple(dict.fromkeys(word for tier in own for word in names[tier.name])),
            tuple(own),
        )
        for (participant, label), own in found.items()
    ]


def _labels(names: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """What names differ in, where that is one short word; nothing where they differ in more."""
    different = list(dict.fromkeys(names))
    if len(different) < 2 or len({len(name) for name in different}) > 1:
        return {}
    places = [place for place, words in enumerate(zip(*different, strict=True)) if len(set(words)) > 1]
    if len(places) != 1 or not all(_SHORT.fullmatch(name[places[0]]) for name in different):
        return {}
    return {name: name[places[0]].upper() for name in different}
