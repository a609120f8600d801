"""Corpora of the field's shape made on the spot: clips that move smoothly, sentences of random glosses."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slrcli.corpus import Utterance
from slrcli.features.augment import derivatives
from slrcli.glosses.vocabulary import Vocabulary

MEAN_FRAMES, SPREAD, SHORTEST, LONGEST = 140, 50, 16, 299  # of Phoenix-2014's clips
FRAMES_A_GLOSS = 12.3


@dataclass(frozen=True)
class GeneratedCorpus:
    """Utterances whose files hold positions, the same with derivatives beside them, and their gloss ids."""

    positions: list[Utterance]
    stored: list[Path]
    targets: list[list[int]]
    vocabulary: Vocabulary

    @property
    def frames(self) -> int:
        """Of all clips together."""
        return sum(len(np.load(item.features, mmap_mode="r")) for item in self.positions)


def generate(
    folder: Path, clips: int, positions: int, classes: int, stored: int = 0, frames: int = 0, seed: int = 1
) -> GeneratedCorpus:
    """Write a corpus.

    Args:
        folder: where the files go.
        clips: how many.
        positions: columns of each.
        classes: of the vocabulary, the blank included.
        stored: how many derivatives the second set of files has; 0 writes no second set.
        frames: of every clip; 0: as Phoenix-2014 has them.
        seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    vocabulary = Vocabulary(("<blank>", *(f"G{number}" for number in range(1, classes))), (0,) + (1,) * (classes - 1))
    utterances, files, targets = [], [], []
    for number in range(clips):
        length = frames or int(np.clip(rng.normal(MEAN_FRAMES, SPREAD), SHORTEST, LONGEST))
        x = _moving(length, positions, rng)
        path = folder / f"clip{number:04}.npy"
        np.save(path, x)
        if stored:
            files.append(folder / f"stored{number:04}.npy")
            np.save(files[-1], np.hstack([x, derivatives(x, stored)]))
        ids = rng.integers(1, classes, max(1, round(length / FRAMES_A_GLOSS))).tolist()
        targets.append(ids)
        utterances.append(Utterance(f"clip{number:04}", tuple(vocabulary.decode(ids)), path))
    return GeneratedCorpus(utterances, files, targets, vocabulary)


def _moving(frames: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Each column goes its own way about the middle of the picture, slowly, and trembles a little."""
    at = np.arange(frames, dtype=np.float32)[:, None] / 25
    pace, phase = rng.uniform(0.5, 3, columns), rng.uniform(0, 2 * np.pi, columns)
    x = 0.5 + 0.2 * np.sin(at * pace.astype(np.float32) + phase.astype(np.float32))
    return (x + 0.002 * rng.standard_normal((frames, columns), np.float32)).astype(np.float32)
