"""Whether a vocabulary is sound, and whether it goes with the model or the corpus it is used with."""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from slrcli.doctor.context import Checks, error, many, note, warning
from slrcli.doctor.data.context import DataContext
from slrcli.doctor.data.tables import most_frequent, oov
from slrcli.doctor.model.probe import ModelContext
from slrcli.errors import SlrError
from slrcli.findings import Finding
from slrcli.glosses import get_normaliser
from slrcli.glosses.vocabulary import BLANK, BLANK_TOKEN, Vocabulary

VOCAB_CHECKS = Checks()  # whatever the vocabulary belongs to
MODEL_VOCAB_CHECKS = Checks()  # that of a checkpoint
DATA_VOCAB_CHECKS = Checks()  # one that is to be used with a corpus


class WithVocabulary(Protocol):
    """A context that holds a vocabulary, or the reason why it could not be read."""

    vocabulary: Vocabulary | None
    vocabulary_problem: SlrError | None


@VOCAB_CHECKS.add("SLR-V01", "the vocabulary is a bijection")
def bijection(context: WithVocabulary) -> Iterator[Finding]:
    """Blank is 0, every gloss has one id, every id one gloss, there and back."""
    if context.vocabulary_problem is not None:
        raise context.vocabulary_problem
    vocabulary = context.vocabulary
    fix = "build the vocabulary again; a model trained with this one has to be trained again"
    if vocabulary.tokens[BLANK] != BLANK_TOKEN:
        yield error(f"id {BLANK} is {vocabulary.tokens[BLANK]}, not the blank", fix=fix)
    twice = [token for token, count in Counter(vocabulary.tokens).items() if count > 1]
    if twice:
        yield error(
            f"{many(len(twice), 'gloss has', 'glosses have')} more than one id: {', '.join(twice[:5])}", fix=fix
        )
        return
    glosses = list(vocabulary.tokens[1:])
    if (
        vocabulary.encode(glosses) != list(range(1, len(vocabulary)))
        or vocabulary.decode(range(len(vocabulary))) != glosses
    ):
        yield error("encoding and decoding do not bring every gloss back", fix=fix)
    yield note(f"{many(len(glosses), 'gloss', 'glosses')} and the blank, one id each; hash {vocabulary.hash[:12]}")


@MODEL_VOCAB_CHECKS.add("SLR-V02", "model and vocabulary have the same size", needs=("SLR-M01", "SLR-V01"))
def same_size(context: ModelContext) -> Iterator[Finding]:
    """One class for every entry."""
    classes, size = context.ordinary.log_probs.shape[2], len(context.vocabulary)
    if classes != size:
        yield error(
            f"the model gives {classes} classes, its vocabulary has {size}",
            fix="use the vocabulary that the model was trained with",
        )
    else:
        yield note(f"model and vocabulary both have {classes:,} classes")


@DATA_VOCAB_CHECKS.add("SLR-V03", "the vocabulary has every gloss of the corpus", needs=("SLR-V01", "SLR-D14"))
def covers(context: DataContext) -> Iterator[Finding]:
    """Glosses without id: in train they cannot be learnt, elsewhere they are errors for certain."""
    for name, utterances in context.corpus.splits.items():
        tokens = [gloss for item in utterances for gloss in item.glosses]
        unseen = context.vocabulary.unknown([tokens])
        if unseen:
            say = error if name == "train" else warning
            yield say(
                oov(name, unseen, len(tokens)),
                most_frequent(unseen),
                "build the vocabulary from this corpus, or normalise the glosses as it wants",
            )
        elif tokens:
            yield note(f"the vocabulary has every gloss of {name}")


@DATA_VOCAB_CHECKS.add("SLR-V04", "glosses are normalised as the vocabulary wants", needs=("SLR-V01",))
def same_normaliser(context: DataContext) -> Iterator[Finding]:
    """The normaliser that was asked for is the one the vocabulary was built with."""
    wanted = get_normaliser(context.vocabulary.normaliser).signature
    if context.normaliser != wanted:
        yield error(
            f"the glosses are normalised by {context.normaliser}, the vocabulary's by {wanted}",
            fix=f"use --normaliser {wanted.partition('@')[0]}, or build the vocabulary again",
        )
