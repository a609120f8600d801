"""Marks of signs become utterances: those within a sentence, or those between pauses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

from slrcli.annotations.marks import Mark, Tier

SAME_SIGN = 0.5  # share of the shorter of two annotations that lies within the other, where both hands make one sign


@dataclass(frozen=True)
class Cut:
    """An utterance: its time in seconds, and its glosses in the order in which they begin."""

    start: float
    end: float
    glosses: tuple[str, ...]


@dataclass
class Counts:
    """What was left out or changed.

    Attributes:
        empty: annotations without a text.
        timeless: annotations that lie nowhere in time.
        both: signs of two hands that are annotated for both, and counted once.
        spaced: glosses with spaces, which are written with `-`.
        outside: signs in no sentence.
        bare: sentences without a sign.
    """

    empty: int = 0
    timeless: int = 0
    both: int = 0
    spaced: int = 0
    outside: int = 0
    bare: int = 0

    def add(self, other: "Counts") -> None:
        """Add those of another file."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))


def utterances_of(
    tiers: Sequence[Tier], sentences: Sequence[Tier] | None, pause: float | None
) -> tuple[list[Cut], Counts]:
    """The utterances of one signer.

    Args:
        tiers: of glosses, one per hand; an annotation is one sign. The same tiers as `sentences`: an annotation is one
            utterance, its words are the signs.
        sentences: the tiers whose annotations are the sentences; None where pauses divide them.
        pause: seconds without a sign that end an utterance; None without sentences: each mark is an utterance.
    """
    counts = Counts(sum(tier.empty for tier in tiers), sum(tier.timeless for tier in tiers))
    if sentences == tiers or (sentences is None and pause is None):
        marks = sorted(mark for tier in tiers for mark in tier.marks)
        return [Cut(mark.start, mark.end, tuple(mark.text.split())) for mark in marks], counts
    signs = _signs(tiers, counts)
    if sentences is None:
        return list(_by_pause(signs, pause or 0.0)), counts
    return _by_sentence(signs, sorted(mark for tier in sentences for mark in tier.marks), counts), counts


def _signs(tiers: Sequence[Tier], counts: Counts) -> list[Mark]:
    """The signs of all hands, sorted by start; one that both hands make is one sign."""
    found: list[Mark] = []
    for tier in tiers:
        own = [replace(mark, text="-".join(mark.text.split())) for mark in tier.marks]
        fresh = [mark for mark in own if not any(_same(mark, other) for other in found)]
        counts.both += len(own) - len(fresh)
        counts.spaced += sum(len(mark.text.split()) > 1 for mark in tier.marks)
        found += fresh
        found.sort(key=lambda mark: mark.start)
    return found


def _same(one: Mark, other: Mark) -> bool:
    """Whether two hands make one sign: the same gloss at about the same time."""
    shared = min(one.end, other.end) - max(one.start, other.start)
    shorter = min(one.end - one.start, other.end - other.start)
    return one.text == other.text and shared >= SAME_SIGN * shorter and (shared > 0 or one.start == other.start)


def _by_pause(signs: Sequence[Mark], pause: float) -> Iterator[Cut]:
    """Signs with less than a pause between the end of all before and the next."""
    own: list[Mark] = []
    for sign in signs:
        if own and sign.start - max(mark.end for mark in own) >= pause:
            yield _joined(own)
            own = []
        own.append(sign)
    if own:
        yield _joined(own)


def _joined(signs: Sequence[Mark]) -> Cut:
    return Cut(signs[0].start, max(mark.end for mark in signs), tuple(mark.text for mark in signs))


def _by_sentence(signs: Sequence[Mark], sentences: Sequence[Mark], counts: Counts) -> list[Cut]:
    """Each sentence with the signs whose larger part lies in it rather than in another or in none."""
    own: dict[int, list[Mark]] = {}
    for sign in signs:
        shares = [min(sign.end, one.end) - max(sign.start, one.start) for one in sentences]
        best = max(range(len(sentences)), key=shares.__getitem__, default=None)
        if best is None or shares[best] < 0.5 * (sign.end - sign.start) or shares[best] < 0:
            counts.outside += 1
        else:
            own.setdefault(best, []).append(sign)
    counts.bare += len(sentences) - len(own)
    return [Cut(sentences[i].start, sentences[i].end, tuple(mark.text for mark in own[i])) for i in sorted(own)]
