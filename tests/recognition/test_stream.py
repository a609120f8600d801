"""`slr decode --stream`: frames from a pipe or a growing file, glosses a line each as they become certain."""

import io
import json
import os
import subprocess
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.forked import program
from support.planted_hands import HANDS, signing, swapped
from support.planted_streams import VOCABULARY, clip, parts_of, recogniser
from typer.testing import CliRunner

from slrcli.checkpoints.checkpoint import save_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.cli import app
from slrcli.config import Config, LiveConfig
from slrcli.console import Console
from slrcli.errors import DataError
from slrcli.features.layout import load_layout
from slrcli.features.rows import AnyRows
from slrcli.models.registry import build_model
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.stream import growing, stream_recogniser

FRAMES = 160
FPS = 30.0  # of kinect-20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A streaming checkpoint, one that needs whole clips, and a clip."""
    place = tmp_path_factory.mktemp("streams")
    streaming = recogniser("kinect-20", lookahead=8)
    save_checkpoint(place / "streaming.safetensors", streaming.model, streaming.meta)
    layout = load_layout("kinect-20")
    torch.manual_seed(1)
    options = {"width": 12, "scale": 40.0, "blank_bias": 0.0}
    whole = build_model("conv-bilstm", layout, len(VOCABULARY), options=options)
    sections = {"model": {"arch": "conv-bilstm", "options": options}}
    save_checkpoint(place / "whole.safetensors", whole, Meta(Config.from_dict(sections), VOCABULARY, layout))
    np.save(place / "clip.npy", clip("kinect-20", FRAMES))
    return place


@pytest.fixture(scope="module")
def offline(folder):
    """What `slr decode` says of the clip."""
    done = CliRunner().invoke(
        app, ["decode", str(folder / "clip.npy"), "-m", str(folder / "streaming.safetensors"), "--json"]
    )
    (told,) = json.loads(done.stdout)
    assert len(told["glosses"]) > 5
    return told["glosses"]


def command(folder: Path, *arguments, model="streaming") -> list[str]:
    path = str(folder / f"{model}.safetensors")
    return [*program("slrcli"), "decode", "--stream", "-m", path, *map(str, arguments)]


def as_text(x: np.ndarray, parting: str, heading: str = "") -> bytes:
    lines = [heading] if heading else []
    return "\n".join([*lines, *(parting.join(f"{value:.9g}" for value in row) for row in x.tolist())]).encode()


def as_npy(x: np.ndarray, version=None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, x, version)
    return file.getvalue()


WRITINGS = {
    "bare": lambda x: x.astype("<f4").tobytes(),
    "npy": as_npy,
    "npy of doubles, version 2": lambda x: as_npy(x.astype(np.float64), (2, 0)),
    "commas": lambda x: as_text(x, ","),
    "spaces and a heading": lambda x: as_text(x, " ", "x y z of many joints") + b"\n",
    "semicolons": lambda x: as_text(x, "; ") + b"\n\n",
}


@pytest.mark.parametrize("writing", WRITINGS)
@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=8), frames=st.integers(0, 9), seed=st.integers(0, 99))
def test_frames_come_whole_however_their_bytes_are_parted(writing, cuts, frames, seed):
    x = np.random.default_rng(seed).normal(size=(frames, 5)).astype(np.float32)
    x[np.random.default_rng(seed).random(x.shape) < 0.2] = np.nan
    rows = AnyRows(5, "stdin")
    found = [rows.feed(part) for part in parts_of(WRITINGS[writing](x), cuts)]
    found = np.concatenate([*found, rows.close()])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (np.zeros(13, np.float32).tobytes(), "within a frame, 12 bytes"),
        (as_npy(np.zeros((4, 6), np.float32)), r"float32 \[4, 6\]"),
        (as_npy(np.asfortranarray(np.zeros((4, 5), np.float32))), "column-major order"),
        (as_npy(np.zeros((4, 5), np.int64)), "int64"),
        (as_npy(np.zeros((4, 5), np.float32))[:40], "within its header"),
        (b"\x93NUMPY\x01\x00\x04\x00nonsense" + b" " * 40, "header of the array cannot be read"),
        (b"1 2 3 4 5\n1 2 3 4\n" + b" " * 40, "4 numbers, but the recogniser needs 5"),
        (b"1 2 3 4 5\n1 2 x 4 5\n" + b" " * 40, "does not consist of numbers"),
    ],
)
def test_what_is_no_frames_is_named(data, said):
    rows = AnyRows(5, "stdin")
    with pytest.raises(DataError, match=said) as told:
        rows.feed(data)
        rows.close()
    assert "stdin" in told.value.where
    if b"1 2 3" in data:
        assert told.value.where == "stdin, line 2"


def test_an_array_is_never_unpickled():
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(DataError, match="object"):
        AnyRows(5, "stdin").feed(file.getvalue())


@pytest.mark.parametrize("writing", ["bare", "npy", "commas"])
def test_a_pipe_gives_what_the_file_gives(folder, offline, writing):
    data = WRITINGS[writing](np.load(folder / "clip.npy"))
    done = subprocess.run(command(folder, "--json"), input=data, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    told = [json.loads(line) for line in done.stdout.decode().splitlines()]
    keys = ("gloss", "start", "end")
    assert [[item[key] for key in keys] for item in told] == [[item[key] for key in keys] for item in offline]
    for item, other in zip(told, offline, strict=True):
        assert item["confidence"] == pytest.approx(other["confidence"], abs=2e-4)
        assert item["start_seconds"] == pytest.approx(item["start"] / FPS, abs=1e-3)
        assert item["start"] <= item["peak"] < item["end"]


def test_glosses_are_told_while_the_stream_goes_on(folder, offline):
    """The lines that belong to the first half are read before the second half is written."""
    x = np.load(folder / "clip.npy")
    # Unbuffered: what is read ahead with a line would be lost to `communicate`.
    process = subprocess.Popen(command(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    process.stdin.write(x[:100].tobytes())
    process.stdin.flush()
    early = [item for item in offline if item["end"] <= 100 - 4 - 8 - 5 - 4]
    lines = [process.stdout.readline().decode().split("\t") for _ in early]
    assert early and [line[2] for line in lines] == [item["gloss"] for item in early]
    rest = process.communicate(x[100:].tobytes(), timeout=60)[0].decode().splitlines()
    assert process.returncode == 0 and len(lines) + len(rest) == len(offline)
    assert all(len(line) == 5 and int(line[4]) >= 12 for line in lines)


@pytest.mark.parametrize("suffix", ["npy", "csv"])
def test_a_growing_file_is_followed_until_it_stays_as_it_is(folder, offline, tmp_path, suffix):
    x, path = np.load(folder / "clip.npy"), tmp_path / f"frames.{suffix}"
    data = as_npy(x) if suffix == "npy" else as_text(x, ",") + b"\n"
    edges = [len(data) * part // 4 for part in range(5)]
    path.write_bytes(data[: edges[1]])

    def write():
        for a, b in pairwise(edges[1:]):
            time.sleep(0.3)
            with path.open("ab") as file:
                file.write(data[a:b])

    writer = threading.Thread(target=write)
    writer.start()
    # The file may be whole before it is looked at: the reader itself is tested below.
    done = subprocess.run(command(folder, path, "--patience", 1), capture_output=True, text=True, timeout=120)
    writer.join()
    assert done.returncode == 0, done.stderr
    assert [line.split("\t")[2] for line in done.stdout.splitlines()] == [item["gloss"] for item in offline]


def test_a_reader_waits_for_what_is_added_and_no_longer(tmp_path):
    path, now = tmp_path / "frames", [0.0]
    path.write_bytes(b"one")

    def sleep(seconds):
        now[0] += seconds
        if abs(now[0] - 0.5) < 0.01:
            with path.open("ab") as file:
                file.write(b"two")

    assert list(growing(path, 1.0, lambda: now[0], sleep)) == [b"one", b"two"]
    assert now[0] == pytest.approx(1.5, abs=0.1)
    with pytest.raises(DataError, match="truncated"):
        for _ in growing(path, 1.0, lambda: now[0], sleep):
            path.write_bytes(b"")


def test_networks_of_whole_clips_look_at_windows(folder):
    x = np.load(folder / "clip.npy").tobytes()
    done = subprocess.run(command(folder, "--hop", 1, model="whole"), input=x, capture_output=True, timeout=120)
    assert done.returncode == 0 and b"needs whole clips" in done.stderr
    lines = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert lines and all(len(line) == 5 and line[2] in "ABCDE" for line in lines)


class Listening(ClipRecogniser):
    """Keeps the windows that it is asked about and hears nothing."""

    stride, least_frames = 1.0, 1

    def __init__(self, hands: bool):
        config = Config.from_dict({"data": {"assign_hands": hands}})
        super().__init__(VOCABULARY, Meta(config, VOCABULARY, HANDS))
        self.windows = []

    def log_probs(self, x, lengths):
        self.windows.append(x[0])
        return np.zeros((1, x.shape[1], len(VOCABULARY)), np.float32), lengths


@pytest.mark.parametrize("hands", [True, False])
def test_windows_are_prepared_as_the_clips_were_that_the_recogniser_learnt_from(hands):
    x = signing(90)
    y = np.where(np.arange(90)[:, None] % 7 < 3, swapped(x), x)
    listening = Listening(hands)
    stream = stream_recogniser(Console(quiet=True), listening, 30.0, LiveConfig(window=2.0, hop=0.5, settle=0.3))
    stream.push(y)
    stream.finish()
    assert [len(window) for window in listening.windows] == [15, 30, 45, 60, 60, 60, 60]
    for end, window in zip((15, 30, 45, 60, 75, 90, 90), listening.windows, strict=True):
        np.testing.assert_array_equal(window, (x if hands else y)[end - len(window) : end])


@pytest.mark.parametrize(
    ("layout", "assign", "runs"),
    [("mediapipe-126", True, False), ("mediapipe-126", False, True), ("kinect-20", True, True)],
)
def test_a_streaming_network_whose_clips_had_their_hands_assigned_needs_windows(layout, assign, runs):
    """Hands are assigned over whole clips: carried on frame by frame, other glosses would come than of the file."""
    made = recogniser(layout)
    data = replace(made.meta.config.data, assign_hands=assign)
    made.meta = replace(made.meta, config=replace(made.meta.config, data=data))
    assert (made.running() is not None) is runs


def test_a_search_looks_at_windows(folder):
    x = np.load(folder / "clip.npy").tobytes()
    done = subprocess.run(command(folder, "--beam", 5), input=x, capture_output=True, timeout=120)
    assert done.returncode == 0 and b"a beam search needs windows" in done.stderr and done.stdout


def test_a_stream_of_nothing_and_one_that_breaks_off(folder):
    done = subprocess.run(command(folder), input=b"", capture_output=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, b"")
    data = np.load(folder / "clip.npy").tobytes()[:-3]
    done = subprocess.run(command(folder), input=data, capture_output=True, timeout=120)
    assert done.returncode == 1 and b"within a frame" in done.stderr and b"Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) > 3  # what was certain before had been told


def test_an_interrupted_stream_is_finished(folder):
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command(folder), **pipes, env=environment, bufsize=0)
    process.stdin.write(np.load(folder / "clip.npy").tobytes())
    process.stdin.flush()
    first = process.stdout.readline()
    time.sleep(1)  # until it waits for more
    process.send_signal(2)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and first and rest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--camera"], "A stream of frames is printed as it is decoded"),
        (["--out", "a.eaf"], "A stream of frames is printed as it is decoded"),
        (["a.npy", "b.npy"], "Only one stream can be decoded"),
        (["nowhere.npy"], "The stream cannot be read"),
        (["clip.npy", "--patience", "-1"], "patience"),
    ],
)
def test_mistakes_are_named(folder, arguments, said):
    path = str(folder / "streaming.safetensors")
    done = CliRunner().invoke(app, ["decode", "--stream", "-m", path, *arguments])
    assert done.exit_code in (1, 2) and said in " ".join(done.output.split()) and "Traceback" not in done.output


def test_lookahead_is_what_the_network_waits_for(tmp_path):
    (tmp_path / "annotations").mkdir()
    rows = {"train": [], "dev": []}
    for number in range(4):
        split = "dev" if number == 3 else "train"
        (tmp_path / "features" / split).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "features" / split / f"c{number}.npy", clip("kinect-20", 40, number, 0.1))
        rows[split].append(f"c{number}|c{number}|s|A B")
    for split, lines in rows.items():
        table = "\n".join(["id|folder|signer|annotation", *lines]) + "\n"
        (tmp_path / "annotations" / f"{split}.corpus.csv").write_text(table)
    base = ["train", "--data-dir", str(tmp_path), "--epochs", "1", "--lookahead"]
    streaming = ["--arch", "streaming", "--set", "model.options.width=8", "--output-dir", str(tmp_path / "run")]
    done = CliRunner().invoke(app, [*base, "12", *streaming])
    assert done.exit_code == 0, done.output
    assert "lookahead = 12" in (tmp_path / "run" / "config.toml").read_text()
    assert "multiple of 4" in CliRunner().invoke(app, [*base, "6", *streaming[:-1], str(tmp_path / "other")]).output
    assert "needs whole clips" in CliRunner().invoke(app, [*base, "8"]).output
    resumed = CliRunner().invoke(app, ["train", "--resume", str(tmp_path / "run"), "--lookahead", "0"])
    assert resumed.exit_code == 2 and "--lookahead" in resumed.output
