"""The facts of every feature file of a corpus, gathered in one pass."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat, zip_longest
from pathlib import Path

from slrcli.corpus import Corpus, Utterance
from slrcli.features.layout import Layout, guess_layout
from slrcli.features.measure import Facts, read_all_stats, read_stats
from slrcli.features.readers import frame_rate
from slrcli.parallel.workers import Workers, usable_cores

READ_CLIPS = 5000  # feature files of a corpus that is read whole, however long they are
READ_BYTES = 256 * 2**20  # of numbers that are read of a larger one; where there are more, a sample is
AT_LEAST = 100  # feature files of a sample, however large
WORTH_A_PROCESS = 32 * 2**20  # bytes of numbers; less is read before a second process has started
CHUNK = 16  # files that a process takes at a time
ASKED = 8  # files, spread over the corpus, that are asked for their frame rate


def feature_files(corpus: Corpus) -> list[Path]:
    """All feature files that utterances of the corpus name, each once."""
    found = (item.features for utterances in corpus.splits.values() for item in utterances)
    return list(dict.fromkeys(path for path in found if path is not None))


def read_facts(
    corpus: Corpus,
    layout: Layout | None = None,
    seed: int = 1,
    full: bool = False,
    jobs: int = 1,
    step: Callable[[int], None] = lambda count: None,
) -> dict[Path, Facts]:
    """The facts of the feature files: the headers of all, and the numbers of all, or of a sample if there are many.

    Args:
        corpus: whose files.
        layout: the meaning of their columns; None: the layout that matches the width of each file.
        seed: of the sample.
        full: read the numbers of all files, however many.
        jobs: processes; 0: one per core. The result does not depend on it.
        step: called with the number of files just read, for a progress bar.
    """
    paths = feature_files(corpus)
    facts = {}
    for path in paths:
        facts[path] = read_stats(path, layout, fully=False)
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
    """Some files at a time with their facts, in the order of `paths` whatever the number of processes.

    Raises:
        WorkerDied: a process was ended from outside, for example because memory ran out.
    """
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    if jobs <= 1 or len(chunks) <= 1:
        yield from ((chunk, read_all_stats(chunk, layout, True)) for chunk in chunks)
        return
    with Workers(min(jobs, len(chunks))) as pool:
        yield from zip(chunks, pool.map(read_all_stats, chunks, repeat(layout), repeat(True)), strict=True)


def sample(corpus: Corpus, facts: dict[Path, Facts], seed: int) -> list[Path]:
    """The files whose numbers are read: all up to `READ_CLIPS` or `READ_BYTES`, else a seeded choice.

    The signers of every split take turns, so that a rare one is looked at as closely as a frequent one.
    """
    size = {path: 4 * known.frames * known.columns for path, known in facts.items()}
    if len(facts) <= READ_CLIPS or sum(size.values()) <= READ_BYTES:
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


def readable(utterances: Sequence[Utterance], files: Mapping[Path, Facts]) -> list[tuple[Utterance, Facts]]:
    """Utterances whose file could be read, and its facts."""
    known = ((item, files.get(item.features)) for item in utterances if item.features is not None)
    return [(item, facts) for item, facts in known if facts is not None and facts.problem is None]


def usual_layout(
    utterances: Sequence[Utterance], files: Mapping[Path, Facts], asked: Layout | None = None
) -> Layout | None:
    """The requested layout, else that of the most frequent width; None without a readable file."""
    if asked is not None:
        return asked
    widths = [facts.columns for _, facts in readable(utterances, files)]
    return guess_layout(max(set(widths), key=lambda width: (widths.count(width), width))) if widths else None


def mean_over_frames(shares: Sequence[tuple[float, int]]) -> float:
    """Mean of `(share, frames)`, each frame counting once."""
    return sum(share * frames for share, frames in shares) / max(1, sum(frames for _, frames in shares))


def told_rate(paths: Sequence[Path]) -> float:
    """Frames per second according to the files; 0 if they say nothing, or do not agree."""
    rates = {round(frame_rate(path), 3) for path in paths[:: max(1, len(paths) // ASKED)]}
    return rates.pop() if len(rates) == 1 else 0.0
