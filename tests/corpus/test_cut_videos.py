"""Videos cut by their annotations: with a scripted landmarker in place of MediaPipe, in real video files."""

import shutil

import numpy as np
import pympi
import pytest
from support.calling import slr
from support.photographs import write_video

from slrcli.annotations import read_annotations
from slrcli.corpus import open_corpus
from slrcli.errors import SlrError
from slrcli.features.layout import load_layout
from slrcli.features.readers import read_recording
from slrcli.video import extraction, landmarks
from slrcli.video.holistic import PARTS, POINTS
from slrcli.video.job import run_job

pytest.importorskip("av", reason="the extra 'video' is not installed: no av")
FPS, FRAMES, DARKEST, STEP = 25, 50, 20, 4


class Scripted:
    """Tells the brightness of a picture as the place of every point."""

    parts = tuple(PARTS)

    def __init__(self, face):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __call__(self, image):
        return np.full((POINTS, 4), image.mean() / 255, np.float32)


@pytest.fixture
def scripted(monkeypatch):
    def here(console, work, count):
        for job in work:
            try:
                yield job, run_job(job)
            except SlrError as error:
                yield job, error

    monkeypatch.setattr(extraction, "Holistic", Scripted)
    monkeypatch.setattr("slrcli.video.job.library_versions", dict)
    monkeypatch.setattr(landmarks, "need_all", lambda: None)
    monkeypatch.setattr(landmarks, "run_jobs", here)


def video(path, times=None):
    """Frame n is as bright as n says."""
    pictures = [np.full((64, 64, 3), DARKEST + STEP * number, np.uint8) for number in range(FRAMES)]
    return write_video(path, pictures, FPS, times)


def shown(path):
    """The numbers of the frames of a clip, by its brightness."""
    x = read_recording(path).values[:, 0]
    return np.round((255 * x - DARKEST) / STEP).astype(int).tolist()


def eaf(path, media, marks=((400, 800, "HELLO"), (1200, 1600, "NAME"))):
    """An ELAN file with its link to a video: keyword arguments of pympi, or none."""
    file = pympi.Elan.Eaf(author="test")
    file.remove_tier("default")
    file.add_tier("GLOSS")
    for mark in marks:
        file.add_annotation("GLOSS", *mark)
    for one in media:
        file.add_linked_file(**{"mimetype": "video/mp4", **one})
    path.parent.mkdir(parents=True, exist_ok=True)
    file.to_file(path)
    return path


def cut(file, out, *options):
    done = slr("corpus", file, *options, "--out", out)
    assert done.exit_code == 0, done.output
    return [(item.glosses, shown(item.features)) for item in open_corpus(out).split("train")]


PARTED = ("--tier", "GLOSS", "--pause", 0.2)
BOTH = [(("HELLO",), list(range(10, 20))), (("NAME",), list(range(30, 40)))]


@pytest.mark.parametrize(
    ("place", "link"),
    [
        ("rec.mp4", None),
        ("take one.mp4", {"file_path": "file:///gone/take%20one.mp4", "relpath": "./take%20one.mp4"}),
        ("../videos/v.mp4", {"file_path": "file:///C:/gone/v.mp4", "relpath": "../videos/v.mp4"}),
        ("../videos/v.mp4", {"file_path": "file:///C:/gone/v.mp4", "relpath": "..\\videos\\v.mp4"}),
        ("../elsewhere/v.mp4", {"file_path": "file://{root}/elsewhere/v.mp4", "relpath": "./v.mp4"}),
        ("../elsewhere/v.mp4", {"file_path": "file://localhost{root}/elsewhere/v.mp4"}),
        ("features/v.mp4", {"file_path": "file:///gone/v.mp4"}),
    ],
)
def test_the_landmarks_of_the_linked_video_are_cut(scripted, tmp_path, place, link):
    (tmp_path / "elan").mkdir()
    video(tmp_path / "elan" / place)
    media = [{**link, "file_path": link["file_path"].format(root=tmp_path)}] if link else []
    file = eaf(tmp_path / "elan" / "rec.eaf", media)
    assert cut(file, tmp_path / "out", *PARTED) == BOTH
    found = read_recording(next((tmp_path / "out" / "features").glob("*.npz")))
    assert found.layout.name == "mediapipe-1629"
    assert "fps = 25.0" in (tmp_path / "out" / "corpus.toml").read_text()


def test_the_time_origin_of_the_video_is_heeded(scripted, tmp_path):
    video(tmp_path / "v.mp4")
    file = eaf(tmp_path / "rec.eaf", [{"file_path": "file:///v.mp4", "relpath": "v.mp4", "time_origin": 200}])
    assert cut(file, tmp_path / "out", *PARTED)[0] == (("HELLO",), list(range(15, 25)))


def test_frames_are_cut_at_their_own_times_where_the_rate_is_uneven(scripted, tmp_path):
    times = [number / 25 if number < 20 else 0.8 + (number - 20) / 50 for number in range(FRAMES)]
    video(tmp_path / "rec.mp4", times)
    file = eaf(tmp_path / "rec.eaf", [], [(400, 600, "HELLO"), (1000, 1200, "NAME")])
    assert cut(file, tmp_path / "out", *PARTED) == [
        (("HELLO",), list(range(10, 15))),
        (("NAME",), list(range(30, 40))),
    ]


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
def test_subtitles_cut_the_video_of_their_name(scripted, tmp_path, suffix):
    (tmp_path / "films").mkdir()
    video(tmp_path / "films" / "talk.mp4")
    point = "," if suffix == ".srt" else "."
    head = "1\n" if suffix == ".srt" else "WEBVTT\n\n"
    (tmp_path / f"talk{suffix}").write_text(f"{head}00:00:00{point}400 --> 00:00:00{point}800\nHELLO YOU\n")
    found = cut(tmp_path / f"talk{suffix}", tmp_path / "out", "--features", tmp_path / "films")
    assert found == [(("HELLO", "YOU"), list(range(10, 20)))]


def test_features_go_before_the_video_and_a_layout_can_be_named(scripted, tmp_path):
    video(tmp_path / "rec.mp4")
    file = eaf(tmp_path / "rec.eaf", [])
    cut(file, tmp_path / "reduced", *PARTED, "--layout", "mediapipe-258")
    clip = next((tmp_path / "reduced" / "features").glob("*.npz"))
    assert read_recording(clip).values.shape[1] == load_layout("mediapipe-258").width
    shutil.copy(clip, tmp_path / "rec.npz")
    done = slr("corpus", file, *PARTED, "--out", tmp_path / "out")
    assert "lie beyond the end" in done.stderr or "left out" in done.stderr  # of ten frames, not of fifty
    done = slr("corpus", eaf(tmp_path / "b" / "rec.eaf", []), *PARTED, "--layout", "kinect-20", "--out", tmp_path / "k")
    assert done.exit_code == 1


def test_a_layout_that_videos_do_not_give_is_refused(scripted, tmp_path):
    video(tmp_path / "rec.mp4")
    done = slr("corpus", eaf(tmp_path / "rec.eaf", []), *PARTED, "--layout", "kinect-20", "--out", tmp_path / "out")
    assert done.exit_code == 2 and "kinect-20" in done.stderr and not (tmp_path / "out").exists()


def test_a_damaged_video_is_an_error_that_leaves_nothing(scripted, tmp_path):
    (tmp_path / "rec.mp4").write_bytes(b"no video")
    done = slr("corpus", eaf(tmp_path / "rec.eaf", []), *PARTED, "--out", tmp_path / "out")
    assert done.exit_code == 1 and "rec.mp4" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rec.eaf", "rec.mp4"]


def test_without_mediapipe_the_error_says_what_to_install(tmp_path, monkeypatch):
    from slrcli.errors import DependencyError

    def missing():
        raise DependencyError("Videos need mediapipe.", fix="pip install 'slrcli[video]'")

    monkeypatch.setattr(landmarks, "need_all", missing)
    video(tmp_path / "rec.mp4")
    done = slr("corpus", eaf(tmp_path / "rec.eaf", []), *PARTED, "--out", tmp_path / "out")
    assert done.exit_code == 1 and "slrcli[video]" in done.stderr and not (tmp_path / "out").exists()


def test_linked_sound_is_no_recording(scripted, tmp_path):
    (tmp_path / "sound.wav").write_bytes(b"RIFF")
    file = eaf(
        tmp_path / "rec.eaf", [{"file_path": "file:///sound.wav", "relpath": "sound.wav", "mimetype": "audio/x-wav"}]
    )
    assert read_annotations(file).media[0].places
    done = slr("corpus", file, *PARTED, "--out", tmp_path / "out")
    assert done.exit_code == 1 and "Neither a feature file nor a video" in " ".join(done.stderr.split())
