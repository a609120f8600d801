"""Which checks are wanted: by code, by the beginning of a code, and whether warnings count as failures."""

from collections.abc import Iterable
from dataclasses import dataclass

from slrcli.config import nearest
from slrcli.doctor.context import Check
from slrcli.errors import UsageError

FAMILY = "SLR-"  # before every code


def full_code(text: str) -> str:
    """A code, or the beginning of one, in full: `m03`, `M03` and `SLR-M03` are all `SLR-M03`."""
    return FAMILY + text.strip().upper().removeprefix(FAMILY)


@dataclass(frozen=True)
class Choice:
    """What a user wants of the checks.

    Attributes:
        only: beginnings of the codes that are wanted, in full; none: all.
        skip: beginnings of the codes that are not.
        strict: a warning fails too.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    strict: bool = False

    @classmethod
    def of(cls, only: Iterable[str] = (), skip: Iterable[str] = (), strict: bool = False) -> "Choice":
        """From codes, a text or several; a text may hold several of them with commas between."""
        return cls(_codes(only), _codes(skip), strict)

    def wants(self, code: str) -> bool:
        """Whether the findings of `code` are asked for."""
        return (not self.only or code.startswith(self.only)) and not (self.skip and code.startswith(self.skip))

    def of_these(self, checks: Iterable[Check]) -> list[Check]:
        """The checks to run, in their order: those that are wanted and all that these need."""
        checks = list(checks)
        needs = {check.code: check.needs for check in checks}
        run: set[str] = set()
        waiting = [code for code in needs if self.wants(code)]
        while waiting:
            code = waiting.pop()
            if code in needs and code not in run and not (self.skip and code.startswith(self.skip)):
                run.add(code)
                waiting += needs[code]
        return [check for check in checks if check.code in run]

    def require_known(self, known: Iterable[str]) -> None:
        """UsageError for a code that none of `known` begins with."""
        known = list(known)
        for flag, codes in (("--only", self.only), ("--skip", self.skip)):
            for code in codes:
                if not any(item.startswith(code) for item in known):
                    raise UsageError(f"No check has the code {code}.", flag, nearest(code, known))


def _codes(texts: Iterable[str]) -> tuple[str, ...]:
    parts = [part for text in ([texts] if isinstance(texts, str) else texts) for part in text.split(",")]
    if any(not part.strip() for part in parts):
        raise UsageError("A code is empty.", "--only, --skip", "Write codes as M03 or D, with commas between.")
    return tuple(dict.fromkeys(full_code(part) for part in parts))


ALL = Choice()
