"""A run as TensorBoard shows it: numbers of the epochs in groups, settings and outcome in its HPARAMS tab."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slrcli.config import Config, changed_settings


@contextmanager
def _absent(*names: str) -> Iterator[None]:
    """Let imports of these modules fail inside as if they were not installed; those that are loaded already stay."""
    hidden: dict[str, Any] = {name: None for name in names if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


# TensorBoard loads the clients of a cloud where they are installed, and they open a socket to see what this machine
# can do. Events are written to a folder: they are not needed.
with _absent("boto3", "botocore"):
    from torch.utils.tensorboard import SummaryWriter
    from torch.utils.tensorboard.summary import hparams

# The number of an epoch -> its tag; whatever else an epoch tells is a term of the loss.
TAGS = {
    "loss": "loss/train",
    "dev_loss": "loss/dev",
    "wer": "wer/dev",
    "emission": "output/emission",
    "distinct": "output/distinct",
    "distinct_ref": "output/distinct_ref",
    "blank_share": "output/blank_share",
    "top_share": "output/top_share",
    "top_share_ref": "output/top_share_ref",
    "spike_frames": "output/spike_frames",
    "lr": "optim/lr",
    "grad_norm": "optim/grad_norm",
    "grad_norm_max": "optim/grad_norm_max",
    "skipped": "optim/skipped",
    "seconds": "time/seconds",
    "frames_per_second": "time/frames_per_second",
}
# Settings that runs are compared by even where all have the default; others stand there where they were changed.
COMPARED = (
    "model.arch", "model.dropout", "optim.lr", "optim.schedule", "optim.epochs", "optim.batch_size",
    "optim.weight_decay", "optim.ema", "loss.frames", "loss.consistency", "data.normaliser", "run.seed",
)  # fmt: skip
PLACES = ("run.output_dir", "run.device", "run.cache_mb", "data.data_dir")  # which say nothing of what was learnt
BEST = {"wer": "best/wer", "dev_loss": "best/dev_loss", "epoch": "best/epoch"}


class Board:
    """TensorBoard's events of a run. They can be written to at any time, also where a run goes on.

    Args:
        folder: of the events.
        config: of the run.
    """

    def __init__(self, folder: Path, config: Config):
        self._writer = SummaryWriter(str(folder))
        self._config, self._last = config, 0

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """The numbers of an epoch, as `metrics.jsonl` has them."""
        self._last = metrics["epoch"]
        for name, value in metrics.items():
            if name != "epoch" and value is not None:
                self._writer.add_scalar(TAGS.get(name, f"loss/{name}"), value, self._last)

    def close(self, best: Mapping[str, Any]) -> None:
        """Write the settings with the numbers of the best epoch, if one was finished, and close the file."""
        outcome = {tag: float(best[name]) for name, tag in BEST.items() if best.get(name) is not None}
        if outcome:
            for summary in hparams(settings_of(self._config), outcome):
                self._writer._get_file_writer().add_summary(summary)
            for tag, value in outcome.items():
                self._writer.add_scalar(tag, value, self._last)
        self._writer.close()


def settings_of(config: Config) -> dict[str, bool | int | float | str]:
    """The settings that say how a run differs from others, by `section.key`; those of tables one by one."""
    plain = config.to_dict()
    found = {name: plain[name.split(".")[0]][name.split(".")[1]] for name in COMPARED}
    for section in plain:
        for key in changed_settings(getattr(config, section)):
            found.update(_flat(f"{section}.{key}", plain[section][key]))
    return {name: value for name, value in found.items() if name not in PLACES}


def _flat(name: str, value: Any) -> dict[str, bool | int | float | str]:
    if isinstance(value, dict):
        return {full: plain for key, inner in value.items() for full, plain in _flat(f"{name}.{key}", inner).items()}
    return {name: value if isinstance(value, bool | int | float | str) else str(value)}
