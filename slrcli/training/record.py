"""What a run writes down as it goes."""

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from slrcli.console import Console, finite
from slrcli.files import atomic_write_text
from slrcli.training.loop import EpochEnd
from slrcli.training.watch.run_diagnostics import milestone


class Record:
    """What a run writes down as it goes: `training.log` for people, `metrics.jsonl` for programs, TensorBoard's
    events where that is installed."""

    def __init__(self, folder: Path, console: Console, epoch: int = 1):
        self._folder, self._console, self._epoch = folder, console, epoch

    def __enter__(self) -> "Record":
        metrics = self._folder / "metrics.jsonl"
        if metrics.is_file():  # epochs that were written down but not saved will come again
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
        self.say(
            f"epoch {numbers.epoch:3d}  loss {numbers.loss:6.3f}  dev loss {numbers.dev_loss:6.3f}  "
            f"WER {numbers.wer:6.2f} %  blank {numbers.blank_share:4.0%}  emitted {numbers.emission:3.0f} %  "
            f"{event.frames_per_second:7,.0f} frames/s  {event.seconds:5.1f} s{'  best' if event.improved else ''}"
        )
        if passed := milestone(numbers):
            self.say(passed)
        for finding in event.findings:
            self.say(f"{finding.code} {finding.what}. {finding.fix}")

    def say(self, line: str) -> None:
        """One line, to the log and to whoever watches."""
        self._console.note(line)
        self._log.write(line + "\n")
        self._log.flush()


def numbers_of(event: EpochEnd) -> dict[str, Any]:
    """The numbers of an epoch as plain values, for metrics and checkpoints; what is not a number is None."""
    rates = {"frames_per_second": round(event.frames_per_second), "seconds": round(event.seconds, 2)}
    return finite({**asdict(event.numbers), **event.terms, **rates})
