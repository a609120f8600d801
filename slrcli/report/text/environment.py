"""The machine as a Markdown table, to be pasted into a report of a defect."""

from collections.abc import Iterable, Mapping

from slrcli.findings import Finding, Level


def as_markdown(facts: Mapping[str, str], findings: Iterable[Finding]) -> str:
    """A table of the facts, and below it what is wrong, if anything is."""
    lines = ["| what | here |", "|---|---|", *(f"| {name} | {_cell(text)} |" for name, text in facts.items())]
    wrong = [finding for finding in findings if finding.level is not Level.NOTE]
    if wrong:
        lines += ["", *(f"- {finding.level} {finding.code}: {finding.what}" for finding in wrong)]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
