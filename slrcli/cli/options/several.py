"""Options of `slr train` that make several runs of one recipe, and how their results are shown."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from slrcli.cli.options.common import option
from slrcli.config import Config
from slrcli.console import Console
from slrcli.errors import UsageError

Found = TypeVar("Found")


def several() -> bool:
    """Whether torchrun started more than this process; asks the environment alone."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def in_each(work: Callable[[], Found]) -> Found:
    """What `work` gives, done in each of the processes that torchrun started; a failure is told once."""
    if not several():
        return work()
    from slrcli.parallel.distributed import agreed

    return agreed(work)


def among_processes(function: Callable[..., int]) -> Callable[..., int]:
    """The command `function(console, ..., device=...)`, among the processes that torchrun started, if it did."""

    @functools.wraps(function)
    def run(console: Console, **values: Any) -> int:
        if not several():
            return function(console, **values)
        import torch

        from slrcli.parallel.distributed import joined

        gpu = torch.cuda.is_available() and (values.get("device") or "auto") != "cpu"
        with joined(gpu) as rank:
            if rank:
                console.follow(f"process {rank}")
            return function(console, **values)

    return run


Folds = Annotated[str | None, option("train.folds")]
FoldSplits = Annotated[str | None, option("train.fold_splits")]
Seeds = Annotated[str | None, option("train.seeds")]
ScoreSplit = Annotated[str | None, option("train.score_split")]
Sweeps = Annotated[list[str] | None, option("train.sweep")]
Trials = Annotated[int | None, option("train.search")]
Study = Annotated[str | None, option("train.study")]
Jobs = Annotated[int | None, option("train.jobs")]
OnCluster = Annotated[str | None, option("train.cluster")]


RUNS_LIKE = "Add --folds signer, --folds 5, --seeds 3 or --sweep optim.lr=1e-3,2e-3."


def require_several(options: dict[str, Any]) -> None:
    """UsageError for options that mean nothing with a single run."""
    given = ", ".join(flag for flag, value in options.items() if value is not None)
    if given:
        raise UsageError("This applies only to several runs.", given, RUNS_LIKE)


def start_folds(
    console: Console, config: Config, options: dict[str, str | None], jobs: int | None, dry: bool, cluster: str | None
) -> int:
    """Train what `--folds` and `--seeds` ask for; the exit code."""
    from slrcli.training.folds.folds import train_folds

    said = {flag: value or "" for flag, value in options.items()}
    result = train_folds(
        config, console, said["--folds"], said["--fold-splits"], said["--seeds"], said["--score-split"],
        1 if jobs is None else jobs, dry, cluster or "",
    )  # fmt: skip
    return show_folds(console, result)


def go_on_with_folds(console: Console, folder: Path, jobs: int | None, cluster: str | None) -> int:
    """Do what is left of several runs; the exit code."""
    from slrcli.training.folds.folds import resume_folds

    return show_folds(console, resume_folds(folder, 1 if jobs is None else jobs, console, cluster or ""))


def show_folds(console: Console, result) -> int:
    """Hand the table and what it comes to to the console; the exit code."""
    from slrcli.report.text.folds import folds_table, summary_lines

    if console.as_json:
        console.json(result.to_dict())
    elif result.complete:
        plan = result.plan
        head = "signer" if plan.by_signer else "fold" if plan.folds else ""
        console.result(folds_table(result.outcomes, head, plan.optimistic))
        for line in summary_lines(result.summary("last"), result.summary("best"), head, plan.optimistic):
            console.result(line)
        console.note(f"runs: {result.folder}")
    return result.exit_code
