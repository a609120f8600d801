"""Glosses that are written in several ways: in case, in composition, invisibly or by the marks of a list."""

import unicodedata
from collections.abc import Callable, Iterable

JOINERS = "\u200c\u200d"  # belong to the spelling of Persian, Hindi and others
# The first word of the names of characters beside which a joiner does nothing.
_UNJOINED = ("LATIN", "GREEK", "CYRILLIC", "HEBREW", "ARMENIAN", "GEORGIAN", "CJK", "HIRAGANA", "KATAKANA", "HANGUL")
_UNSEEN_MARKS = "\u034f\u115f\u1160\u3164"  # a joiner of graphemes and fillers, which are letters to Unicode
LIST_MARKS = "[](){}'\",;|\u3001\u060c\uff0c\uff1b"


def hidden(char: str) -> bool:
    """Whether a character takes no room and no part in spelling: such as zero width spaces and soft hyphens."""
    invisible = unicodedata.category(char) in ("Cf", "Cc") or char in _UNSEEN_MARKS or "\ufe00" <= char <= "\ufe0f"
    return invisible and char not in JOINERS


def visible(text: str) -> str:
    """A text without characters that take no room and no part in spelling; joiners stay where they join something."""
    shown = [char for char in text if not hidden(char)]
    around = zip(["", *shown], shown, [*shown[1:], ""], strict=False)
    return "".join(char for before, char, after in around if char not in JOINERS or (_joins(before) and _joins(after)))


def _joins(char: str) -> bool:
    """Whether a joiner beside a character may change how it looks."""
    return bool(char) and not char.isascii() and unicodedata.name(char, "").split(" ")[0] not in _UNJOINED


def composed(text: str) -> str:
    """A text whose letters and their marks are composed (Unicode NFC)."""
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Caseless form as the Unicode standard has it (3.13, D145), composed."""
    return composed(unicodedata.normalize("NFD", text).casefold())


def seen(text: str) -> str:
    """What is to be seen of a text: composed, without characters that take no room."""
    return composed(visible(text))


def plain(gloss: str) -> str:
    """What is left of a gloss without case, composition of characters and what cannot be seen."""
    return unicodedata.normalize("NFKC", visible(unicodedata.normalize("NFKC", gloss)).casefold())


def shown(gloss: str) -> str:
    """A gloss with what cannot be seen, or has been composed, written out."""
    return gloss if seen(gloss) == gloss else ascii(gloss)[1:-1]


def told_apart(gloss: str) -> str:
    """A gloss with every character beyond ASCII as its code point, beside one that looks the same."""
    return ascii(gloss)[1:-1]


def alike(glosses: Iterable[str], key: Callable[[str], str] = plain) -> list[list[str]]:
    """The groups of different glosses that `key` makes equal, in the order of their first members."""
    groups: dict[str, list[str]] = {}
    for gloss in dict.fromkeys(glosses):
        groups.setdefault(key(gloss), []).append(gloss)
    return [group for group in groups.values() if len(group) > 1]


def list_remains(glosses: Iterable[str]) -> list[str]:
    """Glosses that look like parts of a list or hold several: `B']` beside `B`, `A|B`, and `A,B` beside `A` and `B`."""
    known = dict.fromkeys(glosses)
    bare = {gloss.strip(LIST_MARKS) for gloss in known}
    several = alike(known, lambda gloss: gloss.strip(LIST_MARKS) or gloss)
    twice = {gloss.strip(LIST_MARKS) for group in several for gloss in group}
    return [
        gloss
        for gloss in known
        if "|" in gloss
        or (gloss.strip(LIST_MARKS) != gloss and gloss.strip(LIST_MARKS) in twice)
        or any(mark in gloss and set(filter(None, gloss.split(mark))) <= bare - {gloss} for mark in ",;")
    ]
