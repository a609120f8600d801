"""Gloss normalisers: named, versioned rules that make the glosses of a table comparable.

A normaliser takes the glosses of one utterance and gives back those that remain. A rule that would change what any
input gives becomes a new version, so that `phoenix2014@1` in a vocabulary or a result always means the same thing.
To add one, write its function and its line in `NORMALISERS`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slrcli.config import nearest
from slrcli.errors import UsageError


@dataclass(frozen=True)
class Normaliser:
    """A set of rules under a name.

    Attributes:
        name: what the user types.
        version: counts the changes of its rules, from 1.
        normalise: glosses of one utterance -> the glosses that remain, in order; the input is left as it is.
        description: one line for people.
    """

    name: str
    version: int
    normalise: Callable[[Sequence[str]], list[str]]
    description: str

    @property
    def signature(self) -> str:
        """Name and version, such as `phoenix2014@1`: what vocabularies and results carry."""
        return f"{self.name}@{self.version}"


def get_normaliser(name: str) -> Normaliser:
    """The normaliser called `name`, which may carry a version (`phoenix2014@1`).

    Raises:
        UsageError: no such name (with the nearest one), or a version that this program does not have.
    """
    plain, _, version = name.partition("@")
    if plain not in NORMALISERS:
        raise UsageError(f"there is no gloss normaliser {plain!r}", fix=nearest(plain, NORMALISERS))
    found = NORMALISERS[plain]
    if version and version != str(found.version):
        raise UsageError(
            f"the gloss normaliser {name} is asked for, and this version of slr has {found.signature}",
            fix="use the version of slr that wrote the file, or build the vocabulary again",
        )
    return found


_PHOENIX_PREFIXES = ("loc-", "cl-", "qu-", "poss-", "lh-")
_PHOENIX_MARKS = ("__EMOTION__", "__PU__", "__LEFTHAND__")
_PHOENIX_DROPPED = ("__LEFTHAND__", "__EPENTHESIS__", "__EMOTION__")
_COMPOUND_RAUM = re.compile("([A-Z][A-Z])RAUM")

# Parts of a gloss for which the forerunner leaves the whole gloss out. They are searched anywhere in the word, so that
# POSITION and POSITIV go as well, as they do there.
_SEED_PARTS = ("__", "loc-", "cl-", "lh-", "rh-", "qu-", "poss-", "IX", "WG", "$GEST", "PLUSPLUS", "POS", "NICHTALP")


def _unchanged(glosses: Sequence[str]) -> list[str]:
    return list(glosses)


def _phoenix2014(glosses: Sequence[str]) -> list[str]:
    """The rules of Phoenix-2014's scoring script, as they act on one gloss at a time.

    The field runs that script over a ctm, which holds one gloss a line. Its rules about neighbours (WIE AUSSEHEN,
    spelled letters, repeated glosses) never fire there, so they are not part of this normaliser either. The published
    dev and test tables, already cleaned, come out of it unchanged.
    """
    return [word for word in map(_phoenix2014_word, glosses) if word and not _holds(word, _PHOENIX_DROPPED)]


def _phoenix2014_word(word: str) -> str:
    for prefix in _PHOENIX_PREFIXES:
        word = word.replace(prefix, "")
    word = word.replace("S0NNE", "SONNE").replace("HABEN2", "HABEN")
    for mark in _PHOENIX_MARKS:
        word = word.replace(mark, "")
    if word.endswith("ZEIGEN"):
        word += "-BILDSCHIRM"
    word = _COMPOUND_RAUM.sub(r"\1", word)  # NORDRAUM -> NORD; TRAUM and RAUM stay
    return word.replace("-PLUSPLUS", "")


def _seed_filter(glosses: Sequence[str]) -> list[str]:
    """Leave out markers, pointing, modified glosses and single letters, as the forerunner's tables of results do."""
    return [word for word in glosses if not _holds(word, _SEED_PARTS) and not (len(word) == 1 and word.isalpha())]


def _holds(word: str, parts: Sequence[str]) -> bool:
    return any(part in word for part in parts)


NORMALISERS: dict[str, Normaliser] = {
    item.name: item
    for item in (
        Normaliser("none", 1, _unchanged, "Glosses as the table has them."),
        Normaliser("phoenix2014", 1, _phoenix2014, "Phoenix-2014's scoring rules, gloss by gloss."),
        Normaliser("seed-filter", 1, _seed_filter, "Leaves out markers, pointing, modified glosses, single letters."),
    )
}
