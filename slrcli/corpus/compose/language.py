"""Which gloss follows which: bigram counts of written sentences."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

START = ""  # stands before a sentence; no gloss is empty
ANY = 0.1  # probability with which the history is ignored, so that every sign may follow every other


@dataclass(frozen=True)
class BigramModel:
    """Bigram counts over the glosses that have clips.

    Attributes:
        follows: gloss (or `START`) -> counts of the glosses after it.
        counts: occurrences of each gloss, plus one.
        lengths: number of glosses of every sentence.
        covered: share of the running glosses of the text that are known.
    """

    follows: dict[str, Counter[str]]
    counts: Counter[str]
    lengths: tuple[int, ...]
    covered: float

    @classmethod
    def count(cls, sentences: Iterable[Sequence[str]], known: Iterable[str]) -> "BigramModel":
        """Count the bigrams of sentences; those with a gloss that is not `known` are not counted."""
        counts = Counter(dict.fromkeys(sorted(set(known)), 1))  # none is impossible
        follows: dict[str, Counter[str]] = defaultdict(Counter)
        lengths, tokens, found = [], 0, 0
        for glosses in sentences:
            lengths.append(len(glosses))
            before: str | None = START
            for gloss in glosses:
                tokens += 1
                if gloss not in counts:
                    before = None
                    continue
                found += 1
                counts[gloss] += 1
                if before is not None:
                    follows[before][gloss] += 1
                before = gloss
        return cls(dict(follows), counts, tuple(lengths), found / tokens if tokens else 0.0)

    def probabilities(self, before: str, among: Sequence[str]) -> np.ndarray:
        """Probability of each gloss of `among` after `before` (`START` at the beginning), float64 `[len(among)]`."""
        usual = np.array([self.counts[gloss] for gloss in among], float)
        usual /= usual.sum()
        here = self.follows.get(before, Counter())
        seen = np.array([here[gloss] for gloss in among], float)
        return usual if not seen.sum() else ANY * usual + (1 - ANY) * seen / seen.sum()

    def draw_length(self, fewest: int, most: int, rng: np.random.Generator) -> int:
        """A length between the bounds, drawn from those of the sentences; uniform if none of them is within."""
        fitting = [length for length in self.lengths if fewest <= length <= most]
        return int(rng.choice(fitting)) if fitting else int(rng.integers(fewest, most + 1))
