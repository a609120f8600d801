"""traduttore: 14 word signs of ASL as MediaPipe landmarks, 20 frames each, composed into sentences.

python examples/traduttore.py --train TRAIN --dev DEV OUT   folders SIGN/NUMBER/FRAME.npy of 258 numbers a frame
python examples/traduttore.py --clips clips.npz OUT         or the same recordings packed in one file
"""

import argparse
from pathlib import Path

import numpy as np
from compose_signs import Clip, compose, read_pack, write_split

COLUMNS = 258


def read_raw(folder: Path, split: str) -> list[Clip]:
    """Every recording below SIGN/NUMBER, its frames in the order of their numbers."""
    clips = []
    takes = [take for sign in sorted(folder.iterdir()) if sign.is_dir() for take in sign.iterdir() if take.is_dir()]
    for take in sorted(takes, key=lambda path: (path.parent.name, int(path.name) if path.name.isdecimal() else 0)):
        files = sorted(take.glob("*.npy"), key=lambda path: int(path.stem))
        if not files:
            continue
        frames = np.stack([np.load(file, allow_pickle=False) for file in files]).astype(np.float32)
        if frames.shape[1:] != (COLUMNS,):
            raise SystemExit(f"{take} has frames of {frames.shape[1:]} numbers, expected {COLUMNS}")
        clips.append(Clip(frames, take.parent.name.upper().replace(" ", "-"), "unknown", split))
    return clips


def main() -> None:
    """Write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--train", type=Path, help="folder of the training signs")
    parser.add_argument("--dev", type=Path, help="folder of the signs held out")
    parser.add_argument("--clips", type=Path, help="npz with x [N, 258], length, sign, part")
    arguments = parser.parse_args()
    if arguments.clips:
        frames, known = read_pack(arguments.clips, "part")
        rows = zip(frames, known["sign"].tolist(), known["part"].tolist(), strict=True)
        clips = [Clip(x, sign, "unknown", part) for x, sign, part in rows]
    elif arguments.train and arguments.dev:
        clips = read_raw(arguments.train, "train") + read_raw(arguments.dev, "dev")
    else:
        parser.error("give --clips, or --train and --dev")
    for split, sentences, seed in (("train", 1500, 1), ("dev", 200, 2)):
        own = [clip for clip in clips if clip.split == split]
        write_split(arguments.out, split, "traduttore", compose(own, sentences, seed))


if __name__ == "__main__":
    main()
