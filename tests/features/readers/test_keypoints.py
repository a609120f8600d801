"""OpenPose's folders of JSON, MMPose's JSON and archives, and the landmarks of cslrtools2.

The files are made by hand after the documents that describe them: OpenPose's doc/02_output.md (`--write_json`),
MMPose's user guide on inference (`pred_out_dir`) and its demo's `--save-predictions`, and the README of cslrtools2.
"""

import json
import time

import numpy as np
import pytest

from slrcli.errors import DataError
from slrcli.features.layout import load_layout
from slrcli.features.readers import feature_shape, own_layout, read_features, read_recording
from slrcli.features.readers.people import choose_track, without_leaps

OPENPOSE, COCO = load_layout("openpose-137"), load_layout("coco-wholebody-133")
RNG = np.random.default_rng(0)
SIZES = {"pose": 25, "face": 70, "hand_left": 21, "hand_right": 21}


def person(place: float = 100.0, size: float = 80.0, sizes=None) -> np.ndarray:
    """`[137, 3]` of a person at a place, all points seen."""
    points = RNG.random((sum((sizes or SIZES).values()), 3)).astype(np.float32)
    points[:, :2] = place + size * points[:, :2]
    points[:, 2] = 0.1 + 0.9 * points[:, 2]
    return points


def openpose(folder, frames: dict[int, list], sizes=None):
    """A folder as `--write_json` makes it: a file a frame."""
    sizes = sizes or SIZES
    folder.mkdir()
    for number, people in frames.items():
        rows = []
        for points in people:
            parts = np.split(points, np.cumsum(list(sizes.values()))[:-1])
            rows.append({"person_id": [-1]})
            rows[-1] |= {f"{name}_keypoints_2d": part.ravel().tolist() for name, part in zip(sizes, parts, strict=True)}
            rows[-1] |= {f"{name}_keypoints_3d": [] for name in sizes}
        text = json.dumps({"version": 1.3, "people": rows})
        (folder / f"{folder.name}_{number:012d}_keypoints.json").write_text(text, encoding="utf-8")
    return folder


def test_openpose_folders_are_clips(tmp_path):
    people = [person() for _ in range(3)]
    people[1][40] = 0  # not seen
    folder = openpose(tmp_path / "clip", dict(enumerate([[p] for p in people])))
    found = read_recording(folder)
    assert found.layout == OPENPOSE == own_layout(folder) and feature_shape(folder) == (3, 411)
    expected = np.stack(people)
    expected[1, 40] = np.nan
    np.testing.assert_array_equal(found.values.reshape(3, 137, 3), expected)
    assert found.notes == () and found.size is None


def test_frames_without_a_file_or_a_person_are_missing_and_numbers_may_begin_anywhere(tmp_path):
    folder = openpose(tmp_path / "clip", {100: [person()], 101: [], 103: [person()]})
    x = read_features(folder)
    np.testing.assert_array_equal(np.isnan(x).all(axis=1), [False, True, True, False])


def test_parts_that_openpose_did_not_look_for_are_missing(tmp_path):
    folder = openpose(tmp_path / "clip", {0: [person(sizes={"pose": 25})]}, {"pose": 25})
    x = read_features(folder)
    assert np.isfinite(x[:, :75]).all() and np.isnan(x[:, 75:]).all()


def test_openposes_older_body_is_matched_by_name(tmp_path):
    old = {"pose": 18}
    points = person(sizes=old)
    x = read_features(openpose(tmp_path / "clip", {0: [points]}, old))
    order = "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee"
    order += " right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear"
    body = OPENPOSE.by_name["pose"]
    places = [body.column(name, "x") for name in order.split()]
    np.testing.assert_array_equal(x[0, places], points[:, 0])
    assert np.isnan(x[0, body.column("mid_hip", "x")])


def test_the_largest_person_is_followed_whatever_their_order(tmp_path):
    signer, other = [person(300 + 5 * t, 200) for t in range(4)], [person(20, 60) for _ in range(4)]
    frames = {t: [signer[t], other[t]] if t % 2 else [other[t], signer[t]] for t in range(4)}
    folder = openpose(tmp_path / "clip", frames)
    found = read_recording(folder)
    np.testing.assert_array_equal(found.values.reshape(4, 137, 3), np.stack(signer))
    assert found.notes == ("There are 2 people in the picture: the largest was taken.",)
    with pytest.raises(DataError, match="2 people in the picture"):
        read_recording(folder, people="error")


def test_another_person_does_not_take_the_signers_place(tmp_path):
    frames = {0: [person(900, 200), person(10, 50)], 1: [person(10, 50)], 2: [person(900, 200)]}
    x = read_features(openpose(tmp_path / "clip", frames))
    np.testing.assert_array_equal(np.isnan(x).all(axis=1), [False, True, False])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ('{"people": [', "damaged"),
        ("[]", "no list of people"),
        ('{"people": 3}', "no list of people"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "pose has 2 numbers"),
        ('{"people": [{"pose_keypoints_2d": ["a", "b", "c"]}]}', "damaged"),
        ('{"people": [7]}', "damaged"),
        ("[" * 10_000 + "]" * 10_000, "nested deeper"),
        ('{"people": ' + "[" * 100_000, "nested deeper|damaged"),
        ("\0\0\0", "not a text file"),
    ],
)
def test_faults_of_openposes_files_are_named(tmp_path, text, message):
    folder = openpose(tmp_path / "clip", {0: [person()]})
    (folder / "clip_000000000001_keypoints.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_features(folder)
    assert caught.value.where.endswith("clip_000000000001_keypoints.json")


def test_nobody_and_frame_numbers_without_end_are_named(tmp_path):
    with pytest.raises(DataError, match="Nobody was seen"):
        read_features(openpose(tmp_path / "empty", {0: [], 1: []}))
    with pytest.raises(DataError, match="number frames from 0"):
        read_features(openpose(tmp_path / "far", {0: [person()], 10**11: [person()]}))


def instances(people: list[np.ndarray]) -> list[dict]:
    """What MMPose says of the people of a frame."""
    return [
        {
            "keypoints": points[:, :2].tolist(),
            "keypoint_scores": points[:, 2].tolist(),
            "bbox": [[*points[:, :2].min(axis=0).tolist(), *points[:, :2].max(axis=0).tolist()]],
            "bbox_score": 0.9,
        }
        for points in people
    ]


def whole_body(place=100.0, size=80.0) -> np.ndarray:
    return person(place, size, {"all": 133})


def test_every_form_of_mmposes_json_is_the_same_clip(tmp_path):
    people = [whole_body() for _ in range(3)]
    rows = [instances([p]) for p in people]
    numbered = [{"frame_id": t + 1, "instances": row} for t, row in enumerate(rows)]
    meta = {"dataset_name": "coco_wholebody", "num_keypoints": 133}
    for name, value in {
        "video": {"meta_info": meta, "instance_info": numbered},
        "numbered": numbered,
        "predictions": {"predictions": rows},
        "lists": rows,
    }.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(value), encoding="utf-8")
        found = read_recording(path)
        assert found.layout == COCO and feature_shape(path) == (3, 399)
        np.testing.assert_array_equal(found.values.reshape(3, 133, 3), np.stack(people))
    path.write_text(json.dumps(instances(people[:1])), encoding="utf-8")
    np.testing.assert_array_equal(read_features(path).reshape(1, 133, 3), people[0][None])


def test_frames_that_mmpose_leaves_out_are_missing_and_a_body_alone_is_a_part(tmp_path):
    body = whole_body()[:17]
    rows = [{"frame_id": number, "instances": instances([body])} for number in (1, 4)]
    (tmp_path / "a.json").write_text(json.dumps({"instance_info": rows}), encoding="utf-8")
    x = read_features(tmp_path / "a.json").reshape(4, 133, 3)
    np.testing.assert_array_equal(x[3, :17], body)
    assert np.isnan(x[1:3]).all() and np.isnan(x[:, 17:]).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"people": []}, "Name its folder"),
        ({"a": 1}, "no frames with instances"),
        ([], "no frames with instances"),
        ([3], "not a list of instances"),
        ([[{"bbox": [1]}]], "has no keypoints"),
        ([[{"keypoints": [[1, 2, 3, 4]]}]], "have the shape"),
        ([[{"keypoints": [[1, 2]] * 26}]], "A person has 26 points"),
        ([[{"keypoints": [[1, 2]] * 17, "keypoint_scores": [1.0]}]], "damaged"),
        ([[{"keypoints": [[1, None]] * 17}]], "Nobody was seen"),
        ([[], []], "Nobody was seen"),
        ([{"frame_id": 1, "instances": []}, {"frame_id": 10**12, "instances": []}], "frame_id range from 1"),
    ],
)
def test_faults_of_mmposes_files_are_named(tmp_path, value, message):
    (tmp_path / "bad.json").write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_features(tmp_path / "bad.json")
    assert caught.value.where == str(tmp_path / "bad.json")


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("scores", ["scores", "keypoint_scores", None])
def test_keypoints_in_archives(tmp_path, several, scores):
    people = np.stack([np.stack([whole_body(10, 30), whole_body(200, 90)]) for _ in range(4)])
    arrays = people if several else people[:, 1]
    if scores is None:
        np.savez(tmp_path / "clip.npz", keypoints=arrays)
    else:
        np.savez(tmp_path / "clip.npz", keypoints=arrays[..., :2], **{scores: arrays[..., 2]})
    found = read_recording(tmp_path / "clip.npz")
    assert found.layout == COCO and bool(found.notes) == several
    np.testing.assert_array_equal(found.values.reshape(4, 133, 3), people[:, 1])


def test_faults_of_archives_of_keypoints_are_named(tmp_path):
    path = tmp_path / "bad.npz"
    for arrays, message in (
        ({"keypoints": np.ones((2, 133))}, "have the shape"),
        ({"keypoints": np.ones((2, 133, 2)), "scores": np.ones((2, 132))}, "do not match"),
        ({"keypoints": np.ones((0, 133, 2))}, "0 frames"),
        ({"keypoints": np.ones((2, 0, 133, 2))}, "0 columns|nobody"),
        ({"keypoints": np.array([["a"]])}, "not real numbers"),
        ({"keypoints": np.array([{}], dtype=object)}, "pickled Python objects"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(DataError, match=message):
            read_features(path)


def cslrtools(**parts) -> dict[str, np.ndarray]:
    sizes = {"pose": 33, "left_hand": 21, "right_hand": 21, "face": 468} | parts
    return {f"mediapipe.{part}": RNG.random((5, count, 4)) for part, count in sizes.items() if count}


@pytest.mark.parametrize(
    ("parts", "layout"),
    [({}, "mediapipe-1662"), ({"face": 0}, "mediapipe-258"), ({"face": 478}, "mediapipe"), ({"pose": 0}, "mediapipe")],
)
def test_landmarks_of_cslrtools2(tmp_path, parts, layout):
    arrays = cslrtools(**parts)
    arrays["mediapipe.left_hand"][2] = np.nan
    np.savez_compressed(tmp_path / "clip.npz", **arrays)
    found = read_recording(tmp_path / "clip.npz")
    assert found.layout.name == layout and found.layout.units == "image"
    for group in found.layout.groups:
        points = found.values[:, group.start : group.stop].reshape(5, len(group.points), -1)
        theirs = arrays[f"mediapipe.{group.name}"][..., : points.shape[2]].astype(np.float32)
        np.testing.assert_array_equal(points, theirs)
    assert feature_shape(tmp_path / "clip.npz", load_layout("mediapipe-126")) == (5, 126)


def test_faults_of_landmarks_by_part_are_named(tmp_path):
    arrays = cslrtools()
    for changed, message in (
        ({"mediapipe.face": np.ones((4, 468, 4))}, "different numbers of frames"),
        ({"mediapipe.face": np.ones((5, 468))}, "has the shape"),
        ({"mediapipe.face": np.ones((5, 479, 4))}, "has 479 points"),
        ({name: np.ones((0, 21, 4)) for name in arrays}, "0 frames"),
    ):
        np.savez(tmp_path / "bad.npz", **{**arrays, **changed})
        with pytest.raises(DataError, match=message):
            read_features(tmp_path / "bad.npz")


def test_a_clip_of_many_frames_is_read_in_a_moment(tmp_path):
    rows = [{"frame_id": t, "instances": instances([whole_body()])} for t in range(300)]
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    start = time.process_time()
    assert read_features(tmp_path / "a.json").shape == (300, 399)
    assert time.process_time() - start < 5


# A signer and a bystander, two thirds as large, of whom nothing or something goes wrong


def moving(frames: int, place, size: float) -> np.ndarray:
    """`[T, 137, 3]` of a person who stands still but for a hand that goes half a body from place to place."""
    shape = np.random.default_rng(5).random((137, 2))
    points = np.empty((frames, 137, 3), np.float32)
    points[..., :2] = np.asarray(place) + size * shape
    points[..., 2] = 0.9
    points[:, 116:, 0] += (0.5 * size * np.sin(np.arange(frames) / 2))[:, None]
    return points


def stray(points, frames=(7,), number=4, to=(0.0, 2500.0)):
    spoilt = points.copy()
    spoilt[list(frames), number, :2] = to
    return spoilt


def blown_up(points, frame=9):
    spoilt = points.copy()
    spoilt[frame, :, :2] = spoilt[frame, :1, :2] + 10 * (spoilt[frame, :, :2] - spoilt[frame, :1, :2])
    return spoilt


MISTAKES = {
    "nothing": lambda points: points,
    "one stray point": stray,
    "a stray point of the face": lambda points: stray(points, number=60),
    "a stray point in many frames": lambda points: stray(points, range(0, 30, 2)),
    "a stray point in all frames": lambda points: stray(points, range(30)),
    "two stray points": lambda points: stray(stray(points), number=8, to=(3000.0, 0.0)),
    "one frame out of scale": blown_up,
}


@pytest.mark.parametrize("kind", ["openpose", "mmpose", "fixed"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_mistake_about_a_bystander_makes_the_bystander_the_signer(tmp_path, kind, mistake):
    signer, bystander = moving(30, (300, 200), 300), MISTAKES[mistake](moving(30, (900, 200), 200))
    if kind == "fixed":
        track, _ = choose_track(np.stack([bystander, signer], axis=1), "largest", tmp_path, slice(25))
        assert track == 1
        return
    if kind == "openpose":
        frames = {t: [bystander[t], signer[t]] if t % 3 else [signer[t], bystander[t]] for t in range(30)}
        found = read_recording(openpose(tmp_path / "clip", frames)).values
    else:
        rows = [
            {"instances": [{"keypoints": p[:133, :2].tolist(), "keypoint_scores": p[:133, 2].tolist()} for p in pair]}
            for pair in zip(bystander, signer, strict=True)
        ]
        path = tmp_path / "clip.json"
        path.write_text(json.dumps({"instance_info": rows}))
        found, signer = read_recording(path).values, signer[:, :133]
    np.testing.assert_array_equal(found.reshape(signer.shape), signer)


@pytest.mark.parametrize(
    ("number", "frames"), [(4, (7,)), (60, (7,)), (100, (7, 8)), (136, (0,)), (30, (29,)), (4, (3, 12, 20))]
)
def test_points_of_the_signer_that_leap_away_are_missing_and_counted(tmp_path, number, frames):
    signer = moving(30, (300, 200), 300)
    folder = openpose(tmp_path / "clip", {t: [p] for t, p in enumerate(stray(signer, frames, number))})
    found = read_recording(folder)
    expected = signer.copy()
    expected[list(frames), number] = np.nan
    np.testing.assert_array_equal(found.values.reshape(30, 137, 3), expected)
    assert len(found.notes) == 1 and str(len(frames)) in found.notes[0] and "left out" in found.notes[0]


def test_a_signer_who_walks_or_comes_back_after_a_gap_keeps_all_points(tmp_path):
    signer = moving(30, (300, 200), 300)
    signer[:, :, 0] += 20 * np.arange(30)[:, None]
    frames = {t: [p] for t, p in enumerate(signer) if not 10 <= t < 14}
    found = read_recording(openpose(tmp_path / "clip", frames))
    signer[10:14] = np.nan
    np.testing.assert_array_equal(found.values.reshape(30, 137, 3), signer)
    assert found.notes == ()


def test_a_bystander_is_not_taken_while_the_signer_is_away_for_a_while(tmp_path):
    signer, bystander = moving(30, (300, 200), 300), moving(30, (480, 200), 200)
    frames = {t: [bystander[t]] if 10 <= t < 13 else [bystander[t], signer[t]] for t in range(30)}
    found = read_recording(openpose(tmp_path / "clip", frames)).values.reshape(30, 137, 3)
    signer[10:13] = np.nan
    np.testing.assert_array_equal(found, signer)


@pytest.mark.parametrize("block", [1, 2, 5, 64])
def test_leaps_are_the_same_however_many_frames_are_looked_at_together(monkeypatch, block):
    rng = np.random.default_rng(block)
    person = rng.normal(0, 0.02, (64, 20, 3)).astype(np.float32) + rng.random((1, 20, 3), np.float32)
    person[rng.random((64, 20)) < 0.1] = np.nan
    person[rng.random((64, 20)) < 0.02] += 9
    monkeypatch.setattr("slrcli.features.readers.people.BLOCK", 1000)
    whole, told = without_leaps(person)
    monkeypatch.setattr("slrcli.features.readers.people.BLOCK", block)
    parts, also = without_leaps(person)
    np.testing.assert_array_equal(parts, whole)
    assert told == also and told
