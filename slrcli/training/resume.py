"""A run that goes on where it stopped, and one that is trained again to the same weights."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from slrcli.checkpoints.checkpoint import load_checkpoint, load_state, read_checkpoint
from slrcli.checkpoints.meta import Meta, versions
from slrcli.checkpoints.runs import BEST, CONFIG, LAST, STATE, point_latest, run_folder, shown
from slrcli.config import Config, OptimConfig, as_begun, check_bounds, merge, option_of, read_toml
from slrcli.console import Console
from slrcli.errors import CheckpointError, DataError, UsageError, understood
from slrcli.files import held
from slrcli.models.base import SignModel
from slrcli.models.trust import require_allowed_run
from slrcli.parallel import distributed
from slrcli.training.data import TrainingData, load_training_data
from slrcli.training.loop import Progress, learning_rate
from slrcli.training.run import require_precision, train, with_absolute_paths
from slrcli.training.session import DATA, UNREADABLE, Session, TrainResult, known_clips
from slrcli.training.start import Past

State = tuple[dict[str, torch.Tensor], dict[str, Any]]  # what `load_state` gives


def resume(run: Path, overrides: dict[str, dict[str, Any]], console: Console, newest: bool = True) -> TrainResult:
    """Resume a run where it stopped, with its own settings except those in `overrides`.

    A run that was stopped before its first training state begins anew. With `newest`, `runs/latest` means this run
    from now on.

    Raises:
        CheckpointError: the folder contains no run that can be resumed.
        UsageError: the run is complete, and `overrides` would change nothing.
        SlrError: another process is training it.
    """
    folder = run_folder(run)
    with _held(folder, run):
        config = distributed.agreed(lambda: merged(folder, overrides))
        require_allowed_run(config.model.arch, config.loss.own, str(folder / CONFIG))
        if not (folder / STATE).is_file():
            console.note("The run was stopped before its first checkpoint, so it begins anew.")
            return train(config, console, newest=newest, place=nullcontext(folder))
        return _go_on(folder, overrides, console, newest)


@contextmanager
def _held(folder: Path, run: Path) -> Iterator[None]:
    """Hold the folder of a run that is to go on; one process of several does so for all."""
    with ExitStack() as stack:

        def hold() -> None:
            _require_run(folder, run)
            if distributed.first():
                stack.enter_context(held(folder, "run"))

        distributed.agreed(hold)
        yield


def _require_run(folder: Path, run: Path) -> None:
    """CheckpointError where there is nothing to go on from, or where files of a run that got on are missing."""
    if not (folder / CONFIG).is_file():
        what = "The folder contains no run to resume."
        raise CheckpointError(what, str(run), f"Name a run: its folder contains {CONFIG}.")
    missing = [name for name in (LAST, STATE) if not (folder / name).is_file()]
    got_on = LAST in missing if STATE not in missing else any(map(_is_later, (folder / LAST, folder / BEST)))
    if missing and got_on:
        fix = "Put the file back, or start a new run in another folder."
        raise CheckpointError(f"{missing[-1]} of the run is missing.", str(run), fix)


def _is_later(checkpoint: Path) -> bool:
    """Whether a checkpoint was written after the first epoch: then there has been a training state."""
    with _told_by(checkpoint):
        return checkpoint.is_file() and read_checkpoint(checkpoint)[1]["metrics"].get("epoch", 0) > 1


def _told_by(file: Path) -> AbstractContextManager[None]:
    """Use values of a file of a run, which are not looked at when they are read; CheckpointError for others."""
    return understood(f"{file.name} is damaged", file, UNREADABLE, CheckpointError)


def merged(folder: Path, overrides: dict[str, dict[str, Any]]) -> Config:
    """The settings of a run, with those in `overrides`."""
    config = Config.from_dict(as_begun(read_toml(folder / CONFIG)), str(folder / CONFIG))
    config = merge(config, overrides, "command line")
    check_bounds(config)
    return with_absolute_paths(config)


def _go_on(folder: Path, overrides: dict[str, dict[str, Any]], console: Console, newest: bool) -> TrainResult:
    """`resume` of a run with its files."""

    def begin() -> tuple[Config, TrainingData, SignModel, Past, State]:
        config, state = merged(folder, overrides), load_state(folder / STATE)
        changed = changed_by(overrides, config, merged(folder, {}))
        with _told_by(folder / STATE):
            require_work(config.optim, state[1]["progress"], [option_of(name).flags[0] for name in changed])
            if changed:
                state[1].setdefault("changes", []).append((state[1]["progress"]["epoch"], changed))
        model, meta = load_checkpoint(folder / LAST, distributed.choose_device(config.run.device))
        require_precision(model, config.run.precision)
        data = load_training_data(config, console, meta.vocabulary)
        if meta.data_hash and meta.data_hash != data.corpus.hash:
            console.warn("The annotations have changed since the run began.")
        if others := differences(meta.versions):
            console.warn(f"The resumed run will not be bit-identical to an uninterrupted one: {others}.")
        model.freeze(config.start.freeze)
        return config, replace(data, layout=meta.layout, rate=meta.rate or data.rate), model, Past.of(meta), state

    config, data, model, past, state = distributed.agreed(begin)
    session = Session(config, data, model, console, past)
    session.restore(*state)
    if distributed.first():
        fix = f"Put the files back, or start a new run; to go on all the same, remove {shown(folder / DATA)}."
        session.require_same_clips(known_clips(folder), fix)
    else:
        return session.follow()
    epoch = session.trainer.progress.epoch
    if epoch > config.optim.epochs:
        console.note(f"The run is complete ({config.optim.epochs} epochs); --epochs N continues it.")
    else:
        console.note(f"Resuming {shown(folder)} at epoch {epoch}.")
        tell_schedule(config.optim, session.trainer.progress, console)
    if newest:
        point_latest(folder)
    return session.run(folder)


def repeat(run: Path, overrides: dict[str, dict[str, Any]], console: Console, dry_run: bool = False) -> TrainResult:
    """Train a run again, from its beginning and into a new folder: on the same machine to the same weights.

    Args:
        run: its folder.
        overrides: where the corpus is now, and where the new run goes.
        console: a warning says what will make the weights differ.
        dry_run: see `train`.

    Raises:
        CheckpointError: the folder contains no run with a checkpoint.
        DataError: annotations or clips are no longer those that it was trained on.
    """
    folder = run_folder(run)
    if not (folder / CONFIG).is_file() or not (folder / LAST).is_file():
        what = "The folder contains no run to train again."
        raise CheckpointError(what, str(run), f"Name a run that contains {CONFIG} and {LAST}.")
    config = merged(folder, merge_sections({"run": {"output_dir": ""}}, overrides))
    require_allowed_run(config.model.arch, config.loss.own, str(folder / CONFIG))
    if config.data.vocab:
        config = replace(config, data=replace(config.data, vocab=str((folder / "vocab.json").resolve())))
    meta = Meta.from_dict(read_checkpoint(folder / LAST)[1], str(folder / LAST))
    known = known_clips(folder)
    if changed := differences(meta.versions):
        console.warn(f"The weights will not be bit-identical to those of {shown(folder)}: {changed}.")
    state = load_state(folder / STATE)[1] if (folder / STATE).is_file() else {}
    with _told_by(folder / STATE):
        changes = [(epoch, ", ".join(names)) for epoch, names in state.get("changes", [])]
    for epoch, names in changes:
        console.warn(
            f"From epoch {epoch} on, {shown(folder)} had other settings ({names}); the new run has these from its "
            "beginning, so its weights will differ."
        )

    def require(session: Session) -> None:
        fix = f"Restore the corpus, or train on what it is now with --config {shown(folder / CONFIG)}."
        if meta.data_hash and meta.data_hash != session.data.corpus.hash:
            raise DataError("The annotations have changed since the run was trained.", config.data.data_dir, fix)
        session.require_same_clips(known, fix)

    return train(config, console, dry_run, require=require)


def merge_sections(first: dict[str, dict[str, Any]], others: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings by section, those of `others` over those of `first`."""
    return {name: {**first.get(name, {}), **others.get(name, {})} for name in {**first, **others}}


def changed_by(overrides: dict[str, dict[str, Any]], config: Config, before: Config) -> list[str]:
    """Names of the settings, other than where the data are, that `overrides` made others than they were `before`."""
    return [
        f"{section}.{key}"
        for section, values in overrides.items()
        for key in values
        if section != "data" and getattr(getattr(config, section), key) != getattr(getattr(before, section), key)
    ]


def require_work(optim: OptimConfig, progress: dict[str, Any], changed: list[str]) -> None:
    """UsageError where settings of a run have changed and no epoch is left that would see them.

    Args:
        optim: with what was changed.
        progress: of the run.
        changed: flags of what was changed.
    """
    ended, done = progress["epoch"] > optim.epochs, progress["epoch"] - 1
    tired = optim.patience and not progress["step"] and progress["epochs_since_best"] >= optim.patience
    if not changed or not (ended or tired):
        return
    fix = f"Continue it with --epochs N beyond {done}, or start a new run."
    if not ended:
        fix = f"Continue it with --patience N beyond {progress['epochs_since_best']}, or start a new run."
    what = f"The run is complete ({done} epochs): no epoch would see the new settings."
    raise UsageError(what, ", ".join(changed), fix)


JUMP = 1.5  # between two epochs, beyond what a schedule does on its own


def tell_schedule(optim: OptimConfig, progress: Progress, console: Console) -> None:
    """Note where the learning rate jumps, as it does where epochs are added: the schedule is that of all of them."""
    last = progress.history[-1].get("lr") if progress.history else None
    if progress.step or not last:
        return
    now = progress.share * learning_rate(progress.epoch - 1, optim)
    if not last / JUMP < now < last * JUMP:
        console.note(
            f"The learning rate goes on at {now:.1e}, as the {optim.schedule} schedule over {optim.epochs} epochs has "
            f"it; before it was {last:.1e}."
        )


def differences(before: dict[str, str]) -> str:
    """What the bits of a result depend on and what is no longer as it was: `threads 4, before 1`."""
    now = versions()
    return ", ".join(f"{name} {now[name]}, before {was}" for name, was in before.items() if now.get(name, was) != was)
