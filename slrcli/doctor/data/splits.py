"""Splits held against each other: what they share, and whether they are alike."""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from slrcli.corpus import Utterance
from slrcli.doctor.context import Checks, error, many, note, some, warning
from slrcli.doctor.data.context import DataContext
from slrcli.features.measure import Facts
from slrcli.findings import Finding

SPLIT_CHECKS = Checks()

SHIFTED = 3.0  # deviations, of the median column; unseen signers shift it by 1, another unit by hundreds
MOSTLY_NEW = 0.5  # of a split's signers unseen in train: the others look like an oversight
ENOUGH = 5  # clips on either side before their statistics are compared
# Names that promise unseen signers, such as the SI5 split of Phoenix-2014.
INDEPENDENT = re.compile(
    r"(?:^|[^a-z])(?:si\d*|signer[-_ ]?independent|unseen[-_ ]?signers?)(?:[^a-z]|$)", re.IGNORECASE
)


@SPLIT_CHECKS.add("SLR-D19", "no two clips are the same", needs=("SLR-D08", "SLR-D11"))
def distinct(context: DataContext) -> Iterator[Finding]:
    """Arrays that are equal, bit for bit, under different names: in two splits an error, in one a warning.

    Files are compared by a hash of their numbers, whatever their names and dates; several ids may have one file, too.
    """
    holders: dict[str, list[Utterance]] = {}
    for item in context.utterances:
        if item.features is not None:
            holders.setdefault(context.digests.get(item.features) or str(item.features.resolve()), []).append(item)
    same = [group for group in holders.values() if len({(item.id, item.features) for item in group}) > 1]
    across = [group for group in same if len({item.split for item in group}) > 1]
    within = [group for group in same if len({item.split for item in group}) == 1]
    order = list(context.corpus.splits)
    if across:
        yield error(
            f"{many(len(across), 'clip is', 'clips are')} in two splits under different names",
            some(
                [" = ".join(f"{item.id} ({item.split})" for item in group[:3]) for group in across],
                clips=spare(across, order),
            ),
            "leave each clip in one split: results on seen clips mean nothing",
        )
    if within:
        differing = sum(len({item.glosses for item in group}) > 1 for group in within)
        suffix = f"; {differing:,} of them with different glosses" if differing else ""
        yield warning(
            f"{many(len(within), 'clip is', 'clips are')} present more than once under different names{suffix}",
            some([" = ".join(item.id for item in group[:3]) for group in within], clips=spare(within, order)),
            "keep one of each",
        )


def spare(groups: Iterable[Sequence[Utterance]], splits: Sequence[str]) -> dict[str, str]:
    """The clips to leave out so that one of each group of equal ones remains: the first in the last of the splits."""
    found: dict[str, str] = {}
    for group in groups:
        kept = max(group, key=lambda item: splits.index(item.split))
        found |= {item.id: f"the same as {kept.id} of {kept.split}" for item in group if item.id != kept.id}
    return found


@SPLIT_CHECKS.add("SLR-D20", "sentences of other splits are new", needs=("SLR-D01",))
def new_sentences(context: DataContext) -> Iterator[Finding]:
    """How many sentences of dev and test stand in train word for word, and how well their glosses can be guessed.

    A recogniser may have memorised them: a warning where no other split has a sentence (longer than one gloss) that
    train lacks.
    """
    others = [item for item in context.sentences if item.split != "train" and item.utterances]
    for item in others:
        yield note(
            f"{item.known:,} of {item.utterances:,} sentences of {item.split} occur in train as well "
            f"({item.share:.0f} %), {item.long_known:,} of them longer than one gloss"
        )
    different = ", ".join(f"{item.split} {item.different:,}" for item in context.sentences)
    yield note(f"different sentences: {different}")
    foretold = [f"{item.split} {item.perplexity:.1f}" for item in others if item.perplexity is not None]
    if foretold:
        size = many(others[0].vocabulary, "gloss", "glosses")
        yield note(f"perplexity of the gloss order, estimated from train: {', '.join(foretold)}; train has {size}")
    if others and all(item.all_known for item in others):
        yield warning(
            f"train has every sentence of {' and '.join(item.split for item in others)}: error rates cover only "
            "known sentences, which the recogniser may have memorised",
            fix="score new ones as well: slr corpus --split-by sentence, or slr train --folds sentence:5",
        )


@SPLIT_CHECKS.add("SLR-D21", "signers of other splits are as new as is claimed", needs=("SLR-D01",))
def signers(context: DataContext) -> Iterator[Finding]:
    """Signers that train shares with other splits.

    An error where the corpus was said to be signer-independent; a warning where its name says so, or where most
    signers of a split are new and the others look forgotten; otherwise only counted.
    """
    splits = context.corpus.splits
    known = {item.signer for item in splits["train"]}
    unnamed = [item for item in context.utterances if not item.signer]
    if unnamed and len(unnamed) < len(context.utterances):
        yield warning(
            f"{many(len(unnamed), 'utterance names', 'utterances name')} no signer, the others do",
            some([item.id for item in unnamed]),
            "fill the column: results by signer leave them out",
        )
    named = promised(context)
    for name, utterances in splits.items():
        own = {item.signer for item in utterances} - {""}
        shared = sorted(own & known)
        if name == "train" or not own:
            continue
        clips = sum(item.signer in shared for item in utterances)
        share = f"{clips:,} of {len(utterances):,} clips"
        what = f"{len(shared)} of {many(len(own), 'signer')} of {name} in train as well ({share})"
        fix = "move these clips, or do not call the result signer-independent"
        if shared and context.independent:
            yield error(what, some(shared), fix)
        elif shared and named:
            yield warning(f"{what}, and {named} sounds signer-independent", some(shared), fix)
        elif shared and 1 - len(shared) / len(own) > MOSTLY_NEW:
            yield warning(f"{what}, all others are new", some(shared), "move these clips if the signers were to be new")
        else:
            yield note(what)


def promised(context: DataContext) -> str:
    """The name of the format, of a table or of the corpus's folder that promises new signers; empty if none does."""
    corpus = context.corpus
    names = [corpus.format, *(table.stem for table in corpus.tables), corpus.root.resolve().name]
    return next((name for name in names if INDEPENDENT.search(name)), "")


@SPLIT_CHECKS.add("SLR-D22", "other splits look like train", needs=("SLR-D01", "SLR-D04", "SLR-D30"))
def alike(context: DataContext) -> Iterator[Finding]:
    """Shift of the columns' means between train and the other splits, in deviations of train.

    Means and deviations are those of clips, and their medians are compared, so that a few odd clips count for nothing.
    """
    clips: dict[str, list[Facts]] = {name: [] for name in context.corpus.splits}
    for item, facts in context.comparable:
        clips[item.split].append(facts)
    train = clips.get("train", [])
    for name, members in clips.items():
        if name == "train" or min(len(train), len(members)) < ENOUGH:
            continue
        shift = shifts(train, members)
        if not np.isfinite(shift).any():
            continue
        median, worst = float(np.nanmedian(shift)), int(np.nanargmax(shift))
        what = (
            f"{name} against train: the median column is shifted by {median:.2f} deviations, "
            f"column {context.column_name(worst)} by {shift[worst]:.1f}"
        )
        if median > SHIFTED:
            yield warning(what, name, "check whether they were extracted or normalised differently")
        else:
            yield note(what)


def shifts(train: Sequence[Facts], other: Sequence[Facts]) -> np.ndarray:
    """Absolute shift of every column, `[positions]`, NaN where a column is nowhere seen or never changes."""
    with np.errstate(all="ignore"):
        centres = [facts.centre for facts in train if facts.centre is not None]
        centre, spread = median(centres), median([facts.spread for facts in train if facts.spread is not None])
        between = 1.4826 * median([np.abs(own - centre) for own in centres])
        deviation = np.sqrt(spread**2 + between**2)
        away = np.abs(median([facts.centre for facts in other if facts.centre is not None]) - centre)
        return away / np.where(deviation > 0, deviation, np.nan)


def median(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Median of each column, NaN left out; NaN where there is nothing else."""
    stacked = np.stack(rows).astype(np.float64)
    empty = np.isnan(stacked).all(axis=0)
    stacked[:, empty] = 0
    result = np.nanmedian(stacked, axis=0)
    result[empty] = np.nan
    return result
