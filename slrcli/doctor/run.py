"""The one path of every `slr check`: a target opens its context, its checks run over it, an examination comes out."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from slrcli.console import Console
from slrcli.doctor.choice import ALL, Choice
from slrcli.doctor.context import Check, Context
from slrcli.errors import SlrError, UsageError
from slrcli.findings import Finding, Level, Names, has_errors


class NothingWanted(UsageError):
    """A choice of checks that leaves none."""


class Target(Protocol):
    """Something that can be examined: it knows its checks, and opens what they look at."""

    @property
    def checks(self) -> Iterable[Check]:
        """In the order in which they run."""

    def open(self, console: Console) -> tuple[str, Context]:
        """A heading for people, and what the checks look at.

        Raises:
            SlrError: there is nothing to look at.
        """


@dataclass(frozen=True)
class Examination:
    """The result of a run of checks.

    Attributes:
        subject: what was examined, for the heading.
        context: what the checks looked at, with what they measured.
        findings: of all checks, in their order.
        checks: code and title of the checks that ran.
        skipped: codes of the checks that were left out, each with the failed check that it depends on.
        strict: whether warnings fail too.
    """

    subject: str
    context: Context = field(compare=False)
    findings: tuple[Finding, ...]
    checks: tuple[tuple[str, str], ...]
    skipped: tuple[tuple[str, str], ...] = ()
    strict: bool = False

    @property
    def passed(self) -> bool:
        """Whether no finding is an error, and where it is strict no warning either."""
        worst = (Level.ERROR, Level.WARNING) if self.strict else (Level.ERROR,)
        return not any(finding.level in worst for finding in self.findings)

    @property
    def flagged(self) -> dict[str, str]:
        """The clips that warnings and errors name one by one, each with the codes and reasons: `SLR-D25: still`."""
        reasons: dict[str, list[str]] = {}
        for finding in self.findings:
            if finding.level is not Level.NOTE and isinstance(finding.where, Names):
                for id, reason in finding.where.clips.items():
                    reasons.setdefault(id, []).append(f"{finding.code}: {reason}")
        return {id: "; ".join(dict.fromkeys(told)) for id, told in reasons.items()}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `--json`."""
        counts = {f"{level.value}s": sum(item.level is level for item in self.findings) for level in Level}
        return {
            "subject": self.subject,
            "findings": [finding.to_dict() for finding in self.findings],
            "summary": {"passed": self.passed, "checks": len(self.checks), **counts},
            "checks": [{"code": code, "title": title} for code, title in self.checks],
            "skipped": [{"code": code, "because": because} for code, because in self.skipped],
            **{name: plain(value) for name, value in self.context.results().items()},
        }


def plain(value: Any) -> Any:
    """A result as JSON can hold it: what has a plain form of its own in that form."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def run(target: Target, console: Console, choice: Choice = ALL) -> Examination:
    """Open a target and run the checks that are wanted over it, behind a progress bar.

    Raises:
        NothingWanted: the choice leaves no check.
        SlrError: there is nothing to look at.
    """
    checks = wanted(target.checks, choice)
    subject, context = target.open(console)
    with console.progress("Checking", total=len(checks)) as task:

        def step(check: Check) -> None:
            task.describe(f"{check.code} {check.title}")
            task.advance()

        return examine(subject, context, checks, step=step, choice=choice)


def wanted(checks: Iterable[Check], choice: Choice) -> list[Check]:
    """The checks that a choice leaves; NothingWanted if that is none."""
    chosen = choice.of_these(checks)
    if not chosen:
        fix = "Run slr check --explain list to see all checks."
        raise NothingWanted("The choice leaves no check to run.", "--only, --skip", fix)
    return chosen


def examine(
    subject: str,
    context: Context,
    checks: Iterable[Check],
    step: Callable[[Check], None] = lambda check: None,
    choice: Choice = ALL,
) -> Examination:
    """Run checks over one context, every one whatever becomes of the others.

    A check that raises an exception reports it as an error under its own code. A check that depends on a failed one is
    skipped, because it would only report the same fault again.

    Args:
        subject: what is examined, for people.
        context: what the checks look at.
        checks: in their order.
        step: called with each check before it runs, for a progress bar.
        choice: which of them are wanted. What these need runs as well, but only its errors are reported.

    Raises:
        NothingWanted: the choice leaves no check.
    """
    findings: list[Finding] = []
    ran: list[tuple[str, str]] = []
    skipped: list[tuple[str, str]] = []
    failed: set[str] = set()
    for check in wanted(checks, choice):
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
    return Examination(subject, context, tuple(findings), tuple(ran), tuple(skipped), choice.strict)


def run_check(check: Check, context: Context) -> list[Finding]:
    """The findings of one check; an exception becomes an error finding."""
    try:
        with context.isolated():
            return check(context)
    except SlrError as problem:
        return [Finding(Level.ERROR, check.code, problem.what, problem.where, problem.fix)]
    except Exception as problem:  # a model of the user's own may raise anything
        reason = str(problem).strip().splitlines()
        what = f"The check '{check.title}' failed with {type(problem).__name__}"
        return [Finding(Level.ERROR, check.code, f"{what}: {reason[0]}" if reason else f"{what}.")]
