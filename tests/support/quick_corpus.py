"""A corpus on which the command line learns something in seconds."""

from pathlib import Path

import numpy as np

GLOSSES = ("LEFT", "RIGHT", "STOP")
QUICK = ["--epochs", "12", "--batch-size", "4", "--lr", "5e-3", "--warmup-epochs", "1"]


def write_corpus(root: Path) -> Path:
    """A corpus in the Phoenix-2014 layout, four numbers a frame: every gloss is a bump in a column of its own."""
    rng = np.random.default_rng(0)
    (root / "annotations").mkdir(parents=True)
    for split, count in (("train", 24), ("dev", 6), ("test", 6)):
        (root / "features" / split).mkdir(parents=True)
        rows = ["id|folder|signer|annotation"]
        for number in range(count):
            glosses = [GLOSSES[i] for i in rng.integers(0, 3, 1 + number % 3)]
            x = 0.1 * rng.normal(size=(4 + 16 * len(glosses), 4))
            for place, gloss in enumerate(glosses):
                x[4 + 16 * place : 16 + 16 * place, GLOSSES.index(gloss)] += 2
            id = f"{split}{number}"
            np.save(root / "features" / split / f"{id}.npy", x.astype(np.float32))
            rows.append(f"{id}|{id}|{'ann' if number % 2 else 'bob'}|{' '.join(glosses)}")
        (root / "annotations" / f"{split}.corpus.csv").write_text("\n".join(rows) + "\n")
    return root
