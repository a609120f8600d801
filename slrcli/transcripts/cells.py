"""The glosses in the cells of one column, however they are separated.

Usually blanks separate glosses. Other programs write lists, `['A', 'B']` or `["A", "B"]`, or put commas, semicolons or
bars between glosses. A list with quotes shows itself and is read by itself. A mark could belong to a gloss, so that it
separates only if the whole column agrees: nowhere are two glosses separated by blanks alone, and either every mark has
a blank beside it, or at least half of the distinct cells hold one (a semicolon: two in one of them). Everything else is
left as it is.
"""

import json
import re
from collections.abc import Sequence
from itertools import chain, islice
from typing import NamedTuple

from slrcli.errors import DataError
from slrcli.transcripts.words import check_word

MARKS = "|,;\u3001\u060c\uff0c\uff1b"  # bars, commas and semicolons; also those of Chinese, Japanese and Arabic texts
SPACED = MARKS + "/"  # separate where a blank stands beside them: a slash without blanks joins variants of one gloss
LISTS = "lists"
_BRACKETS = {"[": "]", "(": ")"}

_QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_ITEM = rf"(?:u?({_QUOTED})|np\.str_\(({_QUOTED})\))"
_ITEMS = re.compile(_ITEM, re.DOTALL)
_LIST = re.compile(
    rf"(?:array\()?(?P<opening>[\[(])\s*(?:{_ITEM}(?:\s*[,;]\s*|\s+|(?=\s*[\])])))*(?P<closing>[\])])"
    r"(?:,\s*dtype=[^()]*)?\)?",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class Cells(NamedTuple):
    """The glosses of every cell, and what separates them: "" for blanks, `lists`, or a mark."""

    glosses: list[tuple[str, ...]]
    separator: str


def split_cells(cells: Sequence[str], where: Sequence[str] = ()) -> Cells:
    """The glosses of the cells of one column.

    Args:
        cells: all cells of the column, without the header.
        where: the place of each, for messages.

    Raises:
        DataError: an item of a list holds white space, so that it cannot be one gloss; names item and place.
    """
    lists = [_quoted_list(cell) for cell in cells]
    for number, items in enumerate(lists):
        for item in items or ():
            check_word(item, "gloss", where[number] if where else "")
    others = [cell for cell, items in zip(cells, lists, strict=True) if items is None]
    bare = _bare_lists(others)
    rest = others if bare is None else bare
    mark = _common_mark(rest)
    split = iter([_parts(cell, mark) if mark else tuple(cell.split()) for cell in rest])
    glosses = [items if items is not None else next(split) for items in lists]
    listed = bare is not None or any(items is not None for items in lists)
    return Cells(glosses, LISTS if listed else mark)


def split_columns(columns: Sequence[Sequence[str]], where: Sequence[Sequence[str]] = ()) -> list[Cells]:
    """The glosses of the columns of several tables that belong together: one mark separates in all of them.

    A few cells alone may not tell. Where the columns do not agree, one whose own mark is beyond doubt, with a blank
    beside it everywhere, is taken apart by itself.

    Args:
        columns: the cells of each column, without the header.
        where: the place of each cell, for messages.

    Raises:
        DataError: like `split_cells`.
    """
    glosses, separator = split_cells(list(chain(*columns)), list(chain(*where)))
    if not separator:
        return [_beyond_doubt(column) for column in columns]
    rest = iter(glosses)
    return [Cells(list(islice(rest, len(column))), separator) for column in columns]


def _beyond_doubt(cells: Sequence[str]) -> Cells:
    """The glosses of a column, at a mark only if it has a blank beside it everywhere."""
    found = split_cells(cells)
    sure = found.separator == LISTS or not any(
        re.search(rf"\S{re.escape(found.separator)}\S", cell) for cell in cells if found.separator
    )
    return found if sure else Cells([tuple(cell.split()) for cell in cells], "")


def separated_text(separator: str) -> str:
    """What separates the glosses, for a sentence; "" if it is blanks."""
    names = {"": "", LISTS: "the marks of lists", "|": "bars", ",": "commas", ";": "semicolons", "/": "slashes"}
    return names.get(separator, f"the mark {separator}")


def one_cell(glosses: Sequence[str]) -> str:
    """The glosses as a list in one cell, which `split_cells` takes apart again whatever the glosses hold."""
    return json.dumps(list(glosses), ensure_ascii=False)


def gloss_cells(sentences: Sequence[Sequence[str]]) -> list[str]:
    """The cells of a column to write: blanks between glosses, or lists where the column would be read otherwise."""
    cells = [" ".join(glosses) for glosses in sentences]
    try:
        same = split_cells(cells).glosses == [tuple(glosses) for glosses in sentences]
    except DataError:
        same = False
    return cells if same else [one_cell(glosses) for glosses in sentences]


def _quoted_list(cell: str) -> tuple[str, ...] | None:
    """The items of a list of quoted texts, as Python, numpy and JSON write it; None for any other text."""
    text = cell.strip()
    if re.fullmatch(r"\[\s*\]", text):
        return ()
    found = _LIST.fullmatch(text) if text[:1] in ("[", "(", "a") else None
    if found is None or _BRACKETS[found["opening"]] != found["closing"]:
        return None
    items = [_unquoted(first or second).strip() for first, second in _ITEMS.findall(text)]
    if text[0] == "(" and len(items) < 2 and not re.search(r",\s*\)", text):
        return None  # ("A") is a text in brackets, not a tuple
    return tuple(filter(None, items))


def _unquoted(text: str) -> str:
    def character(escape: re.Match[str]) -> str:
        code = escape[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else _CONTROLS.get(code, code)

    text = _ESCAPE.sub(character, text[1:-1])
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # JSON escapes halves of characters


def _bare_lists(cells: Sequence[str]) -> list[str] | None:
    """The cells without their brackets, if every cell has them and none within: `[A, B]`."""
    found = [cell.strip() for cell in cells if cell.strip()]
    if not found or not all(re.fullmatch(r"\[[^\[\]]*\]", cell) for cell in found):
        return None
    return [cell.strip()[1:-1] for cell in cells]


def _common_mark(cells: Sequence[str]) -> str:
    """The mark that separates the glosses of the whole column; "" if it is blanks."""
    distinct = set(cells)
    return next((mark for mark in SPACED if _separates(mark, distinct)), "")


def _separates(mark: str, cells: set[str]) -> bool:
    marked = [cell for cell in cells if mark in cell]
    if not marked or any(len(part.split()) > 1 for cell in cells for part in cell.split(mark)):
        return False
    if not any(len(_parts(cell, mark)) > 1 for cell in marked):
        return False
    between = re.compile(rf"\S{re.escape(mark)}\S")
    if not any(between.search(cell) for cell in marked):
        return True
    most = mark in MARKS and 2 * len(marked) >= sum(bool(cell.strip()) for cell in cells)
    return most and (mark not in ";," or any(_is_list(_parts(cell, mark), mark) for cell in marked))


def _is_list(parts: Sequence[str], mark: str) -> bool:
    """Whether parts without a blank at their mark are glosses: `A;1` may be one with its variant, `3,5` is a number."""
    return len(parts) > (2 if mark == ";" else 1) and not all(part.isdigit() for part in parts)


def _parts(cell: str, mark: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split(mark) if part.strip())
