"""Readers against files that the libraries wrote which the formats come from, or against these libraries' own readers.

`written/mmpose-inferencer.json.gz`: three frames of which one shows nobody and two show two people, made by
`split_instances` of mmpose 1.3.2 and written by `mmengine.dump(..., indent="  ")` of mmengine 0.10 as its inferencer
writes a video (`base_mmpose_inferencer.py`, `_finalize_video_processing`). `written/mmpose-demo.json.gz`: the same
through `demo/topdown_demo_with_mmdet.py`, which puts the data set's description before it (`parse_pose_metainfo` of
`coco_wholebody.py`) and writes with json_tricks. Only the networks were left out: the numbers are drawn.

OpenPose is no Python library, so its files are written here after its doc/02_output.md, and read by pose-format as
well. cslrtools2 is on no package index (https://github.com/plumiume/python-cslrtools2): its saver of archives
(`lmpipe/collector/landmark_matrix/npz_lmsc.py`) is two lines of numpy, which are called here with its keys, shapes and
names of files; its saver of safetensors likewise. Files of Kaggle are written by pyarrow in `test_reader_parquet.py`,
`.pose` by pose-format in `test_reader_pose.py`.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.corpus import open_corpus
from slrcli.features.layout import load_layout
from slrcli.features.readers import feature_header, feature_shape, own_layout, read_recording

WRITTEN = Path(__file__).parent / "written"
RNG = np.random.default_rng(0)


# MMPose


@pytest.fixture(params=["mmpose-inferencer", "mmpose-demo"])
def mmpose(request, tmp_path) -> Path:
    path = tmp_path / f"{request.param}.json"
    path.write_bytes(gzip.decompress((WRITTEN / f"{request.param}.json.gz").read_bytes()))
    return path


def test_what_mmpose_writes_is_read_number_by_number(mmpose):
    found = read_recording(mmpose)
    assert found.layout == load_layout("coco-wholebody-133") == own_layout(mmpose)
    assert feature_shape(mmpose) == (3, 399) and found.notes == (
        "There are 2 people in the picture: the largest was taken.",
    )
    told = json.loads(mmpose.read_text())
    frames = told["instance_info"] if isinstance(told, dict) else told
    points = found.values.reshape(3, 133, 3)
    assert np.isnan(points[1]).all()  # nobody there
    for t in (0, 2):
        largest = max(frames[t]["instances"], key=lambda one: np.ptp(one["keypoints"], axis=0).prod())
        np.testing.assert_array_equal(points[t, :, :2], np.float32(largest["keypoints"]))
        np.testing.assert_array_equal(points[t, :, 2], np.float32(largest["keypoint_scores"]))


def test_both_ways_in_which_mmpose_writes_a_video_are_the_same_clip(tmp_path):
    clips = []
    for name in ("mmpose-inferencer", "mmpose-demo"):
        (tmp_path / f"{name}.json").write_bytes(gzip.decompress((WRITTEN / f"{name}.json.gz").read_bytes()))
        clips.append(read_recording(tmp_path / f"{name}.json").values)
    np.testing.assert_array_equal(*clips)


def test_points_of_mmpose_have_the_names_that_its_data_set_gives_them():
    told = json.loads(gzip.decompress((WRITTEN / "mmpose-demo.json.gz").read_bytes()))["meta_info"]
    theirs = [told["keypoint_id2name"][str(number)] for number in range(133)]
    ours = load_layout("coco-wholebody-133").point_names
    assert theirs[:23] == [name.removeprefix("pose.") for name in ours[:23]]
    fingers = {"thumb": "thumb", "index": "forefinger", "middle": "middle_finger", "ring": "ring_finger"}
    fingers["pinky"] = "pinky_finger"
    for side, first in (("left", 91), ("right", 112)):
        joints = [name.partition(".")[2].partition("_")[0] for name in ours[first + 1 : first + 21]]
        expected = [f"{side}_{fingers[joint]}{number % 4 + 1}" for number, joint in enumerate(joints)]
        assert theirs[first : first + 21] == [f"{side}_hand_root", *expected]
    pairs = {frozenset(pair) for pair in load_layout("coco-wholebody-133").mirror}
    flipped = told["flip_indices"]  # which point becomes which in a mirror, as they have it
    swapped = {frozenset((ours[a], ours[b])) for a, b in enumerate(flipped) if a != b}
    assert pairs == swapped


# OpenPose


def openpose_frames(folder: Path, frames: int = 4) -> Path:
    """Files as `--write_json --face --hand` leaves them: six digits, empty lists for what was not asked for."""
    sizes = {"pose": 25, "face": 70, "hand_left": 21, "hand_right": 21}
    folder.mkdir()
    for frame in range(frames):
        person: dict = {"person_id": [-1]}
        for part, count in sizes.items():
            points = np.column_stack([RNG.uniform(1, 1000, (count, 2)), RNG.uniform(0.1, 1, count)])
            points[RNG.random(count) < 0.2] = 0
            person[f"{part}_keypoints_2d"] = [float(f"{value:.6g}") for value in points.ravel()]
        person |= {f"{part}_keypoints_3d": [] for part in sizes}
        file = folder / f"clip_{frame:012}_keypoints.json"
        file.write_text(json.dumps({"version": 1.3, "people": [person]}, separators=(",", ":")))
    return folder


def test_openposes_files_are_read_as_pose_format_reads_them(tmp_path):
    theirs = pytest.importorskip("pose_format.utils.openpose", reason="the extra pose is not installed")
    folder = openpose_frames(tmp_path / "clip")
    pose = theirs.load_openpose_directory(str(folder), width=1000, height=1000)
    found = read_recording(folder)
    starts, first = {}, 0
    for component in pose.header.components:
        starts[component.name] = range(first, first + len(component.points))
        first += len(component.points)
    parts = {"pose": "pose", "face": "face", "left_hand": "hand_left", "right_hand": "hand_right"}
    for group in found.layout.groups:
        points = found.values[:, group.start : group.stop].reshape(4, len(group.points), 3)
        here = list(starts[f"{parts[group.name]}_keypoints_2d"])
        confidence = pose.body.confidence[:, 0, here]
        xy = np.where(confidence[..., None] > 0, np.asarray(pose.body.data.data)[:, 0, here], np.nan)
        np.testing.assert_array_equal(points[..., :2], xy.astype(np.float32))
        np.testing.assert_array_equal(np.nan_to_num(points[..., 2]), confidence)


# cslrtools2


def landmarks(frames: int = 5, face: int = 468) -> dict[str, np.ndarray]:
    """What its holistic estimator gives, stacked: `mediapipe.*` of `[T, N, 4]`, NaN in frames without the part."""
    sizes = {"pose": 33, "left_hand": 21, "right_hand": 21, "face": face}
    arrays = {f"mediapipe.{part}": RNG.random((frames, count, 4)) for part, count in sizes.items()}
    arrays["mediapipe.left_hand"][1:3] = np.nan
    return arrays


def same_points(found, arrays) -> bool:
    for group in found.layout.groups:
        points = found.values[:, group.start : group.stop].reshape(len(found.values), len(group.points), -1)
        np.testing.assert_array_equal(
            points, np.float32(arrays[f"mediapipe.{group.name}"][..., : points.shape[2]]), err_msg=group.name
        )
    return len(found.layout.groups) == 4


@pytest.mark.parametrize("flag", [False, True])
def test_archives_of_cslrtools2_are_read(tmp_path, flag):
    arrays = landmarks()
    more = {"allow_pickle": np.array(True)} if flag else {}  # older numpy stores the flag that it is given as an array
    np.savez(tmp_path / "landmarks.npz", **more, **arrays)
    found = read_recording(tmp_path / "landmarks.npz")
    assert found.layout == load_layout("mediapipe-1662") and same_points(found, arrays)


def test_safetensors_of_cslrtools2_are_read_whole_and_not_their_first_array(tmp_path):
    arrays = landmarks()
    save_file(arrays, tmp_path / "landmarks.safetensors")
    found = read_recording(tmp_path / "landmarks.safetensors")
    assert same_points(found, arrays) and feature_shape(tmp_path / "landmarks.safetensors") == (5, 1662)
    assert feature_header(tmp_path / "landmarks.safetensors").columns == 1662


def test_a_folder_of_cslrtools2_is_a_corpus_and_is_converted_clip_by_clip(tmp_path):
    for split, clip in (("train", "a"), ("dev", "b")):
        folder = tmp_path / "features" / split / clip
        folder.mkdir(parents=True)
        np.savez(folder / "landmarks.npz", **landmarks())
        (tmp_path / "annotations").mkdir(exist_ok=True)
        table = f"id|folder|signer|annotation\n{clip}|{clip}|s|HELLO\n"
        (tmp_path / "annotations" / f"{split}.corpus.csv").write_text(table)
    corpus = open_corpus(tmp_path)
    assert [item.features for item in corpus.split("train")] == [tmp_path / "features/train/a/landmarks.npz"]
    done = CliRunner().invoke(app, ["convert", str(tmp_path / "features"), str(tmp_path / "out")])
    assert done.exit_code == 0
    assert sorted(p.relative_to(tmp_path / "out") for p in (tmp_path / "out").rglob("*.npz")) == [
        Path("dev/b.npz"),
        Path("train/a.npz"),
    ]
