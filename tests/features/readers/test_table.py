"""Text tables of coordinates: names of columns in every spelling, none at all, and every way to get them wrong."""

import numpy as np
import pytest

from slrcli.errors import DataError
from slrcli.features.layout import Layout, generic_layout, load_layout
from slrcli.features.readers import feature_shape, read_features, read_recording
from slrcli.features.readers.table import key
from slrcli.features.recording import Recording
from slrcli.features.writers import write_recording

LAYOUT = load_layout("mediapipe-258")


def write(path, head, rows, separator=",", end="\n"):
    lines = [separator.join(map(str, row)) for row in ([head] if head else []) + [list(row) for row in rows]]
    path.write_text(end.join(lines) + end, encoding="utf-8")
    return path


def numbered(layout=LAYOUT) -> list[str]:
    return [f"{g.name}_{i}_{c}" for g in layout.groups for i in range(len(g.points)) for c in g.coordinates]


@pytest.mark.parametrize(
    "spell",
    [
        lambda group, number, point, axis: f"{group}_{number}_{axis}",
        lambda group, number, point, axis: f"{axis}_{group}_{number}",
        lambda group, number, point, axis: f"{group}.{point}.{axis}",
        lambda group, number, point, axis: f"{group.upper()}_{point.upper()}_{axis.upper()}",
        lambda group, number, point, axis: f" {group} {point} {axis} ",
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_names_of_columns_in_every_spelling_and_order(tmp_path, spell, separator):
    rng = np.random.default_rng(0)
    x = rng.random((3, 258)).astype(np.float32)
    names = [spell(g.name, i, p, c) for g in LAYOUT.groups for i, p in enumerate(g.points) for c in g.coordinates]
    order = rng.permutation(258)
    rows = [[t, *(f"{value:.9g}" for value in row[order])] for t, row in enumerate(x)]
    path = write(tmp_path / "clip.csv", ["frame", *(names[i] for i in order)], rows, separator, "\r\n")
    found = read_recording(path)
    assert found.layout == LAYOUT and feature_shape(path) == (3, 258)
    np.testing.assert_array_equal(found.values, x)


@pytest.mark.parametrize("name", ["mediapipe-126", "mediapipe-225", "mediapipe-1629", "mediapipe-6516", "holistic-178",
                                  "openpose-137", "coco-wholebody-133", "kinect-20"])  # fmt: skip
def test_what_we_write_is_read(tmp_path, name):
    layout = load_layout(name)
    x = np.random.default_rng(1).normal(size=(2, layout.width)).astype(np.float32)
    x[1, ::3] = np.nan
    write_recording(tmp_path / "clip.csv", Recording(x, layout))
    found = read_recording(tmp_path / "clip.csv")
    assert found.layout == layout
    np.testing.assert_array_equal(found.values, x)


def test_features_without_meaning_are_written_and_read(tmp_path):
    x = np.random.default_rng(2).normal(size=(4, 7)).astype(np.float32)
    write_recording(tmp_path / "clip.csv", Recording(x))
    assert read_recording(tmp_path / "clip.csv").layout is None
    np.testing.assert_array_equal(read_features(tmp_path / "clip.csv", generic_layout(7)), x)


def test_without_a_header_columns_are_taken_as_they_come(tmp_path):
    path = write(tmp_path / "clip.csv", None, [(1, 2.5, "nan"), ("", -1e-3, "NULL")])
    np.testing.assert_array_equal(
        read_features(path), np.array([[1, 2.5, np.nan], [np.nan, -1e-3, np.nan]], np.float32)
    )
    assert read_recording(path).layout is None


def test_columns_that_are_not_there_are_missing_and_the_layout_can_be_named(tmp_path):
    path = write(tmp_path / "clip.csv", ["left_hand_0_x", "left_hand_0_y"], [(0.25, 0.5)])
    found = read_recording(path)
    assert found.layout.name == "mediapipe-126"  # the smallest that has them
    assert found.values[0, :2].tolist() == [0.25, 0.5] and np.isnan(found.values[0, 2:]).all()
    own = Layout.from_dict(
        {
            "name": "mine",
            "groups": [{"name": "body", "kind": "pose", "coordinates": ["x", "y"], "points": ["Top", "b"]}],
        }
    )
    path = write(tmp_path / "own.csv", ["body.b.y", "body.b.x", "body_Top_x", "body_0_y"], [(1, 2, 3, 4)])
    np.testing.assert_array_equal(read_features(path, own), [[3, 4, 2, 1]])


def test_a_table_of_one_layout_serves_a_recogniser_of_another(tmp_path):
    x = np.random.default_rng(3).random((2, 1662)).astype(np.float32)
    write_recording(tmp_path / "clip.csv", Recording(x, load_layout("mediapipe-1662")))
    np.testing.assert_array_equal(read_features(tmp_path / "clip.csv", LAYOUT)[:, :132], x[:, :132])


def test_keys_are_one_spelling_of_all():
    assert {key(name) for name in ("x_face_0", "face.0.x", "FACE_0_X", " face:0-x")} == {"face_0_x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The table is empty"),
        ("\n\n", "The table is empty"),
        ("pose_0_x,pose_0_y\n", "0 frames"),
        ("1,2\n3\n", "Line 2 has 1 cells, but the first line has 2"),
        ("pose_0_x,pose_0_y\n1,2\n3,four\n", "Line 3, column 2 holds 'four'"),
        ("pose_0_x,pose_0_x\n1,2\n", "Two columns are named 'pose_0_x'"),
        ("pose_0_x,pose.nose.x\n1,2\n", "Two columns are named 'pose.nose.x'"),
        ("pose_0_x,pose_0_y,pose_99_x\n1,2,3\n", "Column 3 is named 'pose_99_x'"),
        ("frame,pose_0_x\n1,2\n0,2\n", "not in order"),
        ('a"b\n"' + "x" * 200_000 + "\n", "not a table|damaged"),
    ],
)
def test_faults_are_named(tmp_path, text, message):
    (tmp_path / "bad.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_features(tmp_path / "bad.csv")
    assert caught.value.where == str(tmp_path / "bad.csv")


def test_what_is_no_text_is_named(tmp_path):
    for data in (b"\x00\x01\x02" * 50, b"\xff\xfe\xfd,1\n"):
        (tmp_path / "bad.csv").write_bytes(data)
        with pytest.raises(DataError, match=r"not a text file|damaged"):
            read_features(tmp_path / "bad.csv")


def test_text_that_is_far_too_long_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("slrcli.features.readers.common.MAX_TEXT", 10)
    for name in ("long.csv", "long.json"):
        (tmp_path / name).write_text("1,2,3,4,5,6,7,8,9\n", encoding="utf-8")
        with pytest.raises(DataError, match="longer than"):
            read_features(tmp_path / name)
