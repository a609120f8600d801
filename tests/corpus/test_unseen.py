"""Clips in which nobody is seen: named where they are decoded, counted where they are learnt from."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from support.calling import slr

from slrcli.features.clip import is_empty

COLUMNS = 6


def write_corpus(root: Path, blind: dict[str, int]) -> Path:
    """Clips of twelve frames, of which the first so many of a split hold nothing but NaN."""
    rng = np.random.default_rng(0)
    (root / "annotations").mkdir(parents=True)
    for split, count in (("train", 8), ("dev", 3), ("test", 3)):
        (root / "features" / split).mkdir(parents=True)
        rows = ["id|folder|signer|annotation"]
        for number in range(count):
            x = rng.normal(size=(12, COLUMNS)).astype(np.float32)
            if number < blind.get(split, 0):
                x[:] = np.nan
            np.save(root / "features" / split / f"{split}{number}.npy", x)
            rows.append(f"{split}{number}|{split}{number}|ann|{('LEFT', 'RIGHT')[number % 2]}")
        (root / "annotations" / f"{split}.corpus.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on a corpus of which some clips show nobody, and what was said meanwhile."""
    folder = tmp_path_factory.mktemp("blind")
    corpus = write_corpus(folder / "corpus", {"train": 6, "dev": 1, "test": 1})
    here = os.getcwd()
    os.chdir(folder)
    try:
        result = slr("train", "--data-dir", corpus, "--epochs", "1", "--batch-size", "4")
    finally:
        os.chdir(here)
    return folder, result


def test_training_counts_the_clips_that_show_nobody_and_names_the_first(trained):
    _, result = trained
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "No person was seen in 6 of 8 training clips" in said
    assert "train0, train1, train2, train3, train4, ..." in said
    assert "No person was seen in 1 of 3 dev clips (every value is missing): dev0" in said


@pytest.mark.parametrize("split", ["train", "dev"])
def test_training_on_nobody_at_all_is_an_error(tmp_path, monkeypatch, split):
    monkeypatch.chdir(tmp_path)
    corpus = write_corpus(tmp_path / "corpus", {split: 8})
    result = slr("train", "--data-dir", corpus, "--epochs", "1")
    assert result.exit_code == 1 and "No person was seen in any of the" in result.stderr
    assert "slr check data" in result.stderr and not list(tmp_path.glob("runs/*/best.safetensors"))


def test_decoding_names_the_file_and_goes_on_with_the_others(trained, monkeypatch):
    folder, _ = trained
    monkeypatch.chdir(folder)
    files = [folder / "corpus" / "features" / "test" / f"test{number}.npy" for number in range(3)]
    result = slr("decode", *files)
    assert result.exit_code == 1 and "person was seen in test0.npy" in " ".join(result.stderr.split())
    assert len(result.stdout.splitlines()) == 2 and "test0" not in result.stdout
    told = json.loads(slr("decode", *files, "--json").stdout)
    assert "person was seen" in told[0]["error"] and all("glosses" in item for item in told[1:])


def test_evaluation_counts_them_as_well(trained, monkeypatch):
    folder, _ = trained
    monkeypatch.chdir(folder)
    result = slr("eval", "--data-dir", folder / "corpus", "--split", "test")
    assert result.exit_code == 0 and "No person was seen in 1 of 3 test clips" in " ".join(result.stderr.split())


def test_a_single_value_is_enough_to_have_seen_something():
    x = np.full((9, COLUMNS), np.nan, np.float32)
    assert is_empty(x)
    for frame in (0, 4, 8):
        seen = x.copy()
        seen[frame, 2] = 0
        assert not is_empty(seen)
