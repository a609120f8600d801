"""The recogniser that comes along: found by its name, small, and never written into."""

from pathlib import Path

import numpy as np
import pytest
from support.quick_corpus import write_corpus
from typer.testing import CliRunner

import slrcli
from slrcli.checkpoints.checkpoint import load_checkpoint
from slrcli.checkpoints.runs import SHIPPED, find_checkpoint, shipped_names
from slrcli.cli import app
from slrcli.errors import CheckpointError

NAME = "asl-cafe"


def test_it_is_found_by_its_name_wherever_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped_names() == [NAME]
    path = find_checkpoint(Path(NAME))
    assert path.parent == SHIPPED and path.stat().st_size < 2e6
    with pytest.raises(CheckpointError, match="no such checkpoint") as refused:
        find_checkpoint(Path("asl-caf"))
    assert NAME in refused.value.fix


def test_a_file_or_run_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).write_bytes(b"mine")
    assert find_checkpoint(Path(NAME)) == Path(NAME)


def test_half_of_its_precision_is_stored_and_all_of_it_used():
    model, meta = load_checkpoint(find_checkpoint(Path(NAME)))
    assert {str(weight.dtype) for weight in model.parameters()} == {"torch.float32"}
    assert len(meta.vocabulary.glosses) == 14 and meta.layout.name == "mediapipe-258"


def test_the_library_opens_it():
    x = np.full((40, 258), np.nan, np.float32)
    x[:, :132] = np.random.default_rng(1).normal(0.5, 0.1, 132)
    assert isinstance(slrcli.load(NAME).decode(x).glosses, tuple)


def test_nothing_is_written_into_it(tmp_path):
    before = find_checkpoint(Path(NAME)).read_bytes()
    corpus = write_corpus(tmp_path / "corpus")
    for flag in ("--calibrate", "--tune"):
        done = CliRunner().invoke(app, ["eval", NAME, "--data-dir", str(corpus), flag])
        assert done.exit_code == 2 and "belongs to the installation" in " ".join(done.stderr.split())
    assert find_checkpoint(Path(NAME)).read_bytes() == before


def test_another_recogniser_starts_from_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    (tmp_path / "corpus" / "features").mkdir(parents=True)
    rows = ["id,glosses,split"]
    for i in range(8):
        clip = np.concatenate([rng.normal(0.5, 0.1, 132), rng.normal(0.5, 0.1, 126)]) + rng.normal(0, 0.01, (60, 258))
        np.save(tmp_path / "corpus" / "features" / f"c{i}.npy", clip.astype(np.float32))
        rows.append(f"c{i},COFFEE PLEASE,{'dev' if i > 5 else 'train'}")
    (tmp_path / "corpus" / "annotations.csv").write_text("\n".join(rows) + "\n")
    done = CliRunner().invoke(
        app, ["train", "-d", "corpus", "--layout", "mediapipe-258", "--init", NAME, "--epochs", "1", "-o", "run"]
    )
    assert done.exit_code == 0, done.output
    assert f"{NAME}.safetensors" in str(load_checkpoint(tmp_path / "run" / "last.safetensors")[1].ancestry)


def test_it_recognises_the_signs_of_its_recordings(real_data):
    """Single takes that were left out of its training, in the coordinates that `slr extract` writes."""
    with np.load(real_data / "data" / "traduttore" / "clips.npz", allow_pickle=False) as pack:
        x, sign = pack["x"].astype(np.float32).reshape(-1, 20, 258), pack["sign"]
    model, right, said = slrcli.load(NAME), 0, 0
    for gloss in np.unique(sign):
        for clip in x[np.flatnonzero(sign == gloss)[-4:]]:
            for part in (clip[:, :132].reshape(20, -1, 4), clip[:, 132:].reshape(20, -1, 3)):
                missing = (part == 0).all(axis=2)
                part[..., 1] = part[..., 1] * 0.75 + 0.125
                part[missing] = np.nan
            right += model.decode(clip).glosses == (gloss,)
            said += 1
    assert right >= 0.8 * said, f"{right} of {said}"
