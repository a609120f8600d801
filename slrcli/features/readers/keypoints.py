"""Reads keypoints per person and frame: OpenPose's JSON and MMPose's JSON.

OpenPose writes one folder per clip with one file per frame, `NAME_000000000000_keypoints.json`: `{"people":
[{"pose_keypoints_2d": [x, y, c, ...], "face_keypoints_2d": ..., "hand_left_keypoints_2d": ...}]}`
(https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md, flag `--write_json`).

MMPose writes one file per clip: `{"meta_info": ..., "instance_info": [{"frame_id": 1, "instances": [{"keypoints":
[[x, y], ...], "keypoint_scores": [...], "bbox": ...}]}]}`, or the list of frames alone, or a list of the instances of
each frame (https://mmpose.readthedocs.io/en/latest/user_guides/inference.html, `pred_out_dir`).

Both give pixels without the size of the picture.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.errors import DataError
from slrcli.features.layout import Layout, load_layout
from slrcli.features.readers.common import (
    AGAIN,
    FRAME_FILE,
    Reader,
    check_extent,
    check_range,
    check_swelling,
    holds_frames,
    plainly,
    read_json,
)
from slrcli.features.readers.people import follow, without_leaps
from slrcli.features.recording import Recording, Size

OPENPOSE_PARTS = {"pose": "pose", "face": "face", "hand_left": "left_hand", "hand_right": "right_hand"}
BODY_18 = 18  # the points of OpenPose's older model of the body
COCO_BODY = 17  # the points of COCO, with which those of COCO-WholeBody begin


class OpenPose(Reader):
    """Folders of OpenPose's frames."""

    def reads(self, path: Path) -> bool:
        return os.path.isdir(path) and holds_frames(entry.name for entry in path.iterdir())

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        """See `Reader`; frames without a file are missing."""
        own = load_layout("openpose-137")
        with plainly(path):
            files = {int(found[1]): entry for entry in path.iterdir() if (found := FRAME_FILE.fullmatch(entry.name))}
            if not files:
                raise DataError(
                    "The folder holds no *_keypoints.json.", path, "Write the files with openpose --write_json."
                )
            first, last = min(files), max(files)
            check_range("The files number frames", first, last, len(files), path, "Keep one clip per folder.")
            check_extent(last - first + 1, own.width, path)
        frames: list[list[np.ndarray]] = [[] for _ in range(first, last + 1)]
        for number, file in sorted(files.items()):
            with plainly(file):
                found = read_json(file)
                rows = found.get("people") if isinstance(found, dict) else None
                if not isinstance(rows, list):
                    raise DataError("This is not an output of OpenPose: it has no list of people.", file, AGAIN)
                frames[number - first] = [_openpose_person(row, own, file) for row in rows]
        return from_people(frames, None, people, path, own)


class MMPose(Reader):
    """Files of MMPose's inferencer."""

    suffixes = (".json",)
    is_text = True

    def read(self, path: Path, layout: Layout | None = None, people: str = "largest") -> Recording:
        """See `Reader`.

        Raises:
            DataError: the file is another kind of JSON, has points unknown to COCO, or shows nobody.
        """
        with plainly(path):
            found = read_json(path)
            if isinstance(found, dict) and "people" in found:
                raise DataError("This is a single frame of OpenPose.", path, "Name its folder, not the file.")
            frames = found.get("instance_info", found.get("predictions")) if isinstance(found, dict) else found
            if not isinstance(frames, list) or not frames:
                what = "This JSON file holds no frames with instances like those of MMPose's inferencer."
                raise DataError(what, path, "Write it with pred_out_dir, or convert it to .npz.")
            if all(isinstance(frame, dict) and "keypoints" in frame for frame in frames):
                frames = [frames]  # the people of a single picture
            return from_people(_mmpose_frames(frames, path), None, people, path)


def from_people(
    frames: Sequence[Sequence[np.ndarray]], size: Size | None, people: str, path: Path, layout: Layout | None = None
) -> Recording:
    """The signer of every frame.

    Args:
        frames: for each frame its people, each `[K, 3]`: x, y and confidence, which is 0 for points not seen.
        layout: of the K points; None for COCO-WholeBody, or only its body.
    """
    layout = layout or load_layout("coco-wholebody-133")
    points = len(layout.point_names)
    check_extent(len(frames), layout.width, path)
    if path.is_file():
        check_swelling(4 * len(frames) * layout.width, path)
    checked = [[_seen(person, points, path) for person in frame] for frame in frames]
    body = slice(len(layout.by_name["pose"].points))  # which come first
    chosen, notes = follow(checked, people, path, body)
    values = np.full((len(frames), points, 3), np.nan, np.float32)
    for t, person in enumerate(chosen):
        if person is not None:
            values[t] = checked[t][person]
    values, leaps = without_leaps(values, body)
    return Recording(values.reshape(len(frames), -1), layout, size=size, notes=notes + leaps)


def _seen(person: np.ndarray, points: int, path: Path) -> np.ndarray:
    """`[points, 3]`, NaN where a point was not seen, and beyond the points of a body alone."""
    if person.shape[0] not in (points, COCO_BODY) or person.shape[1] != 3:
        what = f"A person has {person.shape[0]} points, not {points} (whole body) or {COCO_BODY} (COCO)."
        raise DataError(what, path, "Use a whole-body model, or save the arrays as .npy with a layout of your own.")
    found = np.full((points, 3), np.nan, np.float32)
    found[: len(person)] = person
    found[~np.isfinite(found).all(axis=1) | (found[:, 2] <= 0)] = np.nan
    return found


def _openpose_person(row: Any, layout: Layout, path: Path) -> np.ndarray:
    """`[137, 3]`; parts that OpenPose did not look for stay 0."""
    person = np.zeros((len(layout.point_names), 3), np.float32)
    start = 0
    for part, name in OPENPOSE_PARTS.items():
        group = layout.by_name[name]
        values = np.asarray(row.get(f"{part}_keypoints_2d", row.get(f"{part}_keypoints", ())) or (), np.float32)
        if part == "pose" and values.size == 3 * BODY_18:
            values = _body_18(values.reshape(-1, 3), group.points)
        if values.size not in (0, 3 * len(group.points)):
            what = f"The part {part} has {values.size} numbers, not 3 x {len(group.points)}."
            raise DataError(what, path, "Use OpenPose's model BODY_25.")
        if values.size:
            person[start : start + len(group.points)] = values.reshape(-1, 3)
        start += len(group.points)
    return person


def _body_18(values: np.ndarray, points: tuple[str, ...]) -> np.ndarray:
    """OpenPose's 18 points of the older model among the 25 of the newer, which has the middle of the hips besides."""
    found = np.zeros((len(points), 3), np.float32)
    places = [index for index, point in enumerate(points) if point != "mid_hip"][:BODY_18]
    found[places] = values
    return found


def _mmpose_frames(frames: list, path: Path) -> list[list[np.ndarray]]:
    """For each frame its people. Frames may be numbered from 1; those that are not named are missing."""
    told = [frame.get("frame_id") if isinstance(frame, dict) else None for frame in frames]
    numbers: list[int] = [number for number in told if type(number) is int]
    if len(set(numbers)) == len(frames):
        first, last = min(numbers), max(numbers)
        check_range("The values of frame_id range", first, last, len(frames), path)
    else:
        first, last, numbers = 0, len(frames) - 1, list(range(len(frames)))
    people: list[list[np.ndarray]] = [[] for _ in range(first, last + 1)]
    for number, frame in zip(numbers, frames, strict=True):
        rows = frame.get("instances", ()) if isinstance(frame, dict) else frame
        if not isinstance(rows, list):
            raise DataError("A frame is not a list of instances.", path, AGAIN)
        people[number - first] = [_mmpose_person(row, path) for row in rows]
    return people


def _mmpose_person(row: Any, path: Path) -> np.ndarray:
    if not isinstance(row, dict) or "keypoints" not in row:
        raise DataError("An instance has no keypoints.", path, AGAIN)
    points = np.asarray(row["keypoints"], np.float32)
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise DataError(f"The keypoints have the shape {points.shape}, not [points, 2].", path, AGAIN)
    scores = np.asarray(row.get("keypoint_scores", np.ones(len(points))), np.float32).reshape(len(points), 1)
    return np.hstack([points[:, :2], scores])
