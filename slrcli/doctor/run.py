"""Walks a list of checks: every one runs, whatever becomes of the others."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from slrcli.doctor.choice import ALL, Choice
from slrcli.doctor.context import Check, Context
from slrcli.errors import SlrError, UsageError
from slrcli.findings import Finding, Level, has_errors


class NothingWanted(UsageError):
    """A choice of checks that leaves none."""


@dataclass(frozen=True)
class Examination:
    """What came out of a run of checks.

    Attributes:
        subject: what was looked at, for the heading.
        findings: of all checks, in their order.
        checks: code and title of the checks that ran.
        skipped: codes of those that were left out, with the failed check that made them meaningless.
        measured: what checks measured beyond their findings, by name, as plain values; beside the rest in `--json`.
        strict: whether warnings fail too.
    """

    subject: str
    findings: tuple[Finding, ...]
    checks: tuple[tuple[str, str], ...]
    skipped: tuple[tuple[str, str], ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False

    @property
    def passed(self) -> bool:
        """Whether no finding is an error, and where it is strict no warning either."""
        worst = (Level.ERROR, Level.WARNING) if self.strict else (Level.ERROR,)
        return not any(finding.level in worst for finding in self.findings)

    def as_dict(self) -> dict:
        """Everything as plain values, for `--json`."""
        counts = {f"{level.value}s": sum(item.level is level for item in self.findings) for level in Level}
        return {
            "subject": self.subject,
            "findings": [finding.as_dict() for finding in self.findings],
            "summary": {"passed": self.passed, "checks": len(self.checks), **counts},
            "checks": [{"code": code, "title": title} for code, title in self.checks],
            "skipped": [{"code": code, "because": because} for code, because in self.skipped],
            **self.measured,
        }


def examine(
    subject: str,
    context: Context,
    *lists: Iterable[Check],
    step: Callable[[Check], None] = lambda check: None,
    choice: Choice = ALL,
) -> Examination:
    """Run the checks of some lists over one context.

    A check that raises has found something too: it becomes an error under its own code. One that needs a check that
    failed is left out, because it would only say the same again in other words.

    Args:
        subject: what is looked at, for people.
        context: what the checks get.
        lists: the checks, in their order.
        step: called with each check before it runs, for a progress bar.
        choice: which of them are wanted. What these need runs as well, but only its errors are told.

    Raises:
        NothingWanted: the choice leaves no check.
    """
    checks = choice.of_these(chain.from_iterable(lists))
    if not checks:
        raise NothingWanted(
            "None of the checks here is wanted.", "--only, --skip", "slr check --explain list shows all"
        )
    findings: list[Finding] = []
    ran: list[tuple[str, str]] = []
    skipped: list[tuple[str, str]] = []
    failed: set[str] = set()
    for check in checks:
        step(check)
        missing = [code for code in check.needs if code in failed]
        if missing:
            skipped.append((check.code, missing[0]))
            failed.add(check.code)  # what needs this one cannot run either
            continue
        found = run_check(check, context)
        ran.append((check.code, check.title))
        findings += [item for item in found if choice.wants(check.code) or item.level is Level.ERROR]
        if has_errors(found):
            failed.add(check.code)
    return Examination(subject, tuple(findings), tuple(ran), tuple(skipped), strict=choice.strict)


def run_check(check: Check, context: Context) -> list[Finding]:
    """The findings of one check; what it raises becomes an error finding."""
    try:
        with context.isolated():
            return check(context)
    except SlrError as problem:
        return [Finding(Level.ERROR, check.code, problem.what, problem.where, problem.fix)]
    except Exception as problem:  # a model of the user's own may raise anything
        reason = str(problem).strip().splitlines()
        what = f"the check that {check.title} broke off with {type(problem).__name__}"
        return [Finding(Level.ERROR, check.code, f"{what}: {reason[0]}" if reason else what)]
