"""What `slr train --sweep` and `--search` ask for, and how their results are shown."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slrcli.checkpoints.runs import SWEEP
from slrcli.config import Config
from slrcli.console import Console
from slrcli.errors import UsageError, first_five

if TYPE_CHECKING:
    from slrcli.training.folds.sweep import SweepResult

Settings = Callable[[Mapping[str, Any]], Config]  # some settings -> the configuration that has them


@dataclass(frozen=True)
class Asked:
    """What options ask of several runs that differ in some settings; None or empty where nothing is said."""

    sweep: Sequence[str]
    search: int | None
    study: str | None
    seeds: str
    jobs: int | None
    cluster: str | None
    dry_run: bool


def require_sweep(asked: Asked, runs: Mapping[str, str | None]) -> None:
    """UsageError for options that do not go with a sweep, for a search that has none, and a study without a search."""
    if not asked.sweep:
        what = "A search needs settings to vary."
        raise UsageError(what, "--search", "Add --sweep optim.lr=1e-4..1e-2, or another setting with a range.")
    if asked.study is not None and not (asked.search and asked.study):
        raise UsageError("Only a search has a study.", "--study", "Add --search N, and name a file or an address.")
    folds = [flag for flag in ("--folds", "--fold-splits") if runs[flag] is not None]
    if folds:
        what = "Folds have no dev split of their own that could choose between settings."
        fix = "Choose the settings with --sweep, then score them with --folds."
        raise UsageError(what, f"--sweep, {', '.join(folds)}", fix)
    if runs["--score-split"] is not None:
        what = "The runs of a sweep are compared on dev, and no other split is looked at."
        fix = "Leave it out, and score the best run with slr eval RUN --split NAME."
        raise UsageError(what, "--sweep, --score-split", fix)
    if asked.search and runs["--seeds"] is not None:
        what = "Each trial of a search is one run with one seed."
        raise UsageError(what, "--search, --seeds", "Use --seed, or try every combination with --sweep alone.")


def start_sweep(console: Console, asked: Asked, given: Mapping[str, Any], resolved: Settings, fitted: Settings) -> int:
    """Train what `--sweep` asks for; the exit code. See `checked` and `train_sweep`.

    Args:
        console: progress and notes go there.
        asked: which runs.
        given: sections of what was said for all of them.
        resolved: gives a configuration as it was said.
        fitted: gives it fitted to the corpus.
    """
    from slrcli.training.folds.axes import read_axes
    from slrcli.training.folds.plan import read_seeds
    from slrcli.training.folds.sweep import checked, train_sweep

    search = asked.search or 0
    axes = checked(read_axes(asked.sweep), given, resolved, search)
    run = resolved({axis.name: axis.given[0] for axis in axes}).run
    numbers = read_seeds(asked.seeds, run.seed)
    jobs = 1 if asked.jobs is None else asked.jobs
    more = (search, jobs, asked.dry_run, asked.cluster or "", asked.study or "")
    result = train_sweep(axes, fitted, run.output_dir, console, numbers, *more)
    return 0 if asked.dry_run else show_sweep(console, result)


def go_on_with_sweep(console: Console, folder: Path, jobs: int | None, search: int | None, cluster: str | None) -> int:
    """Do what is left of a sweep; the exit code."""
    from slrcli.training.folds.sweep import resume_sweep

    jobs = 1 if jobs is None else jobs
    return show_sweep(console, resume_sweep(folder, jobs, console, search or 0, cluster or ""))


def show_sweep(console: Console, result: "SweepResult") -> int:
    """Hand the table of the runs and the best of them to the console; the exit code."""
    from slrcli.report.text.runs import runs_table

    if console.as_json:
        console.json(result.to_dict())
        return result.exit_code
    if result.signal:
        return result.exit_code
    ranked = result.by_combination
    if ranked:
        found = result.table()
        table, left = runs_table(found.rows, found.differing, False, console.width)
        console.result(table)
        if left:
            console.note(f"There is no room for {len(left)} more settings that differ: see {result.folder}/{SWEEP}.")
        (best, wers), several = ranked[0], len(result.plan.seeds) > 1
        place, label = f"{result.folder}/{best.name}", result.plan.label(best.values) if several else best.label
        spread = f", mean of {len(wers)} seeds ({min(wers):.2f} to {max(wers):.2f} %)" if several else ""
        console.result(f"best: {label}: WER {statistics.fmean(wers):.2f} % on dev{spread}")
        if not several:
            console.result(f"checkpoint: {place}/best.safetensors")
        corpus = result.plan.bases[0].data.data_dir
        console.note("Dev has chosen these settings, which flatters their WER there; test has not been looked at.")
        console.note(f"Next:\n  slr eval {place} --data-dir {corpus}")
    tell_failed(console, result)
    return result.exit_code


def tell_failed(console: Console, result: "SweepResult") -> None:
    """Name the runs that could not be trained."""
    names = [item.label for item, _ in result.failed]
    if names and result.left:
        console.warn(f"{len(names)} of {len(result.outcomes)} runs have failed: {first_five(names, '.')}")
