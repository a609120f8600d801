"""boston104: 201 sentences of real continuous ASL, three signers, six numbers a frame (hands and nose, pixels).

python examples/boston104.py --raw data OUT    the folder with hands_condensed.csv, train_words.csv, test_words.csv
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from compose_signs import Sentence, write_split


def read_sentences(table: Path, positions: np.ndarray) -> Iterator[Sentence]:
    """The sentences of one table, by the number of their video; words in the order in which they begin."""
    videos: dict[int, list[dict[str, str]]] = {}
    with open(table, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            videos.setdefault(int(row["video"]), []).append(row)
    for video, rows in sorted(videos.items()):
        own = positions[positions[:, 0] == video]
        frames = own[np.argsort(own[:, 1]), 2:]
        rows.sort(key=lambda row: int(row["startframe"]))
        yield Sentence(frames, [row["word"] for row in rows], rows[0]["speaker"])


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the three tables")
    arguments = parser.parse_args()
    try:
        positions = np.loadtxt(arguments.raw / "hands_condensed.csv", delimiter=",", skiprows=1)
        for split in ("train", "test"):
            sentences = read_sentences(arguments.raw / f"{split}_words.csv", positions)
            write_split(arguments.out, split, "boston104", sentences)
    except FileNotFoundError as error:
        raise SystemExit(f"a table is missing: {error}") from error


if __name__ == "__main__":
    main()
