"""The numbers of a run's epochs, and what diagnostics ask of them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slrcli.checkpoints.runs import METRICS
from slrcli.errors import DataError, reason_of
from slrcli.frames import frame_of

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class EpochNumbers:
    """What is known of one epoch.

    Attributes:
        epoch: counted from 1.
        loss: mean CTC loss per gloss over train.
        dev_loss: the same over dev; NaN where the vocabulary has the glosses of no dev utterance.
        wer: of dev, percent.
        emission: output/reference ratio of dev: tokens of the output, percent of the reference's.
        distinct: distinct glosses of the output on dev.
        distinct_ref: distinct glosses of dev.
        blank_share: share of dev's output frames whose best class is blank, 0 to 1.
        grad_norm: mean norm of the gradient before clipping.
        grad_norm_max: the largest of the epoch.
        top_share: share of the most frequent gloss among the tokens emitted on dev, 0 to 1.
        top_share_ref: the same of dev's references.
        spike_frames: mean output frames per gloss on dev; 0 where the output has none.
        lr: learning rate of the epoch's last step.
        skipped: steps that left the model as it was, since the loss or its gradient was not finite.
    """

    epoch: int
    loss: float
    dev_loss: float
    wer: float
    emission: float
    distinct: int
    distinct_ref: int
    blank_share: float
    grad_norm: float
    grad_norm_max: float = 0.0
    top_share: float = 0.0
    top_share_ref: float = 0.0
    spike_frames: float = 0.0
    lr: float = 0.0
    skipped: int = 0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "EpochNumbers":
        """From a line of `metrics.jsonl`, in which null stands for NaN; what a line lacks keeps its default."""
        known = {item.name for item in fields(cls)}
        kept: dict[str, Any] = {
            key: math.nan if value is None else value for key, value in values.items() if key in known
        }
        return cls(**kept)


@dataclass(frozen=True)
class History:
    """The epochs of a run so far, the newest last.

    Attributes:
        epochs: at least one.
        arch: the architecture that is trained.
        warmup: epochs over which the learning rate rises.
    """

    epochs: Sequence[EpochNumbers]
    arch: str = ""
    warmup: float = 0.0

    @property
    def now(self) -> EpochNumbers:
        """The newest epoch."""
        return self.epochs[-1]

    @property
    def best(self) -> EpochNumbers:
        """The epoch with the lowest WER so far, the first of equals."""
        return min(self.epochs, key=lambda item: item.wer)

    @property
    def lowest_dev_loss(self) -> EpochNumbers | None:
        """The epoch with the lowest loss on dev; None where it was never known."""
        known = [item for item in self.epochs if math.isfinite(item.dev_loss)]
        return min(known, key=lambda item: item.dev_loss) if known else None

    def last(self, count: int) -> Sequence[EpochNumbers]:
        """The newest `count` epochs, fewer where there are not so many."""
        return self.epochs[-count:]

    def holds_for(self, count: int, holds) -> bool:
        """Whether `holds(epoch)` is true of the newest `count` epochs, and there are so many."""
        return len(self.epochs) >= count and all(holds(item) for item in self.last(count))


@dataclass(frozen=True)
class RunHistory:
    """The numbers of a run's epochs as its `metrics.jsonl` has them, a dictionary per epoch."""

    epochs: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, folder: Path) -> "RunHistory":
        """Those of a run; none where it has not finished an epoch.

        Raises:
            DataError: they cannot be read.
        """
        path = folder / METRICS
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
            return cls(tuple(json.loads(line) for line in lines))
        except (OSError, ValueError) as error:
            raise DataError(f"The numbers of the epochs cannot be read: {reason_of(error)}.", path) from error

    def to_frame(self) -> "pandas.DataFrame":
        """A row per epoch; NaN where an epoch does not have a number.

        Raises:
            DependencyError: pandas is not installed.
        """
        return frame_of(self.epochs)
