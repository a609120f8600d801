"""Folds for cross-validation: every utterance is held out in one fold and is training data in the others.

A fold holds out all utterances of a signer (a test on unseen people), sentences (a test on unseen sentences), or
utterances, whose sentences may occur in training as well. `write_folds` writes annotation tables that any command
reads.
"""

import csv
import hashlib
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slrcli.corpus.formats import open_corpus
from slrcli.corpus.settings import settings_for
from slrcli.corpus.utterances import Corpus, Utterance
from slrcli.errors import DataError, UsageError, first_five
from slrcli.files import atomic_write_text, folder_names
from slrcli.transcripts.cells import gloss_cells

SIGNER = "signer"
SENTENCE = "sentence"
UTTERANCE = "utterance"
TABLE = "table"  # format of the tables that are written


@dataclass(frozen=True)
class Fold:
    """One division of the utterances.

    Attributes:
        name: the held-out signer, or the number of the fold.
        train: the utterances for training.
        held_out: the utterances for scoring; together with `train` they are all utterances.
    """

    name: str
    train: tuple[Utterance, ...]
    held_out: tuple[Utterance, ...]


def read_kind(text: str) -> tuple[str, int]:
    """What `--folds` asks for: `signer` is `("signer", 0)`, `sentence:5` or `5` is `("sentence", 5)`.

    `utterance:5` is read in the same way.

    Raises:
        UsageError: neither, or fewer than two folds.
    """
    plain = text.strip().lower()
    if plain == SIGNER:
        return SIGNER, 0
    kind = UTTERANCE if plain.startswith(f"{UTTERANCE}:") else SENTENCE
    number = plain.removeprefix(f"{kind}:")
    if not (number.isascii() and number.isdigit()):
        raise UsageError(f"There are no folds '{text}'.", "--folds", "Use signer, or a number of folds such as 5.")
    if int(number) < 2:
        raise UsageError(f"There must be at least two folds, not {int(number)}.", "--folds")
    return kind, int(number)


def leave_one_signer_out(utterances: Sequence[Utterance]) -> list[Fold]:
    """One fold per signer, sorted by name, in which all utterances of this signer are held out.

    Raises:
        DataError: the signer of an utterance is not known, or there are fewer than two signers.
    """
    unknown = [item.id for item in utterances if not item.signer_known]
    fix = f"Name the signers in the table, or hold out sentences: --folds {SENTENCE}:5."
    if unknown:
        what = f"{len(unknown)} of {len(utterances)} utterances have no known signer, so none can be held out."
        raise DataError(what, first_five(unknown), fix)
    signers = sorted({item.signer for item in utterances})
    if len(signers) < 2:
        raise DataError("There is only one signer, and no training data without this signer.", ", ".join(signers), fix)
    return [_fold(signer, utterances, [item.signer == signer for item in utterances]) for signer in signers]


def sentence_folds(
    utterances: Sequence[Utterance],
    k: int,
    seed: int,
    sentence: Callable[[Utterance], tuple[str, ...]] = lambda item: item.glosses,
) -> list[Fold]:
    """`k` folds of about equal size, named `1` to `k`; within a fold, no sentence is in both train and held out.

    Which sentences go together depends only on the seed and the utterances, not on their order, the machine or a
    version.

    Args:
        utterances: those to divide.
        k: number of folds.
        seed: of the draw.
        sentence: the glosses by which two utterances count as the same sentence, such as the normalised ones.

    Raises:
        DataError: fewer than `k` distinct sentences.
    """
    return _even_folds(utterances, k, seed, sentence, "distinct sentences")


def utterance_folds(utterances: Sequence[Utterance], k: int, seed: int) -> list[Fold]:
    """`k` folds like those of `sentence_folds`, but of single utterances: a sentence may be in train and held out.

    The official splits of some corpora are of this kind; a language model's weight for them is tuned on such folds.

    Raises:
        DataError: fewer than `k` utterances.
    """
    return _even_folds(utterances, k, seed, lambda item: (item.id,), "utterances")


def _even_folds(
    utterances: Sequence[Utterance], k: int, seed: int, key: Callable[[Utterance], tuple[str, ...]], units: str
) -> list[Fold]:
    """Folds of about as many utterances each; those with the same key stay together."""
    sizes: dict[tuple[str, ...], int] = {}
    for item in utterances:
        sizes[key(item)] = sizes.get(key(item), 0) + 1
    if len(sizes) < k:
        what = f"{k} folds need at least {k} {units}, and there are {len(sizes)}."
        raise DataError(what, "--folds", f"Ask for at most {len(sizes)} folds." if len(sizes) > 1 else "")
    drawn = sorted(sizes, key=lambda name: hashlib.sha256(f"{seed}:{' '.join(name)}".encode()).digest())
    filled = [0] * k
    place: dict[tuple[str, ...], int] = {}
    for name in sorted(drawn, key=lambda name: -sizes[name]):  # frequent ones first, to come out even
        place[name] = min(range(k), key=lambda index: filled[index])
        filled[place[name]] += sizes[name]
    return [_fold(str(index + 1), utterances, [place[key(item)] == index for item in utterances]) for index in range(k)]


def _fold(name: str, utterances: Sequence[Utterance], out: Sequence[bool]) -> Fold:
    return Fold(
        name,
        tuple(item for item, held in zip(utterances, out, strict=True) if not held),
        tuple(item for item, held in zip(utterances, out, strict=True) if held),
    )


def write_folds(
    folds: Sequence[Fold],
    folder: Path,
    corpus: Corpus,
    features: Path | None,
    columns: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write `folder/NAME/train.csv` and `dev.csv` (the held-out utterances) of every fold, and read them back.

    Args:
        folds: their utterances must all have features.
        folder: where to write.
        corpus: the one they come from.
        features: the folder of the features, if neither the corpus nor its `corpus.toml` says so.
        columns: names of columns, as `open_corpus` has them; the tables have these, and those that `corpus.toml` names,
            since they are read in the same way.

    Returns:
        The folder of each fold; `--annotations` takes it, with the format `table`.

    Raises:
        DataError: a table read back gives other glosses, signers or features.
    """
    own = settings_for(corpus.root, TABLE, None, features, columns)
    base = own.features or corpus.root
    written = []
    for fold, name in zip(folds, folder_names([fold.name for fold in folds]), strict=True):
        place = folder / name
        for split, utterances in (("train", fold.train), ("dev", fold.held_out)):
            atomic_write_text(place / f"{split}.csv", table_text(utterances, base, own.columns, split))
        again = open_corpus(corpus.root, TABLE, place, features, columns)
        for split, utterances in (("train", fold.train), ("dev", fold.held_out)):
            _require_same(utterances, again.split(split), place / f"{split}.csv")
        written.append(place)
    return written


def table_text(
    utterances: Sequence[Utterance], base: Path, columns: Mapping[str, str] | None = None, split: str = ""
) -> str:
    """An annotation table of utterances, with feature paths relative to the folder `base`.

    Args:
        utterances: one per row.
        base: their features lie below it, or have absolute paths.
        columns: id, glosses, signer, path or split -> the name of that column; a column of splits is written only where
            it has a name here. Where two have one name there is one column, the first of them.
        split: what a column of splits holds.
    """
    columns = columns or {}
    keys = ("id", "path", "signer", "glosses", *(("split",) if "split" in columns else ()))
    names = {key: columns.get(key, key) for key in keys}
    places = [key for number, key in enumerate(keys) if names[key] not in [names[other] for other in keys[:number]]]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([names[key] for key in places])
    for item, cell in zip(utterances, gloss_cells([item.glosses for item in utterances]), strict=True):
        path = _below(item.features, base) if item.features else ""
        cells = {"id": item.id, "path": path, "signer": item.signer, "glosses": cell, "split": split}
        writer.writerow([cells[key] for key in places])
    return text.getvalue()


def _below(features: Path, base: Path) -> str:
    """A feature file as seen from a folder, whichever of the two is relative or has `..` in it."""
    place, start = Path(os.path.abspath(features)), Path(os.path.abspath(base))
    return (place.relative_to(start) if place.is_relative_to(start) else place).as_posix()


def _require_same(wanted: Sequence[Utterance], read: Sequence[Utterance], table: Path) -> None:
    for first, second in zip(wanted, read, strict=True):
        alike = (first.id, first.glosses, first.signer) == (second.id, second.glosses, second.signer)
        if not alike or first.features != second.features:
            what = f"The table of a fold leads to other data than the corpus for {first.id}."
            fix = "Name the folder of the features with --features, and give every clip a unique name."
            raise DataError(what, f"{table}: {second.features} for {first.features}", fix)
