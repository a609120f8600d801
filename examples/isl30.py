"""isl30: 30 signs of Indian Sign Language, Kinect skeletons, composed into sentences; signer 8 is never trained on.

python examples/isl30.py --raw FOLDER OUT       the text files, SIGN_SIGNER_TAKE.txt
python examples/isl30.py --clips clips.npz OUT  or the same recordings packed in one file
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from compose_signs import Clip, arguments, read_pack, read_text, write_composed

EVERY = 2  # frames kept: about 30 a second become 15
COLUMNS = 60
SIGNERS = 10  # in the collection, of whom the last two by name are left out
DEV_SIGNER = 8
PLAN = {"train": (2100, 1), "dev": (200, 2)}


def read_raw(folder: Path) -> Iterator[tuple[np.ndarray, str, int]]:
    """Frames `[T, 60]`, gloss and number of the signer, by file name; signers are numbered in the order of their names.

    The recordings keep the order of their files (capitals first), the signers do not mind capitals.
    """
    files = sorted(folder.glob("*.txt"), key=lambda file: file.name)
    named = [file for file in files if file.stem.count("_") == 2]
    if not named:
        raise SystemExit(f"{folder} holds no files named SIGN_SIGNER_TAKE.txt")
    of = {file: file.stem.split("_")[1].strip().lower() for file in named}
    counts = Counter(of.values())
    if len(counts) != SIGNERS:
        listed = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        raise SystemExit(f"{folder} names {len(counts)} signers, expected {SIGNERS}; names and their files: {listed}")
    number = {name: i for i, name in enumerate(sorted(counts), 1)}
    for file in named:
        if number[of[file]] <= DEV_SIGNER:
            yield read_text(file, COLUMNS), file.stem.split("_")[0].replace(" ", "").upper(), number[of[file]]


def main() -> None:
    """Write the corpus."""
    given = arguments(__doc__, "folder of SIGN_SIGNER_TAKE.txt", "npz with x [N, 60], length, sign, signer")
    found = read_raw(given.raw) if given.raw else read_pack(given.clips, "signer", COLUMNS)
    clips = [
        Clip(frames[::EVERY], gloss, f"s{signer:02d}", "dev" if signer == DEV_SIGNER else "train")
        for frames, gloss, signer in found
        if signer <= DEV_SIGNER
    ]
    write_composed(given.out, "isl30", clips, PLAN)


if __name__ == "__main__":
    main()
