"""The corpus that the options name, and the layout of its files; torch is not needed for it."""

from collections import Counter
from contextlib import suppress
from pathlib import Path

from slrcli.config import DataConfig
from slrcli.console import Console
from slrcli.corpus import Corpus, Utterance, open_corpus
from slrcli.errors import SHOWN_IDS, DataError
from slrcli.features.layout import Layout, guess_layout, load_layout
from slrcli.features.readers import feature_shape, own_layout


def open_data(data: DataConfig) -> Corpus:
    """The corpus that the options name."""
    annotations = Path(data.annotations) if data.annotations else None
    features = Path(data.features) if data.features else None
    return open_corpus(Path(data.data_dir), data.format, annotations, features, data.columns)


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
