"""What a run writes down as it goes, for people and for programs."""

import importlib.util
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from slrcli.checkpoints.runs import BEST, LAST, METRICS
from slrcli.config import Config
from slrcli.console import Console
from slrcli.files import atomic_write_text
from slrcli.findings import Level
from slrcli.report.text.epochs import HEAD, epoch_line
from slrcli.training.loop import EpochEnd, FramewiseBegun, SignsLocated, Skipped, WentBack
from slrcli.training.watch.run_diagnostics import milestone

if TYPE_CHECKING:
    from slrcli.training.watch.board import Board


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
        config: of the run, for TensorBoard.
    """

    def __init__(
        self,
        folder: Path,
        console: Console,
        epochs: int = 1,
        choose: str = "best",
        history: Iterable[dict[str, Any]] = (),
        log: list[str] | None = None,
        config: Config | None = None,
    ):
        self._folder, self._console, self._epochs, self._choose = folder, console, epochs, choose
        self._begun, self._shown = time.monotonic(), 0
        self._history, self.log = tuple(history), [] if log is None else log
        self._config = config
        self._board: Board | None = None
        self._best: dict[str, Any] = {}

    def __enter__(self) -> "Record":
        lines = {METRICS: map(metrics_line, self._history), LOG: self.log}
        for name, found in lines.items():
            atomic_write_text(self._folder / name, "".join(f"{line}\n" for line in found))
        self._log: TextIO = open(self._folder / LOG, "a", encoding="utf-8")
        self._metrics: TextIO = open(self._folder / METRICS, "a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # of a full disk, which was said when the line was written
            self._log.close()
        with suppress(OSError):
            self._metrics.close()
        if self._board is not None:
            with suppress(OSError):
                self._board.close(self._best)

    def epoch(
        self,
        event: EpochEnd,
        metrics: dict[str, Any],
        save: Callable[[], None] = lambda: None,
        best: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an epoch's `metrics` and show them; `best` are the numbers of the best epoch so far.

        `save` is called once `log` has the lines and before any file has them: what it saves is never behind the files.
        """
        lines = [*self._head(), *self._lines(event)]
        self.log += [line for line, _ in lines]
        save()
        self._metrics.write(metrics_line(metrics) + "\n")
        self._metrics.flush()
        self._show_on_board(metrics, best or {})
        for line, style in lines:
            self._write(line, style)

    def _show_on_board(self, metrics: dict[str, Any], best: Mapping[str, Any]) -> None:
        """Hand an epoch to TensorBoard, where that is installed."""
        if self._board is None and importlib.util.find_spec("tensorboard"):
            from slrcli.training.watch.board import Board

            self._board = Board(self._folder / "tensorboard", self._config or Config())
        if self._board is not None:
            self._board.epoch(metrics)
            self._best = dict(best)

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
