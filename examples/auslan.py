"""auslan: 95 signs of Auslan recorded with gloves, composed into sentences; sessions 7 and 8 are never trained on.

python examples/auslan.py --raw tctodd OUT       the unpacked archive: tctodd/tctodd2/alive-1.tsd, ...
python examples/auslan.py --clips clips.npz OUT  or the same recordings packed in one file
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from compose_signs import Clip, arguments, read_pack, read_text, write_composed

EVERY = 2  # frames kept: about 100 a second become 50
COLUMNS = 22
SESSIONS = range(2, 9)
SPLITS = {7: "dev", 8: "test"}
PLAN = {"train": (1000, 1), "dev": (200, 2), "test": (200, 3)}


def read_raw(folder: Path) -> Iterator[tuple[np.ndarray, str, int]]:
    """Frames `[T, 22]`, gloss and session of every recording, by session and file name (capitals first)."""
    for session in SESSIONS:
        files = sorted((folder / f"tctodd{session}").glob("*.tsd"), key=lambda file: file.name)
        if not files:
            raise SystemExit(
                f"{folder} has no tctodd{session} with .tsd files; --raw is the folder of tctodd1, tctodd2"
            )
        for file in files:
            word = re.sub(r"-\d+$", "", file.stem)
            yield read_text(file, COLUMNS), re.sub(r"[^A-Za-z0-9-]", "_", word).upper(), session


def main() -> None:
    """Write the corpus."""
    given = arguments(__doc__, "folder that holds tctodd2 to tctodd8", "npz with x [N, 22], length, sign, session")
    found = read_raw(given.raw) if given.raw else read_pack(given.clips, "session", COLUMNS)
    clips = [
        Clip(frames[::EVERY], gloss, f"session{session}", SPLITS.get(session, "train"))
        for frames, gloss, session in found
    ]
    write_composed(given.out, "auslan", clips, PLAN)


if __name__ == "__main__":
    main()
