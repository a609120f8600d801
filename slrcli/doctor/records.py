"""What checks of a corpus look at: its tables, and the facts of every feature file, gathered in one pass."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from slrcli.corpus import Corpus, Utterance
from slrcli.doctor.context import Context
from slrcli.errors import DataError, SlrError
from slrcli.features.landmarks import missing_share, prepare
from slrcli.features.layout import Layout, guess_layout
from slrcli.features.readers import NPZ_KEYS, feature_shape, read_features
from slrcli.vocab import Vocabulary

READ_FULLY = 3000  # feature files; of more than these a sample is read, of the others the header
SAMPLE = 1000


@dataclass(frozen=True)
class Facts:
    """What is known about one feature file.

    Attributes:
        frames, columns: its shape `[T, D]`; 0 if it could not be read.
        stored_as: type of the stored numbers, such as `float32`.
        problem: why it cannot be read; None if it can.
        looked_into: whether the numbers were read, not the header alone; what follows is known only then.
        missing: share of the positions that are missing (NaN, infinite, or zero where the layout says so).
        infinite: how many numbers are infinite.
        missing_points: share of the points that are missing, by group of the layout.
    """

    frames: int = 0
    columns: int = 0
    stored_as: str = ""
    problem: DataError | None = None
    looked_into: bool = False
    missing: float = 0.0
    infinite: int = 0
    missing_points: dict[str, float] = field(default_factory=dict)


@dataclass
class DataContext(Context):
    """A corpus and what its files hold.

    Attributes:
        corpus: its glosses are normalised already.
        files: facts of every feature file that an utterance names.
        layout: the layout that was asked for; None: whichever fits.
        vocabulary: one that was given; None: there is none.
        vocabulary_problem: why the one that was given cannot be used.
        normaliser: the gloss normaliser that was applied, such as `none@1`.
        min_count: rarer glosses are left out of the vocabulary that is built from train.
    """

    corpus: Corpus
    files: dict[Path, Facts]
    layout: Layout | None = None
    vocabulary: Vocabulary | None = None
    vocabulary_problem: SlrError | None = None
    normaliser: str = "none@1"
    min_count: int = 1

    @property
    def utterances(self) -> list[Utterance]:
        """Of all splits."""
        return [item for utterances in self.corpus.splits.values() for item in utterances]

    def readable(self, utterances: Iterable[Utterance] | None = None) -> Iterator[tuple[Utterance, Facts]]:
        """Utterances whose features can be read, with the facts about them."""
        for item in self.utterances if utterances is None else utterances:
            facts = self.files.get(item.features) if item.features else None
            if facts is not None and facts.problem is None:
                yield item, facts

    @cached_property
    def looked_into(self) -> list[tuple[Utterance, Facts]]:
        """Utterances whose numbers were read."""
        return [(item, facts) for item, facts in self.readable() if facts.looked_into]


def feature_files(corpus: Corpus) -> list[Path]:
    """All feature files that utterances of the corpus name, each once."""
    found = (item.features for utterances in corpus.splits.values() for item in utterances)
    return list(dict.fromkeys(path for path in found if path is not None))


def gather(
    paths: list[Path],
    layout: Layout | None = None,
    seed: int = 1,
    step: Callable[[], None] = lambda: None,
) -> dict[Path, Facts]:
    """The facts of feature files: all are read where they are few, else the headers of all and the numbers of a sample.

    Args:
        paths: the files.
        layout: the meaning of their columns; None: for each file the layout of its width.
        seed: of the sample.
        step: called after each file, for a progress bar.
    """
    sample = set(paths if len(paths) <= READ_FULLY else random.Random(seed).sample(paths, SAMPLE))
    facts = {}
    for path in paths:
        facts[path] = look_at(path, layout, path in sample)
        step()
    return facts


def look_at(path: Path, layout: Layout | None, fully: bool) -> Facts:
    """The facts of one file, `fully` or from its header alone."""
    try:
        frames, columns = feature_shape(path)
        facts = Facts(frames, columns, stored_type(path))
        return look_into(facts, read_features(path), layout) if fully else facts
    except DataError as problem:
        return Facts(problem=problem)


def look_into(facts: Facts, x: np.ndarray, layout: Layout | None) -> Facts:
    """`facts` with those that only the numbers `x [T, D]` tell."""
    if layout is None or layout.width != x.shape[1]:
        layout = guess_layout(x.shape[1])
    prepared = prepare(x, layout, max_gap=0)
    return replace(
        facts,
        looked_into=True,
        missing=float(np.isnan(prepared[:, : layout.positions]).mean()),
        infinite=int(np.isinf(x).sum()),
        missing_points={group.name: missing_share(prepared, group) for group in layout.groups},
    )


def stored_type(path: Path) -> str:
    """Name of the type of the numbers in a sound feature file, from its header."""
    if path.suffix.lower() == ".npy":
        with path.open("rb") as stream:
            return _type_in_header(stream)
    with np.load(path, allow_pickle=False) as archive:
        name = next(key for key in (*NPZ_KEYS, *archive.files) if key in archive.files)
        with archive.zip.open(f"{name}.npy") as stream:
            return _type_in_header(stream)


def _type_in_header(stream: BinaryIO) -> str:
    first = npy.read_magic(stream) == (1, 0)
    return (npy.read_array_header_1_0 if first else npy.read_array_header_2_0)(stream)[2].name
