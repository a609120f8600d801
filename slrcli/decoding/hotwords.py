"""Wished-for glosses: names and terms that are likelier today than the training data says."""

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np


class HotWords:
    """A `Scorer` that adds one for every gloss of every occurrence of a phrase.

    While a phrase is under way, its glosses count already, so that the beam keeps it; what was counted is taken back
    where the phrase does not go on. Occurrences may overlap and may hold one another; each counts. All phrases are
    followed at once (Aho and Corasick 1975).

    Args:
        phrases: gloss ids, none of them empty.
        size: V.
    """

    def __init__(self, phrases: Iterable[Sequence[int]], size: int):
        self._size = size
        self._children: list[dict[int, int]] = [{}]
        self._complete = [0]  # glosses of the phrases that end in a node
        self._pending = [0]  # glosses counted ahead in a node: those since the last phrase that ended on the way to it
        for phrase in dict.fromkeys(tuple(phrase) for phrase in phrases):
            self._add(phrase)
        self._fail = [0] * len(self._children)
        self._link()

    def start(self) -> int:
        """See `Scorer`."""
        return 0

    def log_probs(self, state: int) -> np.ndarray:
        """See `Scorer`."""
        row = np.full(self._size, -float(self._pending[state]))
        for gloss in self._noticed(state):
            after = self.next(state, gloss)
            row[gloss] += self._complete[after] + self._pending[after]
        return row

    def next(self, state: int, gloss_id: int) -> int:
        """See `Scorer`: the longest end of what was signed that begins a phrase."""
        while state and gloss_id not in self._children[state]:
            state = self._fail[state]
        return self._children[state].get(gloss_id, 0)

    def end(self, state: int) -> float:
        """See `Scorer`."""
        return -float(self._pending[state])

    def _add(self, phrase: tuple[int, ...]) -> None:
        if not phrase:
            raise ValueError("a phrase has no glosses")
        node = 0
        for gloss in phrase:
            child = self._children[node].get(gloss)
            if child is None:
                child = self._children[node][gloss] = len(self._children)
                self._children.append({})
                self._complete.append(0)
                self._pending.append(0)
            node = child
        self._complete[node] = len(phrase)

    def _link(self) -> None:
        """Where each node falls back to, and what it has counted ahead; nearer the root first."""
        queue = deque([0])
        while queue:
            node = queue.popleft()
            for gloss, child in self._children[node].items():
                self._pending[child] = 0 if self._complete[child] else self._pending[node] + 1
                self._fail[child] = self.next(self._fail[node], gloss) if node else 0
                queue.append(child)
            self._complete[node] += self._complete[self._fail[node]] if node else 0

    def _noticed(self, state: int) -> set[int]:
        """Glosses after which something is under way or complete."""
        found = set(self._children[0])
        while state:
            found |= self._children[state].keys()
            state = self._fail[state]
        return found
