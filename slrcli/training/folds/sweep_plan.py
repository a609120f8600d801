"""What a sweep is to train: its axes, and every run by its values; as `sweep.json` has it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from slrcli.checkpoints.runs import SWEEP
from slrcli.config import Config
from slrcli.errors import CheckpointError, understood
from slrcli.files import below, folder_names, read_json
from slrcli.training.folds.axes import DECIDING, Axis, combinations, settings_with, shown_names, told_value
from slrcli.training.folds.plan import AGAIN
from slrcli.training.folds.pool import read_result

FORMAT = "slr-sweep-1"


@dataclass(frozen=True)
class Try:
    """A run of a sweep before it is one.

    Attributes:
        name: of its folder.
        label: for people.
        values: of the settings that are varied.
        seed: of the run.
        number: of the trial, from 0; in a grid that of the combination.
    """

    name: str
    label: str
    values: Mapping[str, Any]
    seed: int
    number: int


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        wer: on dev in percent, of the epoch that was chosen.
        epoch: that epoch.
        epochs: how many there were.
        seconds: of training.
        warnings: those of a run that trained in a process of its own.
    """

    wer: float
    epoch: int
    epochs: int
    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is varied, and with which settings beside.

    Attributes:
        axes: the settings that are varied.
        seeds: of every combination's runs.
        search: how many trials there are to be; 0: every combination is tried.
        threads: of torch in every run; the numbers depend on it.
        bases: a configuration for each combination of the values on which the fitting of others depends.
        study: file or address of an Optuna study that several searches share; "": one of the sweep's own.
        owner: what tells this search's trials from others' in a shared study.
    """

    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    search: int
    threads: int
    bases: tuple[Config, ...]
    study: str = ""
    owner: str = ""

    @property
    def study_shown(self) -> str:
        """The study without the password in its address."""
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", self.study)

    def config_of(self, folder: Path, item: Try) -> Config:
        """The settings of a run; `folder` contains all runs."""
        deciding = {name: value for name, value in item.values.items() if name in DECIDING}
        where = list(map(dict, deciding_values(self.axes))).index(deciding)
        config = settings_with(item.values, self.bases[where])
        run = replace(config.run, seed=item.seed, output_dir=str(below(folder, item.name)))
        return replace(config, run=run)

    def grid(self) -> list[Try]:
        """Every combination with every seed; all combinations of the first seed go first."""
        found = combinations(self.axes)
        names = folder_names([self.slug(values) for values in found])
        several = len(self.seeds) > 1
        return [
            Try(
                f"{name}-seed{seed}" if several else name,
                self.label(values) + (f", seed {seed}" if several else ""),
                values, seed, number,
            )
            for seed in self.seeds
            for number, (name, values) in enumerate(zip(names, found, strict=True))
        ]  # fmt: skip

    def trial(self, number: int, values: Mapping[str, Any]) -> Try:
        """A trial of a search by its number, from 0."""
        label = f"trial {number + 1}, {self.label(values, 3)}"
        return Try(f"trial-{number + 1:03}", label, values, self.seeds[0], number)

    def label(self, values: Mapping[str, Any], digits: int = 17) -> str:
        """A combination for people: `lr=0.002, width=96`."""
        names = shown_names(self.axes)
        return ", ".join(f"{names[name]}={told_value(value, digits)}" for name, value in values.items())

    def slug(self, values: Mapping[str, Any]) -> str:
        """A combination as the name of a folder: `lr-0.002_width-96`."""
        names = shown_names(self.axes)
        return "_".join(f"{names[name]}-{told_value(value)}" for name, value in values.items())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        kept = {"seeds": list(self.seeds), "search": self.search, "threads": self.threads}
        axes, bases = [axis.to_dict() for axis in self.axes], [config.to_dict() for config in self.bases]
        shared = {"study": self.study, "owner": self.owner} if self.study else {}
        return {"format": FORMAT, "axes": axes, **kept, **shared, "bases": bases}

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> "Plan":
        """The opposite of `to_dict`.

        Raises:
            CheckpointError: the values are no plan.
        """
        with understood("The file is not a plan of a sweep", where, AGAIN, CheckpointError):
            if values["format"] != FORMAT:
                raise ValueError(f"its format is {values['format']}")
            axes = tuple(map(Axis.from_dict, values["axes"]))
            bases = tuple(Config.from_dict(config, where) for config in values["bases"])
            if len(bases) != len(deciding_values(axes)):
                raise ValueError(f"it has {len(bases)} configurations for {len(deciding_values(axes))} combinations")
            seeds, counts = tuple(map(int, values["seeds"])), (int(values["search"]), int(values["threads"]))
            shared = str(values.get("study", "")), str(values.get("owner", ""))
            return cls(axes, seeds, *counts, bases, *shared)


def deciding_values(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """The combinations of those settings on which the fitting of others depends; an empty one where none is varied."""
    return combinations([axis for axis in axes if axis.name in DECIDING])


def read_plan(folder: Path) -> Plan:
    """The plan that the folder of a sweep goes by.

    Raises:
        CheckpointError: damaged.
    """
    path = folder / SWEEP
    with understood("The plan of the sweep cannot be read", path, AGAIN, CheckpointError):
        values = read_json(path)
    return Plan.from_dict(values, str(path))


class Source(Protocol):
    """Where the runs of a sweep come from."""

    @property
    def left(self) -> int:
        """How many are still to come to their end."""
        ...

    def tries(self) -> Iterator[tuple[Try, Outcome | None]]:
        """What is to be trained, or its outcome where that is known; what comes next may depend on what was told."""
        ...

    def tell(self, item: Try, wer: float | None) -> None:
        """What a run came to; None: it failed."""
        ...


class Grid:
    """Every combination in its turn; see `Source`."""

    def __init__(self, tries: list[Try]):
        self._tries, self.left = tries, len(tries)

    def tries(self) -> Iterator[tuple[Try, Outcome | None]]:
        """See `Source`."""
        return ((item, None) for item in self._tries)

    def tell(self, item: Try, wer: float | None) -> None:
        """See `Source`."""
        self.left -= wer is not None


def read_outcome(run: Path) -> Outcome | None:
    """The outcome of a run that is finished, or None; CheckpointError where its file is damaged."""

    def read(values: dict[str, Any]) -> Outcome:
        warnings = tuple(map(str, values["warnings"]))
        return Outcome(
            float(values["wer"]), int(values["epoch"]), int(values["epochs"]), float(values["seconds"]), warnings
        )

    return read_result(run, read, "Remove the file; the result is then taken from the run again.")
