"""A small corpus of synthetic signing and faults of bodies and movement; they fit a corpus of real landmarks as well.

Every fault takes the folder of a corpus of the layout `mediapipe-258` (or of one with stored differences) and spoils
it, without looking at what the checks do.
"""

import numpy as np

from slrcli.corpus import open_corpus
from slrcli.demo.synth import SynthOptions, write_corpus
from slrcli.features.layout import load_layout
from slrcli.findings import Level

LAYOUT = load_layout("mediapipe-258")
STORED = """
like = "mediapipe-258"
stored_derivatives = 2
"""


def signing_corpus(root, differences=False):
    """Eighty short clips in the columns of `mediapipe-258`; with `differences`, velocities and accelerations follow."""
    write_corpus(root, SynthOptions.tiny(seed=1))
    for path in (root / "features").rglob("*.npy"):
        np.save(path, with_differences(reduced(np.load(path))) if differences else reduced(np.load(path)))
    (root / "stored.toml").write_text(STORED)
    return root


def reduced(x):
    """Of 1,629 columns those of `mediapipe-258`, every point of the body visible."""
    full = load_layout("mediapipe-1629")
    parts = []
    for group in LAYOUT.groups:
        own = x[:, full.by_name[group.name].start : full.by_name[group.name].stop].reshape(len(x), -1, 3)
        if group.name == "pose":
            sure = 0.9 + 0.1 * np.random.default_rng(len(x)).random(own.shape[:2])
            own = np.concatenate([own, sure[:, :, None].astype(np.float32)], axis=2)
        parts.append(own.reshape(len(x), -1))
    return np.concatenate(parts, axis=1).astype(np.float32)


def with_differences(x):
    """`x` and its first and second difference to the frame before, as programs store them."""
    velocity = np.diff(x, axis=0, prepend=x[:1])
    return np.concatenate([x, velocity, np.diff(velocity, axis=0, prepend=velocity[:1])], axis=1)


def files(corpus, split="train", signer=None):
    """Feature files of a split, or of one signer in it."""
    return [item.features for item in open_corpus(corpus).split(split) if signer in (None, item.signer)]


def change(paths, function):
    """Rewrite files with what `function` makes of their arrays."""
    for path in paths:
        np.save(path, function(np.load(path)).astype(np.float32))


def columns(*axes, groups=("pose", "left_hand", "right_hand")):
    """The columns of some axes of some groups."""
    return [
        group.column(point, axis) for name in groups for group in [LAYOUT.by_name[name]] for point in group.points
        for axis in axes if axis in group.coordinates
    ]  # fmt: skip


def hand(name):
    """The columns of a hand."""
    return list(LAYOUT.by_name[name].columns)


def without(x, *names):
    x[:, [column for name in names for column in hand(name)]] = np.nan
    return x


# Faults


def dev_normalised_otherwise(corpus):
    place = columns("x", "y")

    def moved(x):
        x[:, place] = (x[:, place] - 0.5) * 4 + 3
        return x

    change(files(corpus, "dev"), moved)


def clip_much_longer_than_its_glosses(corpus):
    change(files(corpus)[:1], lambda x: np.concatenate([x, x[::-1]] * 6))


def signer_at_half_the_frame_rate(corpus):
    change(files(corpus, "dev"), lambda x: x[::2])


def clip_at_a_third_of_the_frame_rate(corpus):
    change(files(corpus)[:1], lambda x: x[::4])


def hands_hardly_ever_seen(corpus):
    def lost(x):
        part = slice(0, int(0.8 * len(x)))
        x[part] = without(x[part].copy(), "left_hand", "right_hand")
        return x

    change(files(corpus)[3:4], lost)


def hand_missing_for_a_split(corpus):
    change(files(corpus, "dev"), lambda x: without(x, "right_hand"))


def mirrored(corpus):
    def mirror(x):
        x[:, columns("x")] = 1 - x[:, columns("x")]
        return x

    change(files(corpus)[:2], mirror)


def hands_swapped(corpus):
    def swap(x):
        left, right = x[:, hand("left_hand")].copy(), x[:, hand("right_hand")].copy()
        x[:, hand("left_hand")], x[:, hand("right_hand")] = right, left
        return x

    change(files(corpus)[:3], swap)


def pixels_among_shares(corpus):
    def pixels(x):
        x[:, columns("x", "y")] *= 480
        return x

    change(files(corpus)[5:8], pixels)


def pixels_throughout(corpus):
    def pixels(x):
        x[:, columns("x", "y")] *= 480
        return x

    for split in open_corpus(corpus).splits:
        change(files(corpus, split), pixels)


def another_crop(corpus):
    def crop(x):
        x[:, columns("x", "y")] = (x[:, columns("x", "y")] - 0.5) * 3 + 0.5
        return x

    change(files(corpus)[:2], crop)


def joined_fragments(corpus):
    change(files(corpus)[2:3], lambda x: np.concatenate([x[: len(x) // 4], np.repeat(x[-1:], len(x), axis=0)]))


E, W = Level.ERROR, Level.WARNING
FAULTS = {
    dev_normalised_otherwise: ("SLR-D22", W),
    joined_fragments: ("SLR-D25", W),
    clip_much_longer_than_its_glosses: ("SLR-D26", W),
    signer_at_half_the_frame_rate: ("SLR-D27", W),
    clip_at_a_third_of_the_frame_rate: ("SLR-D27", W),
    hands_hardly_ever_seen: ("SLR-D08", W),
    hand_missing_for_a_split: ("SLR-D08", W),
    mirrored: ("SLR-D29", W),
    hands_swapped: ("SLR-D29", W),
    pixels_among_shares: ("SLR-D30", E),
    pixels_throughout: ("SLR-D30", W),
    another_crop: ("SLR-D30", W),
}


def velocities_of_other_positions(corpus):
    change(files(corpus)[:2], lambda x: np.concatenate([x[:, :258], x[::-1, 258:]], axis=1))


def accelerations_left_zero(corpus):
    change(files(corpus)[:2], lambda x: np.concatenate([x[:, :516], 0 * x[:, 516:]], axis=1))


def velocities_of_nobody(corpus):
    chance = np.random.default_rng(0)
    for split in open_corpus(corpus).splits:
        change(
            files(corpus, split), lambda x: np.concatenate([x[:, :258], chance.normal(size=x[:, 258:].shape)], axis=1)
        )


STORED_FAULTS = {
    velocities_of_other_positions: ("SLR-D32", E),
    accelerations_left_zero: ("SLR-D32", E),
    velocities_of_nobody: ("SLR-D32", W),
}


def columns_in_order(x, layout, names):
    """The columns of `x [T, D]`, which has the order of the layout, with its groups in another order."""
    return np.concatenate([x[:, layout.by_name[name].start : layout.by_name[name].stop] for name in names], axis=1)


def without_gaps(x):
    """`x` with the median of a column, or 0, where it is missing."""
    usual = np.nan_to_num([np.nanmedian(column) if not np.isnan(column).all() else 0 for column in x.T])
    return np.where(np.isnan(x), usual, x)


def change_all(corpus, function, split=None):
    """Rewrite all files of a corpus, or of one split."""
    for name in [split] if split else open_corpus(corpus).splits:
        change(files(corpus, name), function)
