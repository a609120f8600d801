"""Gloss normalisers: named and versioned rules that make glosses comparable.

Any change of a result is a new version of the normaliser, so that `phoenix2014-ctm@1` in a vocabulary or a result
always means the same rules. To add one, write its rules and its line in `NORMALISERS`; other packages register theirs
(`slrcli.plugins`).
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from slrcli.config import versioned
from slrcli.glosses.variants import composed, folded, visible
from slrcli.plugins import NORMALISERS as GROUP
from slrcli.plugins import plugin

Glosses = Sequence[str]


@dataclass(frozen=True)
class Rule:
    """One step of a normaliser.

    Attributes:
        name: short and stable, such as `zeigen`; explanations are counted by it.
        says: one line for users.
        apply: glosses of one utterance -> the remaining glosses, in order; the input is not changed.
    """

    name: str
    says: str
    apply: Callable[[Glosses], list[str]]


@dataclass(frozen=True)
class Change:
    """The effect of a rule on one utterance.

    Attributes:
        rule: name of the rule.
        before: glosses before the rule.
        after: glosses after the rule.
    """

    rule: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def removed(self) -> int:
        """Number of tokens removed; joining two letters into one token removes one."""
        return len(self.before) - len(self.after)


@dataclass(frozen=True)
class Normaliser:
    """A named list of rules.

    Attributes:
        name: the name on the command line.
        version: of its rules, counted from 1.
        rules: applied in order.
        description: one line for users.
    """

    name: str
    version: int
    rules: tuple[Rule, ...]
    description: str

    @property
    def signature(self) -> str:
        """Name and version, such as `phoenix2014-ctm@1`, as stored in vocabularies and results."""
        return f"{self.name}@{self.version}"

    def normalise(self, glosses: Glosses) -> list[str]:
        """The remaining glosses of one utterance, in order."""
        kept = list(glosses)
        for rule in self.rules:
            kept = rule.apply(kept)
        return kept

    def explain(self, glosses: Glosses) -> list[Change]:
        """The changes of one utterance by each rule with an effect, in order."""
        changes, kept = [], list(glosses)
        for rule in self.rules:
            after = rule.apply(kept)
            words = tuple(filter(None, kept)), tuple(filter(None, after))
            if words[0] != words[1]:
                changes.append(Change(rule.name, *words))
            kept = after
        return changes


# What rules are made of.


def replaced(*pairs: tuple[str, str]) -> Callable[[Glosses], list[str]]:
    """Replace texts anywhere in a gloss; glosses that become empty are removed."""

    def apply(glosses: Glosses) -> list[str]:
        return squeezed([_replace(gloss, pairs) for gloss in glosses])

    return apply


def rewritten(pattern: str, replacement: str) -> Callable[[Glosses], list[str]]:
    """Replace a regular expression in each gloss; glosses that become empty are removed."""
    compiled = re.compile(pattern)

    def apply(glosses: Glosses) -> list[str]:
        return squeezed([compiled.sub(replacement, gloss) for gloss in glosses])

    return apply


def rewritten_line(*patterns: tuple[str, str]) -> Callable[[Glosses], list[str]]:
    """Replace regular expressions, one after the other, in the glosses written as one line with single spaces.

    A gloss that becomes empty stays in the list, as two spaces in the line, until `squeezed` removes it: scripts that
    work on lines do the same, and their rules about neighbours do not apply across the gap.
    """
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in patterns]

    def apply(glosses: Glosses) -> list[str]:
        line = " ".join(glosses)
        for pattern, replacement in compiled:
            line = pattern.sub(replacement, line)
        return line.split(" ")

    return apply


def squeezed(glosses: Glosses) -> list[str]:
    """The glosses that are not empty."""
    return [gloss for gloss in glosses if gloss]


def without(unwanted: Callable[[str], bool]) -> Callable[[Glosses], list[str]]:
    """Remove whole glosses."""
    return lambda glosses: [gloss for gloss in glosses if not unwanted(gloss)]


def without_repeats(glosses: Glosses) -> list[str]:
    """The glosses with adjacent repeats merged."""
    return [gloss for index, gloss in enumerate(glosses) if index == 0 or gloss != glosses[index - 1]]


def holds_any(gloss: str, parts: Sequence[str]) -> bool:
    """Whether one of `parts` occurs anywhere in the gloss."""
    return any(part in gloss for part in parts)


def _replace(gloss: str, pairs: Sequence[tuple[str, str]]) -> str:
    for old, new in pairs:
        gloss = gloss.replace(old, new)
    return gloss


# The rules by which the Phoenix corpora are scored, in the three forms in which the field applies them. Each is one
# line of the scripts, in their order.
# - phoenix2014-ctm: the corpus's own script. It reads the hypothesis as a ctm, one gloss per line, so that its rules
#   about neighbours (WIE AUSSEHEN, spelled letters, repeats) never fire.
# - phoenix2014-sentence: the same rules in a Python port (first in neccam/slt) that reads whole sentences and is used
#   on both sides. There the rules about neighbours do fire, and any repeated gloss is merged.
# - phoenix2014t: the port of 2014-T's script, likewise on sentences and both sides, with fewer rules about words.
_PREFIXES = ("loc-", "cl-", "qu-", "poss-", "lh-")
_SPELLINGS = (("S0NNE", "SONNE"), ("HABEN2", "HABEN"))
_MARKS = ("__EMOTION__", "__PU__", "__LEFTHAND__")
_UNWANTED = ("__LEFTHAND__", "__EPENTHESIS__", "__EMOTION__")

_SAYS_PREFIXES = "delete loc-, cl-, qu-, poss- and lh- anywhere in a gloss"
_SAYS_SPELLING = "S0NNE is SONNE, HABEN2 is HABEN"
_SAYS_MARKS = "delete __EMOTION__, __PU__ and __LEFTHAND__"
_SAYS_ZEIGEN = "ZEIGEN at a gloss's end is ZEIGEN-BILDSCHIRM"
_SAYS_RAUM = "drop RAUM after two capitals: NORDRAUM is NORD"
_SAYS_PLUSPLUS = "delete -PLUSPLUS"

_DROPPED = Rule(
    "dropped",
    "leave out glosses that still hold __LEFTHAND__, __EPENTHESIS__ or __EMOTION__",
    without(lambda gloss: holds_any(gloss, _UNWANTED)),
)

PHOENIX2014_CTM = Normaliser(
    "phoenix2014-ctm",
    1,
    (
        Rule("prefixes", _SAYS_PREFIXES, replaced(*((text, "") for text in _PREFIXES))),
        Rule("spelling", _SAYS_SPELLING, replaced(*_SPELLINGS)),
        Rule("marks", _SAYS_MARKS, replaced(*((text, "") for text in _MARKS))),
        Rule("zeigen", _SAYS_ZEIGEN, rewritten(r"ZEIGEN\Z", "ZEIGEN-BILDSCHIRM")),
        Rule("raum", _SAYS_RAUM, rewritten("([A-Z][A-Z])RAUM", r"\1")),
        Rule("plusplus", _SAYS_PLUSPLUS, replaced(("-PLUSPLUS", ""))),
        _DROPPED,
    ),
    "Phoenix-2014's scoring script, gloss by gloss; the field applies it to the hypothesis.",
)


# On sentences.


def _deleted(*texts: str):
    return rewritten_line(*((re.escape(text), "") for text in texts))


def _capital_repeats(passes: int) -> Rule:
    return Rule(
        "capital-repeats",
        "merge a word of plain capitals with its immediate repeat",
        rewritten_line(*[(r"(?<![\w-])(\b[A-Z]+(?![\w-])) \1(?![\w-])", r"\1")] * passes),
    )


_WIE_AUSSEHEN = Rule("wie-aussehen", "WIE AUSSEHEN is one gloss", rewritten_line(("WIE AUSSEHEN", "WIE-AUSSEHEN")))
_LETTERS = Rule(
    "letters",
    "join spelled letters (and SCH, NN) with +",
    rewritten_line(
        (r"^([A-Z]) ([A-Z][+ ])", r"\1+\2"),
        (r"[ +]([A-Z]) ([A-Z]) ", r" \1+\2 "),
        (r"([ +][A-Z]) ([A-Z][ +])", r"\1+\2"),
        (r"([ +][A-Z]) ([A-Z][ +])", r"\1+\2"),
        (r"([ +][A-Z]) ([A-Z][ +])", r"\1+\2"),
        (r"([ +]SCH) ([A-Z][ +])", r"\1+\2"),
        (r"([ +]NN) ([A-Z][ +])", r"\1+\2"),
        (r"([ +][A-Z]) (NN[ +])", r"\1+\2"),
        (r"([ +][A-Z]) ([A-Z])$", r"\1+\2"),
    ),
)
_SPACES = Rule("spaces", "leave out glosses that are now empty", squeezed)
_REPEATS = Rule("repeats", "merge any gloss with its immediate repeat", without_repeats)

PHOENIX2014_SENTENCE = Normaliser(
    "phoenix2014-sentence",
    1,
    (
        Rule("prefixes", _SAYS_PREFIXES, _deleted(*_PREFIXES)),
        Rule("spelling", _SAYS_SPELLING, rewritten_line(*_SPELLINGS)),
        Rule("marks", _SAYS_MARKS, _deleted(*_MARKS)),
        _WIE_AUSSEHEN,
        Rule(
            "zeigen", _SAYS_ZEIGEN, rewritten_line(("ZEIGEN ", "ZEIGEN-BILDSCHIRM "), ("ZEIGEN$", "ZEIGEN-BILDSCHIRM"))
        ),
        _LETTERS,
        Rule("raum", _SAYS_RAUM, rewritten_line(("([A-Z][A-Z])RAUM", r"\1"))),
        Rule("plusplus", _SAYS_PLUSPLUS, _deleted("-PLUSPLUS")),
        _SPACES,
        _capital_repeats(4),
        _DROPPED,
        _REPEATS,
    ),
    "The same rules and those about neighbours, on whole sentences; used on both sides.",
)

PHOENIX2014T = Normaliser(
    "phoenix2014t",
    1,
    (
        Rule("unwanted", "delete __LEFTHAND__, __EPENTHESIS__ and __EMOTION__", _deleted(*_UNWANTED)),
        Rule("marks", "delete every other __MARK__", rewritten_line((r"\b__[^_ ]*__\b", ""))),
        Rule(
            "prefixes",
            "delete loc- and cl- where a word begins",
            rewritten_line((r"\bloc-([^ ]*)\b", r"\1"), (r"\bcl-([^ ]*)\b", r"\1")),
        ),
        Rule("plusplus", "delete -PLUSPLUS where a word ends", rewritten_line((r"\b([^ ]*)-PLUSPLUS\b", r"\1"))),
        Rule("raum", "drop RAUM at the end of a word of capitals", rewritten_line((r"\b([A-Z][A-Z]*)RAUM\b", r"\1"))),
        _WIE_AUSSEHEN,
        _LETTERS,
        _SPACES,
        _capital_repeats(3),
        _REPEATS,
    ),
    "Phoenix-2014-T's cleaning of whole sentences; used on both sides.",
)


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


def _composed(glosses):
    return [composed(gloss) for gloss in glosses]


def _without_hidden(glosses):
    return squeezed([visible(gloss) for gloss in glosses])


def _casefolded(glosses):
    return [folded(gloss) for gloss in glosses]


_COMPOSED = Rule("composed", "letters and their marks are composed (Unicode NFC)", _composed)
_SEEN = Rule("invisible", "delete zero-width and bidirectional marks and soft hyphens", _without_hidden)

_NFC = Normaliser(
    "nfc", 1, (_SEEN, _COMPOSED), "Glosses that look the same are the same: Unicode NFC, nothing invisible."
)
_CASEFOLD = Normaliser(
    "casefold",
    1,
    (_SEEN, Rule("case", "upper case is lower case (Unicode case folding), composed", _casefolded)),
    "As nfc, and upper and lower case are the same.",
)


def _characters(glosses):
    found: list[str] = []
    for gloss in _composed(glosses):
        for place, char in enumerate(gloss):
            if place and unicodedata.combining(char):
                found[-1] += char
            else:
                found.append(char)
    return found


_CHARACTERS = Normaliser(
    "characters",
    1,
    (Rule("characters", "take glosses apart into characters, each with its marks", _characters),),
    "Every character is a gloss: fingerspelling, or Chinese written without blanks.",
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
        _NFC,
        _CASEFOLD,
        _CHARACTERS,
    )
}

# Names of earlier releases, which stand in vocabularies and checkpoints.
_RENAMED = {"phoenix2014": "phoenix2014-ctm"}


def get_normaliser(name: str) -> Normaliser:
    """The normaliser with this name, optionally with a version (`phoenix2014-ctm@1`).

    Raises:
        UsageError: the name (with the nearest one) or the version is unknown.
    """
    plain, mark, version = name.partition("@")
    known = NORMALISERS
    if plain not in known and plain not in _RENAMED and (added := plugin(GROUP, plain)) is not None:
        known = {**known, plain: added}
    return versioned(
        "gloss normaliser",
        f"{_RENAMED.get(plain, plain)}{mark}{version}",
        known,
        "Use the version of slr that wrote the file, or build the vocabulary again.",
    )
