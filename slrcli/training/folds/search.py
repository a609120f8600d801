"""A search by Optuna's TPE: values drawn from ranges and lists, with regard to what the trials before came to.

The study is a journal in the folder of the sweep. Every trial is drawn with a seed of its own, made of that of the runs
and its number: a search that was stopped goes on with the values that it would have had.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from slrcli.errors import CheckpointError, DependencyError, understood, with_extra
from slrcli.training.folds.axes import Axis
from slrcli.training.folds.plan import AGAIN
from slrcli.training.folds.sweep_plan import Outcome, Plan, Try, read_outcome

JOURNAL = "study.journal"  # in the folder of a sweep
STUDY = "slr"
Know = Callable[[Try, Outcome | str | None], None]


def need_optuna() -> ModuleType:
    """Optuna; DependencyError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        what = "A search needs the library optuna, which is not installed."
        fix = f"{with_extra('search')} Or list values with --sweep alone."
        raise DependencyError(what, "--search", fix) from error
    return optuna


class Search:
    """The trials of a search; see `Source`.

    Args:
        folder: of the sweep; this process holds it.
        plan: what is varied.
        know: told what the trials of before came to.

    Raises:
        DependencyError: Optuna is not installed.
        CheckpointError: the journal, or the result of a run, is damaged.
    """

    def __init__(self, folder: Path, plan: Plan, know: Know):
        self._optuna = need_optuna()
        self._folder, self._plan, self._know = folder, plan, know
        self._finished: dict[str, float] = {}  # values as JSON -> their WER
        self._begun: list[Try] = []
        self.left = plan.search
        with understood("The study cannot be read", folder / JOURNAL, AGAIN, CheckpointError), self._silent():
            self._study = self._open(folder / JOURNAL)
            for trial in self._study.get_trials(deepcopy=False):
                self._read(trial)

    def tries(self) -> Iterator[tuple[Try, Outcome | None]]:
        """Trials that were begun, then new ones, as many as are left; of one with values of before the outcome, too."""
        for _ in range(self.left):
            item = self._begun.pop(0) if self._begun else self._draw()
            wer = self._finished.get(_key(item.values))
            yield item, None if wer is None else Outcome(wer, 0, 0, 0.0)

    def tell(self, item: Try, wer: float | None) -> None:
        """What a trial came to; None: it failed."""
        failed = self._optuna.trial.TrialState.FAIL
        with self._silent():
            self._study.tell(item.number, wer, state=failed if wer is None else None)
        self._count(item, wer)

    def _count(self, item: Try, wer: float | None) -> None:
        if wer is not None:
            self._finished[_key(item.values)] = wer
            self.left -= 1

    def _draw(self) -> Try:
        """A new trial, from a seed that depends on nothing but its number."""
        number = len(self._study.get_trials(deepcopy=False))
        seed = np.random.SeedSequence([self._plan.seeds[0], number]).generate_state(1)[0]
        with self._silent():
            self._study.sampler = self._optuna.samplers.TPESampler(seed=int(seed))
            trial = self._study.ask({axis.name: self._distribution(axis) for axis in self._plan.axes})
        return self._plan.trial(trial.number, self._values(trial.params))

    def _distribution(self, axis: Axis) -> Any:
        """What Optuna draws the values of an axis from: of a list, their texts."""
        kinds = self._optuna.distributions
        if not axis.is_range:
            return kinds.CategoricalDistribution([*map(json.dumps, axis.values)])
        kind = kinds.IntDistribution if axis.whole else kinds.FloatDistribution
        return kind(axis.low, axis.high, log=axis.log)

    def _values(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all settings; KeyError where some were not drawn."""
        return {
            axis.name: drawn[axis.name] if axis.is_range else json.loads(drawn[axis.name]) for axis in self._plan.axes
        }

    def _open(self, path: Path) -> Any:
        """The study, as its journal has it."""
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)  # of a process that was killed: nobody else is here
        if path.is_file():
            _cut_torn_line(path)
        storage = JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))
        return self._optuna.create_study(storage=storage, study_name=STUDY, load_if_exists=True)

    def _read(self, trial: Any) -> None:
        """Remember a trial of before; one that was drawn in part has died and is marked failed."""
        states = self._optuna.trial.TrialState
        if any(axis.name not in trial.params for axis in self._plan.axes):
            if not trial.state.is_finished():
                self._study.tell(trial.number, state=states.FAIL)
            return
        item = self._plan.trial(trial.number, self._values(trial.params))
        if trial.state == states.FAIL:
            self._know(item, "It failed before.")
            return
        outcome = read_outcome(self._folder / item.name)
        if trial.state == states.COMPLETE:
            self._know(item, outcome or Outcome(trial.value, 0, 0, 0.0))
            self._count(item, trial.value)
        elif outcome:  # trained, and not told
            self._know(item, outcome)
            self.tell(item, outcome.wer)
        else:
            self._know(item, None)
            self._begun.append(item)

    @contextmanager
    def _silent(self) -> Iterator[None]:
        """Keep Optuna from writing to the terminal."""
        logging = self._optuna.logging
        before = logging.get_verbosity()
        logging.set_verbosity(logging.CRITICAL)
        try:
            yield
        finally:
            logging.set_verbosity(before)


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _cut_torn_line(path: Path) -> None:
    """Take off what a process that was killed has left of a line: the next one would be written behind it."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)
