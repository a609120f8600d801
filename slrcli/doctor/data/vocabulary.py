"""Whether a vocabulary can be used, and whether it goes with the corpus it is used with."""

from collections.abc import Iterator

from slrcli.doctor.context import Checks, error, many, note, warning
from slrcli.doctor.data.context import DataContext
from slrcli.doctor.data.tables import most_frequent, oov
from slrcli.findings import Finding
from slrcli.glosses import get_normaliser

VOCAB_CHECKS = Checks()  # of the vocabulary alone
DATA_VOCAB_CHECKS = Checks()  # with a corpus


@VOCAB_CHECKS.add("SLR-V01", "the vocabulary is a bijection")
def bijection(context: DataContext) -> Iterator[Finding]:
    """Blank is 0, and glosses and ids match one to one; reading a vocabulary refuses all else, for whatever reason."""
    if context.vocabulary_problem is not None:
        raise context.vocabulary_problem
    glosses = many(len(context.vocabulary) - 1, "gloss", "glosses")
    yield note(f"{glosses} and the blank, one id each; hash {context.vocabulary.hash[:12]}")


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
