"""Work dealt out to processes that know nothing of each other, such as the tasks of a job array."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from slrcli.errors import UsageError

Item = TypeVar("Item")

LIKE = re.compile(r"(\d{1,6})/(\d{1,6})")


class Part(NamedTuple):
    """One of several parts of some work.

    Attributes:
        number: which, from 1.
        total: of all parts.
    """

    number: int
    total: int

    @classmethod
    def read(cls, text: str) -> "Part":
        """The part that `I/N` names.

        Raises:
            UsageError: it names none.
        """
        found = LIKE.fullmatch(text)
        part = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= part.number <= part.total:
            what = f"{text!r} is not a part."
            raise UsageError(what, "--part", "Write it as I/N, the parts from 1/N to N/N; the second of eight is 2/8.")
        return part

    def of(self, items: Iterable[Item]) -> Iterator[Item]:
        """Every N-th item, from the I-th: the parts share no item and together have all."""
        return (item for place, item in enumerate(items) if place % self.total == self.number - 1)

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"


WHOLE = Part(1, 1)
