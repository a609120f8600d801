"""A search by Optuna's TPE: values drawn from ranges and lists, with regard to what the trials before came to.

The study is a journal in the folder of the sweep. Every trial is drawn with a seed of its own, made of that of the runs
and its number: a search that was stopped goes on with the values that it would have had. Several searches may share a
study, in a journal or a database of their own choice: each trains trials of its own, drawn with regard to all of them.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from slrcli.errors import CheckpointError, DependencyError, SlrError, UsageError, reason_of, understood, with_extra
from slrcli.training.folds.axes import Axis
from slrcli.training.folds.plan import AGAIN
from slrcli.training.folds.sweep_plan import Outcome, Plan, Try, read_outcome

JOURNAL = "study.journal"  # in the folder of a sweep
STUDY = "slr"  # its name, unless a shared one has another: `ADDRESS#NAME`
AXES, OWNER = "slr_axes", "slr_owner"  # attributes of a shared study, and of its trials
_STORAGES = ("optuna", "sqlalchemy", "alembic", "redis")
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
        UsageError: a shared study varies other settings.
        SlrError: a shared study cannot be reached.
    """

    def __init__(self, folder: Path, plan: Plan, know: Know):
        self._optuna = need_optuna()
        self._folder, self._plan, self._know = folder, plan, know
        self._finished: dict[str, float] = {}  # values as JSON -> their WER
        self._begun: list[Try] = []
        self.left = plan.search
        where = plan.study_shown or folder / JOURNAL
        with self._silent(), understood("The study cannot be read", where, AGAIN, CheckpointError):
            self._study = self._shared() if plan.study else self._open(folder / JOURNAL)
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
        with self._silent():
            trial = self._study.ask()
            if self._plan.study:
                trial.set_user_attr(OWNER, self._plan.owner)
            seed = np.random.SeedSequence([self._plan.seeds[0], trial.number]).generate_state(1)[0]
            self._study.sampler = self._optuna.samplers.TPESampler(seed=int(seed))
            for axis in self._plan.axes:
                _suggest(trial, axis)
        return self._plan.trial(trial.number, self._values(trial.params))

    def _values(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all settings; KeyError where some were not drawn."""
        return {
            axis.name: drawn[axis.name] if axis.is_range else json.loads(drawn[axis.name]) for axis in self._plan.axes
        }

    def _open(self, path: Path) -> Any:
        """The study, as its journal has it."""
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)  # of a process that was killed: nobody else is here
        return self._optuna.create_study(storage=_storage(str(path)), study_name=STUDY, load_if_exists=True)

    def _shared(self) -> Any:
        """The study that several searches share; made by the first."""
        place, _, name = self._plan.study.partition("#")
        study = self._optuna.create_study(storage=_storage(place), study_name=name or STUDY, load_if_exists=True)
        axes = json.dumps([axis.to_dict() for axis in self._plan.axes], sort_keys=True)
        if AXES not in study.user_attrs:
            study.set_user_attr(AXES, axes)
        if study.user_attrs[AXES] != axes:
            what = "The searches of this study vary other settings, or other values of them."
            raise UsageError(
                what, f"--study {self._plan.study}", "Repeat their --sweep options, or name another study."
            )
        return study

    def _read(self, trial: Any) -> None:
        """Remember a trial of before; one that was drawn in part has died and is marked failed."""
        states = self._optuna.trial.TrialState
        if self._plan.study and trial.user_attrs.get(OWNER) != self._plan.owner:
            return
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
        """Keep Optuna from writing to the terminal; SlrError where a shared study cannot be reached."""
        logging = self._optuna.logging
        before = logging.get_verbosity()
        logging.set_verbosity(logging.CRITICAL)
        try:
            yield
        except Exception as error:
            if not self._plan.study or type(error).__module__.partition(".")[0] not in _STORAGES:
                raise
            fix = "Check the address, and that the database runs and has its driver installed here."
            raise SlrError(f"The study cannot be reached: {reason_of(error)}.", self._plan.study_shown, fix) from error
        finally:
            logging.set_verbosity(before)


def _suggest(trial: Any, axis: Axis) -> None:
    """Let a trial draw a value of an axis; of a list, one of their texts."""
    if not axis.is_range:
        trial.suggest_categorical(axis.name, [*map(json.dumps, axis.values)])
    elif axis.whole:
        trial.suggest_int(axis.name, axis.low, axis.high, log=axis.log)
    else:
        trial.suggest_float(axis.name, axis.low, axis.high, log=axis.log)


def _storage(place: str) -> Any:
    """The storage of a study: a database by its address, a journal by its path, without a line that was left torn."""
    if "://" in place:
        from optuna.storages import RDBStorage

        return RDBStorage(place, engine_kwargs={"pool_pre_ping": True})
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    lock = JournalFileOpenLock(place)
    if Path(place).is_file():
        lock.acquire()
        try:
            _cut_torn_line(Path(place))
        finally:
            lock.release()
    return JournalStorage(JournalFileBackend(place, lock))


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _cut_torn_line(path: Path) -> None:
    """Take off what a process that was killed has left of a line: the next one would be written behind it."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)
