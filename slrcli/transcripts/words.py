"""Common rules of all formats: column names, lines of words, valid ids and glosses."""

import math
from collections.abc import Iterator, Sequence

from slrcli.errors import DataError

ID_COLUMNS = ("id", "name")
GLOSS_COLUMNS = ("glosses", "gloss", "annotation", "orth")
SIGNER_COLUMNS = ("signer", "speaker")

COMMENT = ";;"
Glosses = str | Sequence[str]


def words_of(glosses: Glosses) -> list[str]:
    """Glosses one by one, whether they are given so or as a text."""
    return glosses.split() if isinstance(glosses, str) else [str(gloss) for gloss in glosses]


def worded(text: str, comments: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Number and words of every line with words; lines that begin with `;;` are skipped if the format has comments."""
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if words and not (comments and words[0].startswith(COMMENT)):
            yield number, words


def is_time(word: str) -> bool:
    """Whether a word is a number of seconds."""
    try:
        return not math.isnan(float(word))
    except ValueError:
        return False


def check_word(word: str, kind: str, where: str) -> None:
    """Raise a DataError if a gloss (or signer, or id) is empty, holds white space or cannot be written as UTF-8."""
    if not word or any(character.isspace() or _is_unwritable(character) for character in word):
        raise DataError(
            f"The {kind} {word!r} is empty or holds white space.", where, "Join its parts, for example with '-'."
        )


def check_id(id: str, spaces: bool) -> None:
    """Raise a DataError for an invalid id: only spaces inside it, and only with `spaces`, are allowed."""
    inner = id.replace(" ", "") if spaces else id
    if id != id.strip():
        raise DataError(f"The id {id!r} begins or ends with white space.", fix="Rename it.")
    check_word(inner, "id", id)
    if id.startswith(COMMENT):
        raise DataError(f"The id {id} would be read as a comment.", fix="Rename it.")


def _is_unwritable(character: str) -> bool:
    """A byte order mark, which readers drop, or half of a character, which UTF-8 cannot hold."""
    return character == "\ufeff" or "\ud800" <= character <= "\udfff"
