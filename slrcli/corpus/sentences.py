"""Sentences that a split shares with train: a recogniser may say them by heart instead of reading the signs.

Two numbers tell how far it can: which share of the utterances signs a sentence that train holds word for word, and how
well the glosses before alone, without any sign, foretell the next one (the perplexity of a trigram model of train).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from slrcli.corpus.utterances import Utterance
from slrcli.errors import DataError
from slrcli.language import NgramModel, estimate, perplexity

DIGITS = 16  # of a hash: two of a million sentences are taken for one with a probability of 3 in 100 million
ORDER = 3  # of the model that foretells glosses


def sentence_hash(glosses: Sequence[str]) -> str:
    """SHA-256 of the glosses with a blank between them, its first `DIGITS` hexadecimal digits."""
    return hashlib.sha256(" ".join(glosses).encode()).hexdigest()[:DIGITS]


def sentence_hashes(utterances: Iterable[Utterance]) -> tuple[str, ...]:
    """The hash of every sentence that is signed, each once, sorted; an utterance without glosses has no sentence."""
    return tuple(sorted({sentence_hash(item.glosses) for item in utterances if item.glosses}))


@dataclass(frozen=True)
class Sentences:
    """The sentences of a split against those of train. Utterances without glosses have none and are not counted.

    Attributes:
        split: its name.
        utterances: that have glosses.
        different: sentences among them.
        known: utterances whose sentence stands in train; None for train itself.
        long, long_known: of both, those longer than one gloss: shorter ones are bound to recur.
        perplexity: a gloss (ends of sentences among them), of a trigram model of train, glosses that train lacks left
            out; None for train itself, and where there is nothing to estimate it from.
        vocabulary: glosses of train: the perplexity where nothing could be foretold.
    """

    split: str
    utterances: int
    different: int
    known: int | None = None
    long: int = 0
    long_known: int = 0
    perplexity: float | None = None
    vocabulary: int = 0

    @property
    def all_known(self) -> bool:
        """Whether train holds every sentence longer than one gloss, and there are some."""
        return self.long > 0 and self.long_known == self.long

    @property
    def share(self) -> float:
        """Percentage of the utterances whose sentence stands in train."""
        return 100 * (self.known or 0) / self.utterances if self.utterances else 0.0

    def to_dict(self) -> dict:
        """Everything as plain values, for `--json`."""
        return asdict(self)


def against_train(train: Sequence[Utterance], other: Sequence[Utterance], split: str = "") -> Sentences:
    """The sentences of another split against those of train; nothing is foretold."""
    known = {item.glosses for item in train}
    signed = [item.glosses for item in other if item.glosses]
    long = [glosses for glosses in signed if len(glosses) > 1]
    shared, long_shared = (sum(glosses in known for glosses in part) for part in (signed, long))
    return Sentences(split, len(signed), len(set(signed)), shared, len(long), long_shared)


def sentences_of(splits: Mapping[str, Sequence[Utterance]]) -> tuple[Sentences, ...]:
    """The sentences of every split, how many of them train holds, and how well train foretells them."""
    train = splits.get("train", ())
    model = _order_of(train)
    vocabulary = len({gloss for item in train for gloss in item.glosses})
    found = []
    for name, utterances in splits.items():
        own = against_train(train, utterances, name)
        foretold = None
        if name != "train" and model and own.utterances:
            foretold = perplexity(model, [item.glosses for item in utterances if item.glosses]).excluding_unknown
        known = None if name == "train" else own.known
        found.append(replace(own, known=known, perplexity=foretold, vocabulary=vocabulary))
    return tuple(found)


def _order_of(train: Sequence[Utterance]) -> NgramModel | None:
    """A model of the order of glosses in train; None where no gloss is there, or one is called as the model's marks."""
    with suppress(DataError):
        return estimate([item.glosses for item in train if item.glosses], ORDER)[0]
    return None
