"""Which checks are wanted: by code, by a prefix of a code, and whether warnings count as failures."""

from collections.abc import Iterable
from dataclasses import dataclass

from slrcli.config import nearest
from slrcli.doctor.context import Check
from slrcli.errors import UsageError

FAMILY = "SLR-"  # before every code
# Codes of checks that were merged, and the code that reports their faults now.
SUCCESSORS = {
    "SLR-C03": "SLR-C01",
    "SLR-C05": "SLR-C01",
    "SLR-C07": "SLR-C06",
    "SLR-C11": "SLR-C10",
    "SLR-D05": "SLR-D04",
    "SLR-D07": "SLR-D08",
    "SLR-D17": "SLR-D09",
    "SLR-D28": "SLR-D08",
    "SLR-V03": "SLR-D13",
    "SLR-V04": "SLR-V01",
    "SLR-E02": "SLR-E01",
    "SLR-E06": "SLR-E05",
    "SLR-M06": "SLR-M05",
    "SLR-M10": "SLR-M04",
    "SLR-M14": "SLR-M05",
    "SLR-M19": "SLR-M13",
    "SLR-M21": "SLR-M08",
    "SLR-M22": "SLR-M20",
}


def full_code(text: str) -> str:
    """A code, or a prefix of one, in full: `m03` and `SLR-M03` are `SLR-M03`. A merged check has its successor's."""
    code = FAMILY + text.strip().upper().removeprefix(FAMILY)
    return SUCCESSORS.get(code, code)


def nearest_code(code: str, known: Iterable[str]) -> str:
    """Advice that names the known code most like `code`, of the same letter where there is one."""
    known = list(known)
    return nearest(code, [item for item in known if item.startswith(code[: len(FAMILY) + 1])] or known)


@dataclass(frozen=True)
class Choice:
    """What a user wants of the checks.

    Attributes:
        only: prefixes of the codes that are wanted, in full; none: all.
        skip: prefixes of the codes that are not.
        strict: a warning fails too.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    strict: bool = False

    @classmethod
    def of(cls, only: Iterable[str] = (), skip: Iterable[str] = (), strict: bool = False) -> "Choice":
        """From codes, a text or several; a text may hold several of them, separated by commas."""
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
                    raise UsageError(f"No check has the code {code}.", flag, nearest_code(code, known))


def _codes(texts: Iterable[str]) -> tuple[str, ...]:
    parts = [part for text in ([texts] if isinstance(texts, str) else texts) for part in text.split(",")]
    if any(not part.strip() for part in parts):
        raise UsageError("A code is empty.", "--only, --skip", "Write codes as M03 or D, separated by commas.")
    return tuple(dict.fromkeys(full_code(part) for part in parts))


ALL = Choice()
