"""HTML out of Python values: whatever is not `Markup` already is text, and is escaped."""

from collections.abc import Iterable
from html import escape
from typing import Any

from slrcli.report.text.alignment import visible

VOID = frozenset({"meta", "br"})  # elements that have no end tag


class Markup(str):
    """A piece of HTML, safe to stand in a page as it is."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Any value as HTML: markup as it is, all else escaped, with control and direction characters made visible."""
    return value if isinstance(value, Markup) else Markup(escape(visible(str(value))))


def join(parts: Iterable[object]) -> Markup:
    """Pieces one after the other."""
    return Markup("".join(map(text, parts)))


def tag(name: str, /, *children: object, **attributes: Any) -> Markup:
    """An element with its children.

    Args:
        name: of the element.
        children: markup or text; none for an element that stays empty.
        attributes: `class_` is `class`, `aria_label` is `aria-label`; None leaves one out, a float gets two decimals.
    """
    written = "".join(f' {_name(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    return Markup(f"<{name}{written}>" + ("" if name in VOID else f"{join(children)}</{name}>"))


def _name(key: str) -> str:
    return key.removesuffix("_").replace("_", "-")


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else text(value)
