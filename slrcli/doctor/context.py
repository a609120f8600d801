"""What a check is, what it looks at, and the registries in which checks stand.

A check is a function that takes a context (what there is to look at) and yields findings:

    @MODEL_CHECKS.add("SLR-M08", "the size is within the budget", needs=("SLR-M01",))
    def size(context: ModelContext) -> Iterator[Finding]:
        yield note("...")

Its code is stable, and is put on its findings by the list, so that the function need not repeat it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from slrcli.findings import Finding, Level, Names

SHOWN = 5  # ids or files that a finding names before it only counts


class Context:
    """What the checks of one list look at. Subclasses hold the things themselves and what is expensive to make."""

    def isolated(self) -> AbstractContextManager:
        """Surrounds every check, so that none leaves anything behind for the next."""
        return nullcontext()

    def results(self) -> dict[str, Any]:
        """What was measured beyond the findings, by its name in `--json`."""
        return getattr(self, "measured", {})


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        code: stable name, such as `SLR-M03`.
        title: what holds when it passes, in a few words.
        function: context in, findings out, which carry no code yet.
        needs: codes of checks without whose success this one means nothing; it is left out when one of them failed.
    """

    code: str
    title: str
    function: Callable[[Context], Iterable[Finding]]
    needs: tuple[str, ...] = ()

    def __call__(self, context: Context) -> list[Finding]:
        """All findings of this check, under its code."""
        return [replace(finding, code=self.code) for finding in self.function(context)]


class Checks:
    """Checks of one subject, in the order in which they run."""

    def __init__(self) -> None:
        self._checks: list[Check] = []

    def add(self, code: str, title: str, needs: tuple[str, ...] = ()) -> Callable[[Callable], Check]:
        """Registers the function below it, which becomes a `Check`; ValueError if the code is taken."""
        if any(check.code == code for check in self._checks):
            raise ValueError(f"{code} is registered twice")

        def register(function: Callable) -> Check:
            check = Check(code, title, function, needs)
            self._checks.append(check)
            return check

        return register

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def __len__(self) -> int:
        return len(self._checks)


def in_order(*lists: Checks) -> tuple[Check, ...]:
    """The checks of several lists by their codes, except that each stands behind those that it needs."""
    waiting = sorted((check for checks in lists for check in checks), key=lambda check: check.code)
    left = {check.code for check in waiting}
    placed = []
    while waiting:
        check = next(check for check in waiting if left.isdisjoint(check.needs))
        placed.append(check)
        waiting.remove(check)
        left.remove(check.code)
    return tuple(placed)


def error(what: str, where: str = "", fix: str = "") -> Finding:
    """A finding that makes the check fail."""
    return Finding(Level.ERROR, "", what, where, fix)


def warning(what: str, where: str = "", fix: str = "") -> Finding:
    """A finding that is worth a look but stops nobody."""
    return Finding(Level.WARNING, "", what, where, fix)


def note(what: str, where: str = "") -> Finding:
    """A measurement."""
    return Finding(Level.NOTE, "", what, where)


def some(items: Sequence[object], count: int = SHOWN, clips: Mapping[str, str] | None = None) -> Names:
    """The first few of `items`, and how many more there are; `--json` has all (see `Names`)."""
    more = len(items) - count
    return Names.of(", ".join(map(str, items[:count])) + (f" and {more:,} more" if more > 0 else ""), items, clips)


def clips(found: Iterable[tuple[str, str]], reason: str) -> Names:
    """The first few clips, for a finding about single clips: `slr check data --flagged` lists all with the reason.

    Args:
        found: the id of each clip, and a figure or remark to it, which may be empty.
        reason: what holds for each of them, in a few words.
    """
    told = {id: f" ({remark})" if remark else "" for id, remark in found}
    return some([id + remark for id, remark in told.items()], clips={id: reason + told[id] for id in told})


def many(count: int, singular: str, plural: str = "") -> str:
    """`1 clip`, `1,200 clips`."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
