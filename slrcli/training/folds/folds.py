"""What `slr train --folds` and `--seeds` do: several ordinary runs, and what they say together."""

import json
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slrcli.checkpoints.runs import BEST, LAST, METRICS, PLAN, new_run, shown
from slrcli.config import Config, check_bounds
from slrcli.console import Console, finite
from slrcli.corpus import Corpus
from slrcli.corpus.folds import Fold, write_folds
from slrcli.errors import EXIT_OK, SIGNALLED, SlrError, signalled, understood
from slrcli.evaluation.checkpoint import EvalResult, evaluate_checkpoint
from slrcli.files import atomic_write_text, held, temporary_folder
from slrcli.models.trust import require_allowed_run
from slrcli.parallel.workers import usable_cores
from slrcli.scoring.spread import Summary, summarise
from slrcli.scoring.stats import Interval, interval
from slrcli.scoring.wer import Score, score
from slrcli.training.folds.plan import AGAIN, ANNOTATIONS, Part, Plan, make_plan, read_plan
from slrcli.training.folds.pool import RESULT, Countdown, Engine, Job, Silent, read_result, train_on, work_off
from slrcli.training.run import train, with_absolute_paths
from slrcli.training.watch.history import RunHistory


@dataclass(frozen=True)
class Outcome:
    """The result of a run on utterances that it was not trained on.

    Attributes:
        fold, seed: which run.
        last: the score after the last epoch, which nothing selected.
        best: the score after the epoch with the lowest WER on dev.
        best_epoch: that epoch.
        epochs: how many there were.
        unseen: tokens that are not in the vocabulary of the run, each a certain error.
        seconds: of training.
        threads: of torch while it trained.
        warnings: those of a run that trained in a process of its own.
    """

    fold: str
    seed: int
    last: Score
    best: Score
    best_epoch: int
    epochs: int
    unseen: int
    seconds: float
    threads: int
    warnings: tuple[str, ...] = ()

    @property
    def interval(self) -> Interval:
        """Of the WER after the last epoch, over utterances."""
        return interval(self.last)

    def to_dict(self, utterances: bool = False) -> dict[str, Any]:
        """Plain values, for JSON; with every utterance, if wanted."""
        plain = {key: getattr(self, key) for key in PLAIN}
        scores = {key: getattr(self, key).to_dict(utterances=utterances) for key in ("last", "best")}
        return {**plain, "interval": asdict(self.interval), **scores}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Outcome":
        """The opposite of `to_dict` with utterances."""
        plain = {key: values[key] for key in PLAIN}
        return cls(**plain, last=_scored(values["last"]), best=_scored(values["best"]))


PLAIN = ("fold", "seed", "best_epoch", "epochs", "unseen", "seconds", "threads")


@dataclass(frozen=True)
class FoldsResult:
    """How several runs ended.

    Attributes:
        folder: where they lie; None after a dry run.
        plan: what was to be done.
        outcomes: in the order of the plan; fewer than planned after an interruption.
        signal: what interrupted it; 0: nothing.
    """

    folder: Path | None
    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    signal: int = 0

    @property
    def interrupted(self) -> bool:
        """Whether something is left to do."""
        return self.signal > 0

    @property
    def exit_code(self) -> int:
        return SIGNALLED + self.signal if self.interrupted else EXIT_OK

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return len(self.outcomes) == len(self.plan.runs)

    def summary(self, which: str = "last") -> Summary:
        """What the finished runs say together, after their `last` or `best` epoch."""
        scores = {(item.fold, item.seed): getattr(item, which) for item in self.outcomes}
        return summarise(scores, self.plan.by_signer, self.plan.config.run.seed)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for `folds.json` and `--json`."""
        summaries = {which: summary_dict(self.summary(which)) for which in ("last", "best")} if self.complete else None
        runs = [{"run": self.plan.run_name(Part(item.fold), item.seed), **item.to_dict()} for item in self.outcomes]
        return {**self.plan.to_dict(), "complete": self.complete, "runs": runs, "summary": summaries}


def summary_dict(summary: Summary) -> dict[str, Any]:
    """A summary as JSON can hold it."""
    return {**asdict(summary), "pooled": summary.pooled}


def train_folds(
    config: Config,
    console: Console,
    folds: str = "",
    splits: str = "",
    seeds: str = "",
    score_split: str = "",
    jobs: int = 1,
    dry_run: bool = False,
    cluster: str = "",
) -> FoldsResult:
    """Train every fold with every seed.

    Args:
        config: of all runs; `run.output_dir` is the folder that holds them.
        console: progress and notes go there.
        folds, splits, seeds, score_split: see `make_plan`.
        jobs: runs at a time, each in a process of its own; 0: one for each core.
        dry_run: the plan, and one batch of the first run; nothing is written.
        cluster: address of a Dask scheduler whose workers train, in place of processes of this machine.

    Raises:
        SlrError: options or data that allow no such runs, or what ends a run.
    """
    check_bounds(config)
    config = with_absolute_paths(config)
    jobs = jobs or usable_cores()
    at_once = max(jobs, 2) if cluster else jobs
    plan, corpus, made = make_plan(config, folds, splits, seeds, score_split, at_once, console)
    for note in corpus.notes:
        console.note(note)
    for part in plan.parts if plan.folds else ():
        console.note(f"fold {part.name}: {part.learnt} training utterances, {part.held_out} held out")
    if dry_run:
        with temporary_folder() as place:
            write_tables(plan, place, corpus, made[:1])
            train(plan.config_of(place, plan.parts[0], plan.seeds[0]), console, dry_run=True)
        console.result(f"dry run: {len(plan.runs)} runs in total")
        return FoldsResult(None, plan)
    name = f"{plan.folds.replace(':', '-')}-folds" if plan.folds else "seeds"
    with new_run(config.run.output_dir, name) as folder:
        write_tables(plan, folder, corpus, made)
        record(FoldsResult(folder, plan))
        return run_all(Engine(folder, jobs, cluster), plan, console)


def resume_folds(folder: Path, jobs: int, console: Console, cluster: str = "") -> FoldsResult:
    """Go on with several runs: what is finished stays, what was begun goes on, the rest follows."""
    plan = read_plan(folder)
    require_allowed_run(plan.config.model.arch, plan.config.loss.own, str(folder / PLAN))
    with held(folder, "folder of runs"):
        return run_all(Engine(folder, jobs or usable_cores(), cluster), plan, console)


def write_tables(plan: Plan, folder: Path, corpus: Corpus, made: list[Fold]) -> None:
    """The annotation tables of all folds, where the runs will look for them."""
    data = plan.config.data
    write_folds(made, folder / ANNOTATIONS, corpus, Path(data.features) if data.features else None, data.columns)


def record(result: FoldsResult) -> None:
    """Write down how far the runs have come."""
    if result.folder is not None:
        atomic_write_text(result.folder / PLAN, json.dumps(finite(result.to_dict()), indent=2) + "\n")


def run_all(engine: Engine, plan: Plan, console: Console) -> FoldsResult:
    """Do what is left of a plan, and write down what it comes to."""
    folder = engine.folder
    console.note(f"{len(plan.runs)} runs in {shown(folder)}, {plan.threads} threads each")
    found = {run: read_outcome(folder / plan.run_name(*run)) for run in plan.runs}
    left = [run for run, outcome in found.items() if outcome is None]
    if len(left) < len(found):
        console.note(f"{len(found) - len(left)} of them are already finished.")
    ahead = Countdown(len(left))

    def job(part: Part, seed: int) -> Job:
        run = folder / plan.run_name(part, seed)
        return Job(plan.label(part, seed), run, plan.config.optim.epochs, run_one, (folder, plan, part, seed))

    def done(job: Job, outcome: Outcome | None) -> None:
        if outcome is None:
            return
        found[job.args[2:]] = outcome
        record(result())
        for warning in outcome.warnings:
            console.warn(f"{job.label}: {warning}")
        console.note(f"{job.label}: WER {outcome.last.wer:.2f} % after the last epoch{ahead()}")

    def result(signal: int = 0) -> FoldsResult:
        outcomes = tuple(outcome for outcome in found.values() if outcome is not None)
        return FoldsResult(folder, plan, outcomes, signal)

    told = 0
    try:
        work_off((job(*run) for run in left), len(left), engine, plan.threads, done, console, None)
    except KeyboardInterrupt as interruption:
        told = signalled(interruption) - SIGNALLED
    finally:
        if not result().complete:
            console.note(f"To continue: slr train --resume {shown(folder)}")
    ended = result(0 if result().complete else told or signal.SIGINT)
    record(ended)
    return ended


def run_one(folder: Path, plan: Plan, part: Part, seed: int, console: Console) -> Outcome:
    """Train one run to its end, from where it stands, and score it.

    Raises:
        SlrError: as the run does, its name before the place.
        Ended: a signal stopped it.
    """
    run = folder / plan.run_name(part, seed)
    try:
        train_on(plan.config_of(folder, part, seed), plan.data_of(folder, part), console)
        outcome = assess(folder, plan, part, seed, console)
    except SlrError as error:
        error.where = f"{plan.label(part, seed)} ({shown(run)}): {error.where}"
        raise
    text = json.dumps(finite(outcome.to_dict(utterances=True))) + "\n"
    atomic_write_text(run / RESULT, text)
    return outcome


def assess(folder: Path, plan: Plan, part: Part, seed: int, console: Console) -> Outcome:
    """Score a finished run after its last and after its best epoch."""
    run, config = folder / plan.run_name(part, seed), plan.config_of(folder, part, seed)

    def at(name: str) -> EvalResult:
        return evaluate_checkpoint(Silent(), run / name, config.data, plan.score_split, device=config.run.device)

    last, best = at(LAST), at(BEST)
    with understood("The numbers of the epochs cannot be read", run / METRICS, AGAIN):
        seconds = sum(float(item["seconds"]) for item in RunHistory.of(run).epochs)
    warnings = tuple(console.warnings) if isinstance(console, Silent) else ()
    return Outcome(
        part.name, seed, last.score, best.score, best.meta.metrics["epoch"], last.meta.metrics["epoch"], last.oov,
        round(seconds, 1), int(last.meta.versions["threads"]), warnings,
    )  # fmt: skip


def read_outcome(run: Path) -> Outcome | None:
    """The outcome of a run that is finished, or None; CheckpointError where its file is damaged."""
    return read_result(run, Outcome.from_dict, "Remove the file; the run is then scored again.")


def _scored(values: dict[str, Any]) -> Score:
    """The score that `to_dict` wrote with its utterances, counted anew."""
    each = values["per_utterance"]
    return score({item["id"]: item["ref"] for item in each}, {item["id"]: item["hyp"] for item in each})
