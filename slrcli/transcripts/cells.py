"""The glosses in the cells of one column, however they are separated.

Usually blanks separate glosses. Other programs write lists, `['A', 'B']` or `["A", "B"]`, nested ones, objects with a
gloss, `[{"gloss": "A", "start": 3}]`, or put commas, semicolons or bars between glosses, or quotes around each. A list
with quotes shows itself and is read by itself. A mark could belong to a gloss, so that it separates only if the whole
column agrees: nowhere are two glosses separated by blanks alone, and either every mark has a blank beside it, or at
least half of the distinct cells hold one (a semicolon: two in one of them); any other mark stands alone, as `->` does,
between all glosses. Everything else is left as it is.
"""

import ast
import json
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import NamedTuple

from slrcli.errors import DataError
from slrcli.transcripts.words import GLOSS_COLUMNS, check_word

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
_CALL = re.compile(
    r"[A-Za-z_.]+\(\s*([\[({].*[\])}])\s*(?:,\s*\w+=[^()]*)*\)", re.DOTALL
)  # Index([...], dtype='object')
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
    places = where or [""] * len(cells)
    lists = [_listed(cell, place) for cell, place in zip(cells, places, strict=True)]
    for items, place in zip(lists, places, strict=True):
        for item in items or ():
            check_word(item, "gloss", place)
    others = [cell for cell, items in zip(cells, lists, strict=True) if items is None]
    bare = _bare_lists(others)
    rest = others if bare is None else bare
    mark = _common_mark(rest)
    split = iter(_without_quotes([_parts(cell, mark) if mark else tuple(cell.split()) for cell in rest]))
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
    mark = found.separator
    beside = mark in MARKS and any(re.search(rf"\S{re.escape(mark)}\S", cell) for cell in cells)
    return found if not mark or not beside else Cells([tuple(cell.split()) for cell in cells], "")


def separated_text(separator: str) -> str:
    """What separates the glosses, for a sentence; "" if it is blanks."""
    names = {"": "", LISTS: "the marks of lists", "|": "bars", ",": "commas", ";": "semicolons", "/": "slashes"}
    return names.get(separator, f"the mark {separator.strip()}")


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


def _listed(cell: str, where: str) -> tuple[str, ...] | None:
    """The items of a cell that shows itself to be a list; None for any other text. Raises like `_texts`."""
    text = cell.strip()
    found = _quoted_list(text)
    if found is not None or text[-1:] not in ("]", ")", "}"):
        return found
    inner = call[1] if (call := _CALL.fullmatch(text)) else text
    if inner[0] not in "[({":
        return None
    value = _literal(inner)
    return None if isinstance(value, str) else _texts(value, where)


def _literal(text: str) -> object:
    """What a text in JSON, or of literals in Python, stands for; an Ellipsis if it is neither."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that Python does not know
        for read in (json.loads, ast.literal_eval):
            with suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
                return read(text)
    return ...


def _texts(value: object, where: str) -> tuple[str, ...] | None:
    """The texts of nested lists and of objects with a gloss, in order; None if there is anything else.

    Raises:
        DataError: an object has no gloss, or a set no order.
    """
    if value is None or isinstance(value, str):
        return tuple((value or "").split())
    if isinstance(value, dict):
        key = next((key for name in GLOSS_COLUMNS for key in value if str(key).lower() == name), None)
        if key is None:
            known = ", ".join(GLOSS_COLUMNS)
            what = f"The cell holds objects without a gloss: {', '.join(map(str, value))[:200] or 'empty ones'}."
            raise DataError(what, where, f"Call it {known}, or write the glosses with blanks between them.")
        return _texts(value[key], where)
    if isinstance(value, set) and all(isinstance(item, str) for item in value):
        raise DataError(
            "The cell holds a set, whose glosses have no order.", where, "Write the glosses in their order."
        )
    if not isinstance(value, list | tuple):
        return None
    found: list[str] = []
    for item in value:
        texts = (item,) if isinstance(item, str) else _texts(item, where)
        if texts is None:
            return None
        found += filter(None, (text.strip() for text in texts))
    return tuple(found)


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
    return next((mark for mark in SPACED if _separates(mark, distinct)), "") or _alone(distinct)


def _alone(cells: set[str]) -> str:
    """The mark that stands alone between all glosses and nowhere else, such as ` -> `; "" if there is none."""
    several = [words for cell in cells if len(words := cell.split()) > 1]
    mark = several[0][1] if len(several) > 1 else ""
    if not mark or any(character.isalnum() or character == "_" for character in mark):
        return ""
    rows = [cell.split() for cell in cells]
    agreed = all(set(row[1::2]) <= {mark} and mark not in row[::2] and len(row) % 2 for row in rows if row)
    return f" {mark} " if agreed else ""


def _without_quotes(sentences: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The glosses without the quotes that stand around every one of them."""
    glosses = {gloss for sentence in sentences for gloss in sentence}
    for quote in "\"'":
        if glosses and all(re.fullmatch(f"{quote}[^{quote}]+{quote}", gloss) for gloss in glosses):
            return [tuple(gloss[1:-1] for gloss in sentence) for sentence in sentences]
    return sentences


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
    return tuple(part.strip() for part in " ".join(cell.split()).split(mark) if part.strip())
