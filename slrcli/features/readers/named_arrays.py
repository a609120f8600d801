"""Archives of several arrays (`.npz`, `.safetensors`): landmarks by body part of cslrtools2, keypoints of MMPose.

cslrtools2 (https://github.com/plumiume/python-cslrtools2) writes one `landmarks.npz` per clip into a folder named after
the clip: `mediapipe.pose`, `mediapipe.left_hand`, `mediapipe.right_hand`, `mediapipe.face`, each `[T, N, 4]`: x, y,
z, visibility in shares of the picture, NaN where nothing was seen. Keypoints: `keypoints [T, (people,) K, 2 or 3]` in
pixels and `scores` or `keypoint_scores [T, (people,) K]`.
"""

import os
from pathlib import Path

import numpy as np

from slrcli.errors import DataError
from slrcli.features.layout import Layout, load_layout
from slrcli.features.readers import npz, safetensors
from slrcli.features.readers.common import AGAIN, Reader, check_extent, plainly
from slrcli.features.readers.keypoints import from_people
from slrcli.features.recording import Recording

PARTS = ("pose", "face", "left_hand", "right_hand")
PREFIX = "mediapipe."
SCORES = ("scores", "keypoint_scores")


OPENED_BY = {".npz": npz.arrays_in, ".safetensors": safetensors.arrays_in}


class NamedArrays(Reader):
    """Archives of these two kinds; others are read as plain arrays."""

    suffixes = tuple(OPENED_BY)

    def reads(self, path: Path) -> bool:
        if not super().reads(path) or not os.path.isfile(path):
            return False
        with plainly(path), OPENED_BY[path.suffix.lower()](path) as (names, _):
            return "keypoints" in names or any(PREFIX + part in names for part in PARTS)

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        """See `Reader`.

        Raises:
            DataError: the file is damaged, pickled or empty, its arrays are inconsistent, or it shows nobody.
        """
        with plainly(path), OPENED_BY[path.suffix.lower()](path) as (names, array):
            if "keypoints" in names:
                scores = next((name for name in SCORES if name in names), None)
                frames = _people(array("keypoints"), array(scores) if scores else None, path)
                return from_people(frames, None, people, path)
            return _landmarks({part: array(PREFIX + part) for part in PARTS if PREFIX + part in names}, path)


def _people(keypoints: np.ndarray, scores: np.ndarray | None, path: Path) -> list[list[np.ndarray]]:
    """For each frame its people, each `[K, 3]`: x, y, score."""
    if keypoints.ndim == 3:
        keypoints, scores = keypoints[:, None], scores if scores is None else scores[:, None]
    if keypoints.ndim != 4 or keypoints.shape[3] not in (2, 3):
        what = f"The keypoints have the shape {keypoints.shape}, not [frames, (people,) points, 2 or 3]."
        raise DataError(what, path, AGAIN)
    check_extent(len(keypoints), int(np.prod(keypoints.shape[1:])), path)
    if scores is None:
        scores = keypoints[..., 2] if keypoints.shape[3] == 3 else np.ones(keypoints.shape[:3])
    if scores.shape != keypoints.shape[:3]:
        raise DataError(f"The scores {scores.shape} do not match the keypoints {keypoints.shape}.", path, AGAIN)
    return [list(frame) for frame in np.concatenate([keypoints[..., :2], scores[..., None]], axis=3)]


def _landmarks(parts: dict[str, np.ndarray], path: Path) -> Recording:
    lengths = {len(array) for array in parts.values()}
    for part, array in parts.items():
        if array.ndim != 3 or array.shape[2] not in (3, 4):
            what = f"The array {PREFIX}{part} has the shape {array.shape}, not [frames, points, 3 or 4]."
            raise DataError(what, path, AGAIN)
    if len(lengths) > 1:
        raise DataError(f"The parts have different numbers of frames: {sorted(lengths)}.", path, AGAIN)
    (frames,) = lengths
    check_extent(frames, sum(array[0].size for array in parts.values() if len(array)), path)
    layout = _layout({part: array.shape[1:] for part, array in parts.items()}, path)
    columns = []
    for group in layout.groups:
        array = parts[group.name][..., : len(group.coordinates)].astype(np.float32)
        array[~np.isfinite(array).all(axis=2)] = np.nan
        columns.append(array.reshape(len(array), -1))
    return Recording(np.ascontiguousarray(np.hstack(columns)), layout)


def _layout(shapes: dict[str, tuple[int, int]], path: Path) -> Layout:
    """The shipped layout of these parts, else one of their own. Visibility is said of the pose alone."""
    full = load_layout("mediapipe-1659").by_name
    groups = []
    for part, (count, depth) in shapes.items():
        if count > len(full[part].points):
            what = f"The array {PREFIX}{part} has {count} points, but MediaPipe has {len(full[part].points)}."
            raise DataError(what, path, AGAIN)
        axes = ("x", "y", "z", "visibility") if part == "pose" and depth == 4 else ("x", "y", "z")
        groups.append({"name": part, "points": full[part].points[:count], "coordinates": axes})
    made = Layout.from_dict({"name": "mediapipe", "like": "mediapipe-1659", "groups": groups}, str(path))
    for name in ("mediapipe-1662", "mediapipe-258"):
        layout = load_layout(name)
        if layout.width == made.width and [g.name for g in layout.groups] == [g.name for g in made.groups]:
            return layout
    return made
