"""`slr check data` and `slr check vocab`: a corpus, and a vocabulary alone or with a corpus."""

from dataclasses import dataclass
from pathlib import Path

from slrcli.checkpoints import runs
from slrcli.config import DataConfig
from slrcli.console import Console
from slrcli.corpus import Corpus, find_tables
from slrcli.corpus.facts import feature_files, read_facts
from slrcli.corpus.opening import named_layout, open_data
from slrcli.corpus.tables import inspect_table
from slrcli.doctor.context import Check
from slrcli.doctor.data.checks import DATA_CHECKS, DATA_VOCAB_CHECKS
from slrcli.doctor.data.context import DataContext
from slrcli.doctor.data.tables import covered
from slrcli.doctor.data.vocabulary import VOCAB_CHECKS
from slrcli.errors import DataError
from slrcli.glosses import get_normaliser
from slrcli.glosses.vocabulary import Vocabulary

GLOSS_DICT = ".npy"  # suffix of the field's own kind of vocabulary


@dataclass(frozen=True)
class DataTarget:
    """A corpus to be examined: its tables, its feature files, and a vocabulary if one is named.

    Attributes:
        data: which corpus, and how it is read. With a vocabulary, its normaliser applies unless another is named.
        seed: of the sample, where there are too many files to read all.
        full: read all files, however many.
        jobs: processes that read; 0: one for each core. The result does not depend on it.
        stride: frames per output frame of the recogniser; 0: not settled.
        independent: the corpus claims that nobody signs both in train and in another split.
    """

    data: DataConfig
    seed: int = 1
    full: bool = False
    jobs: int = 1
    stride: int = 0
    independent: bool = False

    @property
    def checks(self) -> list[Check]:
        """Of the corpus, and of the vocabulary if there is one."""
        return [*(DATA_VOCAB_CHECKS if self.data.vocab else DATA_CHECKS)]

    def open(self, console: Console) -> tuple[str, DataContext]:
        """Read the tables and the facts of every feature file; unreadable tables leave the corpus empty.

        Raises:
            DataError, UsageError: there is no corpus to be read, or an option names what does not exist.
        """
        data = self.data
        corpus, tables, table_problem = self._tables()
        for text in corpus.notes:
            console.note(text)
        vocabulary, problem = opened_vocabulary(Path(data.vocab), data.normaliser) if data.vocab else (None, None)
        normaliser = normaliser_for(data, vocabulary)
        paths = feature_files(corpus)
        layout = named_layout(data.layout, paths)
        with console.progress("Reading features", total=2 * len(paths)) as task:
            files = read_facts(corpus, layout, self.seed, self.full, self.jobs, step=task.advance)
        context = DataContext(
            corpus.normalised(normaliser),
            files,
            layout,
            vocabulary,
            problem,
            get_normaliser(normaliser).signature,
            data.min_count,
            corpus,
            tables,
            table_problem,
            self.stride,
            self.independent,
            data.fps,
        )
        count = sum(map(len, corpus.splits.values()))
        return f"Corpus {corpus.root} ({corpus.format}, {count:,} utterances)", context

    def _tables(self) -> tuple[Corpus, tuple, DataError | None]:
        data = self.data
        format, tables = find_tables(data.data_dir, data.format, data.annotations or None, data.columns)
        inspected = tuple(inspect_table(path) for path, _ in tables)
        try:
            return open_data(data), inspected, None
        except DataError as error:
            if not any(str(path) in error.where for path, _ in tables):
                raise  # not a matter of the tables, such as a folder of features that does not exist
            return Corpus(format, Path(data.data_dir), {}), inspected, error


@dataclass(frozen=True)
class VocabTarget:
    """A vocabulary to be examined, and where a corpus is named, whether the two go together.

    Attributes:
        path: a vocabulary of ours (JSON) or a `gloss_dict.npy`.
        data: the corpus, if `data_dir` names one. The vocabulary's normaliser applies unless another is named.
    """

    path: Path
    data: DataConfig

    @property
    def checks(self) -> list[Check]:
        """Of the vocabulary alone, and of how it goes with the corpus if there is one."""
        return [*VOCAB_CHECKS, covered] if self.data.data_dir else [*VOCAB_CHECKS]

    def open(self, console: Console) -> tuple[str, DataContext]:
        """Read both.

        Raises:
            DataError, UsageError: there is no corpus to be read, or an option names what does not exist.
        """
        vocabulary, problem = opened_vocabulary(self.path, self.data.normaliser)
        normaliser = normaliser_for(self.data, vocabulary)
        subject, corpus = f"Vocabulary {runs.shown(self.path)}", Corpus("none", Path(), {})
        if self.data.data_dir:
            corpus = open_data(self.data).normalised(normaliser)
            subject += f" with corpus {corpus.root}"
        signature = get_normaliser(normaliser).signature
        context = DataContext(corpus, {}, vocabulary=vocabulary, vocabulary_problem=problem, normaliser=signature)
        return subject, context


def opened_vocabulary(path: Path, normaliser: str) -> tuple[Vocabulary | None, DataError | None]:
    """A vocabulary of either kind, or why it cannot be used; a `gloss_dict.npy` names no normaliser of its own."""
    try:
        if path.suffix == GLOSS_DICT:
            return Vocabulary.from_gloss_dict(path, normaliser), None
        return Vocabulary.load(path), None
    except DataError as problem:
        return None, problem


def normaliser_for(data: DataConfig, vocabulary: Vocabulary | None) -> str:
    """The vocabulary's normaliser, if there is one and no other was named."""
    if vocabulary is not None and data.normaliser == DataConfig().normaliser:
        return vocabulary.normaliser
    return data.normaliser
