"""How well a model foretells sentences it has not seen."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from slrcli.language.ngram import NgramModel


@dataclass(frozen=True)
class Perplexity:
    """What a model thinks of some sentences.

    Attributes:
        sentences: how many; the end of each is foretold, too.
        tokens: their glosses.
        unknown: glosses that the model does not know (OOV), and how often each occurs.
        log10: of the probability of all sentences together.
        log10_unknown: the part of it that the unknown glosses have; where `<unk>` is cheap or dear, all depends on it.
    """

    sentences: int
    tokens: int
    unknown: Counter[str]
    log10: float
    log10_unknown: float

    @property
    def including_unknown(self) -> float:
        """Perplexity a token, ends of sentences among them, unknown glosses at the price of `<unk>`."""
        return _perplexity(self.log10, self.tokens + self.sentences)

    @property
    def excluding_unknown(self) -> float:
        """Perplexity a token, ends of sentences among them, unknown glosses left out."""
        return _perplexity(self.log10 - self.log10_unknown, self.tokens - self.unknown.total() + self.sentences)

    @property
    def unknown_rate(self) -> float:
        """Share of the glosses that are unknown, in percent."""
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
    """Measure a model on sentences of normalised glosses."""
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
