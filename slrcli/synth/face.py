"""A face of 468 points in MediaPipe's order: eyes, brows, lips, nose and outline in place, the rest spread evenly."""

from functools import cache

import numpy as np

# Numbers of MediaPipe's face mesh, each ring walked once around, from the signer's right corner or the top.
_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377)
_OVAL += (152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
_RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
_LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
_OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
_RIGHT_BROW = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107)
_LEFT_BROW = (276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
_NOSE = {
    1: (0.0, 0.08),
    4: (0.0, 0.05),
    2: (0.0, 0.12),
    168: (0.0, -0.14),
    6: (0.0, -0.08),
    98: (-0.08, 0.11),
    327: (0.08, 0.11),
}


def _ring(centre: tuple[float, float], radii: tuple[float, float], count: int, start: float, turn: int) -> np.ndarray:
    """`count` points of an ellipse, [count, 2]; `start` in degrees (0 right, 90 down), `turn` 1 for clockwise."""
    angle = np.deg2rad(start) + turn * 2 * np.pi * np.arange(count) / count
    return np.array(centre) + np.stack([radii[0] * np.cos(angle), radii[1] * np.sin(angle)], axis=1)


@cache
def placed_points() -> np.ndarray:
    """The points that have a place of their own, [468, 2] as in `face_template`; NaN for the rest of the mesh."""
    flat = np.full((468, 2), np.nan)
    for numbers, points in (
        (_OVAL, _ring((0.0, 0.0), (0.37, 0.5), 36, -90, 1)),
        (_RIGHT_EYE, _ring((-0.17, -0.13), (0.07, 0.025), 16, 180, -1)),
        (_LEFT_EYE, _ring((0.17, -0.13), (0.07, 0.025), 16, 0, 1)),
        (_OUTER_LIPS, _ring((0.0, 0.27), (0.13, 0.055), 20, 180, -1)),
        (_INNER_LIPS, _ring((0.0, 0.27), (0.10, 0.02), 20, 180, -1)),
    ):
        flat[list(numbers)] = points
    for numbers, side in ((_RIGHT_BROW, -1), (_LEFT_BROW, 1)):
        across = np.tile(np.linspace(0.27, 0.06, 5), 2)
        flat[list(numbers)] = np.stack([side * across, np.repeat([-0.22, -0.25], 5)], axis=1)
    for number, point in _NOSE.items():
        flat[number] = point
    return flat


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
    depth[list(_NOSE)] -= 0.08
    opening = np.zeros((468, 3))
    lips = list(_OUTER_LIPS + _INNER_LIPS)
    opening[lips, 1] = np.clip((flat[lips, 1] - 0.27) / 0.02, -0.3, 1.0)
    opening[flat[:, 1] > 0.36, 1] = 0.6  # the chin goes along
    return np.column_stack([flat, depth]), opening
