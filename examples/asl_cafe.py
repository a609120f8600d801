"""The corpora behind the recogniser asl-cafe: traduttore's signs in square coordinates, and again without a place each.

python examples/asl_cafe.py --raw MP_Data OUT      SIGN/TAKE/FRAME.npy, 258 numbers a frame
python examples/asl_cafe.py --clips clips.npz OUT  or the same recordings packed in one file

OUT/all trains the recogniser. The recordings do not say who signs, but they were made in a few places: height and width
of the person in the picture and the proportions of the face fall into three large groups and one small one. Each of
OUT/without-0 to without-2 leaves a large group out of train and dev and has it as test.
"""

import numpy as np
from compose_signs import Clip, arguments, read_pack, write_composed
from traduttore import COLUMNS, read_raw

POSE = 132  # columns: 33 points of x, y, z, visibility; then two hands of 21 points x, y, z
GROUPS, STARTS, NEIGHBOURS = 4, 30, 4
SMALL = 100  # takes; a group of fewer is one sign alone and always in train
WHOLE, WITHOUT, DEV, TEST = (1800, 1), (1500, 1), (150, 2), (300, 3)


def squared(frames: np.ndarray) -> np.ndarray:
    """Fractions of a picture of 4:3 as fractions of the square around it, which slr extract writes; NaN for zeros."""
    found = frames.copy()
    for part in (found[:, :POSE].reshape(len(found), -1, 4), found[:, POSE:].reshape(len(found), -1, 3)):
        missing = (part == 0).all(axis=2)
        part[..., 1] = part[..., 1] * 0.75 + 0.125
        part[missing] = np.nan
    return found


def places(clips: list[np.ndarray], glosses: np.ndarray) -> np.ndarray:
    """The group of each take, by k-means over where the person is and how the face is made, smoothed over takes."""
    pose = np.stack([np.median(clip[:, :POSE].reshape(len(clip), 33, 4)[..., :2], axis=0) for clip in clips])

    def apart(a, b):
        return np.linalg.norm(a - b, axis=1)

    nose, eyes, mouth = pose[:, 0], (pose[:, 2], pose[:, 5]), (pose[:, 9], pose[:, 10])
    shoulders, ears = apart(pose[:, 11], pose[:, 12]), apart(pose[:, 7], pose[:, 8])
    face = [shoulders, apart(*eyes), apart(*mouth), apart(nose, sum(mouth) / 2), apart(nose, sum(eyes) / 2)]
    found = np.column_stack([nose[:, 1], shoulders, *(part / ears for part in face)])
    smooth = found.copy()
    for gloss in np.unique(glosses):
        own = np.flatnonzero(glosses == gloss)
        for at, take in enumerate(own):
            smooth[take] = np.median(found[own[max(0, at - NEIGHBOURS) : at + NEIGHBOURS + 1]], axis=0)
    smooth = (smooth - smooth.mean(axis=0)) / smooth.std(axis=0)
    return min((nearest(smooth, seed) for seed in range(STARTS)), key=lambda result: result[0])[1]


def nearest(points: np.ndarray, seed: int) -> tuple[float, np.ndarray]:
    """Sum of squared distances and groups of one run of k-means."""
    rng = np.random.default_rng(seed)
    centres = points[rng.choice(len(points), GROUPS, False)]
    for _ in range(100):
        distances = ((points[:, None] - centres) ** 2).sum(axis=2)
        group = distances.argmin(axis=1)
        members = [points[group == k] for k in range(GROUPS)]
        centres = np.array([own.mean(axis=0) if len(own) else centres[k] for k, own in enumerate(members)])
    return float(distances.min(axis=1).sum()), group


def last_takes(group: np.ndarray, glosses: np.ndarray, large: list[int]) -> np.ndarray:
    """The last tenth of the takes of each sign in each place: dev."""
    held = np.zeros(len(group), bool)
    for gloss in np.unique(glosses):
        for place in large:
            own = np.flatnonzero((group == place) & (glosses == gloss))
            held[own[len(own) - len(own) // 10 :]] = True
    return held


def main() -> None:
    """Write the corpora."""
    given = arguments(__doc__, "the folder MP_Data", "npz with x [N, 258], length, sign, part")
    found = list(read_raw(given.raw) if given.raw else read_pack(given.clips, "part", COLUMNS))
    raw, glosses = [frames for frames, *_ in found], np.array([gloss for _, gloss, _ in found])
    group, clips = places(raw, glosses), [squared(frames) for frames in raw]
    large = [k for k in range(GROUPS) if (group == k).sum() >= SMALL]
    for without in (None, *large):
        seen = [k for k in large if k != without]
        dev = last_takes(group, glosses, seen)
        name = np.where(np.isin(group, large), group, seen[-1])
        test = group == without
        split = np.where(test, "test", np.where(dev, "dev", "train"))
        whole = {"train": WHOLE, "dev": DEV}
        plan = whole if without is None else {**whole, "train": WITHOUT, "test": TEST}
        out = given.out / ("all" if without is None else f"without-{large.index(without)}")
        rows = zip(clips, glosses.tolist(), name.tolist(), split.tolist(), strict=True)
        write_composed(out, "asl-cafe", [Clip(x, gloss, f"place{place}", part) for x, gloss, place, part in rows], plan)
        (out / "corpus.toml").write_text('layout = "mediapipe-258"\n', encoding="utf-8")


if __name__ == "__main__":
    main()
