"""A language model over the ids of a vocabulary, for decoders that query it at every step."""

import math
from typing import Protocol

import numpy as np

from slrcli.errors import DataError
from slrcli.glosses.vocabulary import BLANK
from slrcli.language.coverage import coverage
from slrcli.language.ngram import END, LOG_OF_ZERO, NO_UNKNOWN, START, UNKNOWN, Ngram, NgramModel

KEPT_ROWS = 4096  # rows that are kept; of a vocabulary of 1296 they take 42 MB
LN10 = math.log(10)
ZERO = LOG_OF_ZERO * LN10


class Glosses(Protocol):
    """The needed part of a vocabulary: its tokens in the order of their ids, the blank first."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """The token of every id."""


class BoundModel:
    """An n-gram model over gloss ids. A state is the relevant part of the history.

    Each gloss of the vocabulary that the model does not know has the probability of `<unk>`. Where that is nothing, as
    in a model of a closed vocabulary, such a gloss has the probability of the model's rarest gloss (`NgramModel.floor`)
    instead: a model may advise against a gloss, but not forbid what it has never heard of. The probability of glosses
    outside the vocabulary is lost: nothing is renormalised.

    Args:
        model: its normaliser should be the vocabulary's.
        vocabulary: V tokens.

    Attributes:
        unknown: glosses of the vocabulary that the model does not know.

    Raises:
        DataError: the model knows no gloss of the vocabulary.
    """

    def __init__(self, model: NgramModel, vocabulary: Glosses):
        glosses = vocabulary.tokens[1:]
        self.unknown = tuple(gloss for gloss in glosses if gloss not in model)
        if len(self.unknown) == len(glosses):
            shown = ", ".join(glosses[:3])
            what = f"The language model knows none of the vocabulary's {len(glosses)} glosses ({shown}, ...)."
            alike = coverage(model, glosses)
            after = "case folding" if alike.folded else "Unicode normalisation (NFC)" if alike.composed else ""
            told = f" {len(alike.composed | alike.folded)} of them would be equal after {after}." if after else ""
            raise DataError(what + told, model.source, "Estimate it from glosses with the same normaliser.")
        self._model = model
        self._tokens = ("", *(gloss if gloss in model else UNKNOWN for gloss in glosses))
        self._followers = _followers(model, self._tokens)
        self._contexts = _contexts(model)
        self._floor = model.floor * LN10
        self._unigrams, self._floored = self._make_unigrams()
        self._histories: list[Ngram] = []
        self._states: dict[Ngram, int] = {}
        self._rows: dict[Ngram, np.ndarray] = {}
        self._start = self._state((START,))

    def start(self) -> int:
        """The state at the beginning of a sentence."""
        return self._start

    def next(self, state: int, gloss_id: int) -> int:
        """The state after one more gloss, 1 .. V-1."""
        return self._state((*self._histories[state], self._tokens[gloss_id]))

    def log_probs(self, state: int) -> np.ndarray:
        """Natural log-probability of every id after a state, float64 `[V]`, -inf for the blank; read-only."""
        return self._row(self._histories[state])

    def end(self, state: int) -> float:
        """Natural log-probability that the sentence ends after a state."""
        return self._model.log10(self._histories[state], END) * LN10

    def _state(self, history: Ngram) -> int:
        """The state of a history, without what makes no difference."""
        history = history[max(0, len(history) - self._model.order + 1) :]
        while history and history not in self._contexts:
            history = history[1:]
        state = self._states.get(history)
        if state is None:
            state = self._states[history] = len(self._histories)
            self._histories.append(history)
        return state

    def _row(self, history: Ngram) -> np.ndarray:
        if not history:
            return self._unigrams
        row = self._rows.get(history)
        if row is None:
            row = self._row(history[1:]) + self._model.backoff(history) * LN10
            if history in self._followers:
                ids, values = self._followers[history]
                row[ids] = values
            # A history may leave nothing over (its weight is zero): that is known of known glosses alone.
            row[self._floored] = np.where(row[self._floored] <= ZERO, self._floor, row[self._floored])
            row.flags.writeable = False
            if len(self._rows) >= KEPT_ROWS:
                del self._rows[next(iter(self._rows))]
            self._rows[history] = row
        return row

    def _make_unigrams(self) -> tuple[np.ndarray, np.ndarray]:
        """The row of the empty history, and the ids of the glosses that have the floor there."""
        table = self._model.tables[0]
        row = np.array([table.get((token,), (NO_UNKNOWN, 0.0))[0] * LN10 for token in self._tokens])
        floored = np.flatnonzero(row <= ZERO)
        floored = floored[floored != BLANK]
        row[floored] = self._floor
        row[BLANK] = -np.inf
        row.flags.writeable = False
        return row, floored


def _followers(model: NgramModel, tokens: tuple[str, ...]) -> dict[Ngram, tuple[np.ndarray, np.ndarray]]:
    """For every history that some of `tokens` follow: their ids, and their natural log-probabilities after it."""
    ids_of: dict[str, list[int]] = {}
    for number, token in enumerate(tokens[1:], 1):
        ids_of.setdefault(token, []).append(number)
    found: dict[Ngram, tuple[list[int], list[float]]] = {}
    for table in model.tables[1:]:
        for ngram, (value, _) in table.items():
            for number in ids_of.get(ngram[-1], ()):
                ids, values = found.setdefault(ngram[:-1], ([], []))
                ids.append(number)
                values.append(value * LN10)
    return {history: (np.array(ids), np.array(values)) for history, (ids, values) in found.items()}


def _contexts(model: NgramModel) -> set[Ngram]:
    """The histories after which the model says anything else than after shorter ones."""
    followed = {ngram[:-1] for table in model.tables[1:] for ngram in table}
    weighted = {ngram for table in model.tables[:-1] for ngram, (_, backoff) in table.items() if backoff}
    return followed | weighted
