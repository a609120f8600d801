"""What `slr corpus` does: summarise a corpus, and divide it into splits that share no signer or no sentence."""

from dataclasses import dataclass, replace
from pathlib import Path

from slrcli.config import HELD_OUT, DataConfig
from slrcli.console import Console
from slrcli.corpus import Corpus, open_corpus
from slrcli.corpus.division import divide
from slrcli.corpus.facts import feature_files, read_facts, told_rate, usual_layout
from slrcli.corpus.opening import named_layout, open_data
from slrcli.corpus.summary import CorpusSummary, summarise
from slrcli.corpus.write import write_division


@dataclass(frozen=True)
class Division:
    """The settings of `--split-by`.

    Attributes:
        out: folder of the new tables.
        by: signer or sentence; "" keeps the splits as they are.
        dev, test: shares of the utterances.
        seed: of the draw of signers or sentences.
    """

    out: Path
    by: str = ""
    dev: float = HELD_OUT
    test: float = HELD_OUT
    seed: int = 1


def corpus_summary(
    console: Console, data: DataConfig, fps: float = 0.0, seed: int = 1, full: bool = False, jobs: int = 0
) -> CorpusSummary:
    """Read a corpus and summarise it; files that cannot be read are counted with their reasons.

    Args:
        console: where progress goes.
        data: the corpus.
        fps: frames per second of all clips; 0: what each file says, else the corpus, else the layout.
        seed: of the sample of files that are read completely, if there are many.
        full: read all files completely.
        jobs: processes; 0: one per core.

    Raises:
        DataError, UsageError: the tables cannot be read, or an option names what does not exist.
    """
    corpus = open_data(data)
    paths = feature_files(corpus)
    layout = named_layout(data.layout, paths)
    with console.progress("Reading features", total=2 * len(paths)) as task:
        files = read_facts(corpus, layout, seed, full, jobs, step=task.advance)
    if fps:
        files = {path: replace(facts, fps=0.0) for path, facts in files.items()}
    sound = [path for path, facts in files.items() if facts.problem is None]
    utterances = [item for items in corpus.splits.values() for item in items]
    usual = usual_layout(utterances, files, layout)
    return summarise(corpus, files, usual, fps or data.fps or told_rate(sound))


def divide_corpus(corpus: Corpus, division: Division) -> CorpusSummary:
    """Write the tables of a division and summarise what is read back from them; no feature file is opened.

    Raises:
        DataError: the corpus cannot be divided like this, or the folder already holds a corpus.
    """
    splits = corpus.splits
    if division.by:
        everything = [item for items in splits.values() for item in items]
        splits = divide(everything, division.by, division.dev, division.test, division.seed)
    write_division(division.out, corpus, splits)
    written = open_corpus(division.out)
    return replace(summarise(_with_notes(written, corpus), {}, None), missing=_missing(written))


def _with_notes(written: Corpus, source: Corpus) -> Corpus:
    return replace(written, notes=(*source.notes, *written.notes))


def _missing(corpus: Corpus) -> int:
    return sum(len(corpus.unmatched(name)) for name in corpus.splits)
