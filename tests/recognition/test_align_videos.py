"""Known glosses placed in videos: with the landmarks that are extracted of them, at the times of their frames."""

import json

import numpy as np
import pytest
import torch
from support.calling import slr

from slrcli.checkpoints.checkpoint import save_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.config import DEFAULT_ARCH, Config
from slrcli.features.layout import load_layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.registry import build_model
from slrcli.video import landmarks

FRAMES = 40
TIMES = np.concatenate([np.arange(20) / 10, 2 + np.arange(20) / 50])  # a video whose frames come faster later


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(1)
    layout = load_layout("mediapipe-258")
    vocabulary = Vocabulary.build([["A", "B"]])
    model = build_model(DEFAULT_ARCH, layout, len(vocabulary.tokens))
    save_checkpoint(tmp_path / "best.safetensors", model, Meta(Config(), vocabulary, layout))
    return tmp_path / "best.safetensors"


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """A video and its landmarks, which stand in for those that MediaPipe would extract."""
    x = np.random.default_rng(0).normal(size=(FRAMES, 258)).astype(np.float32)
    np.savez(tmp_path / "clip.npz", features=x, timestamps=TIMES, fps=25.0, layout="mediapipe-258")
    video = tmp_path / "clip.mp4"
    video.write_bytes(b"stands in for a video")
    monkeypatch.setattr(landmarks, "landmarks_of", lambda *_: {video: tmp_path / "clip.npz"})
    return video


def aligned(checkpoint, file):
    done = slr("align", file, "--glosses", "A B A", "--model", checkpoint, "--json", "--device", "cpu")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_glosses_of_a_video_lie_where_those_of_its_landmarks_do_at_its_own_times(checkpoint, clip):
    (video,), (array,) = (aligned(checkpoint, file) for file in (clip, clip.with_suffix(".npz")))
    assert video["glosses"] == ["A", "B", "A"] and video["spans"] == array["spans"]
    starts = [start for start, _ in video["seconds"]]
    assert starts == pytest.approx([TIMES[start] for start, _ in video["spans"]], abs=2e-3)
    assert any(start >= 20 for start, _ in video["spans"])  # where frames come faster
    assert array["seconds"] == [pytest.approx([start / 25, end / 25], abs=2e-3) for start, end in array["spans"]]


def test_a_video_that_cannot_be_extracted_says_what_to_install(checkpoint, tmp_path, monkeypatch):
    from slrcli.errors import DependencyError
    from slrcli.video import library

    def missing():
        raise DependencyError("Videos need mediapipe.", fix="pip install 'slrcli[video]'")

    monkeypatch.setattr(landmarks, "need_all", missing)
    (tmp_path / "clip.mp4").write_bytes(b"stands in for a video")
    assert library.need_all is not missing
    for command in (("align", "--glosses", "A"), ("decode",)):
        done = slr(command[0], tmp_path / "clip.mp4", *command[1:], "--model", checkpoint, "--device", "cpu")
        assert done.exit_code == 1 and "slrcli[video]" in done.stderr
