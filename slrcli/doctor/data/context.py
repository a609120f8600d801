"""What checks of a corpus look at: its tables, and the facts of every feature file."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from slrcli.corpus import Corpus, Utterance
from slrcli.corpus.distributions import Distribution
from slrcli.corpus.facts import readable, usual_layout
from slrcli.corpus.tables import TableFacts
from slrcli.corpus.utterances import Sentences, sentences_of
from slrcli.doctor.context import Context
from slrcli.doctor.data.distributions import distributions
from slrcli.doctor.data.slots import HandSlots, hand_slots
from slrcli.errors import DataError, SlrError
from slrcli.features.clip import digest
from slrcli.features.layout import Layout
from slrcli.features.measure import Facts
from slrcli.features.readers import read_features
from slrcli.glosses.vocabulary import Vocabulary


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
        raw: the corpus with its glosses as the tables have them; None: as in `corpus`.
        tables: what the annotation tables look like as files.
        table_problem: why the tables could not be read; the corpus is empty then.
        stride: frames that the recogniser takes for one output; 0: not settled.
        independent: the corpus claims that no signer of dev or test is in train.
        fps: frames a second of the features, as the corpus says; 0: not known.
    """

    corpus: Corpus
    files: dict[Path, Facts]
    layout: Layout | None = None
    vocabulary: Vocabulary | None = None
    vocabulary_problem: SlrError | None = None
    normaliser: str = "none@1"
    min_count: int = 1
    raw: Corpus | None = None
    tables: Sequence[TableFacts] = field(default_factory=tuple)
    table_problem: SlrError | None = None
    stride: int = 0
    independent: bool = False
    fps: float = 0.0

    def results(self) -> dict[str, Any]:
        """Distributions, the sentences of every split against those of train, and how hands keep to their slots."""
        return {
            "distributions": self.distributions,
            "sentences": self.sentences,
            "hands": self.hands,
        }

    @cached_property
    def distributions(self) -> tuple[Distribution, ...]:
        """Of lengths, signing rates and presence; none without a readable file."""
        layout = self.usual_layout
        return tuple(distributions(layout, self.readable(), self.comparable, self.fps)) if layout else ()

    @cached_property
    def hands(self) -> tuple[HandSlots, ...]:
        """How they stand in their slots, by split and signer, where the layout has two hands and no body."""
        return hand_slots(self.usual_layout, self.comparable)

    @property
    def utterances(self) -> list[Utterance]:
        """Of all splits."""
        return [item for utterances in self.corpus.splits.values() for item in utterances]

    def readable(self, utterances: Sequence[Utterance] | None = None) -> list[tuple[Utterance, Facts]]:
        """Utterances (of all splits, or those given) whose file could be read, and its facts."""
        chosen = self.utterances if utterances is None else utterances
        return readable(chosen, self.files)

    @cached_property
    def read_fully(self) -> list[tuple[Utterance, Facts]]:
        """Utterances whose numbers were read."""
        return [(item, facts) for item, facts in self.readable() if facts.read_fully]

    @cached_property
    def sentences(self) -> tuple[Sentences, ...]:
        """The sentences of every split against those of train."""
        return sentences_of(self.corpus.splits)

    @cached_property
    def usual_layout(self) -> Layout | None:
        """The layout that was asked for, else that of the most usual width; None without a readable file."""
        return usual_layout(self.utterances, self.files, self.layout)

    @property
    def known_layout(self) -> Layout:
        """The usual layout, where files were read; ValueError without one."""
        if self.usual_layout is None:
            raise ValueError("no file could be read")
        return self.usual_layout

    @cached_property
    def comparable(self) -> list[tuple[Utterance, Facts]]:
        """Utterances whose numbers were read and mean the same: those of the usual width."""
        layout = self.usual_layout
        return [(item, facts) for item, facts in self.read_fully if facts.columns == layout.width] if layout else []

    def column_name(self, column: int) -> str:
        """`17 (pose.nose y)`: a column of the usual layout by its number, from 0, and by what the layout calls it."""
        group = next(group for group in self.known_layout.groups if column < group.stop)
        if not group.spatial:
            return str(column)
        point, axis = divmod(column - group.start, len(group.coordinates))
        return f"{column} ({group.name}.{group.points[point]} {group.coordinates[axis]})"

    @cached_property
    def digests(self) -> dict[Path, str]:
        """Hashes of the arrays of those files that may equal another one; only those are read again for it."""
        alike: dict[tuple, list[Path]] = {}
        for path, facts in self.files.items():
            if facts.problem is None:
                alike.setdefault((facts.frames, facts.columns, facts.first), []).append(path)
        found = {}
        for paths in alike.values():
            ends = Counter(self.files[path].ends for path in paths)
            for path in paths:
                others = len(paths) if b"" in ends else ends[self.files[path].ends]
                if others > 1:
                    with suppress(DataError):  # damage further on, which the header did not show
                        found[path] = self.files[path].digest or digest(read_features(path, self.layout))
        return found
