"""What sclite reads into characters of a token, so that nobody is surprised when its count differs from ours.

Found by giving sclite 2.10 (Debian's sctk 2.4.10) every ASCII mark in every place of a token, in stm and ctm: brackets,
slashes, percent signs and stars elsewhere than below are plain text to it.
"""

from collections.abc import Iterable

_IGNORED = "IGNORE_TIME_SEGMENT_IN_SCORING"


def meaning(token: str) -> str:
    """What sclite does with a token instead of comparing it; empty if it is plain text."""
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
    """The distinct tokens to which sclite gives a meaning of its own, with that meaning."""
    found = ((token, meaning(token)) for token in dict.fromkeys(tokens))
    return {token: text for token, text in found if text}


def signer_of(id: str) -> str:
    """Whom sclite takes an utterance of a trn file to be of (`-i rm`): what stands before the first `-`, else `_`.

    Empty if the id has neither. sclite does not tell capitals apart there.
    """
    for mark in "-_":
        if mark in id:
            return id.partition(mark)[0]
    return ""


def escaped(token: str) -> str:
    """The token as sclite would have to be given it to compare it as plain text, as ours is.

    Characters with a meaning, and `~` itself, become `~` and two or more hexadecimal digits and `~`; other characters
    stay, so different tokens stay different whatever their case.
    """
    safe = "".join(f"~{ord(letter):x}~" if letter in "{}\\;@*<~" else letter for letter in token)
    return f"~{safe}" if safe.upper() == _IGNORED else safe
