"""The perplexity of a model on unseen sentences."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from slrcli.language.ngram import NgramModel


@dataclass(frozen=True)
class Perplexity:
    """The evaluation of a model on some sentences.

    Attributes:
        sentences: number of sentences; the end of each counts as a token.
        tokens: number of their glosses.
        unknown: out-of-vocabulary glosses, and how often each occurs.
        log10: log10 of the probability of all sentences together.
        log10_unknown: its part from out-of-vocabulary glosses, which depends on the probability of `<unk>`.
    """

    sentences: int
    tokens: int
    unknown: Counter[str]
    log10: float
    log10_unknown: float

    @property
    def including_unknown(self) -> float:
        """Perplexity per token, including ends of sentences, with the probability of `<unk>` for OOV glosses."""
        return _perplexity(self.log10, self.tokens + self.sentences)

    @property
    def excluding_unknown(self) -> float:
        """Perplexity per token, including ends of sentences, without OOV glosses."""
        return _perplexity(self.log10 - self.log10_unknown, self.tokens - self.unknown.total() + self.sentences)

    @property
    def unknown_rate(self) -> float:
        """Share of out-of-vocabulary glosses, in percent."""
        return 100 * self.unknown.total() / self.tokens if self.tokens else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {
            "sentences": self.sentences,
            "tokens": self.tokens,
            "perplexity": self.including_unknown,
            "perplexity_without_oov": self.excluding_unknown,
            "log10": self.log10,
            "oov_tokens": self.unknown.total(),
            "oov_percent": self.unknown_rate,
            "oov": dict(self.unknown.most_common()),
        }


def perplexity(model: NgramModel, sentences: Iterable[Sequence[str]]) -> Perplexity:
    """Evaluate a model on sentences of normalised glosses."""
    count = tokens = 0
    unknown: Counter[str] = Counter()
    total = of_unknown = 0.0
    for sentence in sentences:
        count += 1
        tokens += len(sentence)
        values = model.sentence(sentence)
        total += sum(values)
        for gloss, value in zip(sentence, values[:-1], strict=True):
            if gloss not in model:
                unknown[gloss] += 1
                of_unknown += value
    return Perplexity(count, tokens, unknown, total, of_unknown)


def _perplexity(log10: float, events: int) -> float:
    try:
        return 10 ** (-log10 / events) if events else 1.0
    except OverflowError:
        return float("inf")
