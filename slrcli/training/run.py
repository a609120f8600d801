"""What `slr train` does: corpus in, a run's folder with checkpoints, log and metrics out."""

import importlib.util
import json
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from torch import nn

from slrcli.checkpoints.checkpoint import load_checkpoint, load_state, read_checkpoint, save_checkpoint, save_state
from slrcli.checkpoints.meta import Meta, versions
from slrcli.checkpoints.runs import BEST, CONFIG, LAST, METRICS, STATE, new_run, point_latest, run_folder, shown
from slrcli.config import Config, OptimConfig, as_begun, check_bounds, merge, option_of, read_toml, to_toml
from slrcli.console import Console, Task
from slrcli.corpus.clips import Clips, note_rates, stamp, warn_empty
from slrcli.corpus.utterances import sentence_hashes
from slrcli.errors import (
    EXIT_FAILURE,
    SIGNALLED,
    CheckpointError,
    DataError,
    Ended,
    SlrError,
    UsageError,
    ending_signals,
    first_five,
    memory_advice,
    understood,
)
from slrcli.evaluation.evaluate import evaluate
from slrcli.features.clip import digest
from slrcli.files import atomic_write_text, held
from slrcli.findings import Level
from slrcli.models.base import SignModel, device_of
from slrcli.models.registry import build_model, read_options
from slrcli.models.trust import allow
from slrcli.parallel import distributed
from slrcli.report.text.epochs import HEAD, epoch_line
from slrcli.training.batches import TrainBatches, feature_statistics
from slrcli.training.data import TrainingData, learnable, load_training_data, tell_known
from slrcli.training.loop import (
    EpochEnd,
    FramewiseBegun,
    Progress,
    SignsLocated,
    Skipped,
    Step,
    Stopped,
    Trainer,
    WentBack,
    learning_rate,
)
from slrcli.training.loss.teach import load_teacher, spike_offset, without_pace
from slrcli.training.start import NOTHING, TABLE, Past, Source, start_from
from slrcli.training.watch.closing import Ending, closing
from slrcli.training.watch.history import EpochNumbers
from slrcli.training.watch.run_diagnostics import milestone


def require_precision(model: nn.Module, precision: str) -> None:
    """SlrError where a model with LSTMs is to learn in bf16 on a processor whose kernels have none; asked by trying."""
    lstm = next((part for part in model.modules() if isinstance(part, nn.LSTM)), None)
    if precision != "bf16" or lstm is None or device_of(model).type != "cpu":
        return
    try:
        with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16):
            probe = nn.LSTM(lstm.input_size, lstm.hidden_size, batch_first=True)
            probe(torch.ones(1, 2, lstm.input_size))[0].float().sum().backward()
    except RuntimeError as error:
        fix = "Use --precision fp32, or an architecture without LSTMs: --arch tcn."
        raise SlrError("This CPU cannot train an LSTM in bf16.", "--precision bf16", fix) from error


AT_ONCE = 0.5  # seconds


class Interruption:
    """Whether a run is to stop after its step, and by which signal it was told so; 0: it was not."""

    def __init__(self) -> None:
        self.signal, self._since = 0, 0.0

    def __call__(self) -> bool:
        return self.signal > 0

    def press(self, number: int, _: object = None) -> None:
        """The handler of signals; what comes at the same moment is one: a parent passes on what all are told."""
        if not self.signal:
            self.signal, self._since = number, time.monotonic()
        elif distributed.size() == 1 and time.monotonic() - self._since > AT_ONCE:
            raise Ended(number)


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Let the first Ctrl-C (or a signal to end) stop the run after its step, and the second one end everything.

    Where several processes work together their launcher sends signals after the terminal's: those are one. It also
    tells those to end that outlive another; they stay deaf to it to their end, or their last word would be lost.
    """
    told = Interruption()
    try:
        before = {kind: signal.signal(kind, told.press) for kind in ending_signals()}
    except ValueError:  # not in the main thread: whoever runs us there handles interruptions
        yield told
        return
    try:
        yield told
    finally:
        if distributed.size() == 1:
            for kind, handler in before.items():
                signal.signal(kind, handler)


class Record:
    """What a run writes down as it goes: `training.log` for people, `metrics.jsonl` for programs, TensorBoard's
    events where that is installed.

    Both files are written anew where a run goes on: the training state is what they follow, and carries what they say.

    Args:
        folder: of the run.
        console: who watches.
        epochs: of the whole run.
        choose: what the best checkpoint is chosen by.
        history: numbers of the epochs so far, as `metrics.jsonl` has them.
        log: lines of `training.log` so far; those that follow are added to it.
    """

    def __init__(
        self,
        folder: Path,
        console: Console,
        epochs: int = 1,
        choose: str = "best",
        history: Iterable[dict[str, Any]] = (),
        log: list[str] | None = None,
    ):
        self._folder, self._console, self._epochs, self._choose = folder, console, epochs, choose
        self._begun, self._shown = time.monotonic(), 0
        self._history, self.log = tuple(history), [] if log is None else log

    def __enter__(self) -> "Record":
        lines = {METRICS: map(metrics_line, self._history), LOG: self.log}
        for name, found in lines.items():
            atomic_write_text(self._folder / name, "".join(f"{line}\n" for line in found))
        self._log: TextIO = open(self._folder / LOG, "a", encoding="utf-8")
        self._metrics: TextIO = open(self._folder / METRICS, "a", encoding="utf-8")
        self._board: Any = None
        if importlib.util.find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self._folder / "tensorboard"))
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self._log, self._metrics, self._board):
            if file is not None:
                with suppress(OSError):  # of a full disk, which was said when the line was written
                    file.close()

    def epoch(self, event: EpochEnd, metrics: dict[str, Any], save: Callable[[], None] = lambda: None) -> None:
        """Write an epoch's `metrics` and show them.

        `save` is called once `log` has the lines and before any file has them: what it saves is never behind the files.
        """
        lines = [*self._head(), *self._lines(event)]
        self.log += [line for line, _ in lines]
        save()
        self._metrics.write(metrics_line(metrics) + "\n")
        self._metrics.flush()
        if self._board is not None:
            for name, value in metrics.items():
                if name != "epoch" and value is not None:
                    self._board.add_scalar(name, value, event.numbers.epoch)
        for line, style in lines:
            self._write(line, style)

    def _head(self) -> Iterator[tuple[str, str]]:
        """What stands above the first epoch; where a run goes on it is shown again, and in the log already."""
        for line in (f"{BEST} keeps {KEPT[self._choose]}, {LAST} the newest epoch.", HEAD) if not self._shown else ():
            if line in self.log:
                self._console.note(line)
            else:
                yield line, ""

    def _lines(self, event: EpochEnd) -> Iterator[tuple[str, str]]:
        """What there is to say of an epoch, each line with its style."""
        numbers = event.numbers
        self._shown += 1
        left = (time.monotonic() - self._begun) / self._shown * (self._epochs - numbers.epoch)
        best = event.improved and self._choose != "last"
        yield epoch_line(numbers, self._epochs, event.seconds, max(left, 0.0), best), ""
        if numbers.skipped:
            yield f"{numbers.skipped} steps of epoch {numbers.epoch} were skipped.", "warning"
        if passed := milestone(numbers):
            yield f"{passed}.", ""
        for finding in event.findings:
            style = "quiet" if finding.level is Level.NOTE else "warning"
            yield f"{finding.code}: {finding.what} {finding.fix}", style

    def say(self, line: str, style: str = "") -> None:
        """One line, to the log and to whoever watches."""
        self.log.append(line)
        self._write(line, style)

    def _write(self, line: str, style: str) -> None:
        self._console.note(line, style)
        self._log.write(line + "\n")
        self._log.flush()


def metrics_line(numbers: dict[str, Any]) -> str:
    """The numbers of an epoch as `metrics.jsonl` has them."""
    return json.dumps(numbers, allow_nan=False)


LOG = "training.log"
SKIPS_TOLD = 3  # per epoch, one by one
KEPT = {"best": "the epoch with the lowest WER on dev", "last": "the last epoch"}


UNREADABLE = "Put back the file as the run wrote it, or start a new run."
TEACHER = "teacher.json"


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        run: its folder; None after a dry run.
        checkpoint: the best one; None where no epoch was finished.
        metrics: of the best epoch.
        epochs: how many were finished.
        stopped: "", "patience" or "interrupted".
        signal: what interrupted it.
    """

    run: Path | None
    checkpoint: Path | None
    metrics: dict[str, Any]
    epochs: int
    stopped: str = ""
    signal: int = signal.SIGINT

    @property
    def exit_code(self) -> int:
        return SIGNALLED + self.signal if self.stopped == "interrupted" else 0


def train(
    config: Config,
    console: Console,
    dry_run: bool = False,
    newest: bool = True,
    place: AbstractContextManager[Path] | None = None,
    require: Callable[["Session"], None] = lambda session: None,
) -> TrainResult:
    """Train a new model.

    Args:
        config: resolved; `data.data_dir` is required.
        console: progress and notes go there.
        dry_run: one batch of each phase, nothing written.
        newest: let `runs/latest` mean this run.
        place: gives the folder of the run; None: a new one, as `run.output_dir` says.
        require: raises an error where the data are not those that are wanted; called when they have been read.

    Raises:
        SlrError: data, options or memory that do not allow it.
    """

    def begin() -> tuple[Config, TrainingData, SignModel, Past]:
        check_bounds(config)
        allow(config.model.arch)
        settled = with_every_option(with_absolute_paths(config))
        if config.distill.teacher:
            settled = without_pace(settled, console)
        return settled, *fresh(settled, console)

    config, data, model, past = distributed.agreed(begin)
    session = Session(config, data, model, console, past)
    if not distributed.first():
        return session.follow()
    session.describe()
    session.set_statistics(4 * config.optim.batch_size if dry_run else 0)
    require(session)
    if dry_run:
        return session.dry_run()
    with place or new_run(config.run.output_dir, config.model.arch) as run:
        if newest:
            point_latest(run)
        atomic_write_text(run / CONFIG, to_toml(config))
        session.data.vocabulary.save(run / "vocab.json")
        if past.table:
            atomic_write_text(run / TABLE, past.table)
        return session.run(run)


def fresh(config: Config, console: Console) -> tuple[TrainingData, SignModel, Past]:
    """The data of a run, and a new model for them on its device: its weights are decided by the seed, or come from the
    recogniser that the run starts from.
    """
    torch.manual_seed(config.run.seed)
    device = distributed.choose_device(config.run.device)
    source = Source.open(config.start.init) if config.start.init else None
    data = load_training_data(config, console, source=source)
    model = build_model(
        config.model.arch, data.layout, len(data.vocabulary.tokens),
        dropout=config.model.dropout, options=config.model.options,
    )  # fmt: skip
    past = start_from(source, model, data.vocabulary, data.held_out, config, console) if source else Past()
    model.freeze(config.start.freeze)
    model = model.to(device)
    require_precision(model, config.run.precision)
    return data, model, past


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
        if not (folder / STATE).is_file():
            config = distributed.agreed(lambda: merged(folder, overrides))
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
    return checkpoint.is_file() and read_checkpoint(checkpoint)[1]["metrics"].get("epoch", 0) > 1


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
    if config.data.vocab:
        config = replace(config, data=replace(config.data, vocab=str((folder / "vocab.json").resolve())))
    meta = Meta.from_dict(read_checkpoint(folder / LAST)[1], str(folder / LAST))
    known = known_clips(folder)
    if changed := differences(meta.versions):
        console.warn(f"The weights will not be bit-identical to those of {shown(folder)}: {changed}.")
    state = load_state(folder / STATE)[1] if (folder / STATE).is_file() else {}
    for epoch, names in state.get("changes", []):
        console.warn(
            f"From epoch {epoch} on, {shown(folder)} had other settings ({', '.join(names)}); the new run has these "
            "from its beginning, so its weights will differ."
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


State = tuple[dict[str, torch.Tensor], dict[str, Any]]  # what `load_state` gives


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


JUMP = 1.5  # between two epochs, beyond what a schedule does on its own


def differences(before: dict[str, str]) -> str:
    """What the bits of a result depend on and what is no longer as it was: `threads 4, before 1`."""
    now = versions()
    return ", ".join(f"{name} {now[name]}, before {was}" for name, was in before.items() if now.get(name, was) != was)


def with_absolute_paths(config: Config) -> Config:
    """The configuration with paths that mean the same from every directory, as it is written down."""
    data = config.data
    layout = str(Path(data.layout).resolve()) if data.layout.endswith(".toml") else data.layout
    named = ("data_dir", "annotations", "features", "exclude", "vocab")
    paths: dict[str, Any] = {key: str(Path(value).resolve()) for key in named if (value := getattr(data, key))}
    teacher = config.distill.teacher and str(run_folder(Path(config.distill.teacher)).resolve())
    init = config.start.init and str(run_folder(Path(config.start.init)).resolve())
    return replace(
        config,
        data=replace(data, layout=layout, **paths),
        distill=replace(config.distill, teacher=teacher),
        start=replace(config.start, init=init),
    )


def with_every_option(config: Config) -> Config:
    """The configuration with all options of its architecture written out, so that a checkpoint outlives a default."""
    options = asdict(read_options(config.model.arch, config.model.options))
    return replace(config, model=replace(config.model, options=options))


Known = dict[str, tuple[int, int, str]]  # id of a clip -> size and time of its file, hash of its values
DATA = "data.json"  # in the folder of a run: the clips that it was begun with


def known_clips(folder: Path) -> Known:
    """The clips that a run was begun with; none where it does not say.

    Raises:
        CheckpointError: its file is damaged.
    """
    try:
        text = (folder / DATA).read_text(encoding="utf-8") if (folder / DATA).is_file() else "{}"
        return {name: (int(size), int(changed), hashed) for name, (size, changed, hashed) in json.loads(text).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        fix = "Remove the file; changed feature files are then not noticed."
        raise CheckpointError("The list of the clips of the run cannot be read.", folder / DATA, fix) from error


class Session:
    """A model with its data, on the way through a run."""

    def __init__(self, config: Config, data: TrainingData, model: SignModel, console: Console, past: Past = NOTHING):
        self.config, self.data, self.model, self.console = config, data, model, console
        model.gradient_checkpointing = config.run.gradient_checkpointing
        utterances, targets = learnable(data, config, model.output_length, console)
        kept = {**config.data.preparation, "cache_mb": config.run.cache_mb, "to": data.rate, "fps": config.data.fps}
        self.clips = Clips(utterances, data.layout, **kept)
        self.dev = Clips(data.dev, data.layout, **kept)
        learnt = {item.id for item in utterances}  # as they are annotated: rare glosses may be left out of `utterances`
        sentences = sentence_hashes(item for item in data.train if item.id in learnt)
        self.past = past.with_own(data.marks["train"], sentences)
        self.batches = TrainBatches(
            self.clips, targets, config.augment, model.output_length, config.optim.batch_size, config.run.seed,
            views=2 if config.loss.consistency else 1,
        )  # fmt: skip
        self.audit = None
        if config.distill.teacher:
            self.audit = load_teacher(config, data, self.clips, self.dev, device_of(model), console)
        teacher = self.audit.teacher if self.audit else None
        self.log: list[str] = []  # lines of the log, which the training state carries
        self.known: Known = {}  # the clips that have been read
        self.changes: list[tuple[int, list[str]]] = []  # epochs from which on settings were others, and which
        meta = Meta(config, data.vocabulary, data.layout, rate=data.rate)
        self.trainer = Trainer(model, self.batches, self.dev, meta, teacher, past.anchor)

    def describe(self) -> None:
        """Say what is about to be trained on what."""
        corpus, vocabulary, model = self.data.corpus, self.data.vocabulary, self.model
        frames = sum(self.clips.frames)
        self.console.note(
            f"{corpus.format} corpus: {len(self.clips)} training utterances, {frames:,} frames; dev {len(self.dev)}; "
            f"{vocabulary.size - 1} glosses; layout {self.data.layout.name}"
        )
        unknown = vocabulary.unknown([item.glosses for item in self.data.dev])
        if unknown:
            self.console.note(f"{sum(unknown.values())} dev glosses are not in the vocabulary and are certain errors.")
        note_rates(self.clips, "training", "the corpus", self.console)
        note_rates(self.dev, "dev", "the corpus", self.console)
        tell_known(self.data, self.console)
        size = model.parameter_count * 4 / 2**20
        self.console.note(
            f"{self.config.model.arch}: {model.parameter_count:,} parameters, {size:.2f} MB, on "
            f"{self.trainer.device}, {'bf16' if self.trainer.half else 'fp32'}, seed {self.config.run.seed}"
        )

    def set_statistics(self, only_first: int = 0) -> None:
        """Mean and deviation of the features, from train alone, into the model's frontend; those that came with its
        weights may stay.
        """
        clips, kept = self.clips, torch.tensor(self.past.kept)
        if only_first:
            clips = Clips(clips.utterances[:only_first], clips.layout, **self.config.data.preparation, to=clips.to)
        if len(kept) and kept.all():
            for index in range(len(clips)):
                self._know(clips, index, clips[index])
            return
        extreme: list[str] = []
        with self.console.progress("reading the statistics of train", len(clips)) as task:

            def seen(index: int, x: np.ndarray, odd: int) -> None:
                self._know(clips, index, x)
                if odd:
                    extreme.append(clips.utterances[index].id)
                task.advance()

            frontend = self.model.frontend
            device = self.trainer.device
            mean, std = feature_statistics(clips, frontend.cpu(), seen)
            if len(kept):
                mean, std = torch.where(kept, frontend.mean, mean), torch.where(kept, frontend.std, std)
            frontend.to(device).set_statistics(mean.to(device), std.to(device))
        warn_empty(clips, "training", self.console)
        if extreme:
            self.console.warn(
                f"{len(extreme)} of {len(clips)} training clips have values beyond all proportion, which mean and "
                f"deviation leave out: {first_five(extreme)}. Look at them with slr check data; --exclude FILE leaves "
                "the clips out."
            )

    def _know(self, clips: Clips, index: int, x: np.ndarray) -> None:
        """Remember by what a changed clip would be recognised."""
        item = clips.utterances[index]
        self.known[item.id] = (*stamp(item.file), digest(x))

    def dry_run(self) -> TrainResult:
        """One training step, one evaluated batch; proves that everything fits together and in memory."""
        with memory_advice():
            step = next(event for event in self.trainer.run() if isinstance(event, Step))
            some = [self.dev[index] for index in range(min(4, len(self.dev)))]
            hypotheses = self.trainer.recogniser.recognise(some)
        self.console.result(f"dry run: loss {step.loss:.2f}, gradient norm {step.grad_norm:.2f}, {step.frames} frames")
        self.console.result(f"dry run: {len(hypotheses)} dev clips decoded, nothing written")
        numbers = {"loss": step.loss, "grad_norm": step.grad_norm, "frames": step.frames, "decoded": len(hypotheses)}
        return TrainResult(None, None, numbers, 0)

    def require_same_clips(self, known: Known, fix: str) -> None:
        """DataError where clips of train or dev are no longer those of a run.

        A file of the same size and time is taken for the same; of any other the values are read and compared.

        Args:
            known: the clips of the run; what it lacks is not compared.
            fix: what to do where some have changed.
        """
        places = [(clips, index) for clips in (self.clips, self.dev) for index in range(len(clips))]
        changed = []
        with self.console.progress("comparing the clips", len(places)) as task:
            for clips, index in places:
                item = clips.utterances[index]
                before = known.get(item.id)
                if before and before[:2] == stamp(item.file):
                    self.known[item.id] = before
                else:
                    self._know(clips, index, clips[index])
                if before and self.known[item.id][2] != before[2]:
                    changed.append(item.id)
                task.advance()
        if changed:
            what = f"{len(changed)} of {len(places)} clips of train and dev have changed since the run began."
            raise DataError(what, first_five(changed), fix)

    def follow(self) -> TrainResult:
        """What every process but the first does: the same steps, and nothing written.

        Raises:
            SystemExit: another process is gone, which the first one says.
        """
        stopped = ""
        with interruptible() as interrupted, memory_advice():
            for event in self.trainer.run(interrupted):
                stopped = event.reason if isinstance(event, Stopped) else stopped
        if stopped == "lost":
            raise SystemExit(EXIT_FAILURE)
        return TrainResult(None, None, {}, self.trainer.progress.epoch - 1, stopped, interrupted.signal)

    def run(self, folder: Path) -> TrainResult:
        """Train to the end, writing as it goes."""
        self.console.note(f"run: {shown(folder)}")
        self._read_dev()
        atomic_write_text(folder / DATA, json.dumps(self.known) + "\n")
        if self.audit:
            atomic_write_text(folder / TEACHER, json.dumps(self.audit.facts, indent=2) + "\n")
        optim, progress = self.config.optim, self.trainer.progress
        record = Record(folder, self.console, optim.epochs, optim.choose, progress.history, self.log)
        stopped, finished = "", progress.epoch - 1
        last: EpochEnd | None = None
        with (
            record,
            interruptible() as interrupted,
            memory_advice(),
            self.console.progress("training", len(self.batches) * optim.epochs) as task,
        ):
            task.advance(finished * len(self.batches) + progress.step)
            if self.past.table and not finished and not progress.step:
                score = evaluate(self.trainer.recogniser, self.dev).score
                record.say(f"Before the first step: WER {score.wer:.2f} % on dev.")
            for event in self.trainer.run(interrupted):
                if isinstance(event, Step):
                    self._show(task, event, last)
                elif isinstance(event, EpochEnd):
                    last, finished = event, event.numbers.epoch
                    metrics = progress.history[-1]
                    record.epoch(event, metrics, partial(self._save, folder, event.chosen, metrics))
                elif isinstance(event, Stopped):
                    stopped = event.reason
                    self._save_last(folder, {"epoch": finished})
                else:
                    if isinstance(event, Skipped):
                        task.advance()
                    for line, style in told(event):
                        record.say(line, style)
            if progress.history and stopped in ("", "patience"):
                numbers = EpochNumbers.from_dict(progress.history[-1])
                ending = Ending(numbers, progress.best["wer"], progress.said, self.config.data.data_dir)
                for line in closing(ending):
                    record.say(line, "warning" if line.endswith(".") else "")
        if stopped == "lost":
            where = f"epoch {self.trainer.progress.epoch}, after step {self.trainer.progress.step}"
            fix = f"Find out why it ended, then resume from that step with slr train --resume {shown(folder)}."
            raise SlrError("A training process has ended unexpectedly; the run is saved up to then.", where, fix)
        if stopped == "interrupted":
            self.console.note(f"Stopped and saved. To continue: slr train --resume {shown(folder)}")
        elif stopped == "patience":
            self.console.note(f"Stopped: the WER on dev has not improved for {self.config.optim.patience} epochs.")
        if self.audit and last and (offset := spike_offset(last.evaluation.hypotheses, self.audit.hypotheses)):
            self.console.note(
                f"On dev the student spikes {offset[0]:+.1f} frames from its teacher on average (mean distance "
                f"{offset[1]:.1f} frames)."
            )
        checkpoint = folder / BEST
        return TrainResult(
            folder, checkpoint if checkpoint.is_file() else None, progress.best, finished, stopped, interrupted.signal
        )

    def _show(self, task: Task, event: Step, last: EpochEnd | None) -> None:
        dev = f"  WER {last.numbers.wer:.1f} %" if last else ""
        rate = f"{event.frames / max(event.seconds, 1e-9):,.0f} frames/s"
        now = "evaluating dev" if event.step == len(self.batches) else rate
        task.advance()
        task.describe(f"epoch {event.epoch}/{self.config.optim.epochs}  loss {event.loss:.2f}{dev}  {now}")

    def _read_dev(self) -> None:
        """Read every dev clip once, so that a damaged one ends the run before its first epoch and not after it."""
        with self.console.progress("reading dev", len(self.dev)) as task:
            for index in range(len(self.dev)):
                self._know(self.dev, index, self.dev[index])
                task.advance()
        warn_empty(self.dev, "dev", self.console)

    def _save(self, folder: Path, chosen: bool, metrics: dict[str, Any]) -> None:
        if chosen:
            save_checkpoint(folder / BEST, self.trainer.recogniser.model, self._meta(metrics))
        self._save_last(folder, metrics)

    def _save_last(self, folder: Path, metrics: dict[str, Any]) -> None:
        """The state comes last: it is what a run goes on from, and all else is of the same moment or later."""
        save_checkpoint(folder / LAST, self.trainer.recogniser.model, self._meta(metrics))
        config = to_toml(self.config)
        if (folder / CONFIG).read_text(encoding="utf-8") != config:
            atomic_write_text(folder / CONFIG, config)
        tensors, values = self.trainer.state()
        save_state(folder / STATE, tensors, {**values, "log": self.log, "changes": self.changes})

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Go on where the state was written; it holds the weights too, so that they are of the same moment."""
        with understood(f"{STATE} is damaged", "--resume", UNREADABLE, CheckpointError):
            try:
                self.trainer.restore(tensors, values)
            except RuntimeError as error:
                fix = "Start a new run, or put back the files that belong together."
                what = f"{STATE} and {LAST} do not belong to the same model."
                raise CheckpointError(what, "--resume", fix) from error
            self.log[:] = map(str, values.get("log", []))
            self.changes[:] = [(int(epoch), list(map(str, told))) for epoch, told in values.get("changes", [])]

    def _meta(self, metrics: dict[str, Any]) -> Meta:
        data = self.data
        return Meta(
            self.config, data.vocabulary, data.layout, metrics, data.corpus.hash,
            utterances=self.past.utterances, sentences=self.past.sentences, decode=self.trainer.decode,
            rate=data.rate, ancestry=self.past.ancestry,
        )  # fmt: skip


def told(event: Skipped | WentBack | SignsLocated | FramewiseBegun) -> Iterator[tuple[str, str]]:
    """What there is to say of something that happened between two epochs, with its style."""
    if isinstance(event, Skipped):
        if event.count <= SKIPS_TOLD:
            line = (
                f"Step {event.step} of epoch {event.epoch} was skipped: the loss ({event.loss:.4g}) or gradient norm "
                f"({event.grad_norm:.4g}) is not finite. Utterances: {event.utterances}."
            )
            yield line, "warning"
        elif event.count == SKIPS_TOLD + 1:
            yield f"More steps of epoch {event.epoch} were skipped; they are counted at its end.", "warning"
    elif isinstance(event, WentBack):
        line = (
            f"Too many steps in a row were skipped, so epoch {event.epoch} begins again at {event.share:g} of the "
            "scheduled learning rate, which holds for the rest of the run."
        )
        yield line, "warning"
    elif isinstance(event, SignsLocated):
        line = (
            f"{event.share:.0%} of the signs of train were located before epoch {event.epoch} to be exchanged "
            f"({event.seconds:.1f} s)."
        )
        yield line, ""
    else:
        line = (
            f"From epoch {event.epoch} on, frames learn their gloss; signs last {event.decode.sign_frames:.1f} "
            f"frames, by which clips are decoded ({event.seconds:.1f} s)."
        )
        yield line, ""
