"""What `slr check` alone does: all that can be looked at from where the user stands."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from slrcli.checkpoints import runs
from slrcli.config import Config, DataConfig, read_toml
from slrcli.console import Console
from slrcli.corpus.opening import open_data
from slrcli.doctor.catalogue import catalogue
from slrcli.doctor.check import check_data, check_model
from slrcli.doctor.check_things import check_checkpoint, check_env
from slrcli.doctor.choice import ALL, Choice
from slrcli.doctor.run import Examination, NothingWanted
from slrcli.errors import SlrError

CORPUS_FOLDERS = (".", "data")


@dataclass(frozen=True)
class Part:
    """One thing that was looked at, or not.

    Attributes:
        name: `env`, `data`, `checkpoint`, `model`, `overfit`.
        examination: what came out; None: it was not run.
        why: why it was not.
        how: the command that runs it.
        broke: whether it was tried and broke off, which is a failure.
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

    def as_dict(self) -> dict:
        """Plain values, for `--json`."""
        if self.examination is not None:
            return {"name": self.name, **self.examination.as_dict()}
        return {"name": self.name, "why_not": self.why, "how": self.how}


def check_all(console: Console, choice: Choice = ALL) -> list[Part]:
    """Examine the machine, the corpus at hand, the newest run's checkpoint and its model.

    Without a run the default architecture stands in for its model. Learning by heart takes minutes and is left to a
    command of its own.
    """
    corpus, checkpoint = find_corpus(), runs.newest_checkpoint()
    parts = [_part("env", "E", choice, lambda: check_env(choice=choice)[0])]
    if corpus is None:
        parts.append(Part("data", None, "there is no corpus here or below data", "slr check data --data-dir DIR"))
    else:
        parts.append(_part("data", "D", choice, lambda: check_data(console, corpus, choice=choice)))
    if checkpoint is None:
        parts.append(Part("checkpoint", None, "there is no run here yet", "slr check checkpoint PATH"))
    else:
        parts.append(_part("checkpoint", "C", choice, lambda: check_checkpoint(checkpoint, choice=choice)))
    if parts[-1].passed:
        parts.append(_part("model", "MV", choice, lambda: check_model(console, choice=choice)))
    else:
        parts.append(Part("model", None, "the checkpoint has errors", "slr check model NAME"))
    folder = corpus.data_dir if corpus else "DIR"
    how = f"slr check overfit --data-dir {folder}"
    parts.append(Part("overfit", None, "learning a few utterances by heart takes up to two minutes", how))
    return parts


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


def _part(name: str, letters: str, choice: Choice, run: Callable[[], Examination]) -> Part:
    how = f"slr check {name}"
    if not any(choice.wants(code) for code in catalogue() if code.removeprefix("SLR-")[0] in letters):
        return Part(name, None, "none of its checks is wanted", how)
    try:
        return Part(name, run())
    except NothingWanted:
        return Part(name, None, "none of its checks is wanted", how)
    except SlrError as error:
        return Part(name, None, str(error), how, broke=True)
