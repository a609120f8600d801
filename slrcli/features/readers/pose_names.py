"""Names in `.pose` files: what the extractors call components and points, and what our layouts call them."""

import re

from slrcli.features.layout import Layout, load_layout
from slrcli.features.layout.layout import Group

COMPONENTS_BY_EXTRACTOR = {
    "mediapipe": {
        "POSE_LANDMARKS": "pose",
        "FACE_LANDMARKS": "face",
        "LEFT_HAND_LANDMARKS": "left_hand",
        "RIGHT_HAND_LANDMARKS": "right_hand",
        "POSE_WORLD_LANDMARKS": "pose_world",
    },
    "openpose": {
        "pose_keypoints_2d": "pose",
        "face_keypoints_2d": "face",
        "hand_left_keypoints_2d": "left_hand",
        "hand_right_keypoints_2d": "right_hand",
    },
    "coco": {"BODY": "pose", "FACE": "face", "LEFT_HAND": "left_hand", "RIGHT_HAND": "right_hand"},
    "other": {},
}
COMPONENTS = {name: group for names in COMPONENTS_BY_EXTRACTOR.values() for name, group in names.items()}
# OpenPose's names of the points of a face begin with what they belong to, from the point of this number on.
FACE_PARTS = ((68, "FP"), (60, "FLI"), (48, "FLO"), (36, "FE"), (27, "FN"), (17, "FEB"), (0, "FB"))
# OpenPose's names of the points of a hand, in the order of ours.
FINGERS = [f"{finger}_{joint}" for finger in "IMRP" for joint in ("CMC", "MCP", "PIP", "DIP")]
OPENPOSE_HAND = ["BASE", "T_STT", "T_BCMC", "T_MCP", "T_IP", *FINGERS]
SIDES = {"R": "right_", "L": "left_", "": ""}


def point_names(group: str, points: list[str]) -> tuple[str, ...]:
    """Names of a component's points in our spelling: MediaPipe's, OpenPose's and COCO-WholeBody's as our layouts say.

    >>> point_names("pose", ["LEFT_SHOULDER", "RBigToe", "MidHip", "left_ankle"])
    ('left_shoulder', 'right_big_toe', 'mid_hip', 'left_ankle')
    """
    if group == "face":
        known = load_layout("openpose-137").by_name["face"].points
        return tuple(_numbered(point, known) for point in points)
    if group in ("left_hand", "right_hand"):
        known = load_layout("mediapipe-126").by_name[group].points
        ours = dict(zip(OPENPOSE_HAND, known, strict=True))
        return tuple(ours.get(point) or _numbered(point, known) for point in points)
    return tuple(_spelt(point) for point in points)


def _numbered(point: str, known: tuple[str, ...]) -> str:
    """`face-12`, `FLO_48` and `hand_3` count the known points; a bare number is a name."""
    found = re.fullmatch(r"(?:face|hand|F[A-Z]{1,2})[-_](\d+)", point)
    return known[int(found[1])] if found and int(found[1]) < len(known) else _spelt(point)


def _spelt(point: str) -> str:
    """`RBigToe` -> `right_big_toe`, `INDEX_FINGER_TIP` -> `index_tip`."""
    if point.isupper() or not re.fullmatch(r"[A-Z][A-Za-z]*", point):
        return point.lower().replace("_finger_", "_")
    side = point[0] if re.match(r"[RL][A-Z]", point) else ""
    return SIDES[side] + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", point.removeprefix(side)).lower()


def component_of(group: Group, layout: Layout) -> tuple[str, list[str]]:
    """What the extractor of a layout calls a group and its points; `point_names` turns them back.

    A layout of no extractor that writes `.pose` keeps its own names, in capitals.
    """
    names = {name: component for component, name in COMPONENTS_BY_EXTRACTOR[extractor(layout)].items()}
    return names.get(group.name, group.name), [_theirs(point, group, extractor(layout)) for point in group.points]


def extractor(layout: Layout) -> str:
    """Who makes such points: `openpose`, `coco`, `mediapipe` or `other`."""
    points = set(layout.point_names)
    if {"pose.neck", "pose.mid_hip"} <= points:
        return "openpose"
    if "face.contour_0" in points or {"pose.left_big_toe", "pose.nose"} <= points:
        return "coco"
    known = {*load_layout("holistic-576").point_names, *load_layout("mediapipe-1659").point_names}
    return "mediapipe" if points <= known else "other"


def _theirs(point: str, group: Group, who: str) -> str:
    """Our name of a point as an extractor has it."""
    if who == "mediapipe":
        finger = group.kind == "hand" and re.match(r"(index|middle|ring)_", point)
        return (point.replace("_", "_finger_", 1) if finger else point).upper()
    if who == "openpose" and group.name == "pose":
        side = next((side for side in ("right_", "left_") if point.startswith(side)), "")
        return side[:1].upper() + "".join(word.capitalize() for word in point.removeprefix(side).split("_"))
    number = _number(point, group)
    if number is None:
        return point
    if who == "coco":
        return f"{'face-' if group.name == 'face' else 'hand_'}{number}"
    if group.name == "face":
        return next(f"{prefix}_{number}" for first, prefix in FACE_PARTS if number >= first)
    return OPENPOSE_HAND[number]


def _number(point: str, group: Group) -> int | None:
    """Place of a point in the whole face or hand of OpenPose; None if it has none there."""
    known = load_layout("openpose-137").by_name.get(group.name)
    return known.index(point) if group.name != "pose" and known and point in known.points else None
