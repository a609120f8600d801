"""A face of 468 points in MediaPipe's order: eyes, brows, lips, nose and outline in place, the rest spread evenly."""

from functools import cache

import numpy as np

from slrcli.features.anatomy import INNER_LIPS, NOSE, OUTER_LIPS, placed_points


@cache
def face_template() -> tuple[np.ndarray, np.ndarray]:
    """The face at rest and how it moves when the mouth opens, both [468, 3], in heights of the face about its centre.

    The signer's left is at larger x, y is down, z away from the camera.
    """
    flat = placed_points().copy()
    rest = np.flatnonzero(np.isnan(flat[:, 0]))
    turns = np.arange(len(rest)) * np.pi * (3 - np.sqrt(5))  # a sunflower's seeds cover a disc evenly
    radius = 0.96 * np.sqrt((np.arange(len(rest)) + 0.5) / len(rest))
    flat[rest] = np.stack([0.37 * radius * np.cos(turns), 0.5 * radius * np.sin(turns)], axis=1)

    depth = -0.3 * np.sqrt(np.maximum(1 - (flat[:, 0] / 0.37) ** 2 - (flat[:, 1] / 0.5) ** 2, 0))
    depth[list(NOSE)] -= 0.08
    opening = np.zeros((468, 3))
    lips = list(OUTER_LIPS + INNER_LIPS)
    opening[lips, 1] = np.clip((flat[lips, 1] - 0.27) / 0.02, -0.3, 1.0)
    opening[flat[:, 1] > 0.36, 1] = 0.6  # the chin goes along
    return np.column_stack([flat, depth]), opening
