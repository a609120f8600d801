"""The front door of the library: what the commands do, as functions with plain arguments and plain results.

    import slrcli

    run = slrcli.train("corpus", epochs=30, output_dir="runs/mine")
    model = slrcli.load("runs/mine")
    model.decode("clip.npy").glosses
    slrcli.evaluate(model, "corpus", split="test").to_frame()

Nothing here prints. Where something takes its time, `progress(what, done, total)` is called with what is being done,
how much of it is done, and how much there is (None where nobody knows); notes and warnings go to the logger `slrcli`.
Whatever a caller can put right is raised as `SlrError`. Rooms are imported where they are used, so that scoring needs
no torch, and pandas only what gives frames.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from slrcli.config import Config, DataConfig, by_section, changed_settings, plain_settings
from slrcli.errors import CheckpointError, SlrError
from slrcli.listening import Listening, Progress
from slrcli.recognition.model import Model, Stream
from slrcli.scoring.scored import Scored, Transcripts, score_sides
from slrcli.training.watch.history import RunHistory as History
from slrcli.training.watch.runs import Runs, find_runs

if TYPE_CHECKING:
    import pandas

    from slrcli.corpus import Corpus, Utterance
    from slrcli.decoding.hypothesis import Hypothesis
    from slrcli.doctor.run import Examination
    from slrcli.evaluation.checkpoint import EvalResult

__all__ = [
    "Evaluation",
    "History",
    "Model",
    "OpenCorpus",
    "Run",
    "Runs",
    "Scored",
    "SlrError",
    "Stream",
    "check_data",
    "check_model",
    "evaluate",
    "list_runs",
    "load",
    "open_run",
    "read_corpus",
    "score",
    "sweep",
    "train",
]

# Corpora.


@dataclass(frozen=True)
class OpenCorpus:
    """A corpus, and how it is read.

    Attributes:
        settings: with which `train`, `evaluate` and `check_data` read it again.
        corpus: its utterances, by split.
    """

    settings: DataConfig
    corpus: "Corpus"

    @property
    def splits(self) -> "dict[str, list[Utterance]]":
        """Name of a split -> its utterances, in the order of the tables."""
        return self.corpus.splits

    def to_frame(self) -> "pandas.DataFrame":
        """A row per utterance: id, split, signer, glosses, their number, and the feature file ("" where none is)."""
        return self.corpus.to_frame()


def read_corpus(folder: str | Path, **settings: Any) -> OpenCorpus:
    """The corpus in a folder.

    Args:
        settings: of `slrcli.config.DataConfig`, such as `format="table"` or `features="landmarks"`.

    Raises:
        SlrError: there is no corpus that can be read, or a setting is wrong.
    """
    from slrcli.corpus.opening import open_data

    data = _data_of(folder, settings)
    return OpenCorpus(data, open_data(data))


def check_data(
    corpus: str | Path | OpenCorpus,
    *,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    strict: bool = False,
    full: bool = False,
    jobs: int = 1,
    seed: int = 1,
    progress: Progress | None = None,
    **settings: Any,
) -> "Examination":
    """What `slr check data` finds; `findings` and `passed` of the result say it.

    Args:
        corpus: its folder, or what `read_corpus` gave.
        only, skip: codes of checks, or their beginnings.
        strict: whether warnings fail too.
        full: read all feature files, however many; else a sample.
        jobs: processes that read; 0: one for each core.
        seed: of the sample.
        settings: of `slrcli.config.DataConfig`.

    Raises:
        SlrError: there is no corpus that can be read, or an option names what does not exist.
    """
    from slrcli.doctor.catalogue import chosen
    from slrcli.doctor.data.target import DataTarget
    from slrcli.doctor.run import run

    target = DataTarget(_data_of(corpus, settings), seed, full, jobs)
    return run(target, Listening(progress), chosen(only, skip, strict))


# Training.


@dataclass(frozen=True)
class Run:
    """A run of training.

    Attributes:
        folder: where it lies.
        stopped: why it ended early, "patience" or "interrupted"; "" where it did not, or where that is not known.
    """

    folder: Path
    stopped: str = ""

    @property
    def checkpoint(self) -> Path:
        """The best checkpoint; CheckpointError where there is none yet."""
        from slrcli.checkpoints.runs import find_checkpoint

        return find_checkpoint(self.folder)

    @cached_property
    def history(self) -> History:
        """The numbers of its epochs, as they stood when they were first asked for; DataError where they are damaged."""
        return History.of(self.folder)

    def load(self, device: str = "auto", **decoder: Any) -> "Model":
        """Its recogniser; see `slrcli.load`."""
        return load(self.folder, device, **decoder)


def open_run(folder: str | Path = "runs/latest") -> Run:
    """A run that was trained before.

    Raises:
        CheckpointError: the folder contains no run.
    """
    from slrcli.checkpoints.runs import CONFIG, run_folder

    found = run_folder(Path(folder))
    if not (found / CONFIG).is_file():
        raise CheckpointError("The folder contains no run.", folder, f"Name a folder that contains {CONFIG}.")
    return Run(found)


def list_runs(folder: str | Path = "runs", order: str = "wer") -> Runs:
    """The runs at or below a folder, as `slr runs` lists them; `to_frame()` of the result is a row per run.

    Args:
        order: what they are sorted by: "wer", "name" or "time".

    Raises:
        SlrError: there is no run.
    """
    return find_runs(Path(folder), order)


def train(
    corpus: str | Path | OpenCorpus,
    *,
    preset: str = "",
    config: str | Path | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Run:
    """Train a recogniser, as `slr train` does; what is not said is measured on the corpus.

    Args:
        corpus: its folder, or what `read_corpus` gave.
        preset: named settings.
        config: a TOML file of settings.
        settings: of a run, by their names (`epochs=30, lr=1e-3, arch="conformer", output_dir="runs/mine"`) or by
            section (`model={"options": {"width": 64}}`).

    Raises:
        SlrError: data, settings or memory that do not allow it.
    """
    from slrcli.training.data import settle
    from slrcli.training.run import train as start

    console, sections = Listening(progress), by_section(settings)
    sections["data"] = {**_told_of(corpus), **sections.get("data", {})}
    done = start(settle(console, sections, preset, Path(config) if config else None), console)
    return Run(cast(Path, done.run), done.stopped)  # None beside process 0 of several, which nobody asks


def sweep(
    corpus: str | Path | OpenCorpus,
    varied: Mapping[str, Iterable[Any] | str],
    *,
    search: int = 0,
    study: str = "",
    seeds: Iterable[int] = (),
    jobs: int = 1,
    preset: str = "",
    config: str | Path | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Runs:
    """Train with every combination of some settings, as `slr train --sweep` does; a run that fails is logged.

    Args:
        corpus: its folder, or what `read_corpus` gave.
        varied: setting -> its values, or a range: `{"optim.lr": [1e-3, 2e-3], "optim.ema": "0.9..0.999"}`. Ranges need
            `search`.
        search: how many trials are drawn by Optuna; 0: every combination is tried.
        study: file or address of an Optuna study that several searches share.
        seeds: of every combination; none: `seed` of the settings.
        jobs: runs at a time, each in a process of its own; 0: one for each core.
        preset: named settings.
        config: a TOML file of settings.
        settings: of all runs, as for `train`; the runs are folders in `output_dir`.

    Returns:
        The runs, the best on dev first; of several seeds, a row for each combination with the mean.

    Raises:
        SlrError: data or settings that do not allow it, or no run came to its end.
        KeyboardInterrupt: it was interrupted; `slr train --resume` goes on.
    """
    from slrcli.config import resolve, sections_of
    from slrcli.config.values import joined
    from slrcli.training.data import settle
    from slrcli.training.folds.axes import axes_of
    from slrcli.training.folds.sweep import checked, train_sweep

    console, sections, file = Listening(progress), by_section(settings), Path(config) if config else None
    sections["data"] = {**_told_of(corpus), **sections.get("data", {})}

    def resolved(values: Mapping[str, Any]) -> Config:
        return resolve(joined(sections, sections_of(values)), preset, file)

    def fitted(values: Mapping[str, Any]) -> Config:
        return settle(console, joined(sections, sections_of(values)), preset, file)

    axes = checked(axes_of(varied), sections, resolved, search)
    folder = resolved({axis.name: axis.given[0] for axis in axes}).run.output_dir
    done = train_sweep(axes, fitted, folder, console, tuple(seeds), search, jobs, study=study)
    if done.signal:
        raise KeyboardInterrupt
    if not done.by_combination:
        what = "No combination of the sweep has come to its end."
        raise SlrError(what, done.folder or "", "".join(f"{problem} " for _, problem in done.failed[:1]).strip())
    return done.table()


def check_model(
    target: "str | Path | Model | None" = None,
    *,
    vocab_size: int | None = None,
    layout: str | None = None,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    strict: bool = False,
    seed: int = 1,
    progress: Progress | None = None,
) -> "Examination":
    """What `slr check model` finds; `findings` and `passed` of the result say it.

    Args:
        target: an architecture, a checkpoint or run, `package.module:factory`, or what `load` gave; None: the newest
            run, else the default architecture.
        vocab_size: classes of an architecture or a model of one's own, the blank included.
        layout: their features: a name or a TOML file.
        only, skip: codes of checks, or their beginnings.
        strict: whether warnings fail too.
        seed: of the weights and the made-up clips.

    Raises:
        SlrError: no such architecture, file or module, or an option that does not fit.
    """
    from slrcli.doctor.catalogue import chosen
    from slrcli.doctor.model.target import ModelTarget
    from slrcli.doctor.run import run

    named = target.path if isinstance(target, Model) else target
    examined = ModelTarget(None if named is None else str(named), vocab_size, layout, seed)
    return run(examined, Listening(progress), chosen(only, skip, strict))


# Recognition.


def load(model: str | Path | None = None, device: str = "auto", arch: str | None = None, **decoder: Any) -> Model:
    """The recogniser of a run, a checkpoint or an exported model, with its decoder and its calibration.

    Args:
        model: a run's folder, a checkpoint or an ONNX file; None: the newest run.
        device: where a checkpoint is run.
        arch: `package.module:factory` of a checkpoint of a network of your own, whose code then runs.
        decoder: settings of `slrcli.config.DecodeConfig` that take the place of its own, such as `beam=10`.

    Raises:
        SlrError: no such file, a damaged one, a library that is missing, or settings that do not exist.
    """
    from slrcli.checkpoints.runs import find_checkpoint
    from slrcli.models.trust import allow
    from slrcli.recognition.load import open_recogniser
    from slrcli.recognition.settings import DecoderOptions

    allow(arch)
    path = find_checkpoint(None if model is None else Path(model))
    options = DecoderOptions(plain_settings(decoder))
    return Model(path, open_recogniser(Listening(), path, device, options), options, device)


# Scores.


@dataclass(frozen=True, repr=False)
class Evaluation(Scored):
    """What a recogniser makes of a split.

    Attributes:
        result: all of it: intervals, calibration, confidences, sentences that were known.
    """

    result: "EvalResult"

    @property
    def hypotheses(self) -> "dict[str, Hypothesis]":
        """Utterance id -> what was recognised."""
        return self.result.evaluation.hypotheses

    @property
    def seen(self) -> Mapping[str, bool | None]:
        """See `Scored`."""
        return self.result.seen


def evaluate(
    model: str | Path | Model,
    corpus: str | Path | OpenCorpus,
    split: str = "",
    *,
    protocol: str = "plain",
    batch_size: int = 16,
    progress: Progress | None = None,
    **settings: Any,
) -> Evaluation:
    """Score a recogniser on a split of a corpus, as `slr eval` does.

    Args:
        model: what `load` gave, or what it takes.
        corpus: its folder, or what `read_corpus` gave.
        split: its name; "" is test, else dev.
        protocol: how errors are counted: a name, or "all".
        batch_size: clips at a time; changes nothing but time and memory.
        settings: of `slrcli.config.DataConfig`.

    Raises:
        SlrError: no such model, split or features, or features that do not fit.
    """
    from slrcli.evaluation.checkpoint import evaluate_checkpoint

    opened = model if isinstance(model, Model) else load(model)
    result = evaluate_checkpoint(
        Listening(progress),
        opened.path,
        _data_of(corpus, settings),
        split,
        batch_size=batch_size,
        device=opened._device,
        protocol=protocol,
        decoder=opened._decoder,
    )
    return Evaluation(result.protocol_scores, result.signers, result)


def score(
    references: Transcripts, hypotheses: Transcripts, protocol: str = "plain", *, missing_as_empty: bool = False
) -> Scored:
    """Score hypotheses against references, as `slr score` does.

    Args:
        references, hypotheses: both files of any format that `slr score` reads, both tables id -> glosses, or both
            sequences of glosses that belong together by their order. Glosses are a text or a list.
        protocol: how errors are counted: a name, or "all".
        missing_as_empty: whether references without a hypothesis count as deleted, by their ids; `filled_in` of the
            result names them. Sequences have no ids and must be equally long all the same.

    Raises:
        SlrError: a file that cannot be read, no such protocol, or sides that do not hold the same utterances.
    """
    return score_sides(references, hypotheses, protocol, missing_as_empty)


# What all of it needs.


def _told_of(corpus: str | Path | OpenCorpus) -> dict[str, Any]:
    """The settings that name a corpus."""
    return changed_settings(corpus.settings) if isinstance(corpus, OpenCorpus) else {"data_dir": str(corpus)}


def _data_of(corpus: str | Path | OpenCorpus, settings: Mapping[str, Any]) -> DataConfig:
    """How a corpus is read: as it says itself, and over it what was said."""
    from slrcli.training.data import resolve_told

    return resolve_told({"data": {**_told_of(corpus), **plain_settings(settings)}}).data
