"""Videos to landmarks to glosses, with the libraries of the extra `video` and a real photograph of a person."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.calling import slr
from support.photographs import MOUTH, NOSE, SHOULDERS, nobody, portrait, turn_track, write_sound, write_video

from slrcli.checkpoints.checkpoint import save_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.config import DEFAULT_ARCH, Config, ExtractConfig
from slrcli.errors import DataError
from slrcli.features.layout import generic_layout, load_layout
from slrcli.features.readers import read_features
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.registry import build_model
from slrcli.video.extraction import extract
from slrcli.video.frames import announced, read_frames
from slrcli.video.holistic import POINTS, Columns
from slrcli.video.library import silence
from slrcli.video.manifest import NAME

for library in ("av", "mediapipe", "PIL"):
    pytest.importorskip(library, reason=f"the extra 'video' is not installed: no {library}")

SLR = (sys.executable, "-m", "slrcli")
LAYOUT = load_layout("mediapipe-1629")
PICTURE = ExtractConfig(square=False)  # places in shares of the picture, as they are seen with the eye


@pytest.fixture(scope="module")
def photograph():
    return portrait()


@pytest.fixture(scope="module")
def upright(photograph, tmp_path_factory):
    """What is extracted from a video of the photograph, six frames long."""
    return landmarks(write_video(tmp_path_factory.mktemp("upright") / "clip.mp4", [photograph] * 6))


def landmarks(path: Path, options: ExtractConfig = PICTURE):
    with silence():
        return extract(path, LAYOUT, options)


def point(found, name: str, group: str = "pose") -> np.ndarray:
    """x and y of a point in the last frame."""
    own = LAYOUT.by_name[group]
    return found.features[-1, [own.column(name, "x"), own.column(name, "y")]]


def apart(one, other) -> float:
    """How far the points of head and shoulders of two extractions are apart, at most."""
    names = ("nose", "left_ear", "right_ear", "mouth_left", "mouth_right", *SHOULDERS)
    return max(float(np.abs(point(one, name) - point(other, name)).max()) for name in names)


# What is seen in the photograph


def test_the_points_of_a_person_are_where_they_are_in_the_photograph(upright):
    assert upright.features.shape == (6, 1629) and upright.features.dtype == np.float32
    assert point(upright, "nose") == pytest.approx(NOSE, abs=0.04)
    mouth = (point(upright, "mouth_left") + point(upright, "mouth_right")) / 2
    assert mouth == pytest.approx(MOUTH, abs=0.04)
    assert point(upright, "1", "face") == pytest.approx(NOSE, abs=0.04)
    for name, place in SHOULDERS.items():
        assert point(upright, name) == pytest.approx(place, abs=0.07)


def test_without_points_of_the_face_its_network_is_left_out_and_the_others_are_the_same(photograph, tmp_path):
    pictures = [np.ascontiguousarray(np.roll(photograph, 3 * step, axis=1)) for step in range(8)]
    video = write_video(tmp_path / "moving.mp4", pictures)
    whole, layout = landmarks(video), load_layout("mediapipe-258")
    with silence():
        found = extract(video, layout, PICTURE)
    own = Columns.of(layout)
    points = np.full((8, POINTS, 4), np.nan, np.float32)
    every = Columns.of(LAYOUT)
    points[:, every.point, every.coordinate] = whole.features[:, : len(every.point)]
    known = own.coordinate < 3
    np.testing.assert_array_equal(found.features[:, known], points[:, own.point, own.coordinate][:, known])
    assert not np.isnan(found.features).all() and "face" in whole.seen
    assert found.seen == {part: share for part, share in whole.seen.items() if part != "face"}
    assert whole.seen["face"] == 1


def test_hands_that_are_not_in_the_picture_are_missing(upright):
    for name in ("left_hand", "right_hand"):
        assert np.isnan(upright.features[:, LAYOUT.by_name[name].columns]).all()
    for name in ("pose", "face"):
        assert np.isfinite(upright.features[:, LAYOUT.by_name[name].columns]).all()
    assert upright.seen == {"pose": 1.0, "left_hand": 0.0, "right_hand": 0.0, "face": 1.0}
    assert any("Hands are seen in at most 0%" in note for note in upright.notes)


def test_times_size_and_frame_rate_are_those_of_the_video(upright):
    assert upright.times == pytest.approx(np.arange(6) / 25) and upright.fps == pytest.approx(25)
    assert upright.size == upright.shares_of == (512, 600) and upright.rotation == 0


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_video_that_was_stored_turned_is_seen_upright(upright, photograph, tmp_path, degrees):
    stored = np.rot90(photograph, -degrees // 90)
    found = landmarks(write_video(tmp_path / "clip.mp4", [stored] * 6, rotation=degrees))
    assert found.size == (512, 600) and found.rotation == -degrees % 360
    assert apart(found, upright) < 0.03


def test_rotation_is_understood_as_telephones_write_it(upright, photograph, tmp_path):
    path = write_video(tmp_path / "clip.mp4", [np.rot90(photograph)] * 6)  # lies on its left side
    turn_track(path)
    found = landmarks(path)
    assert found.rotation == 90 and apart(found, upright) < 0.03


def test_pixels_that_are_not_square_are_made_so(upright, photograph, tmp_path):
    found = landmarks(write_video(tmp_path / "clip.mp4", [photograph[:, ::2]] * 6, pixel=(2, 1)))
    assert found.size == (512, 600) and apart(found, upright) < 0.03


def test_large_pictures_are_made_smaller_and_their_places_stay(upright, photograph, tmp_path):
    large = np.kron(photograph, np.ones((4, 4, 1), np.uint8))
    path = write_video(tmp_path / "clip.mp4", [large] * 6)
    assert next(read_frames(path, 600)).image.shape == (600, 512, 3)
    found = landmarks(path, ExtractConfig(square=False, max_side=600))
    assert found.size == (2048, 2400) and apart(found, upright) < 0.03


def test_shares_of_the_square_keep_the_proportions_of_the_body(upright, photograph, tmp_path):
    wide = np.full((600, 1024, 3), 127, np.uint8)
    wide[:, 256:768] = photograph
    paths = [write_video(tmp_path / f"{name}.mp4", [image] * 6) for name, image in (("a", photograph), ("b", wide))]
    spans = []
    for path in paths:
        found = landmarks(path, ExtractConfig())
        width = abs(point(found, "left_shoulder")[0] - point(found, "right_shoulder")[0])
        spans.append(width / abs(point(found, "left_shoulder")[1] - point(found, "nose")[1]))
    assert spans[0] == pytest.approx(spans[1], rel=0.1)


def test_a_folder_of_pictures_gives_what_a_video_of_them_gives(upright, photograph, tmp_path):
    from PIL import Image

    for number in (1, 2, 10, 9, 3, 4):
        Image.fromarray(photograph).save(tmp_path / f"frame{number}.png")
    found = landmarks(tmp_path, ExtractConfig(square=False, picture_fps=10))
    assert found.times == pytest.approx(np.arange(6) / 10) and found.fps == pytest.approx(10)
    assert apart(found, upright) < 0.02


def test_times_of_a_variable_frame_rate_are_kept_or_made_even(photograph, tmp_path):
    times = [0, 0.04, 0.08, 0.2, 0.24, 0.28, 0.4]
    path = write_video(tmp_path / "clip.mp4", [photograph[::2, ::2]] * 7, times=times)
    found = landmarks(path)
    assert found.times == pytest.approx(times, abs=1e-3) and any(
        "frame rate is variable" in note for note in found.notes
    )
    even = landmarks(path, ExtractConfig(fps=10))
    assert even.times == pytest.approx(np.arange(5) / 10) and even.fps == 10 and even.frames <= 7


def test_a_recording_of_a_browser_keeps_its_frames_at_a_wanted_rate(photograph, tmp_path):
    """Its container counts milliseconds and says that these are 1000 frames per second."""
    times = [0.0, *np.cumsum(np.tile([0.027, 0.041, 0.033], 5)).tolist()]
    path = write_video(tmp_path / "rec.webm", [photograph[::2, ::2]] * 16, fps=1000, times=times, codec="libvpx")
    found = landmarks(path, ExtractConfig(fps=25))
    assert len(found.features) == int(times[-1] * 25 + 1e-6) + 1 and found.frames == 16 and found.fps == 25
    assert np.isfinite(found.features[:, LAYOUT.by_name["pose"].columns]).all()
    assert landmarks(path).fps == pytest.approx(15 / times[-1], rel=0.01)


def test_rows_that_are_missing_are_counted(photograph, tmp_path):
    times = [0.0, 0.04, 0.08, 1.08, 1.12]
    path = write_video(tmp_path / "clip.mp4", [photograph[::2, ::2]] * 5, times=times)
    found = landmarks(path, ExtractConfig(fps=25))
    missing = int(np.isnan(found.features).all(axis=1).sum())
    assert missing == 24 and any(
        note.startswith(f"24 of {len(found.features)} rows are missing") for note in found.notes
    )


# Files that are no good


def rolling(photograph: np.ndarray, frames: int) -> list[np.ndarray]:
    """Pictures that move, so that no frame is told in a few bytes."""
    return [np.roll(photograph[::4, ::4], 9 * number, 0) for number in range(frames)]


def test_what_cannot_be_read_is_told_by_its_reason(photograph, tmp_path):
    from PIL import Image

    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.mp4").write_bytes(b"")
    write_sound(tmp_path / "sound.mp4")
    write_video(tmp_path / "whole.webm", rolling(photograph, 60), codec="libvpx")
    data = (tmp_path / "whole.webm").read_bytes()
    (tmp_path / "cut.webm").write_bytes(data[: len(data) // 2])
    for folder, sizes in {"sizes": ((64, 64), (64, 48)), "huge": ((8000, 6000),)}.items():
        (tmp_path / folder).mkdir()
        for number, size in enumerate(sizes):
            Image.new("L", size).save(tmp_path / folder / f"{number}.png")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 50)
    write_video(tmp_path / "nobody.mp4", [nobody()] * 3)
    reasons = {
        "text.mp4": "not a video", "empty.mp4": "not a video", "sound.mp4": "only sound", "cut.webm": "truncated",
        "sizes": "different sizes", "huge": "8000 x 6000", "damaged": "cannot be read", "nobody.mp4": "No person",
        "gone.mp4": "no such",
    }  # fmt: skip
    for name, reason in reasons.items():
        with pytest.raises(DataError, match=reason) as caught:
            landmarks(tmp_path / name)
        assert name in caught.value.where


def test_an_mp4_whose_end_is_missing_is_an_error(photograph, tmp_path):
    path = write_video(tmp_path / "clip.mp4", rolling(photograph, 60))
    assert announced(path).frames == 60
    data = path.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError):
        list(read_frames(tmp_path / "cut.mp4", 1280))


def test_a_damaged_stretch_in_the_middle_does_not_pass_for_a_whole_video(photograph, tmp_path):
    path = write_video(tmp_path / "clip.mp4", rolling(photograph, 60))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start + 2000 : start + 40000] = bytes(len(data[start + 2000 : start + 40000]))
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"damaged|cut short"):
        list(read_frames(path, 1280))


# The command


@pytest.fixture(scope="module")
def batch(photograph, tmp_path_factory):
    """A folder of good and bad videos, and what `slr extract` made of it."""
    root = tmp_path_factory.mktemp("batch")
    small = photograph[::2, ::2]
    write_video(root / "in" / "one.mp4", [small] * 8)
    write_video(root / "in" / "deep" / "two.webm", [small] * 5, codec="libvpx")
    write_video(root / "in" / "nobody.mp4", [nobody()] * 3)
    (root / "in" / "text.mov").write_text("hello")
    command = [
        sys.executable,
        "-m",
        "slrcli",
        "extract",
        root / "in",
        "--out",
        root / "out",
        "--jobs",
        "1",
        "--preview",
    ]
    return root, subprocess.run([str(item) for item in command], capture_output=True, text=True, timeout=300)


def test_a_batch_keeps_its_folders_lists_failures_and_ends_in_1(batch):
    root, done = batch
    assert done.returncode == 1, done.stderr
    assert read_features(root / "out" / "one.npz").shape == (8, 1629)
    assert read_features(root / "out" / "deep" / "two.npz").shape == (5, 1629)
    assert "deep/two" in done.stdout and "2 clips" in done.stdout
    assert "No person is seen" in done.stderr and "This is not a video" in done.stderr
    assert "2 clips could not be extracted" in done.stderr
    assert not (root / "out" / "nobody.npz").exists() and not list((root / "out").rglob(".slr-*"))


def test_the_libraries_are_not_heard(batch):
    for word in ("W0000", "INFO", "TensorFlow", "absl", "UserWarning", "Traceback"):
        assert word not in batch[1].stderr + batch[1].stdout


def test_the_manifest_tells_what_was_done_and_what_was_not(batch):
    lines = [json.loads(line) for line in (batch[0] / "out" / "manifest.jsonl").read_text().splitlines()]
    entries = {entry["target"]: entry for entry in lines}
    assert set(entries) == {"one.npz", "deep/two.npz", "nobody.npz", "text.npz"}
    one = entries["one.npz"]
    assert (one["frames"], one["fps"], one["size"], one["rotation"]) == (8, 25.0, [256, 300], 0)
    assert one["seen"]["pose"] == 1.0 and one["seen"]["left_hand"] == 0.0
    assert one["settings"]["layout"] == "mediapipe-1629" and one["versions"]["mediapipe"] == "0.10.14"
    assert one["bytes"] == (batch[0] / "out" / "one.npz").stat().st_size
    assert "No person" in entries["nobody.npz"]["error"] and "frames" not in entries["nobody.npz"]


def test_the_preview_shows_frames_with_the_skeleton_over_them(batch):
    from PIL import Image

    with Image.open(batch[0] / "out" / "one.preview.png") as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    assert image.size[0] > 4 * 256
    for colour in ((240, 228, 66), (0, 200, 140)):  # body and face, thousands of pixels of each
        assert (np.abs(pixels - colour).max(axis=1) < 12).sum() > 1000
    assert (np.abs(pixels - (230, 100, 20)).max(axis=1) == 0).sum() <= 100  # a hand: the box in the legend alone


def test_called_again_it_goes_on_where_it_was(batch):
    root, _ = batch
    again = slr("extract", root / "in", "--out", root / "out", "--jobs", 1, "--preview", "--json")
    told = json.loads(again.stdout)
    assert again.exit_code == 1 and told["skipped"] == 2 and told["extracted"] == [] and len(told["failed"]) == 2


def test_other_settings_or_a_changed_video_are_extracted_anew(batch, photograph, tmp_path):
    path = write_video(tmp_path / "in" / "clip.mp4", [photograph[::2, ::2]] * 3)
    base = ("extract", tmp_path / "in", "--out", tmp_path / "out", "--jobs", 1, "--json")
    assert len(json.loads(slr(*base).stdout)["extracted"]) == 1
    (entry,) = json.loads(slr(*base, "--layout", "mediapipe-258").stdout)["extracted"]
    assert entry["settings"]["layout"] == "mediapipe-258" and read_features(tmp_path / "out/clip.npz").shape == (3, 258)
    write_video(path, [photograph[::2, ::2]] * 4)
    (entry,) = json.loads(slr(*base, "--layout", "mediapipe-258").stdout)["extracted"]
    assert entry["frames"] == 4


def test_foreign_files_and_clips_of_one_name_are_refused(photograph, tmp_path):
    for name in ("a.mp4", "b.mp4", "b.webm"):
        write_video(tmp_path / "in" / name, [nobody()], codec="libvpx" if name.endswith("webm") else "libx264")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.npz").write_text("mine")
    done = slr("extract", tmp_path / "in", "--out", tmp_path / "out", "--jobs", 1)
    assert done.exit_code == 1 and (tmp_path / "out" / "a.npz").read_text() == "mine"
    assert "is not in the manifest" in done.stderr and "would be written to the same file as" in done.stderr


def test_an_interruption_keeps_what_is_done_and_leaves_nothing_half_written(photograph, tmp_path):
    write_video(tmp_path / "in" / "a.mp4", [photograph[::2, ::2]] * 2)
    write_video(tmp_path / "in" / "b.mp4", [photograph[::2, ::2]] * 500)
    command = [
        sys.executable,
        "-m",
        "slrcli",
        "extract",
        str(tmp_path / "in"),
        "--out",
        str(tmp_path / "out"),
        "-j",
        "1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "out" / "a.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in told
    assert sorted(os.listdir(tmp_path / "out")) == ["a.npz", "manifest.jsonl"]
    assert '"a.npz"' in (tmp_path / "out" / "manifest.jsonl").read_text()


def test_a_process_that_is_killed_costs_only_the_clip_that_it_was_at(photograph, tmp_path):
    write_video(tmp_path / "in" / "a.mp4", [photograph[::2, ::2]] * 2)
    base = ("extract", tmp_path / "in", "--out", tmp_path / "out", "--jobs", 1)
    assert slr(*base).exit_code == 0
    (tmp_path / "out" / "manifest.jsonl").unlink()  # as when killed between the file and its line
    done = slr(*base, "--json")
    assert done.exit_code == 0 and [entry["target"] for entry in json.loads(done.stdout)["extracted"]] == ["a.npz"]


@pytest.mark.slow
def test_parts_at_the_same_time_and_one_killed_come_to_what_one_process_does(photograph, tmp_path):
    for number in range(4):
        write_video(tmp_path / "in" / f"{number}.mp4", [photograph[::2, ::2]] * (2 if number != 2 else 40))
    base = ("extract", tmp_path / "in", "--jobs", 1, "--out")
    command = [*SLR, *map(str, base), str(tmp_path / "out"), "--part", "1/2"]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    second = slr(*base, tmp_path / "out", "--part", "2/2")
    assert second.exit_code == 0 and "part 2/2: 2 of 4 clips" in second.stderr
    deadline = time.monotonic() + 120
    while not (tmp_path / "out" / "0.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.kill()  # at its second clip
    killed.wait()
    again = json.loads(slr(*base, tmp_path / "out", "--part", "1/2", "--json").stdout)
    assert [entry["target"] for entry in again["extracted"]][-1:] == ["2.npz"]
    last = json.loads(slr(*base, tmp_path / "out", "--json").stdout)
    assert last["skipped"] == 4 and last["extracted"] == []
    assert sorted(os.listdir(tmp_path / "out")) == [f"{number}.npz" for number in range(4)] + [NAME]
    for number in (0, 1):
        alone = landmarks(tmp_path / "in" / f"{number}.mp4", ExtractConfig()).features
        assert np.array_equal(read_features(tmp_path / "out" / f"{number}.npz"), alone, equal_nan=True)


# From the video to glosses


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("run"), LAYOUT)


def write_checkpoint(folder: Path, layout) -> Path:
    """A recogniser that nobody trained."""
    import torch

    torch.manual_seed(1)
    vocabulary = Vocabulary.build([[f"G{number}" for number in range(5)]])
    path = folder / "best.safetensors"
    model = build_model(DEFAULT_ARCH, layout, len(vocabulary.tokens))
    save_checkpoint(path, model, Meta(Config(), vocabulary, layout))
    return path


def test_a_video_is_decoded_as_its_landmarks_are(batch, checkpoint):
    root, _ = batch
    files = (root / "in" / "one.mp4", root / "out" / "one.npz", root / "in" / "text.mov", root / "in" / "deep")
    done = slr("decode", *files, "--model", checkpoint, "--json", "--jobs", 1)
    assert done.exit_code == 1
    video, array, text, folder = json.loads(done.stdout)
    assert video["frames"] == array["frames"] == 8 and folder["frames"] == 5
    assert video["log_probability"] == pytest.approx(array["log_probability"], abs=1e-4)
    assert [item["gloss"] for item in video["glosses"]] == [item["gloss"] for item in array["glosses"]]
    assert video["glosses"] and all(item["end_seconds"] <= 8 / 25 for item in video["glosses"])
    assert "not a video" in text["error"]


def test_a_video_is_aligned_as_its_landmarks_are(batch, checkpoint):
    root, _ = batch
    found = []
    for file in (root / "in" / "one.mp4", root / "out" / "one.npz"):
        done = slr("align", file, "--glosses", "G1", "--model", checkpoint, "--json")
        assert done.exit_code == 0, done.output
        found.append(json.loads(done.stdout)[0])
    video, array = found
    assert video["glosses"] == array["glosses"] == ["G1"] and video["spans"] == array["spans"]
    assert video["seconds"][0][1] <= 8 / 25 + 1e-3


def test_a_checkpoint_of_other_points_says_which_it_wants(batch, tmp_path):
    done = slr("decode", batch[0] / "in" / "one.mp4", "--model", write_checkpoint(tmp_path, generic_layout(22)))
    assert done.exit_code == 1 and "The checkpoint needs the layout generic-22" in done.stderr


# Running streams


def stream(checkpoint: Path, data: bytes, *arguments: str) -> subprocess.CompletedProcess:
    command = [*SLR, "decode", "--model", str(checkpoint), *arguments]
    return subprocess.run(command, input=data, capture_output=True, timeout=300)


def test_a_piped_video_is_decoded_as_it_comes(photograph, checkpoint, tmp_path):
    path = write_video(tmp_path / "clip.webm", [photograph[::2, ::2]] * 60, codec="libvpx")
    done = stream(checkpoint, path.read_bytes(), "--pipe", "--no-drop", "--window", "2", "--settle", "0.5")
    told = done.stderr.decode()
    assert done.returncode == 0 and "0 of 60 frames (0%) were dropped" in told and "of 25 frames/s" in told
    assert "W0000" not in told and "INFO" not in told
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert rows and all(len(row) == 4 and row[2].startswith("G") for row in rows)
    starts = [float(row[0]) for row in rows]
    assert starts == sorted(starts) and starts[-1] <= 60 / 25


def test_bare_frames_are_dropped_when_they_come_too_fast(photograph, checkpoint):
    small = np.ascontiguousarray(photograph[::2, ::2])
    done = stream(checkpoint, small.tobytes() * 120, "-", "--raw", "256x300@120", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["came"] == 120 and told["wanted"] == 120
    assert 0 < told["dropped"] < 120  # nobody looks at 120 pictures a second on one core


def test_a_stream_that_is_none_says_what_can_be_sent(checkpoint, photograph, tmp_path):
    path = write_video(tmp_path / "clip.mp4", [np.roll(photograph, 9 * number, 0) for number in range(40)])
    for data in (b"hello", path.read_bytes()):  # the index of an mp4 stands at its end
        done = stream(checkpoint, data, "--pipe")
        assert done.returncode == 1 and b"webm" in done.stderr and b"Traceback" not in done.stderr


def test_a_camera_that_is_not_there_is_an_error(checkpoint):
    done = stream(checkpoint, b"", "--camera", "--camera-index", "77")
    assert done.returncode == 1 and b"No camera can be opened" in done.stderr and not done.stdout
