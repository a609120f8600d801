"""Bones: points of arms, trunk and face in the order of MediaPipe Holistic (hands are in `slrcli.features.anatomy`).

Everything here is in shoulder widths, x to the right of the picture, y downwards, z away from the camera; the origin
is the middle of the shoulders. The signer faces the camera, so the right hand is on the left of the picture.
"""

import numpy as np

from slrcli.demo.synth.signer import Signer

POSE_POINTS, HAND_POINTS, FACE_POINTS = 33, 21, 468


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
