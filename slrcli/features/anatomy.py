"""Schematic positions of the points of a hand and of a face; they are not measured on people.

x is to the right of the picture, y downwards, z away from the camera. A hand is in lengths of a hand about its wrist, a
face in heights of a face about its centre.
"""

from functools import cache

import numpy as np

# A hand with stretched fingers, fingers up, palm to the camera: (outward, down) of the knuckles, phalanges, and the
# direction of the finger in degrees from straight up towards the outside (thumb first), in lengths of the hand.
_KNUCKLES = np.array([[-0.16, -0.10], [-0.14, -0.47], [-0.03, -0.50], [0.07, -0.47], [0.16, -0.42]])
_PHALANGES = np.array(
    [[0.18, 0.15, 0.12], [0.22, 0.14, 0.10], [0.24, 0.16, 0.10], [0.22, 0.15, 0.10], [0.17, 0.11, 0.09]]
)
_DIRECTIONS = np.array([-45.0, -2.0, 0.0, 2.0, 4.0])
_SPREADS = np.array([-15.0, -14.0, -3.0, 8.0, 20.0])
_FLEXIONS = np.array([[35.0, 45.0, 55.0]] + [[80.0, 100.0, 60.0]] * 4)  # degrees at the three joints when folded


def hand_points(shape: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """A hand by forward kinematics, wrist at the origin.

    Args:
        shape: [T, 6] flexions of thumb to little finger and spread.
        angles: [T, 3] roll, pitch, tilt in degrees.

    Returns:
        [T, 21, 3] outward, down, away from the camera, in lengths of the hand.
    """
    direction = np.deg2rad(_DIRECTIONS + shape[:, 5:] * _SPREADS)  # [T, 5]
    along = np.stack([np.sin(direction), -np.cos(direction), np.zeros_like(direction)], axis=-1)
    # Fingers fold towards the palm, the thumb mostly across it.
    palm = np.broadcast_to([[0.8, 0.0, -0.6], *[[0.0, 0.0, -1.0]] * 4], along.shape)
    palm = palm - (palm * along).sum(axis=-1, keepdims=True) * along
    palm /= np.linalg.norm(palm, axis=-1, keepdims=True)
    bend = np.deg2rad(np.cumsum(shape[:, :5, None] * _FLEXIONS, axis=2))[..., None]  # [T, 5, 3, 1]
    bones = _PHALANGES[..., None] * (np.cos(bend) * along[:, :, None] + np.sin(bend) * palm[:, :, None])
    knuckles = np.pad(_KNUCKLES, ((0, 0), (0, 1)))
    fingers = np.empty((len(shape), 5, 4, 3))
    fingers[:, :, 0] = knuckles
    fingers[:, :, 1:] = knuckles[:, None] + np.cumsum(bones, axis=2)
    points = np.concatenate([np.zeros((len(shape), 1, 3)), fingers.reshape(len(shape), 20, 3)], axis=1)
    return np.einsum("tij,tpj->tpi", _rotation(angles), points)


def _rotation(angles: np.ndarray) -> np.ndarray:
    """Rotation matrices [T, 3, 3]: roll about the fingers, then pitch towards the camera, then tilt to the midline."""
    roll, pitch, tilt = np.deg2rad(angles).T
    return about(2, -tilt) @ about(0, -pitch) @ about(1, roll)


def about(axis: int, angle: np.ndarray | float) -> np.ndarray:
    """Matrices [..., 3, 3] that turn by `angle` (radians) about x, y or z (0, 1, 2)."""
    angle = np.asarray(angle, dtype=float)
    matrix = np.zeros((*angle.shape, 3, 3))
    j, k = (axis + 1) % 3, (axis + 2) % 3
    matrix[..., axis, axis] = 1
    matrix[..., j, j] = matrix[..., k, k] = np.cos(angle)
    matrix[..., k, j] = np.sin(angle)
    matrix[..., j, k] = -matrix[..., k, j]
    return matrix


# Numbers of MediaPipe's face mesh, each ring walked once around, from the signer's right corner or the top.
_OVAL: tuple[int, ...] = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377)
_OVAL += (152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
_RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
_LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
_RIGHT_BROW = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107)
_LEFT_BROW = (276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
NOSE = {
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
    """The face points with a fixed position, [468, 2] as in `face_template`; NaN for the rest of the mesh."""
    flat = np.full((468, 2), np.nan)
    for numbers, points in (
        (_OVAL, _ring((0.0, 0.0), (0.37, 0.5), 36, -90, 1)),
        (_RIGHT_EYE, _ring((-0.17, -0.13), (0.07, 0.025), 16, 180, -1)),
        (_LEFT_EYE, _ring((0.17, -0.13), (0.07, 0.025), 16, 0, 1)),
        (OUTER_LIPS, _ring((0.0, 0.27), (0.13, 0.055), 20, 180, -1)),
        (INNER_LIPS, _ring((0.0, 0.27), (0.10, 0.02), 20, 180, -1)),
    ):
        flat[list(numbers)] = points
    for brow, side in ((_RIGHT_BROW, -1), (_LEFT_BROW, 1)):
        across = np.tile(np.linspace(0.27, 0.06, 5), 2)
        flat[list(brow)] = np.stack([side * across, np.repeat([-0.22, -0.25], 5)], axis=1)
    for number, point in NOSE.items():
        flat[number] = point
    return flat
