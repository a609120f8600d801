"""An augmentation: noise on every point."""

import numpy as np

from slrcli.features.layout import Layout

SHARE = 0.01  # of the spread of a column over the clip


def jitter(x: np.ndarray, layout: Layout, rng: np.random.Generator) -> np.ndarray:
    """`x [T, D]` with noise; what is missing (NaN) stays missing.

    Args:
        x: positions of one clip; not changed.
        layout: meaning of its columns.
        rng: source of all randomness, so that a run can be repeated.
    """
    spread = np.nan_to_num(np.nanstd(x, axis=0)) if len(x) else 0.0
    return x + rng.normal(size=x.shape).astype(np.float32) * np.float32(SHARE) * spread
