"""How far a plain classifier of single signs gets with what the recogniser sees of them: seconds instead of minutes.

Clips become the frontend's columns at 24 moments; kernel ridge regression tells the signs apart. Held out are the
groups (signers, sessions) in turn, with all others and with fewer of them to learn from, and every third repetition of
each sign by everybody, which says what is lost to signers alone.

Usage: python examples/experiments/single_signs.py clips.npz --layout kinect-20 --group signer
       python examples/experiments/single_signs.py clips.npz --layout generic --group session --set centre=true
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from slrcli.config import merge_section, read_assignments
from slrcli.errors import SlrError
from slrcli.features.augment import resample
from slrcli.features.layout import Layout, load_layout
from slrcli.features.recording import prepare
from slrcli.models.frontend import Frontend, FrontendOptions

MOMENTS = 24
RIDGE = 0.05
LIMIT = 5.0  # deviations
DRAWS = 3  # of the groups to learn from, where they are few


def columns(clips: Sequence[np.ndarray], layout: Layout, options: FrontendOptions) -> np.ndarray:
    """What the recogniser sees of each clip, float32 `[N, MOMENTS * F]`; 0 where nothing is known."""
    frontend, rows = Frontend(layout, options), []
    for clip in clips:
        x = torch.from_numpy(prepare(clip, layout))[None]
        seen = frontend.raw(x, torch.tensor([x.shape[1]]))[0][0].nan_to_num().numpy()
        rows.append(resample(seen, MOMENTS).ravel())
    return np.stack(rows).astype(np.float32)


def right(x: np.ndarray, signs: np.ndarray, learnt: np.ndarray, asked: np.ndarray) -> float:
    """Share of the clips `asked` that kernel ridge regression on the clips `learnt` names rightly."""
    mean, deviation = x[learnt].mean(axis=0), x[learnt].std(axis=0) + 1e-4
    train, test = (np.clip((x[chosen] - mean) / deviation, -LIMIT, LIMIT) for chosen in (learnt, asked))
    weights = np.linalg.solve(kernel(train, train) + RIDGE * np.eye(len(train)), np.eye(signs.max() + 1)[signs[learnt]])
    return float(((kernel(test, train) @ weights).argmax(axis=1) == signs[asked]).mean())


def kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Gaussian, as wide as the number of columns."""
    apart = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None] - 2 * one @ other.T
    return np.exp(-apart / one.shape[1])


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, help="npz of x, length, sign, the group, and rep if it is known")
    parser.add_argument("--layout", default="generic")
    parser.add_argument("--group", default="signer")
    parser.add_argument("--every", type=int, default=2, help="frames are thinned out to every so many")
    parser.add_argument("--set", action="append", default=[], help="an option of the frontend, such as centre=true")
    given = parser.parse_args()
    with np.load(given.clips, allow_pickle=False) as pack:
        found = {name: pack[name] for name in pack.files}
    clips = np.split(found["x"].astype(np.float32), np.cumsum(found["length"])[:-1])
    layout = load_layout(given.layout, found["x"].shape[1] if given.layout == "generic" else None)
    chosen = read_assignments([f"frontend.{text}" for text in given.set]).get("frontend", {})
    options = merge_section(FrontendOptions(), chosen, "--set")
    x = columns([clip[:: given.every] for clip in clips], layout, options)
    signs, groups = np.unique(found["sign"], return_inverse=True)[1], found[given.group]
    names, rng = sorted(set(groups.tolist())), np.random.default_rng(0)
    shares = [right(x, signs, groups != name, groups == name) for name in names]
    each = ", ".join(f"{name} {share:.0%}" for name, share in zip(names, shares, strict=True))
    print(f"one {given.group} held out: {np.mean(shares):.1%} right ({each})")
    for count in range(1, len(names) - 1):
        drawn = [
            right(x, signs, np.isin(groups, rng.permutation([n for n in names if n != name])[:count]), groups == name)
            for name in names
            for _ in range(DRAWS)
        ]
        print(f"  with {count} to learn from: {np.mean(drawn):.1%}")
    if "rep" in found:
        parts = [right(x, signs, found["rep"] % 3 != part, found["rep"] % 3 == part) for part in range(3)]
        print(f"every third repetition held out, all {given.group}s known: {np.mean(parts):.1%}")


if __name__ == "__main__":
    try:
        main()
    except SlrError as error:
        raise SystemExit(str(error)) from error
