"""Whether a vocabulary can be used."""

from collections.abc import Iterator

from slrcli.doctor.context import Checks, error, many, note
from slrcli.doctor.data.context import DataContext
from slrcli.findings import Finding
from slrcli.glosses import get_normaliser

VOCAB_CHECKS = Checks()


@VOCAB_CHECKS.add("SLR-V01", "the vocabulary is a bijection of glosses normalised alike")
def bijection(context: DataContext) -> Iterator[Finding]:
    """Reading a vocabulary refuses all but a bijection with blank 0; the normaliser in use is its own."""
    vocabulary = context.vocabulary
    if vocabulary is None:
        raise context.vocabulary_problem or ValueError("no vocabulary was named")
    wanted = get_normaliser(vocabulary.normaliser).signature
    if context.normaliser != wanted:
        yield error(
            f"the glosses are normalised by {context.normaliser}, the vocabulary's by {wanted}",
            fix=f"use --normaliser {wanted.partition('@')[0]}, or build the vocabulary again",
        )
    glosses = many(len(vocabulary) - 1, "gloss", "glosses")
    yield note(f"{glosses} and the blank, one id each; hash {vocabulary.hash[:12]}")
