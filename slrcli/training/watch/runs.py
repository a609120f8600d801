"""The runs below a folder side by side: what they came to, and in which settings they differ. Torch is not needed."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slrcli.checkpoints.runs import CONFIG, checkpoint_in
from slrcli.config import Config, nearest, read_toml
from slrcli.errors import SlrError, UsageError, damage_of, is_damage
from slrcli.frames import frame_of
from slrcli.training.watch.history import RunHistory

if TYPE_CHECKING:
    import pandas

OWN = ("run.output_dir", "run.device", "run.cache_mb")  # settings that change nothing of what comes out
SECTIONS = ("model", "optim", "loss", "augment", "distill", "start", "data", "run")  # in the order of interest
HASH = 8  # characters that tell corpora apart


@dataclass(frozen=True)
class RunRow:
    """One run.

    Attributes:
        name: its folder, relative to the one that was searched.
        wer: of dev in percent, of the epoch that was chosen; None before the first one.
        epoch: that epoch.
        epochs: how many were finished.
        planned: how many there are to be.
        seconds: in all epochs.
        data: the beginning of the hash of the annotations; WERs of different ones cannot be compared. "" where unknown.
        settings: all of them, by their dotted names.
        problem: why nothing is known of it; "" where all is well.
    """

    name: str
    wer: float | None = None
    epoch: int = 0
    epochs: int = 0
    planned: int = 0
    seconds: float = 0.0
    data: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json` and frames."""
        known = {key: getattr(self, key) for key in ("name", "wer", "epoch", "epochs", "planned", "seconds", "data")}
        return {**known, "settings": dict(self.settings), "problem": self.problem}


@dataclass(frozen=True)
class Runs:
    """The runs below a folder, the best first."""

    folder: Path
    rows: tuple[RunRow, ...]

    @property
    def differing(self) -> list[str]:
        """Names of the settings that are not the same in all runs: those of the network and its training first."""
        sound = [row.settings for row in self.rows if not row.problem]
        names = dict.fromkeys(name for settings in sound for name in settings if name not in OWN)
        found = [name for name in names if any(s.get(name) != sound[0].get(name) for s in sound)]
        return sorted(found, key=lambda name: SECTIONS.index(name.partition(".")[0]))

    @property
    def comparable(self) -> bool:
        """Whether all were trained on the same annotations, as far as that is known."""
        return len({row.data for row in self.rows if row.data}) < 2

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {"folder": str(self.folder), "differing": self.differing, "runs": [row.to_dict() for row in self.rows]}

    def to_frame(self) -> "pandas.DataFrame":
        """A row per run; the settings that differ are columns.

        Raises:
            DependencyError: pandas is not installed.
        """
        rows = []
        for row in self.rows:
            plain = row.to_dict()
            settings = plain.pop("settings")
            rows.append({**plain, **{name: settings.get(name) for name in self.differing}})
        return frame_of(rows)


ORDERS = {
    "wer": lambda row: (row.wer is None, row.wer or 0.0, row.name),
    "name": lambda row: row.name,
    "time": lambda row: (row.seconds, row.name),
}


def find_runs(folder: Path, order: str = "wer") -> Runs:
    """All runs at or below a folder; links, such as `runs/latest`, are not followed.

    Args:
        order: a name in `ORDERS`.

    Raises:
        UsageError: there is no such order or folder, or no run in it.
    """
    if order not in ORDERS:
        raise UsageError(f"Runs cannot be sorted by '{order}'.", "--sort", nearest(order, ORDERS))
    if not folder.is_dir():
        raise UsageError("There is no such folder.", str(folder), "Name a folder that contains runs.")
    rows = [_read(found, folder) for found in _folders(folder)]
    if not rows:
        raise UsageError("The folder contains no run.", str(folder), "Train one with slr train --data-dir DIR.")
    return Runs(folder, tuple(sorted(rows, key=ORDERS[order])))


def _folders(folder: Path) -> Iterator[Path]:
    for parent, below, files in os.walk(folder):
        below.sort()
        if CONFIG in files:
            yield Path(parent)


def _read(folder: Path, root: Path) -> RunRow:
    name = folder.relative_to(root).as_posix()
    name = root.resolve().name if name == "." else name
    try:
        sections = read_toml(folder / CONFIG)
        epochs = RunHistory.of(folder).epochs
        settings = {**DEFAULTS, **dict(_flat(sections))}  # an older run does not name what came later
        if unknown := {name.partition(".")[0] for name in settings} - {*SECTIONS}:
            return RunRow(name, problem=f"{CONFIG} has the unknown sections {', '.join(sorted(unknown))}.")
        chosen = settings.get("optim.choose", Config().optim.choose)
        best = _chosen(epochs, chosen) if epochs else {}
        wer = best.get("wer")
        return RunRow(
            name, None if wer is None else float(wer), int(best.get("epoch", 0)), len(epochs),
            int(settings.get("optim.epochs", 0)), float(sum(item.get("seconds") or 0.0 for item in epochs)),
            _data_hash(folder)[:HASH], settings,
        )  # fmt: skip
    except Exception as error:
        if not isinstance(error, SlrError) and not is_damage(error):
            raise
        return RunRow(name, problem=error.what if isinstance(error, SlrError) else damage_of(error))


def _chosen(epochs: tuple[dict[str, Any], ...], choose: str) -> dict[str, Any]:
    """The epoch whose checkpoint is kept as the best: see `optim.choose`."""
    if choose == "last":
        return epochs[-1]
    known = [item for item in epochs if item.get("wer") is not None]
    return min(known, key=lambda item: item["wer"]) if known else {}


def _flat(sections: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by their dotted names."""
    for key, value in sections.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


DEFAULTS = dict(_flat(Config().to_dict()))


def _data_hash(folder: Path) -> str:
    """Hash of the annotations that a run learns from; "" before its first checkpoint."""
    from safetensors import safe_open

    path = checkpoint_in(folder)
    if path is None:
        return ""
    try:
        with safe_open(path, framework="numpy") as file:
            return str(json.loads((file.metadata() or {})["slr"])["data_hash"])
    except Exception as error:
        if not isinstance(error, OSError) and not is_damage(error):
            raise
        return ""
