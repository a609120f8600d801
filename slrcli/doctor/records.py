"""What checks of a corpus look at: its tables, and the facts of every feature file, gathered in one pass."""

import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path

from slrcli.corpus import Corpus, Utterance
from slrcli.corpus.sentences import Sentences, sentences_of
from slrcli.corpus.tables import TableFacts
from slrcli.doctor.context import Context
from slrcli.doctor.measure import Facts, digest, look_at, look_at_all
from slrcli.errors import DataError, SlrError
from slrcli.features.layout import Layout, guess_layout
from slrcli.features.readers import read_features
from slrcli.processes import usable_cores
from slrcli.vocab import Vocabulary

READ_BYTES = 256 * 2**20  # of numbers that are read; where there are more, a sample is
AT_LEAST = 100  # feature files of a sample, however large
WORTH_A_PROCESS = 32 * 2**20  # bytes of numbers; less is read before a second process has started
CHUNK = 16  # files that a process takes at a time


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

    @property
    def utterances(self) -> list[Utterance]:
        """Of all splits."""
        return [item for utterances in self.corpus.splits.values() for item in utterances]

    def readable(self, utterances: Sequence[Utterance] | None = None) -> list[tuple[Utterance, Facts]]:
        """Utterances (of all splits, or those given) whose file could be read, and its facts."""
        chosen = self.utterances if utterances is None else utterances
        known = ((item, self.files.get(item.features)) for item in chosen if item.features is not None)
        return [(item, facts) for item, facts in known if facts is not None and facts.problem is None]

    @cached_property
    def looked_into(self) -> list[tuple[Utterance, Facts]]:
        """Utterances whose numbers were read."""
        return [(item, facts) for item, facts in self.readable() if facts.looked_into]

    @cached_property
    def sentences(self) -> tuple[Sentences, ...]:
        """The sentences of every split against those of train."""
        return sentences_of(self.corpus.splits)

    @cached_property
    def usual_layout(self) -> Layout | None:
        """The layout that was asked for, else that of the most usual width; None without a readable file."""
        if self.layout is not None:
            return self.layout
        widths = [facts.columns for _, facts in self.readable()]
        return guess_layout(max(set(widths), key=lambda width: (widths.count(width), width))) if widths else None

    @cached_property
    def comparable(self) -> list[tuple[Utterance, Facts]]:
        """Utterances whose numbers were read and mean the same: those of the usual width."""
        layout = self.usual_layout
        return [(item, facts) for item, facts in self.looked_into if facts.columns == layout.width] if layout else []

    def column_name(self, column: int) -> str:
        """`17 (pose.nose y)`: a column of the usual layout by its number, from 0, and by what the layout calls it."""
        group = next(group for group in self.usual_layout.groups if column < group.stop)
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


def feature_files(corpus: Corpus) -> list[Path]:
    """All feature files that utterances of the corpus name, each once."""
    found = (item.features for utterances in corpus.splits.values() for item in utterances)
    return list(dict.fromkeys(path for path in found if path is not None))


def gather(
    corpus: Corpus,
    layout: Layout | None = None,
    seed: int = 1,
    full: bool = False,
    jobs: int = 1,
    step: Callable[[int], None] = lambda count: None,
) -> dict[Path, Facts]:
    """The facts of the feature files: the headers of all, and the numbers of all or of a sample where they are many.

    Args:
        corpus: whose files.
        layout: the meaning of their columns; None: for each file the layout of its width.
        seed: of the sample.
        full: read all, however many.
        jobs: processes; 0: one for each core. What is found does not depend on it.
        step: called with a number of files after they were read, for a progress bar.
    """
    paths = feature_files(corpus)
    facts = {}
    for path in paths:
        facts[path] = look_at(path, layout, fully=False)
        step(1)
    sound = [path for path in paths if facts[path].problem is None]
    chosen = sound if full else sample(corpus, {path: facts[path] for path in sound}, seed)
    step(len(paths) - len(chosen))
    little = sum(4 * facts[path].frames * facts[path].columns for path in chosen) < WORTH_A_PROCESS
    for chunk, found in read_through(chosen, layout, 1 if little else jobs or usable_cores()):
        facts.update(zip(chunk, found, strict=True))
        step(len(chunk))
    return facts


def read_through(paths: list[Path], layout: Layout | None, jobs: int) -> Iterator[tuple[list[Path], list[Facts]]]:
    """Some files at a time and what their numbers tell, in the order of `paths` whatever the number of processes.

    Raises:
        DataError: a process was ended from outside, as when memory runs out.
    """
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    if jobs <= 1 or len(chunks) <= 1:
        yield from ((chunk, look_at_all(chunk, layout, True)) for chunk in chunks)
        return
    # Spawned, not forked: torch has threads. An interruption is the parent's to answer.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    pool = ProcessPoolExecutor(min(jobs, len(chunks)), get_context("spawn"), signal.signal, ignore)
    try:
        work = [pool.submit(look_at_all, chunk, layout, True) for chunk in chunks]
        for chunk, done in zip(chunks, work, strict=True):
            yield chunk, done.result()
    except BrokenProcessPool as error:
        raise DataError("a process that read features was ended", "--jobs", "use --jobs 1, which needs less") from error
    finally:
        pool.shutdown(cancel_futures=True)


def sample(corpus: Corpus, facts: dict[Path, Facts], seed: int) -> list[Path]:
    """The files whose numbers are read: all up to `READ_BYTES`, else a seeded choice.

    The signers of every split take turns, so that a rare one is looked at as closely as a frequent one.
    """
    size = {path: 4 * known.frames * known.columns for path, known in facts.items()}
    if sum(size.values()) <= READ_BYTES:
        return list(facts)
    strata: dict[tuple[str, str], list[Path]] = {}
    for name, utterances in corpus.splits.items():
        for item in utterances:
            if item.features in facts:
                strata.setdefault((name, item.signer), []).append(item.features)
    chance = random.Random(seed)
    for _, members in sorted(strata.items()):
        chance.shuffle(members)
    chosen: dict[Path, None] = {}
    total = 0
    for turn in zip_longest(*(members for _, members in sorted(strata.items()))):
        for path in turn:
            if path is None or path in chosen:
                continue
            if total + size[path] > READ_BYTES and len(chosen) >= AT_LEAST:
                return [path for path in facts if path in chosen]
            chosen[path] = None
            total += size[path]
    return [path for path in facts if path in chosen]
