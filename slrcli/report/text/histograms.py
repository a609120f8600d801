"""Small histograms of text: one line per split, eight heights, no wider than a narrow terminal."""

import math
from collections.abc import Callable, Iterator, Sequence

from slrcli.corpus.distributions import Distribution

BLOCKS = " ▁▂▃▄▅▆▇█"
PLAIN = " .:-=+*#@"  # where the encoding has no blocks
NAME = 12  # columns of a split's name


def draw(distributions: Sequence[Distribution], can_show: Callable[[str], bool]) -> Iterator[str]:
    """Lines that picture some distributions.

    Args:
        distributions: what to draw; the bins of one are shared by its splits.
        can_show: whether a text can be written to where the lines go.
    """
    marks = marks_for(can_show)
    for item in distributions:
        yield ""
        yield f"{item.name}, from {number(item.low)} to {number(item.high)}"
        for part in item.spreads:
            name = part.split if len(part.split) <= NAME else part.split[: NAME - 1] + "~"
            yield (
                f"  {name:{NAME}} |{bars(part.counts, marks)}|  {part.clips:,} clips, "
                f"{number(part.least)} to {number(part.most)}, median {number(part.median)}"
            )


def marks_for(can_show: Callable[[str], bool]) -> str:
    """The heights that can be written: blocks, or plain characters where the encoding has none."""
    return BLOCKS if can_show(BLOCKS) else PLAIN


def spark(values: Sequence[float], marks: str = BLOCKS) -> str:
    """One character per value, as high as it is against the largest; a blank where it is not known."""
    top = max((value for value in values if value == value), default=0.0) or 1.0
    steps = len(marks) - 1
    return "".join(marks[max(1, math.ceil(value * steps / top))] if value == value else marks[0] for value in values)


def bars(counts: Sequence[int], marks: str = BLOCKS) -> str:
    """One character per bin, as high as the bin is full; every bin that is not empty shows something."""
    top = max(counts, default=0)
    return "".join(marks[-(-count * (len(marks) - 1) // top)] if count else marks[0] for count in counts)


def number(value: float) -> str:
    """`186`, `0.61`: three digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
