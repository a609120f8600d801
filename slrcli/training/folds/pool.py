"""Runs that belong together, one after the other or side by side; each goes on from where it stands."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from slrcli.checkpoints.runs import CONFIG
from slrcli.config import Config
from slrcli.console import Console
from slrcli.errors import CheckpointError, Ended, InUseError, SlrError, understood
from slrcli.files import read_json
from slrcli.models.trust import allow, allowed
from slrcli.parallel.cluster import Cluster, pool
from slrcli.parallel.threads import torch_threads
from slrcli.parallel.workers import TICK, Workers, as_they_end
from slrcli.training.resume import resume
from slrcli.training.run import train
from slrcli.training.session import TrainResult

RESULT = "result.json"  # in the folder of a run that is finished and scored
PATIENCE = 120.0  # seconds that a run side by side with others gets to end its step and save its state


Made = TypeVar("Made")


def read_result(run: Path, read: Callable[[dict[str, Any]], Made], fix: str) -> Made | None:
    """What stands in the result of a run that is finished, or None.

    Args:
        run: its folder.
        read: makes of the plain values what they stand for.
        fix: what to do about a damaged file.

    Raises:
        CheckpointError: its file is damaged.
    """
    path = run / RESULT
    if not path.is_file():
        return None
    with understood("The result of a run cannot be read", path, fix, CheckpointError):
        return read(read_json(path))


class Job(NamedTuple):
    """One run that is to be trained.

    Attributes:
        label: the run for people.
        folder: of the run.
        epochs: how many it is to have.
        work: called with `args` and a console, in a process of its own perhaps; returns what the run comes to.
        args: pickled, like what `work` returns.
    """

    label: str
    folder: Path
    epochs: int
    work: Callable[..., Any]
    args: tuple[Any, ...]


class Engine(NamedTuple):
    """What several runs are done by.

    Attributes:
        folder: that holds the runs.
        at_once: runs at a time, each in a process of its own; 1: all in this one.
        cluster: address of a Dask scheduler whose workers do them; "": processes of this machine.
    """

    folder: Path
    at_once: int = 1
    cluster: str = ""

    @property
    def longest_wait(self) -> float:
        """Seconds that a job waits for a run that another process is at."""
        return PATIENCE if self.cluster else 0.0

    def pool(self, count: int) -> Workers | Cluster:
        """The processes for so many runs."""
        return pool(self.cluster, min(self.at_once, count), self.folder, patience=PATIENCE)


Done = Callable[[Job, Any], None]  # told what a run comes to; None where its process was told to end
Failed = Callable[[Job, SlrError], None]


def work_off(
    jobs: Iterable[Job],
    count: int,
    engine: Engine,
    threads: int,
    done: Done,
    console: Console,
    failed: Failed | None,
) -> None:
    """Do all jobs. The next one is asked for when there is room for it, and after `done` has heard of those before.

    Args:
        jobs: the runs.
        count: how many there will be.
        engine: where, and how many at a time.
        threads: of torch in each.
        done: called with every job that came to its end.
        console: progress and notes go there.
        failed: called with every job that could not be done; None: its error ends all.

    Raises:
        KeyboardInterrupt: a signal ended it; what was at work is saved.
    """

    def settle(job: Job, outcome: Callable[[], Any]) -> None:
        try:
            found = outcome()
        except SlrError as error:
            if failed is None:
                raise
            failed(job, error)
        else:
            done(job, found)

    if not engine.cluster and (engine.at_once == 1 or count < 2):
        with torch_threads(threads):
            for number, job in enumerate(jobs, 1):
                console.heading(f"run {number} of {count}: {job.label}")
                settle(job, lambda job=job: job.work(*job.args, console))  # type: ignore[misc]  # called at once
    elif count:
        _together(iter(jobs), count, engine, threads, settle, console)


def _together(
    jobs: Iterator[Job],
    count: int,
    engine: Engine,
    threads: int,
    settle: Callable[[Job, Callable[[], Any]], None],
    console: Console,
) -> None:
    """Several jobs at a time, in processes that say nothing; how far they are is read from what they write."""
    begun: list[Job] = []
    before = shown = 0  # epochs that there were already, and those that the progress has been told of
    with engine.pool(count) as workers, console.progress(f"training {count} runs, {workers.slots} at a time") as task:

        def tick() -> None:
            nonlocal shown
            now = epochs_in([job.folder for job in begun]) - before
            task.advance(now - shown)
            shown = now

        running: dict[Any, Job] = {}
        while True:
            while len(running) < workers.slots and (job := next(jobs, None)):
                begun.append(job)
                before += epochs_in([job.folder])
                running[workers.submit(_quietly, threads, allowed(), engine.longest_wait, job)] = job
                task.expect(sum(item.epochs for item in begun) * count / len(begun) - before)
            if not running:
                return
            future = next(as_they_end(running, tick))
            settle(running.pop(future), future.result)


def _quietly(threads: int, trusted: tuple[str, ...], longest_wait: float, job: Job) -> Any:
    """A job in a process of its own; None where that was told to end, as all that runs is.

    A worker that is given up for lost may be at work on its run for a while: the next one waits for it.
    """
    for name in trusted:
        allow(name)
    end = time.monotonic() + longest_wait
    with torch_threads(threads), suppress(Ended):
        while True:
            try:
                return job.work(*job.args, Silent())
            except InUseError:
                if time.monotonic() > end:
                    raise
            time.sleep(TICK)
    return None


class Silent(Console):
    """Says nothing and remembers what it was to warn of."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def train_on(config: Config, data: dict[str, Any], console: Console) -> TrainResult:
    """A new run, or the rest of one that was begun.

    Args:
        config: of a new run, its folder among it.
        data: settings by which a run that goes on finds its data.
        console: progress and notes go there.

    Raises:
        Ended: a signal stopped it.
    """
    run = Path(config.run.output_dir)
    if (run / CONFIG).is_file():
        ended = resume(run, {"data": data}, console, newest=False)
    else:
        ended = train(config, console, newest=False)
    if ended.stopped == "interrupted":
        raise Ended(ended.signal)
    return ended


def epochs_in(folders: list[Path]) -> int:
    """Epochs that runs have written down."""
    found = 0
    for folder in folders:
        try:
            found += (folder / "metrics.jsonl").read_bytes().count(b"\n")
        except OSError:  # not begun
            continue
    return found


class Countdown:
    """How many runs are left, and for how long: call it after each."""

    def __init__(self, count: int):
        self._left, self._ready, self._started = count, 0, time.monotonic()

    def __call__(self) -> str:
        self._left, self._ready = self._left - 1, self._ready + 1
        rest = (time.monotonic() - self._started) / self._ready * self._left
        return f"; {self._left} to go, about {duration(rest)}" if self._left > 0 else ""


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
