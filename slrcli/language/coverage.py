"""Which glosses of a vocabulary a language model does not know, and why: to be said before it is used."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slrcli.errors import first_five
from slrcli.glosses.variants import composed, folded
from slrcli.language.ngram import SPECIALS, NgramModel


@dataclass(frozen=True)
class Coverage:
    """A model compared with a vocabulary.

    Attributes:
        glosses: number of the vocabulary's glosses.
        missing: those that the model does not know.
        composed: missing gloss -> gloss of the model that is equal in Unicode's composed form (NFC).
        folded: missing gloss -> gloss of the model that is equal after case folding, too.
        estimates_unknown: whether the model has a probability for unknown glosses.
        normaliser: the model's; "" if it does not say.
        expected: the vocabulary's normaliser.
    """

    glosses: int
    missing: tuple[str, ...]
    composed: dict[str, str]
    folded: dict[str, str]
    estimates_unknown: bool
    normaliser: str = ""
    expected: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know of it, in sentences."""
        found = []
        if self.missing:
            price = "that of <unk>" if self.estimates_unknown else "that of its rarest gloss, since it has no <unk>"
            found.append(
                f"The language model lacks {len(self.missing)} of the vocabulary's {self.glosses} glosses "
                f"({first_five(self.missing)}). Their probability is {price}."
            )
        for pairs, after in ((self.composed, "Unicode normalisation (NFC)"), (self.folded, "case folding")):
            if pairs:
                shown = first_five([f"{gloss} and {other}" for gloss, other in pairs.items()])
                found.append(
                    f"{len(pairs)} of the glosses that the language model lacks would be equal to glosses of it after "
                    f"{after}: {shown}. Estimate it with the same normaliser: slr lm --normaliser."
                )
        if self.normaliser and self.expected and self.normaliser != self.expected:
            found.append(
                f"The language model was estimated with the normaliser {self.normaliser}, but the vocabulary has "
                f"{self.expected}. Estimate it again with slr lm --normaliser {self.expected.partition('@')[0]}."
            )
        return tuple(found)


def coverage(model: NgramModel, glosses: Sequence[str], normaliser: str = "") -> Coverage:
    """Compare a model with the glosses of a vocabulary, and with their normaliser (name and version)."""
    glosses = [gloss for gloss in glosses if gloss not in SPECIALS]
    missing = tuple(gloss for gloss in glosses if gloss not in model)
    alike = _equal(missing, model.glosses, composed)
    caseless = _equal([gloss for gloss in missing if gloss not in alike], model.glosses, folded)
    return Coverage(len(glosses), missing, alike, caseless, model.estimates_unknown, model.normaliser, normaliser)


def _equal(missing: Sequence[str], known: Sequence[str], form: Callable[[str], str]) -> dict[str, str]:
    """Missing gloss -> the first known gloss with the same form."""
    if not missing:
        return {}
    by_form: dict[str, str] = {}
    for gloss in known:
        by_form.setdefault(form(gloss), gloss)
    return {gloss: by_form[form(gloss)] for gloss in missing if form(gloss) in by_form}
