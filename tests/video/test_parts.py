"""Videos to landmarks, as far as it can be told without the libraries of the extra `video`."""

import errno
import importlib.util
import io
import json
import os
import sys
import threading
from pathlib import Path, PurePath
from types import SimpleNamespace

import numpy as np
import pytest
from support.disks import room_for

from slrcli.errors import DataError, DependencyError, SlrError, UsageError
from slrcli.features.layout import Layout, load_layout
from slrcli.features.readers import read_features
from slrcli.files import unwritable
from slrcli.listening import Listening
from slrcli.parallel.parts import Part
from slrcli.video import extract as extraction_batch
from slrcli.video import library
from slrcli.video.extraction import Extraction, write_npz
from slrcli.video.frames import open_stream
from slrcli.video.holistic import POINTS, STARTS, Columns, in_square, seen, video_layouts
from slrcli.video.manifest import NAME, Manifest, held_manifest
from slrcli.video.newest import Newest
from slrcli.video.sources import find_sources, fingerprint, is_source, pictures_in
from slrcli.video.streams import in_real_time
from slrcli.video.timing import Evenly, frame_rate, variation


def touch(path, text="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# Sources


def test_videos_and_folders_of_pictures_keep_their_places(tmp_path):
    for name in (
        "b.mp4",
        "a/c.WEBM",
        "a/notes.txt",
        "frames/f2.png",
        "frames/f10.png",
        "deep/er/x.v2.mov",
        ".hidden.mp4",
    ):
        touch(tmp_path / "in" / name)
    touch(tmp_path / "in" / "out" / "old.mp4")
    found = find_sources([tmp_path / "in"], without=tmp_path / "in" / "out")
    assert {str(item.name) for item in found} == {"b", "a/c", "frames", "deep/er/x.v2"}
    assert all(".." not in item.name.parts and not item.name.is_absolute() for item in found)


def test_frames_of_phoenix_are_called_by_their_utterance(tmp_path):
    touch(tmp_path / "train" / "utterance-7" / "1" / "img0001.png")
    touch(tmp_path / "train" / "two" / "1" / "a.png")
    touch(tmp_path / "train" / "two" / "2" / "a.png")
    names = [item.name for item in find_sources([tmp_path / "train"])]
    assert sorted(names) == [PurePath("two/1"), PurePath("two/2"), PurePath("utterance-7")]


def test_named_files_go_to_the_top_whatever_the_way_to_them(tmp_path, monkeypatch):
    touch(tmp_path / "a" / "clip.mp4")
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    assert [item.name for item in find_sources([Path("../a/clip.mp4")])] == [PurePath("clip")]


def test_pictures_come_in_natural_order_without_our_own(tmp_path):
    for name in ("f10.png", "f9.PNG", "f1.jpg", "f2.jpeg", "x.preview.png", ".f3.png", "readme.txt"):
        touch(tmp_path / name)
    assert [path.name for path in pictures_in(tmp_path)] == ["f1.jpg", "f2.jpeg", "f9.PNG", "f10.png"]
    assert is_source(tmp_path)
    touch(tmp_path / "clip.mp4")
    assert not is_source(tmp_path) and is_source(tmp_path / "clip.mp4")


def test_folders_without_clips_and_missing_paths_are_errors(tmp_path):
    touch(tmp_path / "notes.txt")
    with pytest.raises(DataError, match="holds no videos"):
        find_sources([tmp_path])
    with pytest.raises(DataError, match="no such file"):
        find_sources([tmp_path / "gone.mp4"])


def test_the_fingerprint_changes_with_the_source(tmp_path):
    touch(tmp_path / "f1.png")
    first = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == first
    touch(tmp_path / "f2.png")
    assert fingerprint(tmp_path) != first and fingerprint(tmp_path)["files"] == 2


# Points and columns


def numbered() -> np.ndarray:
    """Points `[1, 543, 4]` that say where they stand: 10 * point + coordinate."""
    return (10 * np.arange(POINTS, dtype=np.float32)[:, None] + np.arange(4))[None]


def test_the_columns_of_the_shipped_layouts_are_those_of_their_names():
    assert "mediapipe-1629" in video_layouts()
    for name in ("mediapipe-258", "mediapipe-1629", "mediapipe-1662"):
        layout = load_layout(name)
        x = Columns.of(layout).positions(numbered())
        assert x.shape == (1, layout.width)
        nose, shoulder = (
            layout.by_name["pose"].column("nose", "y"),
            layout.by_name["pose"].column("right_shoulder", "x"),
        )
        assert x[0, nose] == 1 and x[0, shoulder] == 120
        assert x[0, layout.by_name["left_hand"].column("wrist", "z")] == 10 * 33 + 2
        assert x[0, layout.by_name["right_hand"].column("thumb_tip", "x")] == 10 * (33 + 21 + 4)
        if "face" in layout.by_name:
            assert x[0, layout.by_name["face"].column("152", "y")] == 10 * (75 + 152) + 1


def test_stored_derivatives_are_made_too():
    columns = Columns.of(load_layout("mediapipe-6516"))
    points = np.concatenate([numbered() * step for step in (1, 2, 4)])
    x = columns.complete(columns.positions(points))
    assert x.shape == (3, 6516)
    assert np.array_equal(x[2, 1629 : 2 * 1629], x[2, :1629] - x[1, :1629])


def test_a_layout_of_other_points_is_refused():
    with pytest.raises(UsageError, match="kinect-20"):
        Columns.of(load_layout("kinect-20"))
    with pytest.raises(UsageError, match="generic-22"):
        Columns.of(load_layout("generic-22"))


def test_a_users_own_choice_of_points_becomes_columns():
    table = {
        "name": "mine",
        "units": "image",
        "groups": [
            {"name": "right_hand", "kind": "hand", "coordinates": ["x", "y", "confidence"], "points": ["wrist"]},
            {"name": "pose", "kind": "pose", "coordinates": ["y", "x"], "points": ["left_wrist", "nose"]},
        ],
    }
    x = Columns.of(Layout.from_dict(table)).positions(numbered())
    assert x.tolist() == [[540, 541, 543, 151, 150, 1, 0]]


def test_parts_that_were_not_found_are_not_seen():
    points = numbered()[0]
    points[STARTS["left_hand"] : STARTS["left_hand"] + 21] = np.nan
    assert seen(points) == {"pose": True, "left_hand": False, "right_hand": True, "face": True}


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (700, 700)])
def test_in_the_square_distances_are_the_same_both_ways(size):
    pixels = np.array([[100, 200], [400, 200], [100, 500]], np.float32)
    points = np.full((3, 4), 0.5, np.float32)
    points[:, :2] = pixels / size
    moved = in_square(points, size)
    across, down = moved[1, 0] - moved[0, 0], moved[2, 1] - moved[0, 1]
    assert across == pytest.approx(down) and across == pytest.approx(300 / max(size))
    assert moved[:, 3].tolist() == [0.5] * 3 and moved[0, 2] == pytest.approx(0.5 * size[0] / max(size))
    centre = in_square(np.full((1, 4), 0.5, np.float32), size)
    assert centre[0, :2] == pytest.approx([0.5, 0.5])


def test_what_is_written_is_read_as_features(tmp_path):
    x = np.random.default_rng(1).random((5, 258)).astype(np.float32)
    x[2, 132:195] = np.nan
    times = np.array([0, 0.04, 0.09, 0.12, 0.16])
    found = Extraction(x, times, 25.0, (640, 480), (640, 640), 90, 5, {"pose": 1.0})
    size = write_npz(tmp_path / "deep" / "clip.npz", found, load_layout("mediapipe-258"), {"source": "ä.mp4"})
    assert (tmp_path / "deep" / "clip.npz").stat().st_size == size
    assert np.array_equal(read_features(tmp_path / "deep" / "clip.npz"), x, equal_nan=True)
    with np.load(tmp_path / "deep" / "clip.npz", allow_pickle=False) as arrays:
        assert str(arrays["layout"]) == "mediapipe-258" and float(arrays["fps"]) == 25.0
        assert arrays["size"].tolist() == [640, 640] and np.array_equal(arrays["timestamps"], times)
        assert json.loads(str(arrays["about"])) == {"source": "ä.mp4"}


# Time


def test_rows_come_at_even_steps_on_straight_lines():
    evenly = Evenly(10)
    rows = [
        evenly.push(time, np.array([value], np.float32)) for time, value in [(0, 0), (0.15, 3), (0.35, 3), (0.4, 9)]
    ]
    assert [len(part) for part in rows] == [1, 1, 2, 1]
    assert np.concatenate(rows)[:, 0].tolist() == pytest.approx([0, 2, 3, 3, 9])


def test_the_nearer_frame_decides_where_a_point_is_missing_in_the_other():
    evenly = Evenly(10)
    evenly.push(0.0, np.array([1, np.nan], np.float32))
    (row,) = evenly.push(0.14, np.array([np.nan, 5], np.float32))  # 0.1 is nearer to 0.14
    assert np.isnan(row[0]) and row[1] == 5


def test_within_a_long_gap_all_is_missing():
    evenly = Evenly(10)
    evenly.push(0.0, np.zeros(1, np.float32))
    rows = evenly.push(2.0, np.ones(1, np.float32))
    assert len(rows) == 20 and np.isnan(rows[:-1]).all() and rows[-1] == 1


def test_frames_at_the_wanted_rate_stay_as_they_are():
    rng, evenly = np.random.default_rng(2), Evenly(25)
    x = rng.random((200, 3)).astype(np.float32)
    out = np.concatenate([evenly.push(round(number / 25, 3), row) for number, row in enumerate(x)])
    assert np.array_equal(out, x)


def test_a_variable_frame_rate_is_told():
    even = np.arange(50) / 30
    assert variation(even) == "" and frame_rate(even) == pytest.approx(30)
    assert variation(np.round(even, 3)) == ""  # webm knows milliseconds
    assert "33 to 67 ms" in variation(np.delete(even, 20))
    assert frame_rate(np.zeros(1)) == 0 and variation(np.zeros(1)) == ""


def test_a_recording_is_played_no_faster_than_it_is():
    class Item:
        def __init__(self, time):
            self.time = time

    now = [100.0]
    slept: list[float] = []
    busy = iter([0.02, 0.15, 0.02, 0.0])  # once the taker is slow

    def sleep(seconds):
        slept.append(round(seconds, 6))
        now[0] += seconds

    for _ in in_real_time([Item(0), Item(0.1), Item(0.2), Item(0.3)], lambda: now[0], sleep):
        now[0] += next(busy)
    assert slept == pytest.approx([0.08, 0.03])


# The newest frame


def test_who_is_slow_gets_the_newest_and_the_rest_is_counted():
    taken, go = threading.Event(), threading.Event()

    def source():
        yield 0
        taken.wait(10)
        yield from range(1, 6)
        go.set()

    got = []
    with Newest(source()) as newest:
        for item in newest:
            got.append(item)
            taken.set()
            go.wait(10)
    assert got == [0, 5] and newest.came == 6 and newest.dropped == 4


def test_without_dropping_the_source_waits():
    with Newest(iter(range(200)), drop=False) as newest:
        assert list(newest) == list(range(200))
    assert newest.came == 200 and newest.dropped == 0


def test_what_the_source_raises_comes_after_its_last_item():
    def source():
        yield 1
        raise DataError("the cable is loose")

    got = []
    with Newest(source(), drop=False) as newest, pytest.raises(DataError, match="cable"):
        for item in newest:
            got.append(item)
    assert got == [1]


def test_leaving_ends_the_thread_of_a_source_that_never_ends():
    def source():
        while True:
            yield 0

    with Newest(source(), drop=False) as newest:
        assert next(iter(newest)) == 0
    assert not newest._thread.is_alive()


# The manifest


def test_a_manifest_knows_what_is_done_and_has_not_changed(tmp_path):
    file = touch(tmp_path / "a.npz", "12345")
    print_, settings = {"files": 1, "bytes": 5, "changed_ns": 7}, {"fps": 0.0, "layout": "mediapipe-258"}
    manifest = Manifest.of(tmp_path)
    manifest.put({"target": "a.npz", "fingerprint": print_, "settings": settings, "bytes": 5})
    manifest.put({"target": "b.npz", "fingerprint": print_, "settings": settings, "error": "No person"})
    manifest.save()
    again = Manifest.of(tmp_path)
    assert again.is_done("a.npz", file, print_, settings)
    assert not again.is_done("a.npz", file, {**print_, "changed_ns": 8}, settings)
    assert not again.is_done("a.npz", file, print_, {**settings, "fps": 25.0})
    assert not again.is_done("b.npz", file, print_, settings)
    touch(file, "123")
    assert not again.is_done("a.npz", file, print_, settings)


def test_damaged_lines_of_a_manifest_are_counted_and_passed_over(tmp_path):
    lines = ['{"target": "a.npz"}', '{"target": "b.n', "[1]", "7", "[" * 100_000, '{"no": 1}']
    (tmp_path / NAME).write_text("\n".join(lines))
    found = Manifest.of(tmp_path)
    assert list(found.entries) == ["a.npz"] and found.damaged == 5


def test_names_that_no_utf8_can_hold_stay_in_a_manifest(tmp_path):
    names = ["ä\udcff.npz", "\ud800", "\\ud800"]
    manifest = Manifest.of(tmp_path)
    for name in names:
        manifest.add({"target": name, "bytes": 3})
    manifest.save()
    assert [*Manifest.of(tmp_path).entries] == sorted(names) and "ä" in (tmp_path / NAME).read_text()


def test_parts_share_nothing_have_all_and_are_named_as_people_count():
    for count in (1, 3, 7):
        dealt = [list(Part(number, count).of("abcde")) for number in range(1, count + 1)]
        assert sorted("".join(map("".join, dealt))) == list("abcde")
    assert Part.read("2/8") == (2, 8) and str(Part.read("2/8")) == "2/8"
    for wrong in ("0/8", "9/8", "8", "a/b", "-1/8", "1/0", ""):
        with pytest.raises(UsageError, match="not a part"):
            Part.read(wrong)


def test_every_part_knows_what_all_have_done_and_the_whole_has_one_manifest(tmp_path):
    for number, name in ((1, "a"), (2, "b")):
        with held_manifest(tmp_path, Part(number, 2)) as manifest:
            manifest.add({"target": name, "error": "x"})
    with held_manifest(tmp_path, Part(1, 2)) as manifest:
        assert manifest.known("b") and not manifest.known("c") and [*manifest.entries] == ["a"]
        manifest.add({"target": "a", "bytes": 3})
        manifest.save()
    assert not (tmp_path / NAME).exists()
    with held_manifest(tmp_path, None) as manifest:
        assert manifest.entries == {"a": {"target": "a", "bytes": 3}, "b": {"target": "b", "error": "x"}}
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME]
    assert Manifest.of(tmp_path).entries == manifest.entries


def test_a_part_is_at_work_once_and_the_whole_waits_for_all(tmp_path):
    with held_manifest(tmp_path, Part(2, 3)) as running:
        with pytest.raises(SlrError, match="part 2/3 of the extraction"), held_manifest(tmp_path, Part(2, 3)):
            pass
        with pytest.raises(SlrError, match="part 2/3 of the extraction"), held_manifest(tmp_path, None):
            pass
        with held_manifest(tmp_path, Part(3, 3)):  # another one is no obstacle
            running.add({"target": "a"})
    assert Manifest.of(tmp_path).known("a")


def test_a_line_that_is_added_stands_in_the_file_at_once_and_beside_a_torn_one(tmp_path):
    Manifest.of(tmp_path / "out").add({"target": "a.npz"})
    path = tmp_path / "out" / NAME
    path.write_text(path.read_text() + '{"target": "b.n')
    Manifest.of(tmp_path / "out").add({"target": "c.npz"})
    found = Manifest.of(tmp_path / "out")
    assert list(found.entries) == ["a.npz", "c.npz"] and found.damaged == 1


@pytest.mark.parametrize("room", [0, 5])
def test_a_line_that_finds_no_room_is_an_error_and_leaves_no_half_of_itself(tmp_path, room):
    manifest = Manifest.of(tmp_path)
    manifest.add({"target": "a.npz"})
    before = manifest.path.read_bytes()
    with room_for(len(before) + room), pytest.raises(SlrError, match="no space") as caught:
        manifest.add({"target": "b.npz"})
    assert str(manifest.path) in caught.value.where and caught.value.fix
    assert manifest.path.read_bytes() == before
    manifest.add({"target": "c.npz"})
    found = Manifest.of(tmp_path)
    assert list(found.entries) == ["a.npz", "c.npz"] and not found.damaged


@pytest.mark.parametrize("raw", ["foo", "640x480@", "0x480@25", "640x480@25fps", "640,480"])
def test_a_size_of_bare_frames_that_is_none_is_named(raw):
    pytest.importorskip("av")
    with pytest.raises(UsageError, match="raw frames"):
        open_stream(io.BytesIO(b""), raw)


# The libraries


def test_a_missing_library_is_named_with_what_to_install(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    for gone in ("mediapipe", "av", "PIL"):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, gone=gone: None if name == gone else real("json"))
        with pytest.raises(DependencyError, match=gone) as caught:
            library.need_all()
        assert "slrcli[video]" in caught.value.fix


def test_newer_pythons_are_told_where_to_extract(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    with pytest.raises(DependencyError, match=r"Python 3\.13") as caught:
        library.need("mediapipe.python.solutions.holistic")
    assert "3.12" in caught.value.fix
    with pytest.raises(DependencyError, match=r"Python 3\.13"):
        library.need_all()


def test_silence_holds_for_what_is_written_past_python(capfd):
    with library.silence():
        os.write(2, b"noise")
        os.write(1, b"noise")
    os.write(2, b"word")
    told = capfd.readouterr()
    assert told.err == "word" and told.out == ""


def test_on_a_full_disk_the_clips_that_are_left_are_not_tried(tmp_path, monkeypatch):
    console, result = Listening(None), extraction_batch.Extracted(tmp_path)
    jobs = [SimpleNamespace(source=tmp_path / f"{number}.mp4") for number in range(4)]
    of_one, of_all = (unwritable(OSError(number, "")) for number in (errno.EFBIG, errno.ENOSPC))
    errors = [DataError("The video is damaged."), of_one, of_all]
    monkeypatch.setattr(extraction_batch, "run_jobs", lambda *_: zip(jobs, [*errors, DataError("never")], strict=True))
    monkeypatch.setattr(extraction_batch, "_entry", lambda *_: {})
    extraction_batch._run(console, jobs, 1, SimpleNamespace(add=lambda entry: None), result, False, "")
    assert [source.name for source, _ in result.failed] == ["0.mp4", "1.mp4", "2.mp4"]
