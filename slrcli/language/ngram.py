"""An n-gram model with backoff weights, as in ARPA files: every number is a logarithm to the base 10.

The probability of a token after a history is that of the longest listed n-gram, multiplied by the backoff weight of
each longer history (Katz 1987).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from slrcli.errors import DataError

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
SPECIALS = (START, END, UNKNOWN)
LOG_OF_ZERO = -99.0  # how ARPA files write the logarithm of nothing
LEAST_PROBABLE = -7.0  # log10 of a small probability, where a model says nothing of any gloss
NO_UNKNOWN = -100.0  # log10 probability of unknown tokens in a model that lists none; KenLM takes the same

Ngram = tuple[str, ...]
Table = dict[Ngram, tuple[float, float]]


@dataclass(frozen=True)
class NgramModel:
    """The n-grams of a model.

    Attributes:
        tables: for each length 1 .. order: n-gram -> (log10 of its probability, log10 of its backoff weight).
        normaliser: the gloss normaliser of its sentences; "" if the file does not say.
        source: the source of its sentences; "" if the file does not say.

    Raises:
        DataError: `<s>` or `</s>` is not among the unigrams.
    """

    tables: tuple[Table, ...]
    normaliser: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        for token in (START, END):
            if not self.tables or (token,) not in self.tables[0]:
                raise DataError(
                    f"The model has no unigram {token}.", self.source, "Estimate it from complete sentences."
                )

    @property
    def order(self) -> int:
        """Tokens of the longest n-grams."""
        return len(self.tables)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of n-grams of each length."""
        return tuple(map(len, self.tables))

    @property
    def estimates_unknown(self) -> bool:
        """Whether unknown tokens have a probability: a model of a closed vocabulary lists none, or nothing."""
        return self.tables[0].get((UNKNOWN,), (NO_UNKNOWN, 0.0))[0] > LOG_OF_ZERO

    @property
    def floor(self) -> float:
        """Log10 of the probability of the rarest gloss; what a decoder gives those that would have none."""
        listed = (value for (token,), (value, _) in self.tables[0].items() if token not in SPECIALS)
        return min((value for value in listed if value > LOG_OF_ZERO), default=LEAST_PROBABLE)

    @property
    def glosses(self) -> list[str]:
        """The known glosses, in the order of code points."""
        return sorted(token for (token,) in self.tables[0] if token not in SPECIALS)

    def __contains__(self, gloss: object) -> bool:
        """Whether a gloss is known; `<s>`, `</s>` and `<unk>` are not glosses."""
        return gloss not in SPECIALS and (gloss,) in self.tables[0]

    def known(self, token: str) -> str:
        """The token, or `<unk>` if it is not known."""
        return token if (token,) in self.tables[0] else UNKNOWN

    def context(self, history: Sequence[str]) -> Ngram:
        """The relevant part of a history: its last `order - 1` tokens, unknown ones as `<unk>`."""
        return tuple(self.known(token) for token in history[max(0, len(history) - self.order + 1) :])

    def backoff(self, context: Ngram) -> float:
        """Log10 of the backoff weight of `context`; 0 if the model does not list it."""
        return self.tables[len(context) - 1].get(context, (0.0, 0.0))[1]

    def log10(self, history: Sequence[str], token: str) -> float:
        """Log10 of the probability of `token` after `history`, which begins with `<s>` where the sentence does."""
        context, token = self.context(history), self.known(token)
        weight = 0.0
        while context:
            found = self.tables[len(context)].get((*context, token))
            if found is not None:
                return weight + found[0]
            weight += self.backoff(context)
            context = context[1:]
        return weight + self.tables[0].get((token,), (NO_UNKNOWN, 0.0))[0]

    def sentence(self, glosses: Sequence[str]) -> list[float]:
        """Log10 of the probability of each gloss after the previous ones, and finally of the sentence's end."""
        whole = [START, *(gloss if gloss in self else UNKNOWN for gloss in glosses), END]
        return [self.log10(whole[max(0, place - self.order) : place], whole[place]) for place in range(1, len(whole))]
