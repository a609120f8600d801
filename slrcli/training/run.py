"""What `slr train` does: corpus in, a run's folder with checkpoints, log and metrics out."""

import importlib.util
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import torch
from torch import nn

from slrcli.checkpoints.checkpoint import load_checkpoint, load_state, save_checkpoint, save_state
from slrcli.checkpoints.meta import Meta, versions
from slrcli.checkpoints.runs import BEST, CONFIG, LAST, STATE, new_run, point_latest, run_folder, shown
from slrcli.config import Config, as_begun, check_bounds, merge, read_toml, to_toml
from slrcli.console import Console, Task, finite
from slrcli.corpus.clips import Clips, note_rates, warn_empty
from slrcli.corpus.utterances import sentence_hashes
from slrcli.errors import EXIT_FAILURE, EXIT_INTERRUPTED, CheckpointError, SlrError, understood
from slrcli.files import atomic_write_text
from slrcli.findings import Level
from slrcli.models.base import SignModel, device_of
from slrcli.models.registry import build_model, read_options
from slrcli.parallel import distributed
from slrcli.report.text.epochs import HEAD, epoch_line
from slrcli.training.batches import TrainBatches, feature_statistics
from slrcli.training.data import TrainingData, learnable, load_training_data, tell_known
from slrcli.training.loop import EpochEnd, FramewiseBegun, SignsLocated, Step, Stopped, Trainer
from slrcli.training.loss.teach import load_teacher, spike_offset, without_pace
from slrcli.training.watch.closing import Ending, closing
from slrcli.training.watch.run_diagnostics import milestone

MEMORY_HELP = "Use --batch-size 1 or 2, --max-frames N, --gradient-checkpointing, or --precision bf16."


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


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C (or the signal to end) stop the run after its step, and the second one end everything.

    Where several processes work together their launcher sends signals after the terminal's: those are one. It also
    tells those to end that outlive another; they stay deaf to it to their end, or their last word would be lost.
    """
    pressed = False

    def press(*_: object) -> None:
        nonlocal pressed
        if pressed and distributed.size() == 1:
            raise KeyboardInterrupt
        pressed = True

    try:
        before = {kind: signal.signal(kind, press) for kind in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: whoever runs us there handles interruptions
        yield lambda: False
        return
    try:
        yield lambda: pressed
    finally:
        if distributed.size() == 1:
            for kind, handler in before.items():
                signal.signal(kind, handler)


@contextmanager
def memory_advice() -> Iterator[None]:
    """Turn running out of memory into advice."""
    try:
        yield
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        raise SlrError("There is not enough memory.", "", MEMORY_HELP) from error
    except RuntimeError as error:
        if "allocate memory" in str(error) or "out of memory" in str(error):
            raise SlrError("There is not enough memory.", "", MEMORY_HELP) from error
        raise


class Record:
    """What a run writes down as it goes: `training.log` for people, `metrics.jsonl` for programs, TensorBoard's
    events where that is installed.

    Args:
        folder: of the run.
        console: who watches.
        epoch: the first that is to be written.
        epochs: of the whole run.
        choose: what the best checkpoint is chosen by.
    """

    def __init__(self, folder: Path, console: Console, epoch: int = 1, epochs: int = 1, choose: str = "best"):
        self._folder, self._console, self._epoch, self._epochs, self._choose = folder, console, epoch, epochs, choose
        self._begun, self._shown = time.monotonic(), 0

    def __enter__(self) -> "Record":
        metrics = self._folder / "metrics.jsonl"
        if metrics.is_file():  # epochs that were written down but not saved will come again
            with understood("The numbers of the epochs cannot be read", metrics, UNREADABLE, CheckpointError):
                lines = metrics.read_text(encoding="utf-8").splitlines(keepends=True)
                kept = [line for line in lines if json.loads(line)["epoch"] < self._epoch]
            atomic_write_text(metrics, "".join(kept))
        self._log: TextIO = open(self._folder / "training.log", "a", encoding="utf-8")
        self._metrics: TextIO = open(self._folder / "metrics.jsonl", "a", encoding="utf-8")
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

    def epoch(self, event: EpochEnd, metrics: dict[str, Any]) -> None:
        """Write an epoch's `metrics` and show them."""
        numbers = event.numbers
        self._metrics.write(json.dumps(metrics, allow_nan=False) + "\n")
        self._metrics.flush()
        if self._board is not None:
            for name, value in metrics.items():
                if name != "epoch" and value is not None:
                    self._board.add_scalar(name, value, numbers.epoch)
        if not self._shown:
            self.say(f"{BEST} keeps {KEPT[self._choose]}, {LAST} the newest epoch.")
            self.say(HEAD)
        self._shown += 1
        left = (time.monotonic() - self._begun) / self._shown * (self._epochs - numbers.epoch)
        best = event.improved and self._choose != "last"
        self.say(epoch_line(numbers, self._epochs, event.seconds, max(left, 0.0), best))
        if passed := milestone(numbers):
            self.say(f"{passed}.")
        for finding in event.findings:
            style = "quiet" if finding.level is Level.NOTE else "warning"
            self.say(f"{finding.code}: {finding.what} {finding.fix}", style)

    def say(self, line: str, style: str = "") -> None:
        """One line, to the log and to whoever watches."""
        self._console.note(line, style)
        self._log.write(line + "\n")
        self._log.flush()


KEPT = {"best": "the epoch with the lowest WER on dev", "last": "the last epoch"}


def numbers_of(event: EpochEnd) -> dict[str, Any]:
    """The numbers of an epoch as plain values, for metrics and checkpoints; what is not a number is None."""
    rates = {"frames_per_second": round(event.frames_per_second), "seconds": round(event.seconds, 2)}
    return finite({**asdict(event.numbers), **event.terms, **rates})


UNREADABLE = "Put back the file as the run wrote it, or start a new run."
TEACHER = "teacher.json"
WEIGHTS = "model."  # before the names of the weights in the training state


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes:
        run: its folder; None after a dry run.
        checkpoint: the best one; None where no epoch was finished.
        metrics: of the best epoch.
        epochs: how many were finished.
        stopped: "", "patience" or "interrupted".
    """

    run: Path | None
    checkpoint: Path | None
    metrics: dict[str, Any]
    epochs: int
    stopped: str = ""

    @property
    def exit_code(self) -> int:
        return EXIT_INTERRUPTED if self.stopped == "interrupted" else 0


def train(config: Config, console: Console, dry_run: bool = False, newest: bool = True) -> TrainResult:
    """Train a new model.

    Args:
        config: resolved; `data.data_dir` is required.
        console: progress and notes go there.
        dry_run: one batch of each phase, nothing written.
        newest: let `runs/latest` mean this run.

    Raises:
        SlrError: data, options or memory that do not allow it.
    """

    def begin() -> tuple[Config, TrainingData, SignModel]:
        check_bounds(config)
        settled = with_every_option(with_absolute_paths(config))
        if config.distill.teacher:
            settled = without_pace(settled, console)
        return settled, *fresh(settled, console)

    config, data, model = distributed.agreed(begin)
    session = Session(config, data, model, console)
    if not distributed.first():
        return session.follow()
    session.describe()
    session.set_statistics(4 * config.optim.batch_size if dry_run else 0)
    if dry_run:
        return session.dry_run()
    run = new_run(config.run.output_dir, config.model.arch)
    if newest:
        point_latest(run)
    atomic_write_text(run / CONFIG, to_toml(config))
    session.data.vocabulary.save(run / "vocab.json")
    return session.run(run)


def fresh(config: Config, console: Console) -> tuple[TrainingData, SignModel]:
    """The data of a run, and a new model for them on its device, whose weights the seed decides."""
    torch.manual_seed(config.run.seed)
    device = distributed.choose_device(config.run.device)
    data = load_training_data(config, console)
    model = build_model(
        config.model.arch, data.layout, len(data.vocabulary.tokens),
        dropout=config.model.dropout, options=config.model.options,
    )  # fmt: skip
    model = model.to(device)
    require_precision(model, config.run.precision)
    return data, model


def resume(run: Path, overrides: dict[str, dict[str, Any]], console: Console, newest: bool = True) -> TrainResult:
    """Resume a run where it stopped, with its own settings except those in `overrides`.

    With `newest`, `runs/latest` means this run from now on.

    Raises:
        CheckpointError: the folder contains no run that can be resumed.
    """
    folder = run_folder(run)

    def begin() -> tuple[Config, TrainingData, SignModel]:
        if not (folder / LAST).is_file() or not (folder / STATE).is_file():
            what = "The folder contains no run to resume."
            raise CheckpointError(what, str(run), f"Name a run that contains {LAST} and {STATE}.")
        config = Config.from_dict(as_begun(read_toml(folder / CONFIG)), str(folder / CONFIG))
        config = merge(config, overrides, "command line")
        check_bounds(config)
        config = with_absolute_paths(config)
        model, meta = load_checkpoint(folder / LAST, distributed.choose_device(config.run.device))
        require_precision(model, config.run.precision)
        data = load_training_data(config, console, meta.vocabulary)
        if meta.data_hash and meta.data_hash != data.corpus.hash:
            console.warn("The annotations have changed since the run began.")
        if changed := differences(meta.versions):
            console.warn(f"The resumed run will not be bit-identical to an uninterrupted one: {changed}.")
        return config, replace(data, layout=meta.layout), model

    config, data, model = distributed.agreed(begin)
    session = Session(config, data, model, console)
    session.restore(*load_state(folder / STATE))
    if not distributed.first():
        return session.follow()
    if session.trainer.progress.epoch > config.optim.epochs:
        console.note(f"The run is complete ({config.optim.epochs} epochs); --epochs N continues it.")
    else:
        console.note(f"Resuming {shown(folder)} at epoch {session.trainer.progress.epoch}.")
    atomic_write_text(folder / CONFIG, to_toml(config))
    if newest:
        point_latest(folder)
    return session.run(folder)


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
    return replace(config, data=replace(data, layout=layout, **paths), distill=replace(config.distill, teacher=teacher))


def with_every_option(config: Config) -> Config:
    """The configuration with all options of its architecture written out, so that a checkpoint outlives a default."""
    options = asdict(read_options(config.model.arch, config.model.options))
    return replace(config, model=replace(config.model, options=options))


class Session:
    """A model with its data, on the way through a run."""

    def __init__(self, config: Config, data: TrainingData, model: SignModel, console: Console):
        self.config, self.data, self.model, self.console = config, data, model, console
        model.gradient_checkpointing = config.run.gradient_checkpointing
        utterances, targets = learnable(data, config, model.output_length, console)
        kept = {**config.data.preparation, "cache_mb": config.run.cache_mb, "to": data.rate}
        self.clips = Clips(utterances, data.layout, **kept)
        self.dev = Clips(data.dev, data.layout, **kept)
        learnt = {item.id for item in utterances}  # as they are annotated: rare glosses may be left out of `utterances`
        self.sentences = sentence_hashes(item for item in data.train if item.id in learnt)
        self.batches = TrainBatches(
            self.clips, targets, config.augment, model.output_length, config.optim.batch_size, config.run.seed,
            views=2 if config.loss.consistency else 1,
        )  # fmt: skip
        self.audit = None
        if config.distill.teacher:
            self.audit = load_teacher(config, data, self.clips, self.dev, device_of(model), console)
        teacher = self.audit.teacher if self.audit else None
        meta = Meta(config, data.vocabulary, data.layout, rate=data.rate)
        self.trainer = Trainer(model, self.batches, self.dev, meta, teacher)

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
        """Mean and deviation of the features, from train alone, into the model's frontend."""
        clips = self.clips
        if only_first:
            clips = Clips(clips.utterances[:only_first], clips.layout, **self.config.data.preparation, to=clips.to)
        with self.console.progress("reading the statistics of train", len(clips)) as task:
            frontend = self.model.frontend
            device = self.trainer.device
            statistics = feature_statistics(clips, frontend.cpu(), task.advance)
            frontend.to(device).set_statistics(*(item.to(device) for item in statistics))
        warn_empty(clips, "training", self.console)

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
        return TrainResult(None, None, {}, self.trainer.progress.epoch - 1, stopped)

    def run(self, folder: Path) -> TrainResult:
        """Train to the end, writing as it goes."""
        self.console.note(f"run: {shown(folder)}")
        self._read_dev()
        if self.audit:
            atomic_write_text(folder / TEACHER, json.dumps(self.audit.facts, indent=2) + "\n")
        steps = len(self.batches) * self.config.optim.epochs
        optim = self.config.optim
        record = Record(folder, self.console, self.trainer.progress.epoch, optim.epochs, optim.choose)
        stopped, finished = "", self.trainer.progress.epoch - 1
        last: EpochEnd | None = None
        with (
            record,
            interruptible() as interrupted,
            memory_advice(),
            self.console.progress("training", steps) as task,
        ):
            task.advance(finished * len(self.batches) + self.trainer.progress.step)
            for event in self.trainer.run(interrupted):
                if isinstance(event, Step):
                    self._show(task, event, last)
                elif isinstance(event, EpochEnd):
                    last, finished = event, event.numbers.epoch
                    metrics = numbers_of(event)
                    self._save(folder, event.chosen, metrics)
                    record.epoch(event, metrics)
                elif isinstance(event, SignsLocated):
                    record.say(
                        f"{event.share:.0%} of the signs of train were located before epoch {event.epoch} to be "
                        f"exchanged ({event.seconds:.1f} s)."
                    )
                elif isinstance(event, FramewiseBegun):
                    record.say(
                        f"From epoch {event.epoch} on, frames learn their gloss; signs last "
                        f"{event.decode.sign_frames:.1f} frames, by which clips are decoded ({event.seconds:.1f} s)."
                    )
                else:
                    stopped = event.reason
                    self._save_last(folder, {"epoch": finished})
            if last and stopped in ("", "patience"):
                progress = self.trainer.progress
                ending = Ending(last.numbers, progress.best["wer"], progress.said, self.config.data.data_dir)
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
            folder, checkpoint if checkpoint.is_file() else None, self.trainer.progress.best, finished, stopped
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
                _ = self.dev[index]
                task.advance()
        warn_empty(self.dev, "dev", self.console)

    def _save(self, folder: Path, chosen: bool, metrics: dict[str, Any]) -> None:
        if chosen:
            save_checkpoint(folder / BEST, self.trainer.recogniser.model, self._meta(metrics))
        self._save_last(folder, metrics)

    def _save_last(self, folder: Path, metrics: dict[str, Any]) -> None:
        save_checkpoint(folder / LAST, self.trainer.recogniser.model, self._meta(metrics))
        tensors, values = self.trainer.state()
        weights = {f"{WEIGHTS}{name}": tensor for name, tensor in self.model.state_dict().items()}
        save_state(folder / STATE, {**tensors, **weights}, values)

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Go on where the state was written; it holds the weights too, so that they are of the same moment."""
        weights = {name.removeprefix(WEIGHTS): item for name, item in tensors.items() if name.startswith(WEIGHTS)}
        try:
            self.model.load_state_dict(weights)
        except RuntimeError as error:
            fix = "Start a new run, or put back the files that belong together."
            raise CheckpointError(f"{STATE} and {LAST} do not belong to the same model.", "--resume", fix) from error
        with understood(f"{STATE} is damaged", "--resume", UNREADABLE, CheckpointError):
            self.trainer.restore(tensors, values)

    def _meta(self, metrics: dict[str, Any]) -> Meta:
        data = self.data
        return Meta(
            self.config, data.vocabulary, data.layout, metrics, data.corpus.hash,
            utterances=data.marks["train"], sentences=self.sentences, decode=self.trainer.decode, rate=data.rate,
        )  # fmt: skip
