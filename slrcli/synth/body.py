"""Bones: points of hands, arms, trunk and face in the order of MediaPipe Holistic.

Everything here is in shoulder widths, x to the right of the picture, y downwards, z away from the camera; the origin
is the middle of the shoulders. The signer faces the camera, so the right hand is on the left of the picture.
"""

import numpy as np

from slrcli.synth.signer import Signer

POSE_POINTS, HAND_POINTS, FACE_POINTS = 33, 21, 468

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


def elbow_point(shoulder: np.ndarray, wrist: np.ndarray, signer: Signer) -> tuple[np.ndarray, np.ndarray]:
    """The elbow of an arm of two bones, and the wrist, drawn in where the arm is too short for it.

    Args:
        shoulder: [3], wrist: [T, 3], both outward, down, away.

    Returns:
        elbow and wrist, [T, 3] each. The elbow hangs down and a little outwards.
    """
    a, b = signer.upper_arm, signer.forearm
    reach = wrist - shoulder
    distance = np.linalg.norm(reach, axis=1, keepdims=True)
    unit = reach / np.maximum(distance, 1e-6)
    distance = np.clip(distance, abs(a - b) + 0.02, 0.99 * (a + b))
    along = (a * a - b * b + distance * distance) / (2 * distance)
    hanging = np.array([0.45, 1.0, 0.15])
    side = hanging - unit * (unit @ hanging)[:, None]
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
    elbow = shoulder + unit * along + side * np.sqrt(np.maximum(a * a - along * along, 0))
    return elbow, shoulder + unit * distance


def trunk_points(signer: Signer) -> dict[int, np.ndarray]:
    """Pose points that do not move with the arms, by MediaPipe's number: [3] each. Odd numbers are the left."""
    hips, knee, ankle = signer.trunk, signer.trunk + 0.5 * signer.legs, signer.trunk + signer.legs
    one_side = {
        11: (0.5, 0.0, 0.0),
        23: (0.32, hips, 0.0),
        25: (0.34, knee, -0.05),
        27: (0.33, ankle, 0.05),
        29: (0.33, ankle + 0.08, 0.12),
        31: (0.38, ankle + 0.12, -0.25),
    }
    points = {}
    for number, (x, y, z) in one_side.items():
        points[number] = np.array([x, y, z])
        points[number + 1] = np.array([-x, y, z])
    return points


# Pose points 0 to 10 on the face (nose, left eye, right eye, ears, mouth), in heights of the face about its centre.
POSE_FACE = np.array(
    [[0, 0.08, -0.38]]
    + [[side * x, -0.13, -0.22] for side in (1, -1) for x in (0.10, 0.17, 0.24)]
    + [[side * 0.40, -0.02, 0.15] for side in (1, -1)]
    + [[side * 0.12, 0.27, -0.26] for side in (1, -1)]
)
