"""Options of `slr train` that make several runs of one recipe, and how their results are shown."""

from pathlib import Path
from typing import Annotated, Any

import typer

from slrcli.config import FOLD_SPLITS, Config
from slrcli.console import Console
from slrcli.errors import UsageError

PANEL = "Several runs"
Folds = Annotated[
    str | None,
    typer.Option(
        "--folds",
        metavar="signer|sentence:K|utterance:K|K",
        help="Hold out every signer in turn, or part the corpus into K folds that share no sentence (or no utterance).",
        rich_help_panel=PANEL,
    ),
]
FoldSplits = Annotated[
    str | None,
    typer.Option(
        "--fold-splits",
        metavar="SPLIT[,SPLIT]",
        help=f"Splits that are pooled for the folds; {' and '.join(FOLD_SPLITS)} unless named.",
        rich_help_panel=PANEL,
    ),
]
Seeds = Annotated[
    str | None,
    typer.Option(
        "--seeds",
        metavar="N|S,S,...",
        help="Several seeds: so many from --seed on, or these. The folds themselves are drawn by --seed.",
        rich_help_panel=PANEL,
    ),
]
ScoreSplit = Annotated[
    str | None,
    typer.Option(
        "--score-split",
        metavar="SPLIT",
        help="What several seeds without folds are scored on; dev unless named.",
        rich_help_panel=PANEL,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=0,
        metavar="N",
        help="Runs at a time, each in a process with one thread unless OMP_NUM_THREADS says otherwise; 0: one a core.",
        rich_help_panel=PANEL,
    ),
]


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
