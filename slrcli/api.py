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

import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rich.console import Console as RichConsole

from slrcli.config import FRAMES_PER_SECOND, Config, DataConfig, LiveConfig, changed_settings, merge_section, nearest
from slrcli.console import Console, Task, visible
from slrcli.errors import CheckpointError, DataError, SlrError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import pandas

    from slrcli.checkpoints.meta import Meta
    from slrcli.corpus import Corpus, Utterance
    from slrcli.decoding.hypothesis import Hypothesis
    from slrcli.decoding.stream import StreamEvent, StreamRecogniser
    from slrcli.doctor.choice import Choice
    from slrcli.doctor.run import Examination
    from slrcli.evaluation.checkpoint import EvalResult
    from slrcli.recognition.recogniser import ClipRecogniser
    from slrcli.recognition.settings import DecoderOptions
    from slrcli.scoring.score import ProtocolScore
    from slrcli.scoring.wer import Score

    Clip = str | Path | np.ndarray

Progress = Callable[[str, float, float | None], None]
Glosses = str | Sequence[str]
Transcripts = str | Path | Mapping[str, Glosses] | Sequence[Glosses]

__all__ = [
    "Evaluation",
    "History",
    "Model",
    "OpenCorpus",
    "Run",
    "Scored",
    "SlrError",
    "Stream",
    "check_data",
    "check_model",
    "evaluate",
    "load",
    "open_run",
    "read_corpus",
    "score",
    "train",
]

LOG = logging.getLogger("slrcli")


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
        import pandas

        rows = [
            (item.id, name, item.signer, " ".join(item.glosses), len(item.glosses), str(item.features or ""))
            for name, utterances in self.splits.items()
            for item in utterances
        ]
        return pandas.DataFrame(rows, columns=["id", "split", "signer", "glosses", "tokens", "features"])


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
    from slrcli.doctor.data.target import DataTarget
    from slrcli.doctor.run import run

    target = DataTarget(_data_of(corpus, settings), seed, full, jobs)
    return run(target, _Listening(progress), _choice(only, skip, strict))


# Training.


@dataclass(frozen=True)
class History:
    """The numbers of a run's epochs: `metrics.jsonl`, a dictionary per epoch."""

    epochs: tuple[dict[str, Any], ...]

    def to_frame(self) -> "pandas.DataFrame":
        """A row per epoch; NaN where an epoch does not have a number."""
        import pandas

        return pandas.DataFrame(list(self.epochs))


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
        from slrcli.checkpoints.runs import METRICS

        path = self.folder / METRICS
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
            return History(tuple(json.loads(line) for line in lines))
        except (OSError, ValueError) as error:
            raise DataError(f"the numbers of the epochs cannot be read: {error}", path) from error

    def load(self, device: str = "auto", **decoder: Any) -> "Model":
        """Its recogniser; see `slrcli.load`."""
        return load(self.folder, device, **decoder)


def open_run(folder: str | Path = "runs/latest") -> Run:
    """A run that was trained before.

    Raises:
        CheckpointError: the folder holds no run.
    """
    from slrcli.checkpoints.runs import CONFIG, run_folder

    found = run_folder(Path(folder))
    if not (found / CONFIG).is_file():
        raise CheckpointError("The folder holds no run.", folder, f"It should hold {CONFIG}.")
    return Run(found)


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

    console, sections = _Listening(progress), _sections(settings)
    sections["data"] = {**_told_of(corpus), **sections.get("data", {})}
    done = start(settle(console, sections, preset, Path(config) if config else None), console)
    return Run(cast(Path, done.run), done.stopped)  # None beside process 0 of several, which nobody asks


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
    from slrcli.doctor.model.target import ModelTarget
    from slrcli.doctor.run import run

    named = target.path if isinstance(target, Model) else target
    examined = ModelTarget(None if named is None else str(named), vocab_size, layout, seed)
    return run(examined, _Listening(progress), _choice(only, skip, strict))


# Recognition.


class Model:
    """A recogniser with its decoder and its calibration; `slrcli.load` gives one.

    Attributes:
        path: the file that it was read from.
    """

    def __init__(self, path: Path, recogniser: "ClipRecogniser", decoder: "DecoderOptions", device: str):
        self.path, self._recogniser, self._decoder, self._device = path, recogniser, decoder, device

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r}, {self.meta.config.model.arch}, {len(self.glosses)} glosses)"

    @property
    def meta(self) -> "Meta":
        """What it knows of itself: configuration, vocabulary, layout, metrics, versions."""
        return self._recogniser.meta

    @property
    def glosses(self) -> tuple[str, ...]:
        """The glosses that it can say."""
        return self._recogniser.vocabulary.glosses

    def decode(
        self, clips: "Clip | Iterable[Clip]", progress: Progress | None = None
    ) -> "Hypothesis | list[Hypothesis] | dict[str, Hypothesis]":
        """What is signed in clips.

        Args:
            clips: a feature file, a video (extra `video`) or an array `[T, D]` of the model's layout, NaN where a point
                is missing; a folder of such files; or several of all these, one after the other.

        Returns:
            The hypothesis of one clip; for a folder a dictionary, the place of each clip below it -> its hypothesis;
            for several clips a list in their order. Spans and peaks are frames.

        Raises:
            SlrError: a clip that cannot be read or does not fit, the first of them; nobody is seen in it; a folder
                without clips.
        """
        from slrcli.recognition.decode import clips as clips_of
        from slrcli.recognition.timing import clip_ids

        if isinstance(clips, str | Path):
            files = list(clips_of([Path(clips)]))
            found = self._decoded(files, progress)
            return found[0] if files == [Path(clips)] else dict(zip(clip_ids([Path(clips)], files), found, strict=True))
        if hasattr(clips, "__array__"):
            return self._decoded([cast("np.ndarray", clips)], progress)[0]
        return self._decoded(list(clips), progress)

    def align(self, clip: "Clip", glosses: Glosses) -> "Hypothesis":
        """Known glosses, placed in a clip, as `slr align` places them.

        Args:
            clip: a feature file, or an array `[T, D]`.
            glosses: in the order they are signed, as a text or one by one.

        Raises:
            SlrError: a clip that cannot be read or is too short for its glosses, or a gloss that nobody knows.
        """
        from slrcli.recognition.align import align_clip

        return align_clip(self._recogniser, self._array(clip), _words(glosses), _name(clip, 0))

    def stream(self, fps: float = 0.0, **options: Any) -> "Stream":
        """A recogniser of a running stream of frames.

        Args:
            fps: frames per second of the stream; 0: of what the model was trained on, else 25.
            options: of `slrcli.config.LiveConfig`: `window`, `hop`, `settle`.

        Raises:
            UsageError: options that do not fit each other, or that do not exist.
        """
        from slrcli.recognition.stream import stream_recogniser

        live = merge_section(LiveConfig(), options, "stream")
        rate = fps or self.meta.fps or FRAMES_PER_SECOND
        return Stream(stream_recogniser(_Listening(), self._recogniser, rate, live), self._recogniser)

    def _decoded(self, clips: "Sequence[Clip]", progress: Progress | None) -> "list[Hypothesis]":
        """One hypothesis for each clip, files and arrays in any order."""
        from slrcli.recognition.decode import DECODE_BATCH, DecodeOptions, decode_with

        console = _Listening(progress)
        done: dict[int, Hypothesis] = {}
        files = {index: Path(clip) for index, clip in enumerate(clips) if isinstance(clip, str | Path)}
        with closing(decode_with(console, self._recogniser, [*files.values()], DecodeOptions(jobs=1))) as outcomes:
            for index, item in zip(files, outcomes, strict=True):
                done[index] = item.found
        others = {index: clip for index, clip in enumerate(clips) if not isinstance(clip, str | Path)}
        with console.progress("decoding arrays", len(others)) as task:
            for start in range(0, len(others), DECODE_BATCH):
                part = [*others][start : start + DECODE_BATCH]
                names = [_name(others[index], index) for index in part]
                arrays = [
                    self._recogniser.prepared(others[index], name) for index, name in zip(part, names, strict=True)
                ]
                done |= zip(part, self._recogniser.recognise(arrays, names), strict=True)
                task.advance(len(part))
        return [done[index] for index in range(len(clips))]

    def _array(self, clip: "Clip") -> "np.ndarray":
        if isinstance(clip, str | Path):
            return self._recogniser.load(Path(clip))
        return self._recogniser.prepared(clip, _name(clip, 0))


class Stream:
    """A running stream: `push` frames as they come, `finish` when no more do. `Model.stream` gives one."""

    def __init__(self, stream: "StreamRecogniser", recogniser: "ClipRecogniser"):
        self._stream, self._recogniser = stream, recogniser

    def push(self, frames: "np.ndarray") -> "list[StreamEvent]":
        """Take in the next frames `[n, D]`, NaN where a point is missing; the glosses that are certain now.

        Raises:
            DataError: frames of another width than the model's layout.
        """
        return self._stream.push(self._recogniser.frames(frames, "stream"))

    def finish(self) -> "list[StreamEvent]":
        """No more frames come; the glosses that were open."""
        return self._stream.finish()


def load(model: str | Path | None = None, device: str = "auto", **decoder: Any) -> Model:
    """The recogniser of a run, a checkpoint or an exported model, with its decoder and its calibration.

    Args:
        model: a run's folder, a checkpoint or an ONNX file; None: the newest run.
        device: where a checkpoint is run.
        decoder: settings of `slrcli.config.DecodeConfig` that take the place of its own, such as `beam=10`.

    Raises:
        SlrError: no such file, a damaged one, a library that is missing, or settings that do not exist.
    """
    from slrcli.checkpoints.runs import find_checkpoint
    from slrcli.recognition.load import open_recogniser
    from slrcli.recognition.settings import DecoderOptions

    path = find_checkpoint(None if model is None else Path(model))
    options = DecoderOptions({key: _plain(value) for key, value in decoder.items()})
    return Model(path, open_recogniser(_Listening(), path, device, options), options, device)


# Scores.


@dataclass(frozen=True)
class Scored:
    """Hypotheses against references.

    Attributes:
        protocol_scores: under each protocol that was asked for.
        signers: utterance id -> signer; empty where nobody says.
    """

    protocol_scores: "tuple[ProtocolScore, ...]"
    signers: Mapping[str, str]

    @property
    def score(self) -> "Score":
        """The errors under the first protocol, with the alignment of every utterance."""
        return self.protocol_scores[0].score

    @property
    def wer(self) -> float:
        """Word error rate in percent; NaN without a reference token."""
        return self.score.wer

    @property
    def signature(self) -> str:
        """One line that says how the score was made."""
        return self.protocol_scores[0].signature

    @property
    def seen(self) -> Mapping[str, bool | None]:
        """Utterance id -> whether its sentence was learnt from; what is missing is not known."""
        return {}

    def to_frame(self) -> "pandas.DataFrame":
        """A row per utterance: id, signer, reference, hypothesis, the errors of each kind, and seen_in_train, which is
        NA where that is not known."""
        import pandas

        seen, rows = self.seen, []
        for item in self.score.utterances:
            texts = [" ".join(side) for side in (item.alignment.ref, item.alignment.hyp)]
            counts = (item.ref_tokens, item.substitutions, item.deletions, item.insertions)
            rows.append((item.id, self.signers.get(item.id, ""), *texts, *counts, seen.get(item.id)))
        columns = ["id", "signer", "reference", "hypothesis", "tokens", *ERRORS, "seen_in_train"]
        return pandas.DataFrame(rows, columns=columns).astype({"seen_in_train": "boolean"})

    @property
    def confusions(self) -> "pandas.DataFrame":
        """Glosses that were taken for another one: reference, hypothesis, count, the most frequent first."""
        import pandas

        from slrcli.scoring.breakdown import breakdown

        return pandas.DataFrame(breakdown(self.score).confusions, columns=["reference", "hypothesis", "count"])

    @property
    def by_signer(self) -> "pandas.DataFrame":
        """A row per signer: utterances, tokens, the errors of each kind and wer; empty where no signer is named."""
        import pandas

        from slrcli.scoring.wer import by_signer

        rows = {
            name: (len(one.utterances), one.ref_tokens, one.substitutions, one.deletions, one.insertions, one.wer)
            for name, one in by_signer(self.score, self.signers).items()
        }
        frame = pandas.DataFrame(list(rows.values()), columns=["utterances", "tokens", *ERRORS, "wer"])
        return frame.set_index(pandas.Index(list(rows), name="signer"))


ERRORS = ("substitutions", "deletions", "insertions")


@dataclass(frozen=True)
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
        _Listening(progress),
        opened.path,
        _data_of(corpus, settings),
        split,
        batch_size=batch_size,
        device=opened._device,
        protocol=protocol,
        decoder=opened._decoder,
    )
    return Evaluation(result.protocol_scores, result.signers, result)


def score(references: Transcripts, hypotheses: Transcripts, protocol: str = "plain") -> Scored:
    """Score hypotheses against references, as `slr score` does.

    Args:
        references, hypotheses: both files (stm, ctm, trn, csv, tsv, jsonl, txt), both tables id -> glosses, or both
            sequences of glosses that belong together by their order. Glosses are a text or a list.
        protocol: how errors are counted: a name, or "all".

    Raises:
        SlrError: a file that cannot be read, no such protocol, or sides that do not hold the same utterances.
    """
    from slrcli.scoring.protocols import get_protocols
    from slrcli.scoring.score import score_files, score_protocol

    if isinstance(references, str | Path) and isinstance(hypotheses, str | Path):
        found = score_files(_Listening(), Path(references), [Path(hypotheses)], protocol)
        signers = {item.id: name for name, part in found.by_signer.items() for item in part.utterances}
        return Scored(found.protocol_scores, signers)
    protocols = get_protocols(protocol)
    refs, hyps = _transcripts(references, hypotheses)
    return Scored(tuple(score_protocol(item, refs, hyps, None) for item in protocols), {})


def _transcripts(references: Any, hypotheses: Any) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Both sides as tables id -> glosses."""
    sides = references, hypotheses
    if all(isinstance(side, Mapping) for side in sides):
        refs, hyps = ({str(id): _words(glosses) for id, glosses in side.items()} for side in sides)
        return refs, hyps
    if any(isinstance(side, str | Path | Mapping) for side in sides):
        fix = "give two files, two tables id -> glosses, or two lists"
        raise UsageError("references and hypotheses are of different kinds", "score", fix)
    first, second = ({str(n): _words(glosses) for n, glosses in enumerate(side, 1)} for side in sides)
    if len(first) != len(second):
        raise DataError(f"{len(first)} references and {len(second)} hypotheses", "score", "give one for each")
    return first, second


# What all of it needs.


class _Listening(Console):
    """A console that shows nothing: progress goes to whoever listens, notes and warnings to the logger."""

    def __init__(self, progress: Progress | None = None):
        self.quiet, self.as_json, self._name = True, False, ""
        self._out = self._err = RichConsole(file=io.StringIO())
        self._listener = progress

    def note(self, item: Any = "", style: str = "") -> None:
        """See `Console`."""
        if isinstance(item, str) and item.strip():
            LOG.info("%s", visible(item.strip()))

    def warn(self, text: str) -> None:
        """See `Console`."""
        LOG.warning("%s", visible(text))

    @contextmanager
    def progress(self, description: str, total: float | None = None) -> Iterator[Task]:
        """See `Console`."""
        yield _Told(self._listener, description, total)


class _Told(Task):
    """A task whose steps somebody is told."""

    def __init__(self, listener: Progress | None, description: str, total: float | None):
        self._listener, self._what, self._total, self._done = listener, description, total, 0.0

    def advance(self, steps: float = 1) -> None:
        """See `Task`."""
        self._done += steps
        if self._listener is not None:
            self._listener(self._what, self._done, self._total)

    def expect(self, total: float) -> None:
        """See `Task`."""
        self._total = total

    def describe(self, text: str) -> None:
        """See `Task`."""
        self._what = text


def _words(glosses: Glosses) -> list[str]:
    return glosses.split() if isinstance(glosses, str) else [str(gloss) for gloss in glosses]


def _name(clip: Any, index: int) -> str:
    """What to call a clip in an error."""
    return str(clip) if isinstance(clip, str | Path) else f"array {index}"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _told_of(corpus: str | Path | OpenCorpus) -> dict[str, Any]:
    """The settings that name a corpus."""
    return changed_settings(corpus.settings) if isinstance(corpus, OpenCorpus) else {"data_dir": str(corpus)}


def _data_of(corpus: str | Path | OpenCorpus, settings: Mapping[str, Any]) -> DataConfig:
    """How a corpus is read: as it says itself, and over it what was said."""
    from slrcli.training.data import resolve_told

    given = {key: _plain(value) for key, value in settings.items()}
    return resolve_told({"data": {**_told_of(corpus), **given}}).data


def _sections(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings by section; those that stand alone are put into the section that has one of that name.

    Raises:
        UsageError: no section has it.
    """
    parts = {item.name: getattr(Config(), item.name) for item in fields(Config)}
    homes = {item.name: section for section, part in parts.items() for item in fields(part)}
    found: dict[str, dict[str, Any]] = {}
    for name, value in settings.items():
        if name in parts and isinstance(value, Mapping):
            found.setdefault(name, {}).update({key: _plain(item) for key, item in value.items()})
        elif name in homes:
            found.setdefault(homes[name], {})[name] = _plain(value)
        else:
            raise UsageError(f"There is no setting '{name}'.", "train", nearest(name, [*homes, *parts]))
    return found


def _choice(only: Iterable[str], skip: Iterable[str], strict: bool) -> "Choice":
    """The checks that are wanted; UsageError for a code that none has."""
    from slrcli.doctor.catalogue import catalogue
    from slrcli.doctor.choice import Choice

    wanted, unwanted = ([part] if isinstance(part, str) else part for part in (only, skip))
    choice = Choice.of(wanted, unwanted, strict)
    choice.require_known(catalogue())
    return choice
