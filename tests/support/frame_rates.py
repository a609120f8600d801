"""A corpus whose clips can be recorded at any frame rate: every gloss is a smooth bump in a column of its own."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

GLOSSES = ("LEFT", "RIGHT", "STOP")
SIGN, REST = 0.4, 0.15  # seconds
USUAL = 30.0


def duration(glosses: Sequence[str]) -> float:
    """Seconds that a sentence lasts."""
    return REST + (SIGN + REST) * len(glosses)


def recorded(glosses: Sequence[str], fps: float = USUAL) -> np.ndarray:
    """A sentence at `fps` frames per second, float32 `[T, 4]`."""
    at = np.arange(round(duration(glosses) * fps)) / fps
    x = 0.1 * np.sin(np.outer(at, (2.0, 3.0, 4.0, 5.0)))
    for place, gloss in enumerate(glosses):
        since = (at - REST - place * (SIGN + REST)) / SIGN
        x[:, GLOSSES.index(gloss)] += np.where((since > 0) & (since < 1), 2 * np.sin(np.pi * since) ** 2, 0)
    return x.astype(np.float32)


def write_clip(path: Path, glosses: Sequence[str], fps: float = USUAL, told: bool = True) -> Path:
    """A sentence as a feature file: an `.npz` that says its rate, or an `.npy`, which cannot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if told:
        np.savez(path.with_suffix(".npz"), features=recorded(glosses, fps), fps=fps)
        return path.with_suffix(".npz")
    np.save(path.with_suffix(".npy"), recorded(glosses, fps))
    return path.with_suffix(".npy")


def write_corpus(root: Path, rates: Sequence[float] = (USUAL,), told: bool = True) -> Path:
    """A corpus of 36 clips in turn at these rates; with `told` the files say theirs."""
    rng = np.random.default_rng(0)
    rows = ["id,glosses,split"]
    for split, count in (("train", 24), ("dev", 6), ("test", 6)):
        for number in range(count):
            glosses = [GLOSSES[i] for i in rng.integers(0, 3, 1 + number % 3)]
            write_clip(root / f"{split}{number}", glosses, rates[number % len(rates)], told)
            rows.append(f"{split}{number},{' '.join(glosses)},{split}")
    (root / "table.csv").write_text("\n".join(rows) + "\n")
    return root
