"""`Vocabulary`: gloss <-> id. Blank is 0; every other id stands for one gloss, every gloss for one id."""

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slrcli.errors import DataError, UsageError
from slrcli.files import atomic_write_text
from slrcli.glosses import get_normaliser
from slrcli.glosses.gloss_dict import read_gloss_dict

BLANK = 0
BLANK_TOKEN = "<blank>"
FILE_KIND = "slr-vocabulary"
FILE_VERSION = 1


@dataclass(frozen=True)
class Vocabulary:
    """A bijection between glosses and the ids 1 .. V-1, checked on creation.

    Attributes:
        tokens: the token of every id; `tokens[0]` is the blank.
        counts: occurrences of each token in the source of the vocabulary; 0 for the blank.
        normaliser: name and version of the gloss normaliser it belongs to, such as `phoenix2014@1`.
        source: its source: file name and SHA-256 of the content.
        specials: tokens that were added without occurring, such as `<unk>`.
        min_count: minimum count; rarer glosses were left out.

    Raises:
        DataError: a gloss has two ids, or a token is invalid.
    """

    tokens: tuple[str, ...]
    counts: tuple[int, ...]
    normaliser: str = "none@1"
    source: str = ""
    specials: tuple[str, ...] = ()
    min_count: int = 1
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_tokens(self.tokens, self.counts, self.source)
        ids = {token: number for number, token in enumerate(self.tokens) if number != BLANK}
        for special in self.specials:
            if special not in ids:
                raise DataError(f"The special token {special} has no id.", self.source, "Build the vocabulary again.")
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def build(
        cls,
        sentences: Iterable[Sequence[str]],
        min_count: int = 1,
        specials: Sequence[str] = (),
        normaliser: str = "none",
        source: str = "",
    ) -> "Vocabulary":
        """The vocabulary of a train split: blank, specials as given, then glosses in the order of code points.

        Args:
            sentences: glosses of every utterance, before `normaliser` is applied.
            min_count: glosses that occur less often are left out.
            specials: additional tokens.
            normaliser: name of a gloss normaliser.
            source: the source of the sentences.

        Raises:
            DataError: no gloss remains, or a gloss is not a valid token.
            UsageError: the normaliser is unknown, or `min_count` is below 1.
        """
        if min_count < 1:
            raise UsageError(f"The minimum count must be 1 or more, not {min_count}.", "--min-count")
        rules = get_normaliser(normaliser)
        counts = Counter(gloss for sentence in sentences for gloss in rules.normalise(sentence))
        specials = tuple(dict.fromkeys(specials))
        kept = sorted(gloss for gloss, count in counts.items() if count >= min_count and gloss not in specials)
        if not kept:
            raise DataError(
                "No gloss is left to build a vocabulary from.", source, "Check the table and the minimum count."
            )
        tokens = (BLANK_TOKEN, *specials, *kept)
        # A gloss called like the blank is left for the check of tokens to name, with its count.
        numbers = tuple(0 if number == BLANK else counts[token] for number, token in enumerate(tokens))
        return cls(tokens, numbers, rules.signature, source, specials, min_count)

    @classmethod
    def from_gloss_dict(cls, path: str | Path, normaliser: str = "none") -> "Vocabulary":
        """Import the ids and counts of a `gloss_dict.npy`; nothing in it is executed.

        Raises:
            DataError: the file is of another kind, or its ids are not a bijection with 1 .. V-1; names glosses that
                share an id.
        """
        return cls._from_numbered(read_gloss_dict(path), get_normaliser(normaliser).signature, file_source(path))

    @classmethod
    def _from_numbered(cls, numbered: Mapping[str, tuple[int, int]], normaliser: str, source: str) -> "Vocabulary":
        """From gloss -> (id, count), ids in any order."""
        holders: dict[int, str] = {BLANK: BLANK_TOKEN}
        for gloss, (number, _) in numbered.items():
            if number in holders:
                raise DataError(
                    f"The glosses {holders[number]} and {gloss} share the id {number}.",
                    source,
                    "Give each gloss its own id; a model trained with this table cannot distinguish the two.",
                )
            holders[number] = gloss
        missing = next((number for number in range(len(holders)) if number not in holders), None)
        if missing is not None:
            raise DataError(f"No gloss has the id {missing}.", source, "Number the glosses from 1 without gaps.")
        tokens = tuple(holders[number] for number in range(len(holders)))
        return cls(tokens, (0, *(numbered[token][1] for token in tokens[1:])), normaliser, source)

    def joined(self, other: "Vocabulary") -> "Vocabulary":
        """This vocabulary, every gloss with its id, followed by what only the other one has.

        Raises:
            DataError: the two belong to different normalisers.
        """
        if self.normaliser != other.normaliser:
            what = f"The glosses of the two vocabularies are normalised by {self.normaliser} and {other.normaliser}."
            fix = f"Use --normaliser {self.normaliser.partition('@')[0]}."
            raise DataError(what, other.source, fix)
        more = Counter(dict(zip(other.tokens[1:], other.counts[1:], strict=True)))
        new = [token for token in other.tokens[1:] if token not in self]
        counts = [count + more[token] for token, count in zip(self.tokens, self.counts, strict=True)]
        return Vocabulary(
            (*self.tokens, *new),
            (*counts, *(more[token] for token in new)),
            self.normaliser,
            other.source,
            tuple(dict.fromkeys((*self.specials, *other.specials))),
            min(self.min_count, other.min_count),
        )

    def __len__(self) -> int:
        """V, including the blank: the width of a model's last layer."""
        return len(self.tokens)

    @property
    def size(self) -> int:
        """V, including the blank."""
        return len(self.tokens)

    @property
    def glosses(self) -> tuple[str, ...]:
        """All tokens but the blank, in the order of their ids."""
        return self.tokens[1:]

    def __contains__(self, gloss: object) -> bool:
        """Whether a gloss has an id. The blank is not a gloss."""
        return gloss in self._ids

    @property
    def hash(self) -> str:
        """SHA-256 of the tokens in the order of their ids: equal exactly if all ids mean the same."""
        return hashlib.sha256("\n".join(self.tokens).encode()).hexdigest()

    def id_of(self, gloss: str) -> int:
        """The id of a gloss, 1 .. V-1.

        Raises:
            DataError: the gloss is not in the vocabulary.
        """
        try:
            return self._ids[gloss]
        except KeyError:
            close = ", ".join(self.nearest(gloss))
            raise DataError(
                f"The gloss {gloss} is not in the vocabulary.",
                self.source,
                f"The nearest glosses are: {close}." if close else "Build the vocabulary from the table that holds it.",
            ) from None

    def gloss_of(self, number: int) -> str:
        """The token of an id, 0 .. V-1.

        Raises:
            ValueError: there is no such id.
        """
        if not 0 <= number < len(self.tokens):
            raise ValueError(f"id {number} outside a vocabulary of {len(self.tokens)}")
        return self.tokens[number]

    def nearest(self, gloss: str, n: int = 3) -> list[str]:
        """The glosses with the most similar spelling."""
        return difflib.get_close_matches(gloss, self.glosses, n=n)

    def normalise(self, glosses: Sequence[str]) -> list[str]:
        """Glosses after the normaliser that the vocabulary was built with."""
        return get_normaliser(self.normaliser).normalise(glosses)

    def encode(self, glosses: Iterable[str]) -> list[int]:
        """Ids of normalised glosses.

        Raises:
            DataError: a gloss is out-of-vocabulary (names it); it never becomes blank.
        """
        return [self.id_of(gloss) for gloss in glosses]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Glosses of ids; blanks are left out.

        Raises:
            ValueError: there is no such id.
        """
        return [self.gloss_of(int(number)) for number in ids if number != BLANK]

    def unknown(self, sentences: Iterable[Sequence[str]]) -> Counter[str]:
        """Out-of-vocabulary glosses among normalised ones, and how often each occurs."""
        return Counter(gloss for sentence in sentences for gloss in sentence if gloss not in self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in vocabulary files and checkpoints."""
        return {
            "kind": FILE_KIND,
            "version": FILE_VERSION,
            "normaliser": self.normaliser,
            "min_count": self.min_count,
            "specials": list(self.specials),
            "source": self.source,
            "hash": self.hash,
            "tokens": list(self.tokens),
            "counts": list(self.counts),
        }

    @classmethod
    def from_dict(cls, values: Any, where: str | Path = "") -> "Vocabulary":
        """The inverse of `to_dict`.

        Raises:
            DataError: the values are not a vocabulary, of a newer version or a wrong type, or do not match the hash.
        """
        where = str(where)
        if not isinstance(values, dict) or values.get("kind") != FILE_KIND:
            raise DataError("This is not a vocabulary.", where, "Build one: slr vocab --data-dir DIR --out FILE")
        if values.get("version") != FILE_VERSION:
            raise DataError(
                f"The vocabulary has version {values.get('version')}, but slr reads version {FILE_VERSION}.",
                where,
                "Update slr.",
            )
        try:
            found = cls(
                tokens=_tuple_of(str, values["tokens"]),
                counts=_tuple_of(int, values["counts"]),
                normaliser=_only(str, values["normaliser"]),
                source=_only(str, values["source"]),
                specials=_tuple_of(str, values["specials"]),
                min_count=_only(int, values["min_count"]),
            )
        except (KeyError, TypeError) as error:
            raise DataError(f"The vocabulary is damaged: {error}.", where, "Build it again.") from error
        if values.get("hash") != found.hash:
            raise DataError(
                "The tokens of the vocabulary do not match its hash.",
                where,
                "Build it again: a changed order changes the meaning of every id.",
            )
        return found

    def save(self, path: str | Path) -> None:
        """Write the vocabulary as one JSON file, atomically."""
        atomic_write_text(path, json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Read a file written by `save`.

        Raises:
            DataError: the file is missing, is not JSON, or is not a valid vocabulary.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise DataError(
                f"The vocabulary cannot be read: {error.strerror}.", str(path), "Check the name."
            ) from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"The vocabulary is not JSON: {error}.", str(path), "Build it again.") from error
        return cls.from_dict(values, path)


def file_source(path: str | Path) -> str:
    """Name of a file and SHA-256 of its content, as in `Vocabulary.source`."""
    path = Path(path)
    return f"{path.name} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def _check_tokens(tokens: Sequence[str], counts: Sequence[int], where: str) -> None:
    if not tokens or tokens[BLANK] != BLANK_TOKEN:
        raise DataError(f"The token with id {BLANK} is not {BLANK_TOKEN}.", where, "Build the vocabulary again.")
    if len(tokens) != len(counts) or any(count < 0 for count in counts):
        raise DataError(f"The counts do not match the {len(tokens)} tokens.", where, "Build the vocabulary again.")
    if len(tokens) == 1:
        raise DataError("The vocabulary has no gloss.", where, "Build it from a table with glosses.")
    for token in tokens:
        if token.split() != [token] or not _is_text(token):
            raise DataError(
                f"The token {token!r} is empty, or holds white space or invalid characters.", where, "Rename it."
            )
    repeated = [token for token, count in Counter(tokens).items() if count > 1]
    if repeated:
        ids = [number for number, token in enumerate(tokens) if token == repeated[0]]
        raise DataError(f"The token {repeated[0]} has the ids {ids[0]} and {ids[1]}.", where, "Leave one of them out.")


def _is_text(token: str) -> bool:
    """Whether UTF-8 can hold it: a lone half of a surrogate pair is no character."""
    return not any("\ud800" <= character <= "\udfff" for character in token)


def _only(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {value!r}")
    return value


def _tuple_of(kind: type, values: Any) -> tuple[Any, ...]:
    return tuple(_only(kind, value) for value in _only(list, values))
