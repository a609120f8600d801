"""Two hands without a body that move on their own sides, and the same with their slots swapped."""

import numpy as np

from slrcli.features.layout import Layout, load_layout

HANDS = load_layout("mediapipe-126")
FLAT = Layout.from_dict(
    {
        "name": "flat",
        "like": "mediapipe-126",
        "groups": [{"name": name, "coordinates": ["x", "y"]} for name in ("left_hand", "right_hand")],
    }
)
SHAPE = np.random.default_rng(7).normal(scale=0.04, size=(21, 3))


def signing(frames=60, layout=HANDS, seed=0):
    """Two hands that move on their own sides and keep apart, the first one on the right; float32 `[T, D]`."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 6, frames)[:, None]
    depth = len(layout.groups[0].coordinates)
    hands = []
    for side, phase in ((0.7, 0.0), (0.3, 1.0)):
        place = np.concatenate([side + 0.05 * np.sin(t + phase), 0.5 + 0.2 * np.cos(1.3 * t + phase), 0.1 * t], axis=1)
        shape = SHAPE + rng.normal(scale=0.002, size=(frames, 21, 3))
        hands.append((place[:, None] + shape)[:, :, :depth].reshape(frames, -1))
    return np.concatenate(hands, axis=1).astype(np.float32)


def swapped(x, frames=slice(None)):
    y, half = x.copy(), x.shape[1] // 2
    y[frames] = np.roll(x[frames], half, axis=1)
    return y
