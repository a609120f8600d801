"""What `slr lm` does: estimate an n-gram model of glosses, or read one, and compute its perplexity on other texts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slrcli.config import NGRAM_ORDER, DataConfig, RunConfig
from slrcli.console import Console
from slrcli.corpus import Corpus, open_corpus
from slrcli.corpus.opening import without_excluded
from slrcli.corpus.tables import read_table
from slrcli.errors import DataError, UsageError
from slrcli.glosses import get_normaliser
from slrcli.glosses.vocabulary import file_source
from slrcli.language import Discount, NgramModel, Perplexity, estimate, perplexity, read_arpa, write_arpa
from slrcli.transcripts import read_lines

TABLES = (".csv", ".tsv")
Sentences = list[tuple[str, ...]]


@dataclass(frozen=True)
class LmResult:
    """A model with its figures.

    Attributes:
        model: estimated or read.
        discounts: one per n-gram length; empty if the model was read.
        measured: name of a text -> perplexity of the model on it.
        written: the file of the model, if it was written.
        notes: remarks for the user.
    """

    model: NgramModel
    discounts: tuple[Discount, ...]
    measured: dict[str, Perplexity]
    written: Path | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {
            "order": self.model.order,
            "ngrams": self.model.sizes,
            "glosses": len(self.model.glosses),
            "normaliser": self.model.normaliser,
            "source": self.model.source,
            "discounts": [asdict(item) for item in self.discounts],
            "texts": {name: item.to_dict() for name, item in self.measured.items()},
            "written": str(self.written) if self.written else None,
            "notes": self.notes,
        }


def lm(
    console: Console,
    data: DataConfig,
    files: Sequence[Path] = (),
    order: int = NGRAM_ORDER,
    out: Path | None = None,
    test: Sequence[Path] = (),
    model: Path | None = None,
    normaliser: str | None = None,
    seed: int = RunConfig.seed,
) -> LmResult:
    """Estimate a model from files or from the train split of a corpus, or read one (`model`).

    Perplexities are computed on the files of `test` and the other splits of the corpus; those of a model that was read,
    on all files and splits. If the corpus has no dev split, the share of train that training sets aside is not used for
    estimation here either.

    Args:
        console: for progress.
        data: the corpus, if any.
        files: annotation tables and texts.
        order: tokens of the longest n-grams.
        out: where to write the model.
        test: annotation tables and texts whose perplexity is computed.
        model: an ARPA file to evaluate, instead of estimating a model.
        normaliser: applied to all glosses; None: the model's, else the corpus's.
        seed: that of the runs the model is for, which chooses the utterances set aside as dev.

    Raises:
        SlrError: a file cannot be read or written, there is no text, or the options contradict each other.
    """
    if not files and not data.data_dir and not data.annotations:
        raise UsageError("No text is named.", "slr lm", "Name annotation tables or texts, or a corpus with --data-dir.")
    if model and out:
        raise UsageError("--perplexity evaluates a model, and --out writes one.", fix="Leave one of the two out.")
    notes: list[str] = []
    given = read_arpa(model) if model else None
    rules = get_normaliser(normaliser or (given.normaliser if given else "") or data.normaliser)
    corpus = _corpus(data, seed, notes)
    learnt, texts = _texts(corpus, files, test, measure_all=given is not None, notes=notes)
    discounts: tuple[Discount, ...] = ()
    with console.progress("language model", len(texts) + 1) as task:
        if given is None:
            sentences = [rules.normalise(glosses) for glosses in learnt.sentences]
            given, discounts = estimate(sentences, order, rules.signature, learnt.source)
        task.advance()
        measured = {}
        for text in texts:
            measured[text.name] = perplexity(given, (rules.normalise(glosses) for glosses in text.sentences))
            task.advance()
    if given.order < order and not model:
        notes.append(f"No sentence is long enough for an order of {order}: the model has an order of {given.order}.")
    if out:
        write_arpa(out, given)
    return LmResult(given, discounts, measured, out, tuple(notes))


@dataclass(frozen=True)
class _Text:
    name: str
    sentences: Sentences
    source: str


def _texts(
    corpus: Corpus | None, files: Sequence[Path], test: Sequence[Path], measure_all: bool, notes: list[str]
) -> tuple[_Text, list[_Text]]:
    """What to learn from, and what to measure on.

    Raises:
        SlrError: a file or a corpus that cannot be read.
    """
    named = [_Text(str(path), read_sentences(path, notes), file_source(path)) for path in files]
    tested = [_Text(str(path), read_sentences(path, notes), "") for path in test]
    splits = _splits(corpus) if corpus else []
    if measure_all:
        return _Text("", [], ""), [*named, *splits, *tested]
    learnt = [*named, *(split for split in splits if split.name == "train")]
    if not learnt:
        where = corpus.root if corpus else ""
        raise DataError("The corpus has no train split to estimate the model from.", where, "Name the texts.")
    together = [glosses for text in learnt for glosses in text.sentences]
    source = "; ".join(text.source for text in learnt)
    return _Text("", together, source), [*(split for split in splits if split.name != "train"), *tested]


def read_sentences(path: Path, notes: list[str]) -> Sentences:
    """The gloss sequences of a file: an annotation table, a transcript, or a text with one sentence per line.

    Raises:
        SlrError: the file cannot be read, or its format is not known.
    """
    if path.suffix.lower() not in TABLES:
        return [tuple(glosses) for glosses in read_lines(path).values()]
    utterances = [row.utterance for row in read_table(path, "")]
    splits = dict.fromkeys(item.split for item in utterances)
    if len(splits) > 1:
        notes.append(f"{path} holds several splits ({', '.join(splits)}), and all are used; --data-dir separates them.")
    return [item.glosses for item in utterances]


def _corpus(data: DataConfig, seed: int, notes: list[str]) -> Corpus | None:
    """The corpus, if one is named, with the dev split that training would give it."""
    if not data.data_dir and not data.annotations:
        return None
    folder = data.data_dir or Path(data.annotations).parent
    corpus = open_corpus(folder, data.format, data.annotations or None, columns=data.columns)
    corpus = without_excluded(corpus, data)
    notes.extend(corpus.notes)
    if not data.dev_share or len({item.id for item in corpus.splits.get("train", ())}) < 2:
        return corpus
    corpus, taken = corpus.with_dev(seed, data.dev_share)
    if taken:
        notes.append(
            f"The corpus has no dev split: the {data.dev_share:.0%} of train that training sets aside (seed {seed}) is "
            "not used. --seed gives the seed of another run."
        )
    return corpus


def _splits(corpus: Corpus) -> list[_Text]:
    return [
        _Text(name, [item.glosses for item in utterances], corpus.source if name == "train" else "")
        for name, utterances in corpus.splits.items()
        if any(item.glosses for item in utterances)
    ]
