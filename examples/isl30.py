"""isl30: 30 signs of Indian Sign Language, Kinect skeletons, composed into sentences; signer 8 is never trained on.

python examples/isl30.py --clips clips.npz OUT
"""

import argparse
from pathlib import Path

from compose_signs import Clip, compose, read_pack, write_split

EVERY = 2  # frames kept: about 30 a second become 15
DEV_SIGNER = 8


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--clips", type=Path, required=True, help="npz with x [N, 60], length, sign, signer")
    arguments = parser.parse_args()
    frames, known = read_pack(arguments.clips, "signer")
    rows = zip(frames, known["sign"].tolist(), known["signer"].tolist(), strict=True)
    clips = [Clip(x[::EVERY], sign, f"s{signer:02d}", "dev" if signer == DEV_SIGNER else "train")
             for x, sign, signer in rows if signer <= DEV_SIGNER]  # fmt: skip
    for split, sentences, seed in (("train", 2100, 1), ("dev", 200, 2)):
        own = [clip for clip in clips if clip.split == split]
        write_split(arguments.out, split, "isl30", compose(own, sentences, seed))


if __name__ == "__main__":
    main()
