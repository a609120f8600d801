"""`slr check`: what to look at, and the checks that go with it."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path

import torch
from torch import nn

from slrcli.checkpoints import runs
from slrcli.checkpoints.checkpoint import load_checkpoint
from slrcli.config import DEFAULT_ARCH, SIZE_BUDGET_MB, DataConfig, resolve
from slrcli.console import Console
from slrcli.corpus import Corpus, find_tables
from slrcli.corpus.distributions import Distribution
from slrcli.corpus.facts import feature_files, read_facts
from slrcli.corpus.opening import named_layout, open_data
from slrcli.corpus.sentences import Sentences
from slrcli.corpus.tables import inspect_table
from slrcli.doctor.choice import ALL, Choice
from slrcli.doctor.data.checks import DATA_CHECKS
from slrcli.doctor.data.context import DataContext
from slrcli.doctor.data.distributions import distributions
from slrcli.doctor.data.hands import HandSlots, hand_slots
from slrcli.doctor.data.vocabulary import DATA_VOCAB_CHECKS, MODEL_VOCAB_CHECKS, VOCAB_CHECKS
from slrcli.doctor.model.checks import MODEL_CHECKS
from slrcli.doctor.model.probe import ModelContext
from slrcli.doctor.run import Examination, examine
from slrcli.errors import DataError, UsageError
from slrcli.features.layout import Layout, load_layout
from slrcli.glosses import get_normaliser
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.own import builder, find_own, is_own, own_code
from slrcli.models.registry import ARCHITECTURES, build_model

# An architecture that is looked at without data: the landmarks of MediaPipe Holistic, and a hundred glosses.
LAYOUT = "mediapipe-1629"
VOCAB_SIZE = 101


def check_model(
    console: Console,
    target: str | None = None,
    vocab_size: int | None = None,
    layout: str | None = None,
    seed: int = 1,
    budget: float = SIZE_BUDGET_MB,
    choice: Choice = ALL,
) -> Examination:
    """Examine an architecture, a checkpoint or a model of the user's own.

    Args:
        console: shows the progress.
        target: name of an architecture, a checkpoint (or the folder of a run), or `package.module:factory`; None: the
            newest run, else the default architecture.
        vocab_size: classes of an architecture or a model of one's own, the blank included.
        layout: their features: a name or a TOML file.
        seed: of the weights, the made-up clips and all else that is random.
        budget: megabytes that the weights may take.
        choice: which checks are wanted.

    Raises:
        UsageError: no such architecture, file or module, or options that a checkpoint has settled already.
        SlrError: a module or factory of the user's own fails.
    """
    settled = vocab_size is not None or layout is not None
    own = target if target is not None and is_own(target) else None
    checkpoint = find_checkpoint(target) if own is None and (target or not settled) else None
    if checkpoint is not None and settled:
        fix = "leave these options out, or name an architecture"
        raise UsageError("A checkpoint brings its own vocabulary and layout.", "--vocab-size, --layout", fix)
    if checkpoint is not None:
        subject, context = of_checkpoint(checkpoint, seed, budget)
        lists = (MODEL_CHECKS, VOCAB_CHECKS, MODEL_VOCAB_CHECKS)
    elif own is not None:
        subject, context = of_own_model(own, vocab_size, layout, seed, budget)
        lists = (MODEL_CHECKS,)
    else:
        subject, context = of_architecture(target or DEFAULT_ARCH, vocab_size, layout, seed, budget)
        lists = (MODEL_CHECKS,)
    if target is None:
        subject += ", the newest run" if checkpoint else ", the default architecture"
    with console.progress("Checking", total=len(choice.of_these(chain(*lists)))) as task:

        def step(check):
            task.describe(f"{check.code} {check.title}")
            task.advance()

        with own_code():
            found = examine(subject, context, *lists, step=step, choice=choice)
    return replace(found, measured=context.measured)


def find_checkpoint(target: str | None) -> Path | None:
    """The checkpoint that `target` means, the newest run's for None; None if it means an architecture."""
    if target is None:
        return runs.newest_checkpoint()
    if target in ARCHITECTURES:
        return None
    if Path(target).exists():
        return runs.find_checkpoint(Path(target))
    close = difflib.get_close_matches(target, list(ARCHITECTURES), 1)
    raise UsageError(
        f"There is neither an architecture nor a checkpoint '{target}'.",
        "slr check model",
        f"Did you mean '{close[0]}'?"
        if close
        else f"Architectures: {', '.join(ARCHITECTURES)}. A model of your own is named as package.module:factory.",
    )


def of_checkpoint(path: Path, seed: int, budget: float) -> tuple[str, ModelContext]:
    """What a checkpoint holds, and a heading for it."""
    model, meta = load_checkpoint(path)
    vocabulary, layout = meta.vocabulary, meta.layout
    chosen = meta.config.model

    def build() -> nn.Module:
        return build_model(chosen.arch, layout, model.vocab_size, dropout=chosen.dropout, options=chosen.options)

    context = ModelContext(
        model, layout.width, model.vocab_size, layout, vocabulary, seed=seed, budget=budget, trained=True, build=build
    )
    return f"Checkpoint {runs.shown(path)} ({layout.name}, {len(vocabulary):,} classes)", context


def of_architecture(
    arch: str, vocab_size: int | None, layout: str | None, seed: int, budget: float
) -> tuple[str, ModelContext]:
    """A fresh model as `slr train --arch` makes it, and a heading for it."""
    settings = resolve({"model": {"arch": arch}}).model
    found, classes = load_layout(layout or LAYOUT), vocab_size or VOCAB_SIZE

    def build() -> nn.Module:
        return build_model(arch, found, classes, dropout=settings.dropout, options=settings.options)

    context = _fresh(build, found, classes, seed, budget, trained=False)
    return f"Architecture {arch} ({found.name}, {classes:,} classes), untrained", context


def of_own_model(
    target: str, vocab_size: int | None, layout: str | None, seed: int, budget: float
) -> tuple[str, ModelContext]:
    """What the user's own factory makes, and a heading for it."""
    found, classes = load_layout(layout or LAYOUT), vocab_size or VOCAB_SIZE
    factory = find_own(target)
    if isinstance(factory, nn.Module):  # ready-made, there is only this one
        context = ModelContext(factory, found.width, classes, found, seed=seed, budget=budget)
    else:
        context = _fresh(builder(target, factory, found, classes), found, classes, seed, budget)
    return f"Model {target} ({found.name}, {classes:,} classes)", context


def _fresh(
    build: Callable[[], nn.Module], layout: Layout, classes: int, seed: int, budget: float, trained: bool | None = None
) -> ModelContext:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build()
    return ModelContext(model, layout.width, classes, layout, seed=seed, budget=budget, trained=trained, build=build)


@dataclass(frozen=True)
class DataExamination(Examination):
    """What came out of the checks of a corpus, how its measurements are distributed, and what sentences it has.

    Attributes:
        distributions: of lengths, rates and presence.
        sentences: of every split against those of train.
        hands: how they stand in their slots, by split and signer, where the layout has two and no body.
    """

    distributions: tuple[Distribution, ...] = ()
    sentences: tuple[Sentences, ...] = ()
    hands: tuple[HandSlots, ...] = ()

    def as_dict(self) -> dict:
        """Everything as plain values, for `--json`."""
        names = ("distributions", "sentences", "hands")
        parts = {name: [item.as_dict() for item in getattr(self, name)] for name in names}
        return {**super().as_dict(), **parts}


def check_data(
    console: Console,
    data: DataConfig,
    seed: int = 1,
    choice: Choice = ALL,
    full: bool = False,
    jobs: int = 1,
    stride: int = 0,
    independent: bool = False,
) -> DataExamination:
    """Examine a corpus: its tables, its feature files, and a vocabulary if one is named.

    Args:
        console: shows the progress and what the corpus has to say.
        data: which corpus, and how it is read. With a vocabulary, its normaliser applies unless another is named.
        seed: of the sample, where there are too many files to read all.
        choice: which checks are wanted.
        full: read all files, however many.
        jobs: processes that read; 0: one for each core. The result does not depend on it.
        stride: frames that the recogniser takes for one output; 0: not settled.
        independent: the corpus claims that nobody signs both in train and in another split.

    Raises:
        DataError, UsageError: there is no corpus to be read, or an option names what does not exist.
    """
    context = data_context(console, data, seed, full, jobs)
    context.stride, context.independent = stride, independent
    lists = (DATA_CHECKS, VOCAB_CHECKS, DATA_VOCAB_CHECKS) if data.vocab else (DATA_CHECKS,)
    corpus = context.corpus
    count = sum(map(len, corpus.splits.values()))
    found = examine(f"Corpus {corpus.root} ({corpus.format}, {count:,} utterances)", context, *lists, choice=choice)
    parts = {item.name: getattr(found, item.name) for item in fields(found)}
    spreads = tuple(distributions(context))
    return DataExamination(**parts, distributions=spreads, sentences=context.sentences, hands=hand_slots(context))


def data_context(console: Console, data: DataConfig, seed: int, full: bool, jobs: int) -> DataContext:
    """What the checks of a corpus look at; tables that cannot be read leave it empty, with the reason."""
    annotations = data.annotations or None
    format, tables = find_tables(data.data_dir, data.format, annotations, data.columns)
    inspected = tuple(inspect_table(path) for path, _ in tables)
    table_problem = None
    try:
        corpus = open_data(data)
    except DataError as error:
        if not any(str(path) in error.where for path, _ in tables):
            raise  # not a matter of the tables, such as a folder of features that does not exist
        table_problem = error
        corpus = Corpus(format, Path(data.data_dir), {})
    for text in corpus.notes:
        console.note(text)
    vocabulary, problem = None, None
    if data.vocab:
        try:
            vocabulary = Vocabulary.load(data.vocab)
        except DataError as error:
            problem = error
    normaliser = normaliser_for(data, vocabulary)
    paths = feature_files(corpus)
    layout = named_layout(data.layout, paths)
    with console.progress("Reading features", total=2 * len(paths)) as task:
        files = read_facts(corpus, layout, seed, full, jobs, step=task.advance)
    return DataContext(
        corpus.normalised(normaliser),
        files,
        layout,
        vocabulary,
        problem,
        get_normaliser(normaliser).signature,
        data.min_count,
        corpus,
        inspected,
        table_problem,
        fps=data.fps,
    )


def normaliser_for(data: DataConfig, vocabulary: Vocabulary | None) -> str:
    """The vocabulary's normaliser, if there is one and no other was named."""
    if vocabulary is not None and data.normaliser == DataConfig().normaliser:
        return vocabulary.normaliser
    return data.normaliser
