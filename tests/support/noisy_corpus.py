"""A corpus that takes more than a few epochs to learn, with an order of glosses that a language model knows."""

from pathlib import Path

import numpy as np

GLOSSES = ("LEFT", "RIGHT", "STOP")


def write_corpus(root: Path) -> Path:
    """Noisy clips whose glosses are bumps in a column each; STOP always follows LEFT."""
    rng = np.random.default_rng(0)
    (root / "annotations").mkdir(parents=True)
    for split, count in (("train", 24), ("dev", 10)):
        (root / "features" / split).mkdir(parents=True)
        rows = ["id|folder|signer|annotation"]
        for number in range(count):
            glosses = [gloss for i in rng.integers(0, 2, 2) for gloss in (("LEFT", "STOP"), ("RIGHT",))[i]]
            x = 0.8 * rng.normal(size=(4 + 12 * len(glosses), 4))
            for place, gloss in enumerate(glosses):
                x[4 + 12 * place : 12 + 12 * place, GLOSSES.index(gloss)] += 1.5
            np.save(root / "features" / split / f"{split}{number}.npy", x.astype(np.float32))
            rows.append(f"{split}{number}|{split}{number}|ann|{' '.join(glosses)}")
        (root / "annotations" / f"{split}.corpus.csv").write_text("\n".join(rows) + "\n")
    return root
