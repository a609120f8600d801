"""`Utterance` and `Corpus`: the utterances of a corpus, their splits, and the sentences that these share."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from slrcli.config import DEV_SHARE
from slrcli.corpus.finder import describe
from slrcli.errors import DataError, first_five
from slrcli.features.readers import SUFFIXES
from slrcli.frames import frame_of
from slrcli.glosses import get_normaliser
from slrcli.glosses.vocabulary import file_source
from slrcli.language import NgramModel, estimate, perplexity

if TYPE_CHECKING:
    import pandas

SPLITS = {
    "train": ("train", "training"),
    "dev": ("dev", "val", "valid", "validation"),
    "test": ("test", "testing"),
}
CANONICAL = {alias: name for name, aliases in SPLITS.items() for alias in aliases}
NAMELESS = ("", "unknown")  # what a table writes for a signer that nobody knows


@dataclass(frozen=True)
class Utterance:
    """One clip and its glosses.

    Attributes:
        id: its name, unique within a split of a sound corpus.
        glosses: as the table has them.
        features: the feature file, or None where none was found.
        signer: who signs; empty where the table does not say.
        split: the split it belongs to.
        line: its line in `table`, counted from 1.
        table: the annotation table.
    """

    id: str
    glosses: tuple[str, ...]
    features: Path | None = None
    signer: str = ""
    split: str = ""
    line: int = 0
    table: Path | None = None

    @property
    def file(self) -> Path:
        """The feature file; a DataError if there is none."""
        if self.features is None:
            raise DataError("The utterance has no feature file.", self.id, "Run slr check data for details.")
        return self.features

    @property
    def signer_known(self) -> bool:
        """Whether the table says who signs."""
        return self.signer.strip().lower() not in NAMELESS

    @property
    def mark(self) -> str:
        """The first 16 hexadecimal digits of SHA-256 over id, signer and glosses; checkpoints refer to it."""
        row = json.dumps([self.id, self.signer, self.glosses])
        return hashlib.sha256(row.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Corpus:
    """The utterances of every split, in the order of the tables.

    Attributes:
        format: its name in `FORMATS`.
        root: the folder it lies in.
        splits: name -> utterances; "train", "dev" and "test" come first, under these names whatever the files say.
        tables: the annotation tables that were read.
        folders: split -> folders that were searched for its feature files.
        notes: remarks for the user.
        excluded: utterances of the tables that were left out on request.
    """

    format: str
    root: Path
    splits: dict[str, list[Utterance]]
    tables: tuple[Path, ...] = ()
    folders: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    excluded: tuple[Utterance, ...] = ()

    def split(self, name: str) -> list[Utterance]:
        """The utterances of a split; `val` and `validation` mean dev.

        Raises:
            DataError: the corpus has no such split.
        """
        wanted = split_name(name)
        if wanted not in self.splits:
            raise DataError(f"The corpus has no split {name!r}.", self.root, f"It has {', '.join(self.splits)}.")
        return self.splits[wanted]

    def unmatched(self, name: str) -> list[Utterance]:
        """The utterances of a split for which no feature file was found."""
        return [utterance for utterance in self.split(name) if utterance.features is None]

    def require_features(self, name: str) -> list[Utterance]:
        """The utterances of a split, all of which have a feature file.

        Raises:
            DataError: some have none; it names their number, the first five ids, and the paths that were tried.
        """
        missing = self.unmatched(name)
        if missing:
            raise self._no_features(split_name(name), missing)
        return self.split(name)

    def _no_features(self, name: str, missing: Sequence[Utterance]) -> DataError:
        ids = first_five([utterance.id for utterance in missing], end=".")
        files = f"{missing[0].id}{SUFFIXES[0]} (or {', '.join(SUFFIXES[1:])})"
        folders = ", ".join(f"{folder} ({describe(folder)})" for folder in self.folders.get(name, ()))
        return DataError(
            f"{len(missing)} of {len(self.split(name))} utterances of {name} have no feature file: {ids}",
            f"looked for {files} in {folders}",
            "Name the folder of the features with --features DIR; the files are named after the ids.",
        )

    def with_dev(self, seed: int, share: float = DEV_SHARE) -> tuple["Corpus", bool]:
        """The corpus with a dev split, and whether it was taken from train (a seeded share of its utterances).

        With a share of 0, train keeps all its utterances, and a tenth of them is dev as well.

        Raises:
            DataError: there is no dev split, and train has fewer than two utterances.
        """
        if self.splits.get("dev"):
            return self, False
        everything = self.split("train")
        train, dev = dev_from_train(everything, seed, share or DEV_SHARE)
        splits = ordered({**self.splits, "train": train if share else everything, "dev": dev})
        return replace(self, splits=splits, folders={**self.folders, "dev": self.folders.get("train", ())}), True

    def normalised(self, normaliser: str) -> "Corpus":
        """The corpus with normalised glosses."""
        change = get_normaliser(normaliser).normalise
        return replace(
            self,
            splits={
                name: [replace(item, glosses=tuple(change(item.glosses))) for item in utterances]
                for name, utterances in self.splits.items()
            },
        )

    def to_frame(self) -> "pandas.DataFrame":
        """A row per utterance: id, split, signer, glosses, their number, and the feature file ("" where none is).

        Raises:
            DependencyError: pandas is not installed.
        """
        rows = [
            (item.id, name, item.signer, " ".join(item.glosses), len(item.glosses), str(item.features or ""))
            for name, utterances in self.splits.items()
            for item in utterances
        ]
        return frame_of(rows, ("id", "split", "signer", "glosses", "tokens", "features"))

    @property
    def source(self) -> str:
        """Names and SHA-256 of the table (or tables) of the train split."""
        tables = dict.fromkeys(item.table for item in self.splits.get("train", ()) if item.table)
        return "; ".join(file_source(table) for table in tables)

    @cached_property
    def hash(self) -> str:
        """SHA-256 over split, id, glosses and signer of all utterances; their order does not matter."""
        rows = sorted(
            json.dumps([name, item.id, item.glosses, item.signer])
            for name, utterances in self.splits.items()
            for item in utterances
        )
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def ordered(splits: dict[str, list[Utterance]]) -> dict[str, list[Utterance]]:
    """Train, dev and test first, then the others."""
    return {name: splits[name] for name in (*SPLITS, *splits) if name in splits}


def default_split(corpus: Corpus) -> str:
    """The split to evaluate on: test, else dev.

    Raises:
        DataError: the corpus has neither.
    """
    for name in ("test", "dev"):
        if corpus.splits.get(name):
            return name
    fix = f"Use --split {next(iter(corpus.splits), '')}."
    raise DataError("The corpus has neither a test nor a dev split.", corpus.root, fix)


def dev_from_train(
    utterances: Sequence[Utterance], seed: int, fraction: float = DEV_SHARE
) -> tuple[list[Utterance], list[Utterance]]:
    """Divide `utterances` into train and dev.

    Which ids go to dev depends only on the seed and the ids, not on their order, the machine or a version.

    Raises:
        DataError: fewer than two utterances.
    """
    ids = {utterance.id for utterance in utterances}
    if len(ids) < 2:
        raise DataError(
            f"Train has {len(ids)} utterances, too few to take dev from them.", fix="Give the corpus a dev split."
        )
    drawn = sorted(ids, key=lambda id: hashlib.sha256(f"{seed}:{id}".encode()).digest())
    chosen = set(drawn[: min(len(ids) - 1, max(1, round(len(ids) * fraction)))])
    train = [item for item in utterances if item.id not in chosen]
    return train, [replace(item, split="dev") for item in utterances if item.id in chosen]


def split_name(name: str) -> str:
    """The canonical name of a split: `Validation` is dev; an unknown name stays as it is."""
    plain = name.strip()
    return CANONICAL.get(plain.lower(), plain)


DIGITS = 16  # of a hash: two of a million sentences are taken for one with a probability of 3 in 100 million
ORDER = 3  # of the model that foretells glosses


def sentence_hash(glosses: Sequence[str]) -> str:
    """The first `DIGITS` hexadecimal digits of SHA-256 over the glosses, separated by spaces."""
    return hashlib.sha256(" ".join(glosses).encode()).hexdigest()[:DIGITS]


def sentence_hashes(utterances: Iterable[Utterance]) -> tuple[str, ...]:
    """The sorted hashes of all distinct sentences; an utterance without glosses has no sentence."""
    return tuple(sorted({sentence_hash(item.glosses) for item in utterances if item.glosses}))


@dataclass(frozen=True)
class Sentences:
    """The sentences of a split compared with those of train. Utterances without glosses are not counted.

    Attributes:
        split: its name.
        utterances: number of utterances with glosses.
        different: number of distinct sentences among them.
        known: utterances whose sentence occurs in train; None for train itself.
        long, long_known: `utterances` and `known` among sentences of two glosses or more; shorter ones always recur.
        perplexity: per token (glosses and ends of sentences) of a trigram model of train, without out-of-vocabulary
            glosses; None for train itself, and if there is nothing to estimate it from.
        vocabulary: number of gloss types of train, which is the perplexity of a uniform model.
    """

    split: str
    utterances: int
    different: int
    known: int | None = None
    long: int = 0
    long_known: int = 0
    perplexity: float | None = None
    vocabulary: int = 0

    @property
    def all_known(self) -> bool:
        """Whether there are sentences longer than one gloss, and all of them occur in train."""
        return self.long > 0 and self.long_known == self.long

    @property
    def share(self) -> float:
        """Percentage of the utterances whose sentence occurs in train."""
        return 100 * (self.known or 0) / self.utterances if self.utterances else 0.0

    def to_dict(self) -> dict:
        """Everything as plain values, for `--json`."""
        return asdict(self)


def against_train(train: Sequence[Utterance], other: Sequence[Utterance], split: str = "") -> Sentences:
    """The sentences of another split compared with those of train, without a perplexity."""
    known = {item.glosses for item in train}
    signed = [item.glosses for item in other if item.glosses]
    long = [glosses for glosses in signed if len(glosses) > 1]
    shared, long_shared = (sum(glosses in known for glosses in part) for part in (signed, long))
    return Sentences(split, len(signed), len(set(signed)), shared, len(long), long_shared)


def sentences_of(splits: Mapping[str, Sequence[Utterance]]) -> tuple[Sentences, ...]:
    """The sentences of every split, compared with those of train, with their perplexity."""
    train = splits.get("train", ())
    model = _order_of(train)
    vocabulary = len({gloss for item in train for gloss in item.glosses})
    found = []
    for name, utterances in splits.items():
        own = against_train(train, utterances, name)
        foretold = None
        if name != "train" and model and own.utterances:
            foretold = perplexity(model, [item.glosses for item in utterances if item.glosses]).excluding_unknown
        known = None if name == "train" else own.known
        found.append(replace(own, known=known, perplexity=foretold, vocabulary=vocabulary))
    return tuple(found)


def _order_of(train: Sequence[Utterance]) -> NgramModel | None:
    """A model of the order of glosses in train; None where no gloss is there, or one is called as the model's marks."""
    with suppress(DataError):
        return estimate([item.glosses for item in train if item.glosses], ORDER)[0]
    return None
