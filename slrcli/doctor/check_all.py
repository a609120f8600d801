"""`slr check` alone: every target that can be examined from the current folder."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slrcli.checkpoints import runs
from slrcli.config import Config, DataConfig, read_toml
from slrcli.console import Console
from slrcli.corpus.opening import open_data
from slrcli.doctor.checkpoint.target import CheckpointTarget
from slrcli.doctor.choice import ALL, Choice
from slrcli.doctor.data.target import DataTarget
from slrcli.doctor.machine.target import MachineTarget
from slrcli.doctor.model.target import ModelTarget
from slrcli.doctor.run import Examination, NothingWanted, Target, run
from slrcli.errors import SlrError

CORPUS_FOLDERS = (".", "data")


@dataclass(frozen=True)
class Part:
    """One target that was examined, or not.

    Attributes:
        name: `env`, `data`, `checkpoint`, `model`, `overfit`.
        examination: the result; None: it was not run.
        why: why it was not.
        how: the command that runs it.
        broke: whether it was tried and failed.
    """

    name: str
    examination: Examination | None = None
    why: str = ""
    how: str = ""
    broke: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong here."""
        return not self.broke and (self.examination is None or self.examination.passed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        if self.examination is not None:
            return {"name": self.name, **self.examination.to_dict()}
        return {"name": self.name, "why_not": self.why, "how": self.how}


def check_all(console: Console, choice: Choice = ALL) -> list[Part]:
    """Examine the machine, the corpus at hand, the newest run's checkpoint and its model.

    Without a run the default architecture stands in for its model. Overfitting takes minutes and is left to a command
    of its own.
    """
    corpus, checkpoint = find_corpus(), runs.newest_checkpoint()
    parts = [_part("env", MachineTarget(), console, choice)]
    if corpus is None:
        parts.append(Part("data", None, "there is no corpus here or below data", "slr check data --data-dir DIR"))
    else:
        parts.append(_part("data", DataTarget(corpus), console, choice))
    if checkpoint is None:
        parts.append(Part("checkpoint", None, "there is no run here yet", "slr check checkpoint PATH"))
    else:
        parts.append(_part("checkpoint", CheckpointTarget(checkpoint), console, choice))
    if parts[-1].passed:
        parts.append(_part("model", ModelTarget(), console, choice))
    else:
        parts.append(Part("model", None, "the checkpoint has errors", "slr check model NAME"))
    how = f"slr check overfit --data-dir {corpus.data_dir if corpus else 'DIR'}"
    return [*parts, Part("overfit", None, "overfitting a few utterances takes up to two minutes", how)]


def find_corpus() -> DataConfig | None:
    """A corpus here, below `data`, or that of the newest run as it was read there; None where there is none."""
    tried = [DataConfig(data_dir=folder) for folder in CORPUS_FOLDERS]
    run = runs.newest_run()
    if run is not None and (run / runs.CONFIG).is_file():
        with suppress(SlrError):
            tried.append(Config.from_dict(read_toml(run / runs.CONFIG)).data)
    for data in tried:
        with suppress(SlrError):
            if data.data_dir and Path(data.data_dir).is_dir() and open_data(data).splits:
                return data
    return None


def _part(name: str, target: Target, console: Console, choice: Choice) -> Part:
    how = f"slr check {name}"
    try:
        return Part(name, run(target, console, choice))
    except NothingWanted:
        return Part(name, None, "none of its checks is wanted", how)
    except SlrError as error:
        return Part(name, None, str(error), how, broke=True)
