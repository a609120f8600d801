"""The corpus that the options name, and the layout of its files; torch is not needed for it."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from slrcli.config import DataConfig
from slrcli.console import Console
from slrcli.corpus import Corpus, Utterance, open_corpus
from slrcli.errors import SHOWN_IDS, DataError, first_five
from slrcli.features.layout import Layout, guess_layout, load_layout
from slrcli.features.readers import feature_shape, own_layout
from slrcli.files import atomic_write_text
from slrcli.glosses.variants import composed
from slrcli.transcripts.delimited import read_text


def open_data(data: DataConfig) -> Corpus:
    """The corpus that the options name."""
    annotations = Path(data.annotations) if data.annotations else None
    features = Path(data.features) if data.features else None
    return without_excluded(open_corpus(Path(data.data_dir), data.format, annotations, features, data.columns), data)


def without_excluded(corpus: Corpus, data: DataConfig) -> Corpus:
    """The corpus without the utterances whose ids `data.exclude` lists; a note says how many they are.

    Raises:
        DataError: the list cannot be read, names an id that the corpus lacks, or leaves nothing.
    """
    if not data.exclude:
        return corpus
    listed = read_exclusion(Path(data.exclude))
    known = {composed(item.id) for utterances in corpus.splits.values() for item in utterances}
    if unknown := [id for id in listed if id not in known]:
        what = f"{len(unknown)} of the {len(listed)} excluded ids are not in the corpus: {first_five(unknown, end='.')}"
        raise DataError(what, data.exclude, "Remove them from the list, or name the corpus that it was made for.")
    splits = {
        name: [item for item in utterances if composed(item.id) not in listed]
        for name, utterances in corpus.splits.items()
    }
    if not any(splits.values()):
        raise DataError("All utterances of the corpus are excluded.", data.exclude, "Shorten the list.")
    left_out = tuple(
        item for utterances in corpus.splits.values() for item in utterances if composed(item.id) in listed
    )
    counts = ", ".join(f"{name} {count}" for name, count in Counter(item.split for item in left_out).items())
    told = f"{len(left_out)} utterances are left out, as {data.exclude} says ({counts or 'none'})."
    return replace(corpus, splits=splits, notes=(*corpus.notes, told), excluded=left_out)


def read_exclusion(path: Path) -> dict[str, str]:
    """The ids that a list names, composed (Unicode NFC), each with the remark after its tab; empty lines count for
    nothing.

    Raises:
        DataError: the file cannot be read.
    """
    lines = (line.partition("\t") for line in read_text(path).splitlines())
    return {composed(id.strip()): remark.strip() for id, _, remark in lines if id.strip()}


def write_exclusion(path: Path, remarks: Mapping[str, str]) -> None:
    """Write a list that `read_exclusion` reads, a line per id with its remark."""
    lines = (f"{id}\t{' '.join(remark.split())}".rstrip() for id, remark in remarks.items())
    atomic_write_text(path, "".join(f"{line}\n" for line in lines))


def choose_layout(name: str, utterances: list[Utterance]) -> Layout:
    """The named layout, else that of the first feature file: the one in the file, or the one that matches its width."""
    file = next((item.features for item in utterances if item.features), None)
    if name not in ("auto", "generic"):
        return load_layout(name)
    if file is None:
        what = "There is no feature file to recognise the layout by."
        raise DataError(what, f"--layout {name}", "Name the layout with --layout.")
    if name == "auto" and (own := own_layout(file)):
        return own
    width = feature_shape(file)[1]
    return guess_layout(width) if name == "auto" else load_layout(name, width)


def named_layout(name: str, paths: list[Path]) -> Layout | None:
    """The named layout, else the one in the first feature file; None if the width must decide.

    `generic` takes the width of the first readable file.
    """
    if name == "auto":
        with suppress(DataError):
            return own_layout(paths[0]) if paths else None
        return None
    width = None
    for path in paths if name == "generic" else ():
        with suppress(DataError):
            width = feature_shape(path)[1]
            break
    return load_layout(name, width)


def with_dev(corpus: Corpus, share: float, seed: int, console: Console) -> Corpus:
    """The corpus with a dev split; if a share of train has to replace it, the user is informed."""
    corpus, taken = corpus.with_dev(seed, share)
    if taken and share:
        console.note(f"The corpus has no dev split: {share:.0%} of train is used instead (seed {seed}).")
    elif taken:
        console.warn("There is no dev split: training uses all of train, and a tenth of it also serves as dev.")
    return corpus


def require_distinct(utterances: list[Utterance], split: str) -> None:
    """Raise a DataError if an id occurs twice: hypotheses could not be assigned to utterances."""
    twice = [id for id, count in Counter(item.id for item in utterances).items() if count > 1]
    if twice:
        raise DataError(
            f"{len(twice)} ids occur more than once in {split}.", ", ".join(twice[:SHOWN_IDS]), "Rename them."
        )
