"""Kaggle's Parquet files, written by pyarrow as the competitions' data pages describe them."""

import numpy as np
import pytest

from slrcli.errors import DataError
from slrcli.features.layout import load_layout
from slrcli.features.readers import feature_shape, own_layout, parquet, read_clips, read_features, read_recording
from slrcli.features.recording import fit
from slrcli.features.writers import write_recording

pa = pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
pq = pytest.importorskip("pyarrow.parquet")

PARTS = (("face", 468), ("left_hand", 21), ("pose", 33), ("right_hand", 21))  # the order of both competitions
NAMES = [f"{axis}_{part}_{index}" for axis in "xyz" for part, count in PARTS for index in range(count)]


def signs(path, frames=range(20, 24), **changed):
    """asl-signs: 543 rows a frame; the frames of a clip need not begin at 0."""
    rng = np.random.default_rng(0)
    rows = [(frame, part, index) for frame in frames for part, count in PARTS for index in range(count)]
    frame, part, index = zip(*rows, strict=True)
    xyz = rng.random((len(rows), 3))
    xyz[[p == "left_hand" for p in part]] = np.nan
    columns = {
        "frame": pa.array(frame, pa.int16()),
        "row_id": [f"{f}-{p}-{i}" for f, p, i in rows],
        "type": part,
        "landmark_index": pa.array(index, pa.int16()),
        **{axis: xyz[:, i] for i, axis in enumerate("xyz")},
    }
    pq.write_table(pa.table({**columns, **changed}), path)
    return xyz.reshape(len(frames), 543, 3).astype(np.float32)


def spelling(path, clips: dict[int, int], order=None, **more):
    """asl-fingerspelling: wide, several clips, told apart by the index `sequence_id`."""
    rng = np.random.default_rng(1)
    ids = np.repeat(list(clips), list(clips.values()))
    frames = np.concatenate([np.arange(count) for count in clips.values()])
    values = rng.random((len(ids), len(NAMES))).astype(np.float32)
    order = np.arange(len(ids)) if order is None else order
    columns = {"frame": pa.array(frames[order], pa.int16())}
    columns |= {name: values[order, i] for i, name in enumerate(NAMES)}
    pq.write_table(pa.table({**columns, "sequence_id": ids[order], **more}), path)
    return {clip: values[ids == clip] for clip in clips}


def test_asl_signs_become_our_order(tmp_path):
    rows = signs(tmp_path / "clip.parquet")
    found = read_recording(tmp_path / "clip.parquet")
    assert found.layout == load_layout("mediapipe-1629") == own_layout(tmp_path / "clip.parquet")
    assert feature_shape(tmp_path / "clip.parquet") == (4, 1629)
    np.testing.assert_array_equal(fit(found, load_layout("kaggle-543")).values, rows.reshape(4, -1))
    assert np.isnan(found.values[:, 99:162]).all()


def test_frames_of_asl_signs_that_are_not_there_are_missing(tmp_path):
    signs(tmp_path / "clip.parquet", frames=[3, 4, 7])
    x = read_features(tmp_path / "clip.parquet")
    np.testing.assert_array_equal(np.isnan(x).all(axis=1), [False, False, True, True, False])


def test_clips_of_asl_fingerspelling_are_read_one_after_the_other(tmp_path):
    clips = spelling(tmp_path / "many.parquet", {1816796431: 3, 1816825349: 2500, 7: 1})
    found = dict(read_clips(tmp_path / "many.parquet"))
    assert list(found) == ["1816796431", "1816825349", "7"]
    for clip, values in clips.items():
        ours = found[str(clip)]
        assert ours.layout.name == "mediapipe-1629" and len(ours.values) == len(values)
        for point, name in (("pose.left_shoulder", "y_pose_11"), ("right_hand.pinky_tip", "z_right_hand_20")):
            group, bare = ours.layout.find(point)
            np.testing.assert_array_equal(ours.values[:, group.column(bare, name[0])], values[:, NAMES.index(name)])
    with pytest.raises(DataError, match="holds several clips, such as 1816796431 and 1816825349"):
        read_features(tmp_path / "many.parquet")


def test_frames_are_put_in_order_and_a_single_clip_is_a_clip(tmp_path):
    clips = spelling(tmp_path / "one.parquet", {5: 4}, order=np.array([2, 0, 3, 1]))
    found = read_recording(tmp_path / "one.parquet")
    np.testing.assert_array_equal(found.values[:, 0], clips[5][:, NAMES.index("x_pose_0")])


def test_what_we_write_is_what_asl_signs_holds(tmp_path):
    rows = signs(tmp_path / "clip.parquet", frames=range(5))
    write_recording(tmp_path / "again.parquet", read_recording(tmp_path / "clip.parquet"))
    ours, theirs = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("again", "clip"))
    assert ours.column_names == theirs.column_names
    for name in ("frame", "row_id", "type", "landmark_index"):
        assert ours.column(name).to_pylist() == theirs.column(name).to_pylist()
    xyz = np.stack([ours.column(axis).to_numpy() for axis in "xyz"], axis=1)
    np.testing.assert_array_equal(xyz.reshape(5, 543, 3), rows)


def test_layouts_that_asl_signs_has_no_place_for_are_refused(tmp_path):
    source = read_recording_of("openpose-137")
    with pytest.raises(DataError, match="asl-signs format holds image units"):
        write_recording(tmp_path / "x.parquet", source)
    assert not (tmp_path / "x.parquet").exists()


def read_recording_of(name):
    from slrcli.features.recording import Recording

    layout = load_layout(name)
    return Recording(np.ones((2, layout.width), np.float32), layout)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"type": ["tail"] * 543}, "landmark type 'tail'"),
        ({"landmark_index": pa.array([500] * 543, pa.int16())}, "landmark_index of"),
        ({"landmark_index": pa.array([-1] * 543, pa.int16())}, "landmark_index of"),
        ({"frame": pa.array([0] * 542 + [2**40])}, "frame numbers range from 0"),
    ],
)
def test_faults_of_asl_signs_are_named(tmp_path, columns, message):
    signs(tmp_path / "bad.parquet", frames=[0], **columns)
    with pytest.raises(DataError, match=message):
        read_features(tmp_path / "bad.parquet")


def test_faults_of_wide_tables_are_named(tmp_path):
    path = tmp_path / "bad.parquet"
    spelling(path, {1: 2, 2: 2}, order=np.array([0, 2, 1, 3]))
    with pytest.raises(DataError, match="clip 1 are not contiguous"):
        list(read_clips(path))
    spelling(path, {1: 2}, extra_column=[0.0, 1.0])
    with pytest.raises(DataError, match="'extra_column'"):
        read_features(path)
    pq.write_table(pa.table({"word": ["a", "b"]}), path)
    with pytest.raises(DataError, match="no columns of coordinates, only word"):
        read_features(path)
    pq.write_table(pa.table({"x_pose_0": pa.array([], pa.float32())}), path)
    with pytest.raises(DataError, match="0 frames"):
        read_features(path)


def test_files_cut_anywhere_are_an_error_of_ours(tmp_path):
    signs(tmp_path / "cut.parquet", frames=[0])
    data = (tmp_path / "cut.parquet").read_bytes()
    for size in range(0, len(data), 211):
        (tmp_path / "cut.parquet").write_bytes(data[:size])
        with pytest.raises(DataError, match="damaged" if size else "empty"):
            read_features(tmp_path / "cut.parquet")


def test_a_table_that_announces_rows_and_has_none_is_empty(tmp_path, monkeypatch):
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table({"x_face_0": [0.5, 0.25]}), path)
    assert len(read_recording(path).values) == 2
    monkeypatch.setattr(parquet, "_pieces", lambda *_: iter(()))  # as damaged ones do
    with pytest.raises(DataError, match="0 frames"):
        read_recording(path)
