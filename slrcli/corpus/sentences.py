"""Sentences that a split shares with train: a recogniser may say them by heart instead of reading the signs."""

import hashlib
from collections.abc import Iterable, Sequence

from slrcli.corpus.utterances import Utterance

DIGITS = 16  # of a hash: two of a million sentences are taken for one with a probability of 3 in 100 million


def sentence_hash(glosses: Sequence[str]) -> str:
    """SHA-256 of the glosses with a blank between them, its first `DIGITS` hexadecimal digits."""
    return hashlib.sha256(" ".join(glosses).encode()).hexdigest()[:DIGITS]


def sentence_hashes(utterances: Iterable[Utterance]) -> tuple[str, ...]:
    """The hash of every sentence that is signed, each once, sorted; an utterance without glosses has no sentence."""
    return tuple(sorted({sentence_hash(item.glosses) for item in utterances if item.glosses}))
