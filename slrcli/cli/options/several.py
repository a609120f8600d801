"""Options of `slr train` that make several runs of one recipe, and how their results are shown."""

from pathlib import Path
from typing import Annotated, Any

from slrcli.cli.options.common import option
from slrcli.config import Config
from slrcli.console import Console
from slrcli.errors import UsageError

Folds = Annotated[str | None, option("train.folds")]
FoldSplits = Annotated[str | None, option("train.fold_splits")]
Seeds = Annotated[str | None, option("train.seeds")]
ScoreSplit = Annotated[str | None, option("train.score_split")]
Jobs = Annotated[int | None, option("train.jobs")]


def require_several(options: dict[str, Any]) -> None:
    """UsageError for options that mean nothing with a single run."""
    given = ", ".join(flag for flag, value in options.items() if value is not None)
    if given:
        raise UsageError("This belongs to several runs.", given, "Add --folds signer, --folds 5 or --seeds 3.")


def start_folds(console: Console, config: Config, options: dict[str, str | None], jobs: int | None, dry: bool) -> int:
    """Train what `--folds` and `--seeds` ask for; the exit code."""
    from slrcli.training.folds.folds import train_folds

    said = {flag: value or "" for flag, value in options.items()}
    result = train_folds(
        config, console, said["--folds"], said["--fold-splits"], said["--seeds"], said["--score-split"],
        1 if jobs is None else jobs, dry,
    )  # fmt: skip
    return show_folds(console, result)


def go_on_with_folds(console: Console, folder: Path, jobs: int | None) -> int:
    """Do what is left of several runs; the exit code."""
    from slrcli.training.folds.folds import resume_folds

    return show_folds(console, resume_folds(folder, 1 if jobs is None else jobs, console))


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
