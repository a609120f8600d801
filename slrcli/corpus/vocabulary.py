"""What `slr vocab` does: build, import or read a vocabulary, and measure its coverage."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slrcli.config import DataConfig
from slrcli.corpus import Corpus, open_corpus
from slrcli.corpus.opening import without_excluded
from slrcli.errors import UsageError, first_five
from slrcli.glosses.variants import alike, list_remains, shown
from slrcli.glosses.vocabulary import Vocabulary

SHOWN = 10  # glosses among the most and among the least frequent


@dataclass(frozen=True)
class Coverage:
    """Out-of-vocabulary tokens of a split. Each causes at least one error, whatever the model does."""

    split: str
    utterances: int
    tokens: int
    oov_tokens: int
    oov_types: int
    examples: tuple[tuple[str, int], ...]  # glosses and their counts, the most frequent first

    @property
    def floor(self) -> float:
        """The error floor: out-of-vocabulary tokens in percent of the split's tokens."""
        return 100 * self.oov_tokens / self.tokens if self.tokens else 0.0


@dataclass(frozen=True)
class Lookup:
    """The answer to one query: `id` and `gloss` are None if the vocabulary has neither."""

    query: str
    id: int | None = None
    gloss: str | None = None
    count: int = 0
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True)
class VocabResult:
    """A vocabulary with its coverage and the answers to queries; `notes` are remarks for the user."""

    vocabulary: Vocabulary
    coverage: tuple[Coverage, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    written: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def counted(self) -> list[tuple[str, int]]:
        """Glosses (without special tokens) and their counts, the most frequent first, ties by name."""
        vocabulary = self.vocabulary
        pairs = zip(vocabulary.tokens[1:], vocabulary.counts[1:], strict=True)
        return sorted(
            (pair for pair in pairs if pair[0] not in vocabulary.specials), key=lambda pair: (-pair[1], pair[0])
        )

    @property
    def tokens(self) -> int:
        """Number of running glosses in the source of the vocabulary."""
        return sum(count for _, count in self.counted)

    @property
    def singletons(self) -> int:
        """Number of glosses that occurred once."""
        return sum(count == 1 for _, count in self.counted)

    @property
    def most(self) -> list[tuple[str, int]]:
        """The most frequent glosses."""
        return self.counted[:SHOWN]

    @property
    def least(self) -> list[tuple[str, int]]:
        """The least frequent glosses, the rarest first, ties by name."""
        return sorted(self.counted, key=lambda pair: (pair[1], pair[0]))[:SHOWN]

    def to_dict(self) -> dict[str, Any]:
        """The result for `--json`; the tokens themselves are in the vocabulary's file."""
        described = self.vocabulary.to_dict()
        kept = ("normaliser", "min_count", "specials", "source", "hash")
        return {
            "size": self.vocabulary.size,
            "glosses": len(self.counted),
            "tokens": self.tokens,
            "singletons": self.singletons,
            **{key: described[key] for key in kept},
            "most_frequent": self.most,
            "least_frequent": self.least,
            "splits": [{**asdict(item), "floor_percent": item.floor} for item in self.coverage],
            "lookups": [asdict(item) for item in self.lookups],
            "written": str(self.written) if self.written else None,
            "notes": self.notes,
        }


def vocab(
    data: DataConfig,
    out: Path | None = None,
    show: Path | None = None,
    import_: Path | None = None,
    specials: Sequence[str] = (),
    queries: Sequence[str] = (),
) -> VocabResult:
    """Build a vocabulary from a train split, import a `gloss_dict.npy` (`import_`), or read a file (`show`).

    If a corpus is also given, the coverage of its splits is measured.

    Args:
        data: corpus, normaliser and minimum count.
        out: where to write the vocabulary.
        show: a vocabulary file to read.
        import_: a `gloss_dict.npy` to import.
        specials: tokens to add to a vocabulary that is built.
        queries: glosses and ids to look up.

    Raises:
        SlrError: a table or file cannot be read or written, or the options contradict each other.
    """
    if show and import_:
        raise UsageError("--show and --import exclude each other.", fix="Give one of the two.")
    corpus = _corpus(data)
    if show:
        vocabulary = Vocabulary.load(show)
    elif import_:
        vocabulary = Vocabulary.from_gloss_dict(import_, data.normaliser)
    elif corpus:
        train = [utterance.glosses for utterance in corpus.split("train")]
        vocabulary = Vocabulary.build(train, data.min_count, specials, data.normaliser, corpus.source)
    else:
        raise UsageError("No input is given.", "slr vocab", "Give --data-dir DIR, --show FILE or --import FILE.")
    if out:
        vocabulary.save(out)
    return VocabResult(
        vocabulary,
        coverage(vocabulary, corpus) if corpus else (),
        tuple(answer for query in queries for answer in look_up(vocabulary, query)),
        out,
        (*(corpus.notes if corpus else ()), *spelt_twice(vocabulary)),
    )


def spelt_twice(vocabulary: Vocabulary) -> list[str]:
    """Remarks on glosses that are several classes although they are hardly several signs."""
    found = []
    if groups := alike(vocabulary.glosses):
        listed = first_five([" = ".join(map(shown, group)) for group in groups])
        found.append(
            f"{len(groups)} glosses are written in several ways that differ in case, composition or what cannot be "
            f"seen, each with an id of its own: {listed}"
        )
    if remains := list_remains(vocabulary.glosses):
        found.append(
            f"{len(remains)} glosses look like parts of lists, or like several glosses in one: {first_five(remains)}"
        )
    return found


def coverage(vocabulary: Vocabulary, corpus: Corpus) -> tuple[Coverage, ...]:
    """Coverage of each split, with the vocabulary's own normaliser; train only if it has out-of-vocabulary tokens."""
    found = []
    for name, utterances in corpus.splits.items():
        sentences = [vocabulary.normalise(utterance.glosses) for utterance in utterances]
        unknown = vocabulary.unknown(sentences)
        examples = tuple(sorted(unknown.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN])
        counts = (len(sentences), sum(map(len, sentences)), unknown.total(), len(unknown))
        if name != "train" or unknown:
            found.append(Coverage(name, *counts, examples))
    return tuple(found)


def look_up(vocabulary: Vocabulary, query: str) -> list[Lookup]:
    """The id of a gloss, and the gloss of an id; a number may be both. Never empty."""
    ids = [vocabulary.id_of(query)] if query in vocabulary else []
    if query.isascii() and query.isdigit() and len(query) < 10 and int(query) < vocabulary.size:
        ids.append(int(query))
    answers = [
        Lookup(query, number, vocabulary.gloss_of(number), vocabulary.counts[number]) for number in dict.fromkeys(ids)
    ]
    return answers or [Lookup(query, nearest=tuple(vocabulary.nearest(query)))]


def _corpus(data: DataConfig) -> Corpus | None:
    """The corpus that is named, if any; a table alone is enough of one."""
    if not data.data_dir and not data.annotations:
        return None
    folder = data.data_dir or Path(data.annotations).parent
    return without_excluded(open_corpus(folder, data.format, data.annotations or None, columns=data.columns), data)
