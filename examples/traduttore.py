"""traduttore: 14 word signs of ASL as MediaPipe landmarks, 20 frames each, composed into sentences.

python examples/traduttore.py --raw MP_Data OUT      SIGN/TAKE/FRAME.npy, 258 numbers a frame
python examples/traduttore.py --clips clips.npz OUT  or the same recordings packed in one file
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from compose_signs import Clip, arguments, read_pack, write_composed

COLUMNS = 258
FRAMES = 20
# The takes of a sign are cut by number: so much of them for train, so much for dev, the rest is left out.
TRAIN_UNTIL, DEV_UNTIL = 0.75, 0.85
SIGNS = (
    "can", "coffee", "get", "hello", "i", "large", "medium", "muffin",
    "no", "please", "small", "tea", "thank-you", "water",
)  # fmt: skip
PLAN = {"train": (1500, 1), "dev": (200, 2)}


def whole_takes(sign: Path) -> list[Path]:
    """The takes of a sign in the order of their numbers, without those that lack one of the 20 frames."""
    takes = [take for take in sign.iterdir() if take.name.isdecimal()] if sign.is_dir() else []
    whole = [take for take in takes if all((take / f"{frame}.npy").is_file() for frame in range(FRAMES))]
    if not whole:
        raise SystemExit(f"{sign} holds no takes of {FRAMES} frames, 0/0.npy to 0/{FRAMES - 1}.npy and so on")
    return sorted(whole, key=lambda take: int(take.name))


def read_take(take: Path) -> np.ndarray:
    """The frames of one take, float32 `[20, 258]`.

    They pass through half precision because the pack holds them so: both then give the same corpus.
    """
    frames = []
    for number in range(FRAMES):
        file = take / f"{number}.npy"
        try:
            frame = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise SystemExit(f"{file} cannot be read: {error}") from error
        if frame.shape != (COLUMNS,):
            raise SystemExit(f"{file} is {list(frame.shape)}, expected {COLUMNS} numbers")
        frames.append(frame)
    return np.stack(frames).astype(np.float16).astype(np.float32)


def read_raw(folder: Path) -> Iterator[tuple[np.ndarray, str, str]]:
    """Frames `[20, 258]`, gloss and part of every recording that is used, sign by sign."""
    for sign in SIGNS:
        takes = whole_takes(folder / sign)
        train, dev = int(TRAIN_UNTIL * len(takes)), int(DEV_UNTIL * len(takes))
        for i, take in enumerate(takes[:dev]):
            yield read_take(take), sign.upper(), "train" if i < train else "dev"


def main() -> None:
    """Write the corpus."""
    given = arguments(__doc__, "the folder MP_Data", "npz with x [N, 258], length, sign, part")
    found = read_raw(given.raw) if given.raw else read_pack(given.clips, "part", COLUMNS)
    clips = [Clip(frames, gloss, "unknown", part) for frames, gloss, part in found]
    write_composed(given.out, "traduttore", clips, PLAN)


if __name__ == "__main__":
    main()
