"""Where the points of a body, a hand or a face lie at rest, by their names: a scheme to draw, measured on nobody.

The signer faces us, x to the right and y downwards, so the signer's left is at larger x. Bodies are in shoulder widths
about the middle of the shoulders, hands in lengths of a hand about the wrist, faces in heights of a face about its
middle.
"""

import numpy as np

from slrcli.features.anatomy import hand_points, placed_points
from slrcli.features.layout import Layout, load_layout
from slrcli.features.layout.layout import Group

Place = tuple[float, float]

_MIDDLE: dict[str, Place] = {
    "head": (0, -0.55), "nose": (0, -0.55), "neck": (0, 0), "shoulder_centre": (0, 0), "spine": (0, 0.75),
    "hip_centre": (0, 1.4), "mid_hip": (0, 1.4),
}  # fmt: skip
_LEFT: dict[str, Place] = {
    "eye_inner": (0.1, -0.7), "eye": (0.18, -0.7), "eye_outer": (0.26, -0.7), "ear": (0.4, -0.62),
    "mouth": (0.12, -0.36), "shoulder": (0.5, 0), "elbow": (0.8, 0.6), "wrist": (1.0, 1.15), "hand": (1.06, 1.4),
    "thumb": (0.84, 1.38), "index": (1.02, 1.5), "pinky": (1.2, 1.42), "hip": (0.3, 1.4), "knee": (0.34, 2.1),
    "ankle": (0.36, 2.8), "heel": (0.26, 3.0), "foot_index": (0.58, 3.08), "foot": (0.5, 3.02),
    "big_toe": (0.46, 3.08), "small_toe": (0.66, 3.02),
}  # fmt: skip
_EYE: tuple[Place, ...] = ((-1, 0), (-0.4, -1), (0.4, -1), (1, 0), (0.4, 1), (-0.4, 1))  # from the picture's left
IRISES = 468  # of the mesh of 478, the first point of the signer's right iris


def at_rest(group: Group, layout: Layout) -> dict[int, Place]:
    """Number within the group -> place, of the points whose names are known."""
    if group.kind == "hand":
        known = _hand(left="left" in group.name.lower())
    elif group.kind == "face":
        known = _mesh() if _is_mesh(group) else _contours()
    else:
        known = _body(-1 if _left_is_at_smaller_x(layout) else 1)
    return {number: known[name] for number, name in enumerate(group.points) if name in known}


def _is_mesh(group: Group) -> bool:
    """Numbered points of which some are beyond any smaller face are those of MediaPipe's mesh, or a part of it."""
    return all(name.isdecimal() for name in group.points) and max(map(int, group.points)) >= 200


def _left_is_at_smaller_x(layout: Layout) -> bool:
    """Sensors that turn the body to the front may call the picture's left the left, as the layout then says."""
    return layout.turn and layout.shoulders[0].partition(".")[2].startswith("left")


def _body(side: int) -> dict[str, Place]:
    known = dict(_MIDDLE)
    for name, (x, y) in _LEFT.items():
        for word, sign in (("left", side), ("right", -side)):
            known[f"{word}_{name}"] = known[f"{name}_{word}"] = (sign * x, y)
    return known


def _hand(left: bool) -> dict[str, Place]:
    names = load_layout("mediapipe-126").groups[0].points
    points = hand_points(np.array([[0, 0, 0, 0, 0, 0.5]]), np.zeros((1, 3)))[0, :, :2] * (1 if left else -1, 1)
    return {name: (float(x), float(y)) for name, (x, y) in zip(names, points, strict=True)}


def _mesh() -> dict[str, Place]:
    """MediaPipe's numbered face: contours, nose and irises; the rest of the mesh has no place in a scheme."""
    points = placed_points()
    known = {str(number): (float(x), float(y)) for number, (x, y) in enumerate(points) if np.isfinite(x)}
    for first, corners in ((IRISES, (33, 133)), (IRISES + 5, (263, 362))):
        x, y = points[list(corners)].mean(axis=0).tolist()
        around = ((0, 0), (0.018, 0), (0, -0.018), (-0.018, 0), (0, 0.018))
        known |= {str(first + number): (x + dx, y + dy) for number, (dx, dy) in enumerate(around)}
    return known


def _contours() -> dict[str, Place]:
    """The face of 68 points (and two pupils) that OpenPose and COCO-WholeBody have."""
    known: dict[str, Place] = {"right_pupil": (-0.17, -0.13), "left_pupil": (0.17, -0.13)}
    for number, angle in enumerate(np.deg2rad(np.linspace(190, -10, 17))):
        known[f"contour_{number}"] = (0.37 * float(np.cos(angle)), 0.5 * float(np.sin(angle)))
    for number in range(5):
        x, y = 0.29 - 0.055 * number, -0.24 - 0.04 * float(np.sin(np.pi * (number + 0.5) / 5))
        known[f"right_brow_{number}"], known[f"left_brow_{4 - number}"] = (-x, y), (x, y)
        known[f"nose_base_{number}"] = (0.045 * (number - 2), 0.12 - 0.01 * abs(number - 2))
    for number in range(4):
        known[f"nose_bridge_{number}"] = (0.0, -0.13 + 0.06 * number)
    for number, (x, y) in enumerate(_EYE):
        known[f"right_eye_{number}"] = (-0.17 + 0.08 * x, -0.13 + 0.03 * y)
        known[f"left_eye_{number}"] = (0.17 + 0.08 * x, -0.13 + 0.03 * y)
    for name, count, radii in (("outer", 12, (0.15, 0.07)), ("inner", 8, (0.1, 0.025))):
        for number, angle in enumerate(np.pi * (1 + 2 * np.arange(count) / count)):
            known[f"{name}_lip_{number}"] = (radii[0] * float(np.cos(angle)), 0.29 + radii[1] * float(np.sin(angle)))
    return known
