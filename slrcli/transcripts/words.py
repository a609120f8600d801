"""What every format agrees on: names of columns, lines with words, what an id and a gloss may hold."""

import math
from collections.abc import Iterator

from slrcli.errors import DataError

ID_COLUMNS = ("id", "name")
GLOSS_COLUMNS = ("glosses", "gloss", "annotation", "orth")
SIGNER_COLUMNS = ("signer", "speaker")

COMMENT = ";;"


def worded(text: str, comments: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Number and words of every line that has any; lines from `;;` on are left out where the format has comments."""
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if words and not (comments and words[0].startswith(COMMENT)):
            yield number, words


def is_time(word: str) -> bool:
    """Whether it reads as seconds."""
    try:
        return not math.isnan(float(word))
    except ValueError:
        return False


def check_word(word: str, kind: str, where: str) -> None:
    """DataError if a gloss (or signer, or id) is empty, holds white space or cannot be written as UTF-8."""
    if not word or any(character.isspace() or _is_unwritable(character) for character in word):
        raise DataError(
            f"The {kind} {word!r} is empty or holds white space.", where, "Join its parts, for example with '-'."
        )


def check_id(id: str, spaces: bool) -> None:
    """Ids may hold blanks inside where the format allows it; never at their ends, never other white space."""
    inner = id.replace(" ", "") if spaces else id
    if id != id.strip():
        raise DataError(f"The id {id!r} begins or ends with white space.", fix="Rename it.")
    check_word(inner, "id", id)
    if id.startswith(COMMENT):
        raise DataError(f"The id {id} would be read as a comment.", fix="Rename it.")


def _is_unwritable(character: str) -> bool:
    """A byte order mark, which readers drop, or half of a character, which UTF-8 cannot hold."""
    return character == "\ufeff" or "\ud800" <= character <= "\udfff"
