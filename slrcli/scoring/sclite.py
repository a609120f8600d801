"""The special meaning of some characters to sclite, which explains differences between its counts and ours.

Determined by giving sclite 2.10 (Debian's sctk 2.4.10) every ASCII mark at every place of a token, in stm and ctm:
brackets, slashes, percent signs and other stars than below are plain text to it.
"""

from collections.abc import Iterable

_IGNORED = "IGNORE_TIME_SEGMENT_IN_SCORING"


def meaning(token: str) -> str:
    """What sclite does with a token instead of comparing it; "" if it is plain text."""
    if "{" in token:
        return "{ begins a list of alternatives in a reference"
    if "\\" in token:
        return "a backslash is left out"
    if ";" in token:
        return "what follows a semicolon is left out"
    if token == "@":
        return "@ alone means no token at all"
    if len(token) > 1 and token.endswith("*"):
        return "a star at the end is left out"
    if token.startswith("<"):
        return "< begins a label where a reference begins"
    if token.upper() == _IGNORED:
        return "the utterance is left out"
    return ""


def meanings(tokens: Iterable[str]) -> dict[str, str]:
    """The distinct tokens with a special meaning to sclite, and that meaning."""
    found = ((token, meaning(token)) for token in dict.fromkeys(tokens))
    return {token: text for token, text in found if text}


def signer_of(id: str) -> str:
    """The signer that sclite reads from an id of a trn file (`-i rm`): the part before the first `-`, else `_`.

    Empty if the id has neither. sclite ignores case there.
    """
    for mark in "-_":
        if mark in id:
            return id.partition(mark)[0]
    return ""


def escaped(token: str) -> str:
    """The token in a form that sclite compares as plain text.

    Special characters and `~` itself become `~`, two or more hexadecimal digits and `~`; others are unchanged, so
    different tokens stay different whatever their case.
    """
    safe = "".join(f"~{ord(letter):x}~" if letter in "{}\\;@*<~" else letter for letter in token)
    return f"~{safe}" if safe.upper() == _IGNORED else safe
