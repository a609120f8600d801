"""The epochs of a run as a table that grows line by line and fits a terminal of 80 columns."""

from collections.abc import Sequence
from typing import Protocol


class Epoch(Protocol):
    """What `slrcli.training.watch.history` records of an epoch."""

    @property
    def epoch(self) -> int: ...

    @property
    def loss(self) -> float: ...

    @property
    def dev_loss(self) -> float: ...

    @property
    def wer(self) -> float: ...

    @property
    def blank_share(self) -> float: ...

    @property
    def emission(self) -> float: ...


NAMES = ("epoch", "loss", "dev loss", "WER", "blank", "output/ref", "time", "left")
WIDTHS = (7, 9, 9, 10, 7, 11, 8, 9)


def _row(cells: Sequence[str]) -> str:
    return "".join(cell.rjust(width) for cell, width in zip(cells, WIDTHS, strict=True))


HEAD = _row(NAMES)


def epoch_line(epoch: Epoch, epochs: int, seconds: float, left: float, best: bool) -> str:
    """The line of an epoch under `HEAD`.

    Args:
        epoch: its numbers; losses are per gloss, WER and output/reference ratio in percent.
        epochs: of the whole run.
        seconds: that it took, dev included.
        left: seconds until the end of the run.
        best: whether its checkpoint is the best so far, and kept.
    """
    cells = (
        f"{epoch.epoch}/{epochs}",
        _loss(epoch.loss),
        _loss(epoch.dev_loss),
        f"{epoch.wer:.2f} %",
        f"{100 * epoch.blank_share:.0f} %",
        f"{epoch.emission:.0f} %",
        clock(seconds),
        clock(left),
    )
    return _row(cells) + ("  best" if best else "")


def clock(seconds: float) -> str:
    """`4.7 s`, `3:10` (minutes), `2:03:10` (hours)."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _loss(value: float) -> str:
    return f"{value:.3f}" if value == value else "n/a"
