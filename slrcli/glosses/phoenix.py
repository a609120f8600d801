"""The rules by which the Phoenix corpora are scored, in the three forms in which the field applies them.

- `phoenix2014-ctm`: the corpus's own script. It reads the hypothesis as a ctm, one gloss a line, so that its rules
  about neighbours (WIE AUSSEHEN, spelled letters, repeats) never fire.
- `phoenix2014-sentence`: the same rules in a Python port (first in `neccam/slt`) that reads whole sentences and is used
  on both sides. There the rules about neighbours do fire, and any repeated gloss is merged.
- `phoenix2014t`: the port of 2014-T's script, likewise on sentences and both sides, with fewer rules about words.

Each rule below is one line of those scripts; their order matters and is theirs.
"""

import re

from slrcli.glosses.rules import (
    Normaliser,
    Rule,
    holds_any,
    replaced,
    rewritten,
    rewritten_line,
    squeezed,
    without,
    without_repeats,
)

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
    "leave out what still holds __LEFTHAND__, __EPENTHESIS__ or __EMOTION__",
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
_SPACES = Rule("spaces", "leave out glosses of which nothing is left", squeezed)
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
