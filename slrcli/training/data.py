"""What training starts from: the corpus, its vocabulary and layout, the utterances to learn from, settings that fit."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.config import Config, Facts, check_bounds, choices, fine_tuning, resolve, sections_of
from slrcli.console import Console
from slrcli.corpus import Corpus, Utterance, told
from slrcli.corpus.opening import choose_layout, open_data, require_distinct, with_dev
from slrcli.corpus.utterances import against_train
from slrcli.ctc.paths import minimum_frames
from slrcli.errors import DataError, UsageError, first_five
from slrcli.features.clip import load_clip
from slrcli.features.hands import free_hands
from slrcli.features.layout import Layout, layouts_of_width
from slrcli.features.order import edges, orders, told_order, wrist_gaps
from slrcli.features.rate import frames_at, pace, usual_rate
from slrcli.features.readers import feature_shape, frame_rate
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.registry import read_options
from slrcli.training.start import Source


@dataclass(frozen=True)
class TrainingData:
    """A corpus ready for training; its glosses are normalised as the vocabulary's are.

    Attributes:
        marks: split -> marks of its utterances with the glosses that the tables have (see `Utterance.mark`).
        rate: frames per second at which all clips are read: of the corpus, else the median of the training files;
            0: unknown.
    """

    corpus: Corpus
    vocabulary: Vocabulary
    layout: Layout
    marks: dict[str, tuple[str, ...]]
    rate: float = 0.0

    @property
    def train(self) -> list[Utterance]:
        """The utterances to learn from."""
        return self.corpus.splits["train"]

    @property
    def dev(self) -> list[Utterance]:
        """The utterances that choose the best epoch."""
        return self.corpus.splits["dev"]

    @property
    def held_out(self) -> set[str]:
        """Marks of the utterances that are not learnt from."""
        others = {mark for name, marks in self.marks.items() if name != "train" for mark in marks}
        return others - set(self.marks["train"])


def load_training_data(
    config: Config, console: Console, vocabulary: Vocabulary | None = None, source: Source | None = None
) -> TrainingData:
    """Open the corpus, take a dev split from train where there is none, build or load the vocabulary.

    Args:
        config: what to read and how.
        console: where to say what was chosen.
        vocabulary: one that is settled already, as when a run goes on.
        source: the recogniser that the run starts from: its glosses keep their ids, and clips are read at its rate.
    """
    corpus = open_data(config.data)
    for note in corpus.notes:
        console.note(note)
    if not config.data.dev_share and not corpus.splits.get("dev") and config.optim.choose != "last":
        what = "All of train is used for training, so no clip is left to select an epoch on."
        raise UsageError(what, "data.dev_share", "Add --set optim.choose=last, or give dev a share.")
    corpus = with_dev(corpus, config.data.dev_share, config.run.seed, console)
    for split in ("train", "dev"):
        corpus.require_features(split)
    require_distinct(corpus.split("dev"), "dev")
    if vocabulary is None and config.data.vocab:
        vocabulary = Vocabulary.load(Path(config.data.vocab))
    if vocabulary is None:
        vocabulary = Vocabulary.build(
            [item.glosses for item in corpus.split("train")],
            min_count=config.data.min_count,
            normaliser=config.data.normaliser,
            source=corpus.source,
        )
        if source and config.start.glosses == "joined":
            vocabulary = source.meta.vocabulary.joined(vocabulary)
    layout = choose_layout(config.data.layout, corpus.split("train"))
    others = [other.name for other in layouts_of_width(layout.width) if other.name != layout.name]
    if config.data.layout == "auto" and others:
        named = f"--layout selects another one of the same width ({', '.join(others)})"
        console.note(f"The layout is assumed to be {layout.name}; {named}.")
    tell_order(layout, corpus.split("train"), console)
    marks = {name: tuple(item.mark for item in utterances) for name, utterances in corpus.splits.items()}
    corpus = corpus.normalised(vocabulary.normaliser)
    if not any(item.glosses for item in corpus.split("dev")):
        what = f"No utterance of dev has glosses (normaliser {vocabulary.normaliser}), so nothing can be scored."
        raise DataError(what, str(corpus.root), "Run slr check data.")
    rate = source.meta.fps if source else 0.0
    return TrainingData(corpus, vocabulary, layout, marks, rate or training_rate(config, corpus.split("train")))


def tell_order(layout: Layout, train: Sequence[Utterance], console: Console) -> None:
    """Warn where the columns of some clips are plainly in another order than the layout says."""
    if len(orders(layout)) < 2:
        return
    files = [item.features for item in train if item.features is not None]
    clips = []
    for path in files[:: max(1, len(files) // CLIPS_FOR_ORDER)]:
        with suppress(DataError):  # which reading them all reports
            clips.append(load_clip(path, layout, max_gap=0))
    seen = [edges(~np.isnan(x[:, : layout.positions])) for x in clips]
    told = told_order(layout, seen, [wrist_gaps(x, layout) for x in clips])
    if told:
        console.warn(f"It seems that {told.what}. To do: {told.fix}.")


def training_rate(config: Config, train: Sequence[Utterance]) -> float:
    """Frames per second at which clips are read: as the corpus says, else the median of what its files say; else 0."""
    return config.data.fps or usual_rate(frame_rate(item.file) for item in train if item.features)


def frames_of(item: Utterance, layout: Layout | None, rate: float, fps: float = 0.0) -> int:
    """Frames of a clip when it is read at so many per second, from the header of its file; `fps` if that says none."""
    frames = feature_shape(item.file, layout)[0]
    return frames_at(frames, pace(frame_rate(item.file) or fps, rate)) if rate else frames


def learnable(
    data: TrainingData, config: Config, output_length: Callable[[int], int], console: Console
) -> tuple[list[Utterance], list[list[int]]]:
    """The training utterances that can be learnt from, and their gloss ids; a warning counts the others.

    Left out are empty annotations, clips beyond `max_frames`, and clips too short for their glosses (CTC needs one
    output frame per gloss and one between equal neighbours). Glosses outside the vocabulary are an error, unless a
    frequency threshold asked for their removal.

    Raises:
        DataError: glosses outside the vocabulary, or nothing is left.
    """
    threshold = max(config.data.min_count, data.vocabulary.min_count)
    utterances, targets = [], []
    left_out: dict[str, list[str]] = {}
    dropped = 0
    for item in data.train:
        glosses = list(item.glosses)
        if threshold > 1:
            glosses = [gloss for gloss in glosses if gloss in data.vocabulary]
            dropped += len(item.glosses) - len(glosses)
        ids = data.vocabulary.encode(glosses)
        frames = frames_of(item, None, data.rate, config.data.fps)
        if not ids:
            left_out.setdefault("have no glosses", []).append(item.id)
        elif 0 < config.data.max_frames < frames:
            left_out.setdefault(f"are longer than {config.data.max_frames} frames", []).append(item.id)
        elif output_length(frames) < minimum_frames(ids):
            left_out.setdefault("are too short for their glosses", []).append(item.id)
        else:
            utterances.append(replace(item, glosses=tuple(glosses)))
            targets.append(ids)
    if dropped:
        console.warn(f"{dropped} rare glosses (min_count {threshold}) were left out of the annotations.")
    for reason, names in left_out.items():
        console.warn(f"{len(names)} training utterances {reason} and are left out: {first_five(names)}")
    if not utterances:
        root = data.corpus.root
        raise DataError("No utterance is left to train on.", str(root), f"Run slr check data --data-dir {root}.")
    return utterances, targets


def tell_known(data: TrainingData, console: Console) -> None:
    """Note which share of dev's sentences is in train, and warn where that is all of them.

    Nothing is said of clips of single glosses, which are bound to recur, nor where dev is a part of train, which is
    said elsewhere.
    """
    found = against_train(data.train, data.dev)
    learnt = {item.id for item in data.train}
    if not found.long or all(item.id in learnt for item in data.dev):
        return
    if found.all_known:
        console.warn(
            "All sentences of dev are in train: the WER on dev measures known sentences only, which may be memorised. "
            f"For unknown sentences use slr corpus {data.corpus.root} --split-by sentence --out DIR, or slr train "
            "--folds sentence:5."
        )
    else:
        console.note(
            f"{found.known:,} of {found.utterances:,} dev utterances ({found.share:.0f} %) sign a sentence that is in "
            "train."
        )


FITTED = ("model", "optim", "loss", "augment")
CLIPS_FOR_ORDER = 16  # spread over train: the order of their columns is compared with the layout
MOST_SENSORS = 64  # columns; a network's features of a frame are more


def settle(
    console: Console,
    overrides: Mapping[str, Mapping[str, Any]],
    preset: str = "",
    file: Path | None = None,
    assignments: Iterable[str] = (),
    sections: Sequence[str] = FITTED,
) -> Config:
    """One configuration out of all sources, the corpus among them; what the corpus chose is said, a line each.

    The order, the later winning: the defaults, what the recogniser that it starts from hands down, what the corpus says
    of itself (`corpus.toml`), what fits it (`slrcli.config.choices`, as far as it is in `sections`), and then as
    `resolve` has it. A preset is meant as it stands: nothing is fitted to it.

    Raises:
        SlrError: a setting is wrong, or the corpus cannot be opened.
    """
    given = overrides, preset, file, tuple(assignments)
    first = resolve_told(*given)
    handed_down: dict[str, dict[str, Any]] = {}
    if first.start.init:
        source = Source.open(first.start.init)
        arch = source.meta.config.model.arch
        source.require_architecture(resolve_told(*given, {"model": {"arch": arch}}).model.arch)
        handed_down = source.settings
        first = resolve_told(*given, handed_down)
    check_bounds(first)  # before anything of the corpus is read
    read_options(first.model.arch, first.model.options)
    if preset or not first.data.data_dir:
        return first
    if handed_down:
        fitting = fine_tuning(measure(first))
    else:
        fitting = [c for c in choices(measure(first), first.model.arch) if c.setting.partition(".")[0] in sections]
    chosen = sections_of({choice.setting: choice.value for choice in fitting})
    config = resolve_told(*given, {**handed_down, **chosen})
    plain = config.to_dict()
    for choice in fitting:
        if valued(plain, choice.setting) == choice.value:
            console.note(f"{choice.setting} = {json.dumps(choice.value)}: {choice.reason}")
    return config


def resolve_told(
    overrides: Mapping[str, Mapping[str, Any]],
    preset: str = "",
    file: Path | None = None,
    assignments: Iterable[str] = (),
    base: Mapping[str, Mapping[str, Any]] | None = None,
) -> Config:
    """`resolve`, with what the corpus says of itself put over the defaults first. Raises like `settle`."""
    resolved = partial(resolve, overrides, preset=preset, file=file, assignments=tuple(assignments))
    own = told(resolved().data.data_dir)
    base = dict(base or {})
    return resolved(base={**base, "data": {**base.get("data", {}), **own}})


def measure(config: Config) -> Facts:
    """What is known of the train split without reading more than its tables and the headers of its files."""
    corpus = open_data(config.data)
    train = corpus.require_features("train")
    layout, rate = choose_layout(config.data.layout, train), training_rate(config, train)
    return Facts(
        utterances=len(train),
        glosses=sum(len(item.glosses) for item in train),
        frames=sum(frames_of(item, layout, rate) for item in train),
        sentences=len({item.glosses for item in train}),
        hands=free_hands(layout) is not None,
        sensors=not layout.spatial and layout.width <= MOST_SENSORS,
    )


def valued(sections: Mapping[str, Any], setting: str) -> Any:
    """The value of `section.key...` in nested tables; None where there is none."""
    found: Any = sections
    for key in setting.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
