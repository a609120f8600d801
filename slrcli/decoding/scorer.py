"""What else has a say in a beam search besides the recogniser: language models, bonuses, wished-for glosses."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

KEPT_ROWS = 4096  # rows of factors that are kept; of a vocabulary of 1296 they take 42 MB


class Scorer(Protocol):
    """Rates gloss sequences one gloss at a time. A state stands for all that matters of what was signed before."""

    def start(self) -> int:
        """The state at the beginning of an utterance, a small number."""

    def log_probs(self, state: int) -> np.ndarray:
        """What each gloss id adds after a state, `[V]`, natural logarithms; the blank's place is not looked at."""

    def next(self, state: int, gloss_id: int) -> int:
        """The state after one more gloss."""

    def end(self, state: int) -> float:
        """What it adds that the utterance ends after a state."""


class Fusion:
    """Several scorers as one: their weighted sum, and a bonus for every gloss.

    With one language model this is shallow fusion: `weight * log p(glosses) + bonus * number of glosses`.

    Args:
        parts: scorers of one vocabulary with their weights.
        size: V.
        bonus: added for every gloss, since each one costs probability; natural logarithm.
    """

    def __init__(self, parts: Sequence[tuple[Scorer, float]], size: int, bonus: float = 0.0):
        self._parts, self._size, self._bonus = [part for part in parts if part[1]], size, bonus
        self._joint: list[tuple[int, ...]] = []
        self._numbers: dict[tuple[int, ...], int] = {}

    def start(self) -> int:
        """See `Scorer`."""
        return self._number(tuple(part.start() for part, _ in self._parts))

    def log_probs(self, state: int) -> np.ndarray:
        """See `Scorer`."""
        total = np.full(self._size, self._bonus, np.float64)
        for (part, weight), own in zip(self._parts, self._joint[state], strict=True):
            total += weight * part.log_probs(own)
        return total

    def next(self, state: int, gloss_id: int) -> int:
        """See `Scorer`."""
        own = zip(self._parts, self._joint[state], strict=True)
        return self._number(tuple(part.next(number, gloss_id) for (part, _), number in own))

    def end(self, state: int) -> float:
        """See `Scorer`."""
        own = zip(self._parts, self._joint[state], strict=True)
        return sum(weight * part.end(number) for (part, weight), number in own)

    def _number(self, states: tuple[int, ...]) -> int:
        if states not in self._numbers:
            self._numbers[states] = len(self._joint)
            self._joint.append(states)
        return self._numbers[states]


class Factors:
    """A scorer as factors of probabilities, the rows of states kept from one clip to the next."""

    def __init__(self, scorer: Scorer):
        self.scorer = scorer
        self._rows: dict[int, tuple[memoryview, float]] = {}

    def row(self, state: int) -> tuple[memoryview, float]:
        """The factor of every gloss id after a state, and the largest of them."""
        found = self._rows.get(state)
        if found is None:
            factors = np.exp(np.asarray(self.scorer.log_probs(state), dtype=np.float64))
            factors[0] = 0.0
            if len(self._rows) >= KEPT_ROWS:
                del self._rows[next(iter(self._rows))]
            found = self._rows[state] = factors.data, float(factors.max())
        return found


def total(scorer: Scorer, ids: Sequence[int]) -> float:
    """What a scorer adds to a whole utterance."""
    state, value = scorer.start(), 0.0
    for id in ids:
        value += float(scorer.log_probs(state)[id])
        state = scorer.next(state, id)
    return value + scorer.end(state)
