"""Several runs of one recipe as a table, and what they say together."""

from collections.abc import Sequence
from typing import Protocol

from rich.box import SIMPLE
from rich.table import Table

from slrcli.report.text.alignment import percent, visible
from slrcli.report.text.scores import interval_text
from slrcli.report.text.tables import ResponsiveTable
from slrcli.scoring.spread import Spread, Summary
from slrcli.scoring.stats import Interval
from slrcli.scoring.wer import Score


class Outcome(Protocol):
    """One run: its fold and seed, its scores after the last and the best epoch, and what it was like."""

    @property
    def fold(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def last(self) -> Score: ...

    @property
    def interval(self) -> Interval: ...

    @property
    def best(self) -> Score: ...

    @property
    def best_epoch(self) -> int: ...

    @property
    def unseen(self) -> int: ...

    @property
    def seconds(self) -> float: ...


def folds_table(outcomes: Sequence[Outcome], head: str, optimistic: bool) -> ResponsiveTable:
    """One row per run.

    Args:
        outcomes: of all runs.
        head: what the folds are called; "" where there are none.
        optimistic: whether the best epoch was chosen on what is scored.
    """
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(head or "seed", overflow="fold")
    best = "best epoch*" if optimistic else "best by dev"
    names = ("utterances", "glosses", "unseen", "last epoch", "95 % interval", best, "at", "minutes")
    for name in ("seed", *names) if head else names:
        table.add_column(name, justify="right", no_wrap=True)
    for item in outcomes:
        score = item.last
        cells = [len(score.utterances), score.ref_tokens, item.unseen, percent(score.wer)]
        cells += [interval_text(item.interval), percent(item.best.wer), item.best_epoch, f"{item.seconds / 60:.1f}"]
        table.add_row(*((visible(item.fold), str(item.seed)) if head else (str(item.seed),)), *map(str, cells))
    return ResponsiveTable(table)


def summary_lines(last: Summary, best: Summary, head: str, optimistic: bool) -> list[str]:
    """What the runs say together, the honest number first.

    Args:
        last, best: after the last and the best epochs.
        head, optimistic: see `folds_table`.
    """
    lines = []
    if head:
        units = f"{last.interval.units} signers" if head == "signer" else f"{last.interval.units} utterances"
        drawn = f"95 % interval {interval_text(last.interval)} ({units} drawn)"
        lines.append(f"WER, mean of {last.over_folds.count} folds: {spread_text(last.over_folds)}")
        lines.append(f"WER, pooled: {percent(last.pooled)}, {last.errors} errors in {last.tokens} glosses; {drawn}")
    if last.over_seeds.count > 1:
        each = ", ".join(f"{seed}: {percent(item.mean)}" for seed, item in last.by_seed.items())
        lines.append(f"WER, mean of {last.over_seeds.count} seeds: {spread_text(last.over_seeds)}  [{each}]")
    mean = spread_text(best.over_folds if head else best.over_seeds)
    if optimistic:
        lines.append(f"* optimistic, each best epoch chosen by the very utterances that are scored: {mean}")
    else:
        lines.append(f"best epoch by dev: {mean}")
    return lines


def spread_text(found: Spread) -> str:
    """`23.10 % (standard deviation 2.00, from 21.00 to 25.00)`."""
    if found.count < 2:
        return percent(found.mean)
    return f"{percent(found.mean)} (standard deviation {found.deviation:.2f}, from {found.low:.2f} to {found.high:.2f})"
