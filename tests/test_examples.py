"""The examples: the same corpora, byte for byte, as the benchmark's own builder makes of the same recordings."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(*arguments):
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def contents(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["isl30", "auslan", "traduttore", "boston104"])
def test_an_example_writes_the_corpus_of_the_table(real_data, tmp_path, name):
    source = real_data / "data" / name
    given = ["--raw", source] if name == "boston104" else ["--clips", source / "clips.npz"]
    made = run(EXAMPLES / f"{name}.py", *given, tmp_path / "ours")
    assert made.returncode == 0, made.stderr
    assert run(real_data / "benchmarks" / "build.py", name, tmp_path / "theirs").returncode == 0
    assert contents(tmp_path / "ours") == contents(tmp_path / "theirs")


def test_auslan_is_read_from_its_raw_files(tmp_path):
    for session in (2, 7):
        folder = tmp_path / "raw" / f"tctodd{session}"
        folder.mkdir(parents=True)
        for sign in ("god", "is(true)", "flash-light", "pen", "us", "hot"):
            np.savetxt(folder / f"{sign}-1.tsd", np.full((9, 22), session))
    done = run(EXAMPLES / "auslan.py", "--raw", tmp_path / "raw", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "out" / "annotations" / "dev.corpus.csv").read_text()
    assert "session7" in table and "IS_TRUE_" in table and "FLASH-LIGHT" in table
    clip = np.load(tmp_path / "out" / "features" / "train" / "auslan-train-00001.npy")
    assert clip.dtype == np.float32 and clip.shape[1] == 22 and np.all(clip == 2)


def test_traduttore_is_read_from_folders_of_frames(tmp_path):
    for part in ("train", "dev"):
        for sign in ("Tea", "Thank you", "No"):
            for take in range(3):
                folder = tmp_path / part / sign / str(take)
                folder.mkdir(parents=True)
                for frame in range(12):
                    np.save(folder / f"{frame}.npy", np.full(258, frame, np.float32))
    done = run(EXAMPLES / "traduttore.py", "--train", tmp_path / "train", "--dev", tmp_path / "dev", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    clip = np.load(tmp_path / "out" / "features" / "dev" / "traduttore-dev-00001.npy")
    assert clip[:12, 0].tolist() == list(range(12))  # frame 10 after frame 9, not after frame 1
    assert "THANK-YOU" in (tmp_path / "out" / "annotations" / "train.corpus.csv").read_text()


def test_a_missing_table_is_named_without_a_traceback(tmp_path):
    done = run(EXAMPLES / "boston104.py", "--raw", tmp_path, tmp_path / "out")
    assert done.returncode == 1 and "hands_condensed.csv" in done.stderr and "Traceback" not in done.stderr
