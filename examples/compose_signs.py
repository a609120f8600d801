"""Sentences out of recordings of single signs, written as a corpus in the Phoenix-2014 layout.

A sentence is three to six signs of one person (or session) in a row; three to eight frames between them lead in a
straight line from the last pose of one to the first of the next. The same clips in the same order and the same seed
always give the same bytes. Such a corpus is easier than real signing: nobody signs like this.
"""

import argparse
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

FEWEST_SIGNS, MOST_SIGNS = 3, 6
SHORTEST_BRIDGE, LONGEST_BRIDGE = 3, 8  # frames


class Clip(NamedTuple):
    """A recorded sign: frames `[T, D]`, its gloss, who (or which session) it is from, and the split it belongs to."""

    frames: np.ndarray
    gloss: str
    signer: str
    split: str = ""


class Sentence(NamedTuple):
    """A composed sentence: frames `[T, D]`, its glosses, its signer."""

    frames: np.ndarray
    glosses: list[str]
    signer: str


def arguments(about: str, raw: str, clips: str) -> argparse.Namespace:
    """What a script for composed sentences is asked: `out`, and one of `raw` and `clips`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write the corpus to")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--raw", type=Path, metavar="FOLDER", help=raw)
    source.add_argument("--clips", type=Path, metavar="NPZ", help=clips)
    return parser.parse_args()


def bridge(before: np.ndarray, after: np.ndarray, frames: int) -> np.ndarray:
    """`frames` frames on the straight line from pose `before` to pose `after`, both left out."""
    share = np.linspace(0, 1, frames + 2, dtype=np.float32)[1:-1, np.newaxis]
    return (1 - share) * before + share * after


def compose(clips: Sequence[Clip], sentences: int, seed: int) -> Iterator[Sentence]:
    """Draw sentences, signer by signer in turn; no clip stands twice in one sentence."""
    rng = np.random.default_rng(seed)
    signers = sorted({clip.signer for clip in clips})
    own = [np.array([i for i, clip in enumerate(clips) if clip.signer == signer]) for signer in signers]
    for number in range(sentences):
        turn = number % len(signers)
        signs = rng.integers(FEWEST_SIGNS, MOST_SIGNS + 1)
        chosen = [clips[i] for i in rng.choice(own[turn], signs, replace=False)]
        frames = [chosen[0].frames]
        for clip in chosen[1:]:
            length = rng.integers(SHORTEST_BRIDGE, LONGEST_BRIDGE + 1)
            frames += [bridge(frames[-1][-1], clip.frames[0], length), clip.frames]
        yield Sentence(np.concatenate(frames), [clip.gloss for clip in chosen], signers[turn])


def write_composed(out: Path, name: str, clips: Sequence[Clip], plan: dict[str, tuple[int, int]]) -> None:
    """Compose and write every split of `plan`, which holds the number of sentences and the seed of each."""
    for split in plan:
        counts: dict[str, int] = {}
        for clip in clips:
            if clip.split == split:
                counts[clip.signer] = counts.get(clip.signer, 0) + 1
        if not counts:
            raise SystemExit(f"{name}: no recordings for the split {split}; is the download complete?")
        scarce = [signer for signer, count in counts.items() if count < MOST_SIGNS]
        if scarce:
            raise SystemExit(f"{name}: fewer than {MOST_SIGNS} recordings of {', '.join(scarce)} in the split {split}")
    for split, (sentences, seed) in plan.items():
        own = [clip for clip in clips if clip.split == split]
        write_split(out, split, name, compose(own, sentences, seed))


def write_split(out: Path, split: str, name: str, sentences: Iterable[Sentence]) -> None:
    """Write `annotations/{split}.corpus.csv` and `features/{split}/{id}.npy` below `out`."""
    features = out / "features" / split
    features.mkdir(parents=True, exist_ok=True)
    (out / "annotations").mkdir(exist_ok=True)
    rows = ["id|folder|signer|annotation"]
    for number, sentence in enumerate(sentences, 1):
        id = f"{name}-{split}-{number:05d}"
        np.save(features / f"{id}.npy", np.ascontiguousarray(sentence.frames, dtype=np.float32))
        rows.append(f"{id}|{id}.npy|{sentence.signer}|{' '.join(sentence.glosses)}")
    table = out / "annotations" / f"{split}.corpus.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8", newline="\n")
    print(f"{name} {split}: {len(rows) - 1} sentences")


def read_pack(path: Path, signer_field: str, columns: int) -> Iterator[tuple[np.ndarray, str, int | str]]:
    """Frames, sign and signer (or session, or part) of clips that lie end to end in one npz, one entry a clip."""
    try:
        with np.load(path, allow_pickle=False) as pack:
            frames, length, sign, signer = (pack[key] for key in ("x", "length", "sign", signer_field))
    except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise SystemExit(f"{path} is no pack of clips with x, length, sign and {signer_field}: {error}") from error
    if frames.shape != (length.sum(), columns) or not len(length) == len(sign) == len(signer):
        raise SystemExit(
            f"{path}: x is {list(frames.shape)}, expected [{length.sum()}, {columns}] with one sign and one "
            f"{signer_field} for each of the {len(length)} clips"
        )
    clips = np.split(frames.astype(np.float32), np.cumsum(length)[:-1])
    yield from zip(clips, sign.tolist(), signer.tolist(), strict=True)


def read_text(file: Path, columns: int) -> np.ndarray:
    """A recording kept as text, one frame a line: float32 `[T, columns]`."""
    try:
        frames = np.loadtxt(file, dtype=np.float32, ndmin=2)
    except (OSError, ValueError) as error:
        raise SystemExit(f"{file} cannot be read as lines of {columns} numbers: {error}") from error
    if not len(frames) or frames.shape[1] != columns:
        raise SystemExit(f"{file} is {list(frames.shape)}, expected {columns} numbers in each line")
    return frames
