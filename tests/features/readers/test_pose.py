"""`.pose`: files that pose-format writes, the real ones of all versions, reduced sets, several people, and damage."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest

from slrcli.errors import DataError, DependencyError
from slrcli.features.layout import load_layout
from slrcli.features.readers import (
    clips_below,
    feature_header,
    feature_shape,
    own_layout,
    read_features,
    read_recording,
)
from slrcli.features.readers.common import need
from slrcli.features.writers import write_recording

pytest.importorskip("pose_format", reason="the extra pose is not installed")
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions
from pose_format.utils import cocowholebody133_header, openpose

BODY = ["NOSE", "LEFT_SHOULDER", "RIGHT_SHOULDER", "LEFT_WRIST", "RIGHT_WRIST"]
HAND = ["WRIST", "INDEX_FINGER_TIP", "PINKY_TIP"]
REAL = {
    "essen.pose": (73, "holistic-178", 24, (640, 480)),
    "kinder.pose": (45, "holistic-178", 24, (640, 480)),
    "kleine.pose": (68, "holistic-178", 25, (640, 480)),
    "pizza.pose": (53, "holistic-178", 24, (640, 480)),
    "mediapipe.pose": (170, "holistic-178", 24, (1250, 1250)),
    "openpose.pose": (93, "openpose-137", 24, (1000, 1000)),
}


def components(points: dict[str, list[str]], form: str = "XYZC") -> list[PoseHeaderComponent]:
    return [PoseHeaderComponent(name, names, [(0, 1)], [(1, 2, 3)], form) for name, names in points.items()]


def write(path: Path, parts: list[PoseHeaderComponent], data: np.ndarray, confidence=None, fps: float = 29.97) -> Path:
    """A file as pose-format writes it: `data [T, people, points, dims]`."""
    confidence = np.ones(data.shape[:3], np.float32) if confidence is None else confidence
    stream = io.BytesIO()
    header = PoseHeader(0.2, PoseHeaderDimensions(640, 480, 0), parts)
    Pose(header, NumPyPoseBody(fps, data.astype(np.float32), confidence)).write(stream)
    path.write_bytes(stream.getvalue())
    return path


def reduced(path: Path, people: int = 1, frames: int = 6, **more) -> tuple[Path, np.ndarray]:
    parts = components({"POSE_LANDMARKS": BODY, "LEFT_HAND_LANDMARKS": HAND})
    data = np.random.default_rng(1).uniform(10, 400, (frames, people, 8, 3)).astype(np.float32)
    return write(path, parts, data, **more), data


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_read_as_pose_format_reads_them(real_data, name):
    path = real_data / "data" / "poses" / name
    frames, layout, fps, size = REAL[name]
    found = read_recording(path)
    assert (len(found.values), found.layout.name, found.fps, found.size) == (frames, layout, fps, size)
    assert feature_shape(path) == found.values.shape and own_layout(path) == found.layout
    theirs = Pose.read(path.read_bytes()).body
    masked = np.asarray(theirs.confidence)[:, 0] == 0
    for group in found.layout.groups:
        points = found.values[:, group.start : group.stop].reshape(frames, len(group.points), -1)[
            ..., : len(group.axes)
        ]
        first = found.layout.point_names.index(f"{group.name}.{group.points[0]}")
        own = slice(first, first + len(group.points))
        np.testing.assert_array_equal(np.isnan(points).all(axis=2), masked[:, own])
        raw = np.asarray(theirs.data.data, np.float32)[:, 0, own]
        np.testing.assert_array_equal(points[~masked[:, own]], raw[~masked[:, own]])


@pytest.mark.parametrize("name", REAL)
def test_real_files_survive_writing(real_data, tmp_path, name):
    found = read_recording(real_data / "data" / "poses" / name)
    write_recording(tmp_path / "again.pose", found)
    again = read_recording(tmp_path / "again.pose")
    np.testing.assert_array_equal(again.values, found.values)
    assert (again.layout, again.fps, again.size) == (found.layout, found.fps, found.size)
    ours, theirs = (Pose.read(Path(p).read_bytes()) for p in (tmp_path / "again.pose", real_data / "data/poses" / name))
    assert [(c.name, c.points, c.format) for c in ours.header.components] == [
        (c.name, c.points, c.format) for c in theirs.header.components
    ]
    np.testing.assert_array_equal(ours.body.data.filled(0), theirs.body.data.filled(0))
    np.testing.assert_array_equal(ours.body.confidence, theirs.body.confidence)


def test_real_files_fit_into_a_recognisers_layout(real_data):
    layout = load_layout("mediapipe-258")
    x = read_features(real_data / "data" / "poses" / "essen.pose", layout)
    assert x.shape == (73, 258) == feature_shape(real_data / "data" / "poses" / "essen.pose", layout)
    nose, wrist = layout.by_name["pose"].column("nose", "x"), layout.by_name["pose"].column("left_wrist", "x")
    assert np.isnan(x[:, nose]).all() and 0 < np.nanmedian(x[:, wrist]) < 1


def test_points_are_matched_by_name_in_a_set_that_nobody_ships(tmp_path):
    path, data = reduced(tmp_path / "few.pose")
    found = read_recording(path)
    assert found.layout.name == "pose-8" and found.layout.units == "pixels"
    assert found.layout.point_names[-2:] == ("left_hand.index_tip", "left_hand.pinky_tip")
    assert found.layout.shoulders == ("pose.left_shoulder", "pose.right_shoulder")
    assert found.layout.by_name["left_hand"].anchor == ("wrist",) and found.fps == pytest.approx(29.97)
    x = read_features(path, load_layout("mediapipe-225"))
    hand = load_layout("mediapipe-225").by_name["left_hand"]
    np.testing.assert_allclose(x[:, hand.column("index_tip", "y")], data[:, 0, 6, 1] / 480, rtol=1e-6)


def test_names_of_other_extractors_are_ours(tmp_path):
    data = np.random.default_rng(2).uniform(1, 9, (2, 1, 137, 2))
    assert read_recording(write(tmp_path / "o.pose", openpose.OpenPose_Components, data)).layout.name == "openpose-137"
    coco = cocowholebody133_header.cocowholebody_components()
    assert read_recording(write(tmp_path / "c.pose", coco, data[:, :, :133])).layout.name == "coco-wholebody-133"
    new = components({"TAIL": ["A", "B"]})
    assert read_recording(write(tmp_path / "t.pose", new, np.ones((2, 1, 2, 3)))).layout.point_names == (
        "tail.a",
        "tail.b",
    )


@pytest.mark.parametrize(
    "name", ["mediapipe-258", "mediapipe-1629", "openpose-137", "coco-wholebody-133", "holistic-576"]
)
def test_every_layout_survives_pose(tmp_path, name):
    layout = load_layout(name)
    x = np.random.default_rng(3).uniform(0.1, 1, (3, layout.width)).astype(np.float32)
    x[1, : layout.groups[0].stop] = np.nan
    from slrcli.features.recording import Recording, fit

    write_recording(tmp_path / "x.pose", Recording(x, layout, 25.0, (512, 256)))
    again = fit(read_recording(tmp_path / "x.pose"), layout)
    known = ~np.isin(np.arange(layout.width), [c for g in layout.groups for c in visibilities(g)])
    np.testing.assert_allclose(again.values[:, known], x[:, known], rtol=1e-6)


def visibilities(group) -> list[int]:
    return [group.column(p, c) for p in group.points for c in group.coordinates if c == "visibility"]


def test_a_point_of_confidence_0_or_without_a_finite_place_is_missing(tmp_path):
    confidence = np.ones((6, 1, 8), np.float32)
    confidence[2, 0, 3] = 0
    path, _ = reduced(tmp_path / "few.pose", confidence=confidence)
    expected = np.zeros((6, 8), bool)
    expected[2, 3] = True
    x = read_features(path)
    points = np.concatenate([x[:, :20].reshape(6, 5, 4)[..., :3], x[:, 20:].reshape(6, 3, 3)], axis=1)
    np.testing.assert_array_equal(np.isnan(points).any(axis=2), expected)


def test_of_several_people_the_largest_is_taken_unless_they_are_an_error(tmp_path):
    parts = components({"POSE_LANDMARKS": BODY})
    sizes = np.array([50, 200, 90], np.float32)[:, None, None]
    data = np.random.default_rng(4).uniform(0, 1, (5, 3, 5, 3)).astype(np.float32) * sizes
    path = write(tmp_path / "three.pose", parts, data)
    found = read_recording(path)
    np.testing.assert_array_equal(found.values.reshape(5, 5, 4)[..., :3], data[:, 1])
    assert found.notes == ("There are 3 people in the picture: the largest was taken.",)
    with pytest.raises(DataError, match="3 people in the picture"):
        read_recording(path, people="error")
    confidence = np.zeros(data.shape[:3], np.float32)
    with pytest.raises(DataError, match="Nobody was seen"):
        read_recording(write(tmp_path / "none.pose", parts, data, confidence))


def version_01(path: Path, data: np.ndarray, frames: int | None = None) -> Path:
    """Version 0.1 as its specification has it, the number of frames being 16 bits."""
    stream = io.BytesIO()
    header = PoseHeader(0.1, PoseHeaderDimensions(640, 480, 0), components({"POSE_LANDMARKS": BODY}))
    header.write(stream)
    count = len(data) % (1 << 16) if frames is None else frames
    body = struct.pack("<HHH", 25, count, 1) + data.astype("<f4").tobytes() + np.ones(data.shape[:3], "<f4").tobytes()
    path.write_bytes(struct.pack("<f", 0.1) + stream.getvalue()[4:] + body)
    return path


def test_more_frames_than_version_01_can_count_are_counted_by_bytes(tmp_path):
    data = np.random.default_rng(5).uniform(1, 9, (70_000, 1, 5, 3))
    path = version_01(tmp_path / "long.pose", data)
    assert feature_shape(path) == (70_000, 20)
    np.testing.assert_array_equal(read_features(path)[-1].reshape(5, 4)[:, :3], data[-1, 0].astype(np.float32))


@pytest.mark.parametrize("version", [0.1, 0.2])
def test_files_cut_at_any_byte_are_an_error_of_ours(tmp_path, version):
    path = tmp_path / "cut.pose"
    if version == 0.2:
        reduced(path, frames=3)
    else:
        version_01(path, np.ones((3, 1, 5, 3)))
    data = path.read_bytes()
    for size in range(0, len(data), 3):
        path.write_bytes(data[:size])
        for read in (read_features, feature_shape):
            with pytest.raises(DataError) as caught:
                read(path)
            assert caught.value.where == str(path)


def test_a_real_file_of_version_0_cut_anywhere_is_an_error_of_ours(real_data, tmp_path):
    data = (real_data / "data" / "poses" / "openpose.pose").read_bytes()
    for size in (*range(0, 400, 7), *range(400, len(data), 9973)):
        (tmp_path / "cut.pose").write_bytes(data[:size])
        with pytest.raises(DataError):
            read_features(tmp_path / "cut.pose")


def test_a_flipped_byte_is_refused_or_changes_a_single_value(tmp_path):
    """The format has no checksum: damage to the header is refused, damage to a number changes that number alone."""
    path, points = reduced(tmp_path / "few.pose", frames=2)
    sound, data = read_features(path), bytearray(path.read_bytes())
    refused, altered = set(), set()
    for place in range(len(data)):
        changed = data.copy()
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        try:
            found = read_features(path)
        except DataError:
            refused.add(place)
            continue
        differing = int((~np.isclose(found, sound, rtol=0, atol=0, equal_nan=True)).sum())
        assert found.shape == sound.shape and differing <= 1, f"byte {place}: {differing} values differ"
        altered |= {place} if differing else set()
    numbers = bytes(data).index(points.tobytes())
    assert not refused & set(range(numbers, len(data)))
    assert altered >= set(range(numbers, numbers + points.nbytes)) and len(refused) > numbers / 2


@pytest.mark.parametrize(("frames", "people", "message"), [
    (1 << 31, 1, "announced|announces"), (3, 65535, "announced"), (0, 1, "0 frames"), (2, 0, "0 people")
])  # fmt: skip
def test_a_header_that_promises_what_is_not_there_takes_no_memory(tmp_path, frames, people, message):
    path, data = reduced(tmp_path / "few.pose")
    whole = path.read_bytes()
    body = len(whole) - (data.nbytes + data.nbytes // 3) - 10
    path.write_bytes(whole[: body + 4] + struct.pack("<IH", frames, people) + whole[body + 10 :])
    for read in (read_features, feature_shape, feature_header):
        with pytest.raises(DataError, match=message):
            read(path)


def test_unknown_versions_and_other_files_are_named(tmp_path):
    path, _ = reduced(tmp_path / "few.pose")
    path.write_bytes(struct.pack("<f", 0.7) + path.read_bytes()[4:])
    with pytest.raises(DataError, match=r"Version 0\.7 of \.pose is not known"):
        read_features(path)
    path.write_bytes(b"PK\x03\x04 no pose" * 40)
    with pytest.raises(DataError):
        read_features(path)


def test_without_the_library_it_is_said_how_to_get_it():
    with pytest.raises(DependencyError, match="needs the library no_such_library") as caught:
        need("no_such_library.inside", "pose")
    assert caught.value.fix == "Run pip install 'slrcli[pose]'."


def test_folders_of_clips_leave_tables_alone_where_there_are_others(tmp_path):
    reduced(tmp_path / "b.pose")
    (tmp_path / "table.csv").write_text("1,2\n", encoding="utf-8")
    frames = tmp_path / "a"
    frames.mkdir()
    (frames / "clip_000000000000_keypoints.json").write_text('{"people": []}', encoding="utf-8")
    assert [path.name for path in clips_below(tmp_path)] == ["a", "b.pose"]
    (tmp_path / "b.pose").unlink()
    assert [path.name for path in clips_below(tmp_path)] == ["a"]
