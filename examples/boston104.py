"""boston104: 201 sentences of real continuous ASL, three signers, six numbers a frame (hands and nose, pixels).

python examples/boston104.py --raw data OUT    the folder with hands_condensed.csv, train_words.csv, test_words.csv
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from compose_signs import Sentence, write_split

POSITIONS = "video,frame,left-x,left-y,right-x,right-y,nose-x,nose-y"


def read_positions(table: Path) -> np.ndarray:
    """The rows of `hands_condensed.csv`, `[N, 8]`: video, frame, x and y of left hand, right hand and nose."""
    with open(table, encoding="utf-8") as file:
        head = file.readline().strip()
        if head != POSITIONS:
            raise SystemExit(f"{table} begins with '{head}', expected '{POSITIONS}'")
        return np.loadtxt(file, delimiter=",", ndmin=2)


def read_sentences(table: Path, positions: np.ndarray) -> Iterator[Sentence]:
    """The sentences of one table, by the number of their video; words in the order in which they begin."""
    videos: dict[int, list[dict[str, str]]] = {}
    with open(table, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            videos.setdefault(int(row["video"]), []).append(row)
    for video, rows in sorted(videos.items()):
        own = positions[positions[:, 0] == video]
        if not len(own):
            raise SystemExit(f"{table} names video {video}, which has no positions")
        frames = own[np.argsort(own[:, 1]), 2:]
        rows.sort(key=lambda row: int(row["startframe"]))
        yield Sentence(frames, [row["word"] for row in rows], rows[0]["speaker"])


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write the corpus to")
    parser.add_argument("--raw", type=Path, metavar="FOLDER", required=True, help="folder of the three tables")
    given = parser.parse_args()
    try:
        positions = read_positions(given.raw / "hands_condensed.csv")
        for split in ("train", "test"):
            write_split(given.out, split, "boston104", read_sentences(given.raw / f"{split}_words.csv", positions))
    except FileNotFoundError as error:
        raise SystemExit(f"a table is missing: {error}") from error
    except (KeyError, ValueError) as error:
        raise SystemExit(f"a table in {given.raw} is not as expected: {error!r}") from error


if __name__ == "__main__":
    main()
