"""Gloss normalisers: named, versioned rules that make the glosses of a table comparable.

A rule that would change what any input gives makes a new version of its normaliser, so that `phoenix2014-ctm@1` in a
vocabulary or a result always means the same thing. To add one, write its rules and its line in `NORMALISERS`.
"""

import unicodedata

from slrcli.config import versioned
from slrcli.glosses.phoenix import PHOENIX2014_CTM, PHOENIX2014_SENTENCE, PHOENIX2014T
from slrcli.glosses.rules import Change, Normaliser, Rule, holds_any, without

__all__ = ["NORMALISERS", "Change", "Normaliser", "Rule", "get_normaliser"]

# Parts of a gloss for which the forerunner leaves the whole gloss out. They are searched anywhere in the word, so that
# POSITION and POSITIV go as well, as they do there.
_SEED_PARTS = ("__", "loc-", "cl-", "lh-", "rh-", "qu-", "poss-", "IX", "WG", "$GEST", "PLUSPLUS", "POS", "NICHTALP")

_SEED_FILTER = Normaliser(
    "seed-filter",
    1,
    (
        Rule(
            "marked",
            "leave out glosses with a marker, a modifier or pointing in them",
            without(lambda gloss: holds_any(gloss, _SEED_PARTS)),
        ),
        Rule("letters", "leave out single letters", without(lambda gloss: len(gloss) == 1 and gloss.isalpha())),
    ),
    "Leaves out markers, pointing, modified glosses, single letters.",
)


def _same_width(glosses):
    # Some characters become a space and a mark above it; the space must not split the gloss.
    return ["".join(unicodedata.normalize("NFKC", gloss).split()) for gloss in glosses]


_CSL_DAILY = Normaliser(
    "csl-daily",
    1,
    (Rule("width", "full-width letters, digits and brackets are their usual forms (Unicode NFKC)", _same_width),),
    "CSL-Daily's glosses in one width of characters; published scores compare them as they stand (none).",
)

NORMALISERS: dict[str, Normaliser] = {
    item.name: item
    for item in (
        Normaliser("none", 1, (), "Glosses as the table has them."),
        PHOENIX2014_CTM,
        PHOENIX2014_SENTENCE,
        PHOENIX2014T,
        _SEED_FILTER,
        _CSL_DAILY,
    )
}

# Names of earlier releases, which stand in vocabularies and checkpoints.
_RENAMED = {"phoenix2014": "phoenix2014-ctm"}


def get_normaliser(name: str) -> Normaliser:
    """The normaliser called `name`, which may carry a version (`phoenix2014-ctm@1`).

    Raises:
        UsageError: no such name (with the nearest one), or a version that this program does not have.
    """
    plain, mark, version = name.partition("@")
    return versioned(
        "gloss normaliser",
        f"{_RENAMED.get(plain, plain)}{mark}{version}",
        NORMALISERS,
        "use the version of slr that wrote the file, or build the vocabulary again",
    )
