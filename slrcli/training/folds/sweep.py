"""What `slr train --sweep` does: ordinary runs that differ in some settings, and which of them is the best on dev."""

import json
import math
import secrets
import signal
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from slrcli.checkpoints.runs import SWEEP, new_run, require_no_run, shown
from slrcli.config import Config
from slrcli.console import Console, finite
from slrcli.errors import EXIT_FAILURE, EXIT_OK, SIGNALLED, SlrError, UsageError, signalled
from slrcli.files import atomic_write_text, held
from slrcli.models.trust import require_allowed_run
from slrcli.parallel.workers import usable_cores
from slrcli.training.folds.axes import Axis, allow_named, require_free, settings_with, settled, told_value
from slrcli.training.folds.plan import threads_for
from slrcli.training.folds.pool import RESULT, Countdown, Engine, Job, Silent, train_on, work_off
from slrcli.training.folds.search import Search, need_optuna
from slrcli.training.folds.sweep_plan import (
    Grid,
    Outcome,
    Plan,
    Source,
    Try,
    deciding_values,
    read_outcome,
    read_plan,
)
from slrcli.training.run import train
from slrcli.training.watch.runs import Runs, find_runs

Settled = Callable[[Mapping[str, Any]], Config]  # some settings -> the whole configuration that has them


@dataclass(frozen=True)
class SweepResult:
    """How a sweep ended.

    Attributes:
        folder: where its runs lie; None after a dry run.
        plan: what was to be done.
        outcomes: what each run came to, by the order in which they were planned; a text says why it failed, and None
            that it has not come to its end.
        left: how many runs are still to be done.
        signal: what interrupted it; 0: nothing.
    """

    folder: Path | None
    plan: Plan
    outcomes: Mapping[str, tuple[Try, Outcome | str | None]]
    left: int = 0
    signal: int = 0

    @property
    def exit_code(self) -> int:
        return SIGNALLED + self.signal if self.signal else EXIT_FAILURE if self.left else EXIT_OK

    @property
    def finished(self) -> list[tuple[Try, Outcome]]:
        """The runs that have come to their end."""
        return [(item, found) for item, found in self.outcomes.values() if isinstance(found, Outcome)]

    @property
    def failed(self) -> list[tuple[Try, str]]:
        """The runs that could not be trained, and why."""
        return [(item, found) for item, found in self.outcomes.values() if isinstance(found, str)]

    @property
    def by_combination(self) -> list[tuple[Try, list[float]]]:
        """The combinations that are finished with every seed, and their WERs on dev, the best first."""
        wers: dict[int, list[float]] = {}
        first: dict[int, Try] = {}
        for item, outcome in self.finished:
            first.setdefault(item.number, item)
            wers.setdefault(item.number, []).append(outcome.wer)
        whole = [(first[number], each) for number, each in wers.items() if len(each) == len(self.plan.seeds)]
        return sorted(whole, key=lambda item: (statistics.fmean(item[1]), item[0].number))

    def table(self) -> Runs:
        """The runs as `slr runs` has them, the best first; of several seeds, a row for each combination with the mean.

        Raises:
            UsageError: there is no run yet.
        """
        assert self.folder is not None  # a dry run has no table
        found = find_runs(self.folder)
        if len(self.plan.seeds) == 1:
            return found
        rows = {row.name: row for row in found.rows}
        means = []
        for item, wers in self.by_combination:
            own = [rows[other.name] for other, _ in self.finished if other.number == item.number]
            settings = {name: value for name, value in own[0].settings.items() if name != "run.seed"}
            sums = {key: sum(getattr(row, key) for row in own) for key in ("epochs", "planned", "seconds")}
            name = item.name.removesuffix(f"-seed{item.seed}")
            means.append(replace(own[0], name=name, wer=statistics.fmean(wers), epoch=0, settings=settings, **sums))
        return Runs(self.folder, tuple(means))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `sweep.json` and `--json`."""
        best = self.by_combination[0][0].values if self.by_combination else None
        runs = []
        for item, found in self.outcomes.values():
            state = "failed" if isinstance(found, str) else "finished" if found else "left"
            plain = {"run": item.name, "values": dict(item.values), "seed": item.seed, "state": state}
            runs.append(plain | (asdict(found) if isinstance(found, Outcome) else {"problem": found or ""}))
        return {**self.plan.to_dict(), "complete": not self.left, "best": best, "runs": runs}


def checked(axes: Sequence[Axis], given: Mapping[str, Any], resolved: Settled, search: int) -> list[Axis]:
    """The axes of a new sweep, every value checked before anything of the corpus is read.

    Args:
        axes: as they were read.
        given: sections of what was said for all runs.
        resolved: see `settled`.
        search: trials; 0: every combination is tried.

    Raises:
        UsageError: see `require_free` and `settled`.
        DependencyError: a search without Optuna.
    """
    if not axes:
        raise UsageError("A sweep needs settings to vary.", "--sweep", "Name one, such as optim.lr=1e-3,2e-3.")
    require_free(axes, given)
    if search:
        need_optuna()
    allow_named(axes)
    return settled(axes, resolved, bool(search))


def train_sweep(
    axes: Sequence[Axis],
    fitted: Settled,
    output_dir: str,
    console: Console,
    seeds: Sequence[int] = (),
    search: int = 0,
    jobs: int = 1,
    dry_run: bool = False,
    cluster: str = "",
    study: str = "",
) -> SweepResult:
    """Train every combination of some settings with every seed, or as many trials as a search is to have.

    Args:
        axes: what is varied, as `checked` gave it.
        fitted: gives a configuration, fitted to the corpus.
        output_dir: the folder that holds the runs; "" for a new one.
        console: progress and notes go there.
        seeds: of every combination; none: that of the configuration.
        search: trials; 0: the whole grid.
        jobs: runs at a time, each in a process of its own; 0: one for each core.
        dry_run: one batch of the first combination; nothing is written.
        cluster: address of a Dask scheduler whose workers train, in place of processes of this machine.
        study: file or address of an Optuna study that this search shares with others; "": its own.

    Raises:
        SlrError: data that allow no run. What ends a single run is told, and the others go on.
    """
    if output_dir and not dry_run:
        require_no_run(Path(output_dir))
    jobs = jobs or usable_cores()
    first = {axis.name: axis.given[0] for axis in axes}
    bases = []
    for deciding in deciding_values(axes):
        if deciding:
            console.heading(", ".join(f"{name}={told_value(value)}" for name, value in deciding.items()))
        values = {**first, **deciding}
        bases.append(settings_with(values, fitted(values)))
    threads = threads_for(max(jobs, 2) if cluster else jobs)
    plan = Plan(tuple(axes), tuple(seeds) or (bases[0].run.seed,), search, threads, tuple(bases))
    if study:
        place = study if "://" in study else str(Path(study).resolve())
        plan = replace(plan, study=place, owner=secrets.token_hex(8))
    count = search or len(plan.grid())
    if dry_run:
        train(replace(bases[0], run=replace(bases[0].run, output_dir="")), console, dry_run=True)
        console.result(f"dry run: {count} runs in total")
        return SweepResult(None, plan, {})
    with new_run(output_dir, "search" if search else "sweep") as folder:
        record(SweepResult(folder, plan, {}, count))
        return run_all(Engine(folder, jobs, cluster), plan, console)


def resume_sweep(folder: Path, jobs: int, console: Console, search: int = 0, cluster: str = "") -> SweepResult:
    """Go on with a sweep: what is finished stays, what was begun goes on, the rest follows.

    Args:
        folder: of the sweep.
        jobs: runs at a time; 0: one for each core.
        console: progress and notes go there.
        search: trials that there are to be in all; 0: as many as were planned.
        cluster: see `train_sweep`.
    """
    plan = read_plan(folder)
    if search and not plan.search:
        what = "This sweep tries every combination, so there is nothing to search."
        raise UsageError(what, f"--search, --resume {folder}", "Leave --search out, or start a new search.")
    for base in plan.bases:
        require_allowed_run(base.model.arch, base.loss.own, str(folder / SWEEP))
    with held(folder, "folder of runs"):
        engine = Engine(folder, jobs or usable_cores(), cluster)
        return run_all(engine, replace(plan, search=search or plan.search), console)


def record(result: SweepResult) -> None:
    """Write down how far the runs have come."""
    if result.folder is not None:
        atomic_write_text(result.folder / SWEEP, json.dumps(finite(result.to_dict()), indent=2) + "\n")


class Runner:
    """The runs of a sweep on their way.

    Attributes:
        found: what each run that is known came to, by its name.
    """

    def __init__(self, folder: Path, plan: Plan, console: Console):
        self.folder, self.plan, self.console = folder, plan, console
        self.found: dict[str, tuple[Try, Outcome | str | None]] = {}
        self.source: Source
        if plan.search:
            self.source = Search(folder, plan, self.know)
        else:
            tries = plan.grid()
            for item in tries:
                self.know(item, read_outcome(folder / item.name))
            self.source = Grid([item for item in tries if self.found[item.name][1] is None])
        self.count = self.source.left
        self._ahead = Countdown(self.count)

    def know(self, item: Try, outcome: Outcome | str | None) -> None:
        """Remember what a run came to."""
        self.found[item.name] = (item, outcome)

    def jobs(self) -> Iterator[Job]:
        """What is to be trained."""
        for item, known in self.source.tries():
            self.know(item, None)
            if known:
                self.tell(item, known, "WER {:.2f} %, as before with these values")
                continue
            try:
                config = self.plan.config_of(self.folder, item)
            except SlrError as error:  # values that do not go together
                self.failed(item, error)
                continue
            yield Job(item.label, self.folder / item.name, config.optim.epochs, run_one, (config, item))

    def done(self, job: Job, outcome: Outcome | None) -> None:
        """A run has come to its end, or its process was told to end."""
        if outcome is None:
            return
        for warning in outcome.warnings:
            self.console.warn(f"{job.label}: {warning}")
        self.tell(job.args[1], outcome, f"WER {{:.2f}} % on dev at epoch {outcome.epoch}")

    def tell(self, item: Try, outcome: Outcome, said: str) -> None:
        """A run is finished."""
        self.know(item, outcome)
        self.source.tell(item, outcome.wer)
        record(self.result())
        self.console.note(f"{item.label}: {said.format(outcome.wer)}{self._ahead()}")

    def failed(self, item: Try, error: SlrError) -> None:
        """A run could not be trained."""
        self.know(item, str(error))
        self.source.tell(item, None)
        record(self.result())
        place = f" ({error.where})" if error.where else ""
        self.console.warn(f"{item.label} has failed{self._ahead()}. {error.what}{place} {error.fix}".rstrip())

    def result(self, signal: int = 0) -> SweepResult:
        """How far it has come."""
        return SweepResult(self.folder, self.plan, dict(self.found), self.source.left, signal)


def run_all(engine: Engine, plan: Plan, console: Console) -> SweepResult:
    """Do what is left of a plan, and write down what it comes to."""
    folder = engine.folder
    runner = Runner(folder, plan, console)
    total = plan.search or len(runner.found)
    console.note(f"{total} runs in {shown(folder)}, {plan.threads} threads each")
    if plan.study:
        console.note(f"Their values are drawn with regard to all trials of the study in {plan.study_shown}.")
    if done := total - runner.count:
        console.note(f"{done} of them are already finished.")

    def failed(job: Job, error: SlrError) -> None:
        runner.failed(job.args[1], error)

    told = 0
    try:
        work_off(runner.jobs(), runner.count, engine, plan.threads, runner.done, console, failed)
    except KeyboardInterrupt as interruption:
        told = signalled(interruption) - SIGNALLED
    finally:
        if runner.source.left:
            console.note(f"To continue: slr train --resume {shown(folder)}")
    ended = runner.result()
    if ended.left and not ended.failed:
        told = told or signal.SIGINT
    ended = replace(ended, signal=told if ended.left else 0)
    record(ended)
    return ended


def run_one(config: Config, item: Try, console: Console) -> Outcome:
    """Train one run to its end, from where it stands.

    Raises:
        SlrError: as the run does.
        Ended: a signal stopped it.
    """
    train_on(config, {}, console)
    run = Path(config.run.output_dir)
    (row,) = find_runs(run).rows
    if row.wer is None or not math.isfinite(row.wer):
        raise SlrError("The run has no WER on dev.", run, "Look at its training.log.")
    warnings = tuple(console.warnings) if isinstance(console, Silent) else ()
    outcome = Outcome(row.wer, row.epoch, row.epochs, round(row.seconds, 1), warnings)
    atomic_write_text(run / RESULT, json.dumps({"values": dict(item.values), **asdict(outcome)}) + "\n")
    return outcome
