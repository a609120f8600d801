"""What several sections are made of: sections themselves, tables that scroll in their own box, bars."""

import math
from collections.abc import Iterable, Sequence

from slrcli.report.page.markup import Markup, join, tag
from slrcli.report.text.alignment import percent
from slrcli.scoring.align import DELETION, INSERTION, SUBSTITUTION, Counts

NAMES = {SUBSTITUTION: "substituted", DELETION: "deleted", INSERTION: "inserted"}
_SCALES = (5, 10, 20, 50, 100)  # where a bar may end, in percent


def section(id: str, title: str, lead: object, *children: object) -> Markup:
    """A part of the page under its heading; `lead` says how to read it."""
    heading = tag("h2", title, id=f"{id}-title")
    return tag("section", heading, tag("p", lead, class_="lead"), *children, id=id, aria_labelledby=f"{id}-title")


def table(head: Sequence[object], rows: Iterable[Sequence[object]], label: str, class_: str = "") -> Markup:
    """A table whose first column names its rows. What is too wide scrolls in a box that the keyboard reaches.

    Cells that are markup, whole `<td>` or `<th>` elements, stand as they are; all else becomes one.
    """
    columns = tag("thead", tag("tr", *(_cell(cell, "th", scope="col") for cell in head)))
    body = [tag("tr", _cell(first, "th", scope="row", title=str(first)), *map(_cell, rest)) for first, *rest in rows]
    whole = tag("table", columns, tag("tbody", *body), class_=class_ or None)
    return scrolling(whole, label)


def scrolling(inner: object, label: str) -> Markup:
    """A box that scrolls by itself, so that the page need not."""
    return tag("div", inner, class_="scroll", role="region", aria_label=label, tabindex="0")


def legend() -> Markup:
    """What the letters and colours of errors mean."""
    items = [tag("span", tag("i", letter, class_=letter), " ", name) for letter, name in NAMES.items()]
    return tag("p", *items, class_="legend")


def scale_of(rates: Iterable[float]) -> float:
    """A round end for bars of these percentages."""
    largest = max((rate for rate in rates if rate == rate), default=0.0)
    return next((end for end in _SCALES if largest <= end), 100.0 * math.ceil(largest / 100))


def error_bar(counts: Counts, interval: tuple[float, float] | None, scale: float) -> Markup:
    """Substitutions, deletions and insertions end to end, as shares of the reference, and the interval over them."""
    said = f"WER {percent(counts.wer)}" + (f", interval {interval_text(interval)}" if interval else "")
    tokens = max(counts.ref_tokens, 1)
    x, parts = 0.0, []
    letters = zip(NAMES, (counts.substitutions, counts.deletions, counts.insertions), strict=True)
    for letter, count in letters:
        width = 100 * 100 * count / tokens / scale
        if count and counts.ref_tokens:
            parts.append(tag("rect", class_=letter, x=x, y="3", width=width, height="10"))
            x += width
    if interval:
        low, high = (100 * edge / scale for edge in interval)
        parts.append(tag("path", class_="interval", d=f"M{low:.2f} 8H{high:.2f}M{low:.2f} 4v8M{high:.2f} 4v8"))
    return bar(said, *parts)


def bar(label: str, *shapes: object) -> Markup:
    """A drawing as wide as its cell: 100 units wide, whatever that is on the screen, and 16 high."""
    drawing = {"viewBox": "0 0 100 16", "preserveAspectRatio": "none", "role": "img", "aria_label": label}
    return tag("svg", tag("title", label), *shapes, class_="bar", **drawing)


def interval_text(interval: tuple[float, float]) -> str:
    """An interval of percentages for people."""
    low, high = interval
    return f"{low:.1f} to {high:.1f} %"


def share(part: int, whole: int) -> str:
    """A share in whole percent; nothing of nothing is a dash."""
    return f"{100 * part / whole:.0f} %" if whole else "–"


def more(shown: int, of: int, what: str) -> Markup:
    """Says how many rows were left out; nothing if none were."""
    return tag("p", f"Not shown: {of - shown} more {what}.", class_="more") if of > shown else join(())


def _cell(value: object, name: str = "td", **attributes: str) -> Markup:
    return value if isinstance(value, Markup) else tag(name, value, **attributes)
