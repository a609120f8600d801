"""auslan: 95 signs of Auslan recorded with gloves, composed into sentences; sessions 7 and 8 are never trained on.

python examples/auslan.py --raw tctodd OUT       the unpacked archive: tctodd2/god-1.tsd, ...
python examples/auslan.py --clips clips.npz OUT  or the same recordings packed in one file
"""

import argparse
import re
from pathlib import Path

import numpy as np
from compose_signs import Clip, compose, read_pack, write_split

EVERY = 2  # frames kept: about 100 a second become 50
COLUMNS = 22
SESSIONS = range(2, 9)
SPLITS = {7: "dev", 8: "test"}


def read_raw(folder: Path) -> list[tuple[np.ndarray, str, int]]:
    """Frames `[T, 22]`, gloss and session of every recording, sorted by session and file name."""
    found = []
    for session in SESSIONS:
        for file in sorted((folder / f"tctodd{session}").glob("*.tsd")):
            x = np.loadtxt(file, dtype=np.float32, ndmin=2)
            if x.shape[1] != COLUMNS:
                raise SystemExit(f"{file} has {x.shape[1]} columns, expected {COLUMNS}")
            word = re.sub(r"-\d+$", "", file.stem)
            found.append((x, re.sub(r"[^A-Za-z0-9-]", "_", word).upper(), session))
    if not found:
        raise SystemExit(f"{folder} holds no tctodd2 ... tctodd8 with .tsd files")
    return found


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write to")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--raw", type=Path, help="folder that holds tctodd2 to tctodd8")
    source.add_argument("--clips", type=Path, help="npz with x [N, 22], length, sign, session")
    arguments = parser.parse_args()
    if arguments.raw:
        rows = read_raw(arguments.raw)
    else:
        frames, known = read_pack(arguments.clips, "session")
        rows = zip(frames, known["sign"].tolist(), known["session"].tolist(), strict=True)
    clips = [Clip(x[::EVERY], sign, f"session{session}", SPLITS.get(session, "train")) for x, sign, session in rows]
    for split, sentences, seed in (("train", 1000, 1), ("dev", 200, 2), ("test", 200, 3)):
        own = [clip for clip in clips if clip.split == split]
        if own:
            write_split(arguments.out, split, "auslan", compose(own, sentences, seed))


if __name__ == "__main__":
    main()
