"""A run under way: a model with its data, from what is said before the first step to the last checkpoint."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from slrcli.checkpoints.checkpoint import save_checkpoint, save_state
from slrcli.checkpoints.meta import Meta, versions
from slrcli.checkpoints.runs import BEST, CONFIG, LAST, STATE, shown
from slrcli.config import Config, to_toml
from slrcli.console import Console, Task
from slrcli.corpus.clips import Clips, note_rates, shards_of, warn_empty
from slrcli.corpus.utterances import sentence_hashes
from slrcli.errors import (
    EXIT_FAILURE,
    SIGNALLED,
    CheckpointError,
    DataError,
    Ended,
    SlrError,
    ending_signals,
    first_five,
    memory_advice,
    understood,
)
from slrcli.evaluation.evaluate import evaluate
from slrcli.features.clip import digest
from slrcli.features.readers import stamp
from slrcli.files import atomic_write_text, read_json
from slrcli.models.base import SignModel, device_of
from slrcli.parallel import distributed
from slrcli.training.batches import TrainBatches, feature_statistics
from slrcli.training.data import TrainingData, learnable, tell_known
from slrcli.training.loop import EpochEnd, Skipped, Step, Stopped, Trainer
from slrcli.training.loss.teach import load_teacher, spike_offset
from slrcli.training.record import Record, told
from slrcli.training.start import NOTHING, Past
from slrcli.training.watch.closing import Ending, closing
from slrcli.training.watch.history import EpochNumbers

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

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for programs."""
        return {
            "run": self.run and str(self.run),
            "checkpoint": self.checkpoint and str(self.checkpoint),
            "best": self.metrics,
            "epochs": self.epochs,
            "stopped": self.stopped,
        }

    @property
    def exit_code(self) -> int:
        return SIGNALLED + self.signal if self.stopped == "interrupted" else 0


Known = dict[str, tuple[int, int, str]]  # id of a clip -> size and time of its file, hash of its values
DATA = "data.json"  # in the folder of a run: the clips that it was begun with


def known_clips(folder: Path) -> Known:
    """The clips that a run was begun with; none where it does not say.

    Raises:
        CheckpointError: its file is damaged.
    """
    path, fix = folder / DATA, "Remove the file; changed feature files are then not noticed."
    with understood("The list of the clips of the run cannot be read", path, fix, CheckpointError):
        known = read_json(path) if path.is_file() else {}
        return {name: (int(size), int(changed), hashed) for name, (size, changed, hashed) in known.items()}


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
            shards=shards_of(utterances, config.optim.order),
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
        """Train to the end, writing as it goes, and telling the trackers that the run names."""
        self.console.note(f"run: {shown(folder)}")
        if not self.config.run.tracker:
            return self._run(folder)
        from slrcli.training.watch.trackers import tracked  # of the few who want one

        with tracked(self.config.run.tracker, self.console, self.config.to_dict(), self.manifest(folder)) as trackers:
            result = self._run(folder, trackers.epoch)
            trackers.end(result.to_dict())
        return result

    def manifest(self, folder: Path) -> dict[str, Any]:
        """What is trained on what, as plain values."""
        data = self.data
        return {
            "run": str(folder.resolve()),
            "corpus": self.config.data.data_dir,
            "annotations": data.corpus.hash,
            "layout": data.layout.name,
            "glosses": data.vocabulary.size - 1,
            "utterances": {"train": len(self.clips), "dev": len(self.dev)},
            "parameters": self.model.parameter_count,
            "first_epoch": self.trainer.progress.epoch,
            "versions": versions(),
        }

    def _run(self, folder: Path, tell: Callable[[dict[str, Any]], None] = lambda metrics: None) -> TrainResult:
        """`run`; `tell` is called with the numbers of each epoch, once they are written."""
        self._read_dev()
        atomic_write_text(folder / DATA, json.dumps(self.known) + "\n")
        if self.audit:
            atomic_write_text(folder / TEACHER, json.dumps(self.audit.facts, indent=2) + "\n")
        optim, progress = self.config.optim, self.trainer.progress
        record = Record(folder, self.console, optim.epochs, optim.choose, progress.history, self.log, self.config)
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
                    record.epoch(event, metrics, partial(self._save, folder, event.chosen, metrics), progress.best)
                    tell(metrics)
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
