"""Runs that were stopped, killed or started twice lose no work, and what lies in their folder tells what happened."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from support.calling import slr
from support.quick_corpus import write_corpus

from slrcli.config import read_toml
from slrcli.errors import CheckpointError
from slrcli.training.session import known_clips

TINY = ["--batch-size", "8", "--lr", "5e-3", "--set", "model.options.width=8", "--device", "cpu"]
TIMES = {"seconds", "frames_per_second"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    """A run of three epochs that nobody disturbed."""
    return trained(corpus, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture
def copy(whole, tmp_path):
    """The same run, for a test of its own."""
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def trained(corpus, run, *more):
    result = slr("train", "--data-dir", corpus, "--epochs", 3, "-o", run, *TINY, *more)
    assert result.exit_code == 0, result.output
    return run


def resumed(run, *more):
    result = slr("train", "--resume", run, *more)
    assert result.exit_code == 0, result.output
    return result


def metrics(run):
    """What a run wrote of its epochs, the times left out."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def assert_same_weights(one, other):
    a, b = load_file(one / "last.safetensors"), load_file(other / "last.safetensors")
    assert a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def files(run):
    return {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


# Stopped before the first checkpoint

BEFORE_THE_FIRST = {
    "the training state": ["last.state.safetensors"],
    "the newest weights": ["last.state.safetensors", "last.safetensors"],
    "any weights": ["last.state.safetensors", "last.safetensors", "best.safetensors"],
    "the log": ["last.state.safetensors", "last.safetensors", "best.safetensors", "metrics.jsonl", "training.log"],
    "the vocabulary": ["last.state.safetensors", "last.safetensors", "best.safetensors", "metrics.jsonl",
                       "training.log", "vocab.json", "data.json"],
}  # fmt: skip


@pytest.fixture(scope="module")
def first_epoch(corpus, tmp_path_factory):
    run = tmp_path_factory.mktemp("first") / "run"
    result = slr("train", "--data-dir", corpus, "--epochs", 1, "-o", run, *TINY)
    assert result.exit_code == 0, result.output
    return run


@pytest.mark.parametrize("before", BEFORE_THE_FIRST)
def test_a_run_killed_before_its_first_state_begins_anew_where_it_is_resumed(
    corpus, first_epoch, whole, tmp_path, before
):
    run = Path(shutil.copytree(first_epoch, tmp_path / "run"))
    for name in BEFORE_THE_FIRST[before]:
        (run / name).unlink(missing_ok=True)
    refused = slr("train", "--data-dir", corpus, "-o", run, *TINY)
    assert refused.exit_code == 2 and f"--resume {run}" in " ".join(refused.stderr.split())
    assert "begins anew" in resumed(run, "--epochs", 3).stderr
    assert_same_weights(run, whole)
    assert metrics(run) == metrics(whole)


def test_a_run_of_many_epochs_without_its_state_is_not_begun_anew(copy):
    (copy / "last.state.safetensors").unlink()
    before = files(copy)
    result = slr("train", "--resume", copy)
    assert result.exit_code == 1 and "last.state.safetensors" in result.stderr
    assert files(copy) == before


def test_a_folder_without_a_run_is_named(tmp_path):
    result = slr("train", "--resume", tmp_path)
    assert result.exit_code == 1 and "no run" in result.stderr


@pytest.mark.parametrize(
    "text", ["", "[]", "[" * 99_999, '{"a": [1, 2]}', '{"a": [Infinity, 0, ""]}', '{"a": 5}', "\xff"]
)
def test_a_damaged_list_of_clips_is_named(tmp_path, text):
    (tmp_path / "data.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match="list of the clips of the run cannot be read"):
        known_clips(tmp_path)


@pytest.mark.parametrize("progress", [3, {}, {"epoch": "x", "step": 0, "epochs_since_best": 0}])
def test_a_run_whose_state_is_damaged_is_refused_in_words(copy, progress):
    path = copy / "last.state.safetensors"
    with safe_open(path, framework="numpy") as file:
        tensors, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    values = {**json.loads(about["slr"]), "progress": progress}
    save_file(tensors, path, about | {"slr": json.dumps(values)})
    before = files(copy)
    for more in ((), ("--epochs", 4)):
        result = slr("train", "--resume", copy, *more)
        assert result.exit_code == 1 and "last.state.safetensors is damaged" in " ".join(result.stderr.split())
    assert files(copy) == before


# Killed between two files

TORN = {
    "the line of the last epoch is missing": lambda text: "".join(text.splitlines(True)[:-1]),
    "the last line is torn": lambda text: text[:-25],
    "a line in the middle is torn": lambda text: text.replace('"epoch": 2, "loss"', '"ep'),
    "the file is empty": lambda text: "",
    "there are bytes of nothing": lambda text: text[:-25] + "\0" * 25,
}


@pytest.mark.parametrize("fault", TORN)
def test_the_lines_of_the_epochs_are_those_of_the_state_whatever_the_files_say(copy, whole, corpus, tmp_path, fault):
    for name in ("metrics.jsonl", "training.log"):
        (copy / name).write_text(TORN[fault]((copy / name).read_text()))
    resumed(copy, "--epochs", 4)
    longer = Path(shutil.copytree(whole, tmp_path / "longer"))
    resumed(longer, "--epochs", 4)
    assert metrics(copy) == metrics(longer) and [line["epoch"] for line in metrics(copy)] == [1, 2, 3, 4]
    assert (copy / "metrics.jsonl").read_text().splitlines()[:3] == (whole / "metrics.jsonl").read_text().splitlines()
    lines = [(run / "training.log").read_text().splitlines() for run in (copy, longer)]
    assert len(lines[0]) == len(lines[1]) and " 3/3 " in "".join(lines[0])


def test_a_run_that_was_complete_is_told_in_whole_by_resuming_it(copy, whole):
    (copy / "metrics.jsonl").write_text("")
    (copy / "training.log").unlink()
    resumed(copy)
    for name in ("metrics.jsonl", "training.log"):
        assert (copy / name).read_text() == (whole / name).read_text()


# Two at once

HOLD = """
import sys
from slrcli.files import held
with held(sys.argv[1], "run"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder():
    """Starts a process that holds a folder."""
    started = []

    def hold(folder):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_a_run_that_another_process_trains_is_refused_with_its_number_and_untouched(copy, corpus, holder):
    process = holder(copy)
    before = files(copy)
    result = slr("train", "--resume", copy, "--epochs", 4)
    assert result.exit_code == 1 and str(process.pid) in result.stderr and "Another process" in result.stderr
    assert files(copy) == before
    process.kill()
    process.wait()
    resumed(copy, "--epochs", 4)  # what was left of the lock is no obstacle


def test_a_folder_in_which_another_run_is_about_to_begin_is_refused(corpus, tmp_path, holder):
    (tmp_path / "run").mkdir()
    holder(tmp_path / "run")
    result = slr("train", "--data-dir", corpus, "--epochs", 1, "-o", tmp_path / "run", *TINY)
    assert result.exit_code == 1 and "Another process" in result.stderr
    assert not (tmp_path / "run" / "config.toml").exists()


# Told what would do nothing


@pytest.mark.parametrize("flags", [["--lr", "1e-4"], ["--weight-decay", "0.5"], ["--epochs", "2"]])
def test_a_complete_run_refuses_settings_that_no_epoch_would_see(copy, flags):
    before = files(copy)
    result = slr("train", "--resume", copy, *flags)
    assert result.exit_code == 2 and "complete" in result.stderr and flags[0] in result.stderr
    assert files(copy) == before


def test_a_complete_run_may_be_resumed_with_what_it_has(copy, whole):
    assert "is complete (3 epochs)" in resumed(copy, "--epochs", 3, "--lr", "5e-3").stderr
    assert read_toml(copy / "config.toml") == read_toml(whole / "config.toml")


def test_the_configuration_changes_with_the_first_epoch_that_saw_it_and_each_epoch_tells_its_rate(copy, monkeypatch):
    from slrcli.errors import SlrError
    from slrcli.training import loop

    with monkeypatch.context() as patch:
        patch.setattr(loop, "evaluate", lambda *_: (_ for _ in ()).throw(SlrError("Something broke.")))
        assert slr("train", "--resume", copy, "--epochs", 5, "--lr", "4e-3").exit_code == 1
    assert read_toml(copy / "config.toml")["optim"]["lr"] == 5e-3
    told = resumed(copy, "--epochs", 5, "--lr", "4e-3").stderr
    assert read_toml(copy / "config.toml")["optim"]["lr"] == 4e-3
    rates = [line["lr"] for line in metrics(copy)]
    assert rates[2] < 4e-4 < 1e-3 < rates[3]  # the schedule of three epochs had ended; that of five has not
    assert "schedule" in told and f"{rates[2]:.1e}" in told


# Data that change


@pytest.fixture
def own(tmp_path):
    """A corpus of its own, and a run on it."""
    corpus = write_corpus(tmp_path / "corpus")
    run = tmp_path / "run"
    assert slr("train", "--data-dir", corpus, "--epochs", 1, "-o", run, *TINY).exit_code == 0
    return corpus, run


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_feature_file_that_has_changed_is_named_where_a_run_goes_on(own, split):
    corpus, run = own
    clip = corpus / "features" / split / f"{split}3.npy"
    x = np.load(clip)
    before = clip.read_bytes()
    np.save(clip, np.roll(x, 1, axis=0))  # of the same size
    result = slr("train", "--resume", run, "--epochs", 2)
    said = " ".join(result.stderr.split())
    assert result.exit_code == 1 and "1 of 30 clips of train and dev have changed" in said and f"{split}3" in said
    assert len(metrics(run)) == 1
    clip.write_bytes(before)  # at another time, and the same
    resumed(run, "--epochs", 2)
    np.save(clip, np.roll(x, 1, axis=0))
    assert slr("train", "--resume", run, "--epochs", 3).exit_code == 1
    (run / "data.json").unlink()  # as the message says
    resumed(run, "--epochs", 3)
    assert len(metrics(run)) == 3


def test_one_absurd_value_kills_no_column_and_is_named(tmp_path):
    from slrcli.checkpoints.checkpoint import load_checkpoint

    corpus = write_corpus(tmp_path / "corpus")
    clip = corpus / "features" / "train" / "train5.npy"
    x = np.load(clip)
    x[7, 1] = 1e30
    np.save(clip, x)
    result = slr("train", "--data-dir", corpus, "--epochs", 1, "-o", tmp_path / "run", *TINY)
    assert result.exit_code == 0 and "1 of 24 training clips have values beyond all proportion" in result.stderr
    assert "train5" in result.stderr
    model, _ = load_checkpoint(tmp_path / "run" / "last.safetensors")
    assert float(model.frontend.std.min()) > 0.01 and float(model.frontend.std.max()) < 10
    checked = slr("check", "data", "--data-dir", corpus, "--only", "SLR-D06")
    assert "beyond all proportion" in checked.stdout and "train5" in checked.stdout


# Once more from the beginning


def test_a_run_trained_again_from_its_folder_has_the_same_weights(whole, copy, tmp_path):
    again = tmp_path / "again"
    result = slr("train", "--from-run", copy, "-o", again)
    assert result.exit_code == 0, result.output
    assert "Warning" not in result.stderr
    assert_same_weights(again, whole)
    assert metrics(again) == metrics(whole)
    settings = [read_toml(run / "config.toml") for run in (again, whole)]
    for found in settings:
        found["run"].pop("output_dir")
    assert settings[0] == settings[1]


def test_a_run_is_not_trained_again_on_other_data(own, tmp_path):
    corpus, run = own
    clip = corpus / "features" / "train" / "train3.npy"
    before = np.load(clip)
    np.save(clip, np.roll(before, 1, axis=0))
    result = slr("train", "--from-run", run, "-o", tmp_path / "again")
    assert result.exit_code == 1 and "train3" in result.stderr and not (tmp_path / "again").exists()
    np.save(clip, before)
    table = corpus / "annotations" / "train.corpus.csv"
    table.write_text(table.read_text().replace("STOP", "LEFT", 1))
    result = slr("train", "--from-run", run, "-o", tmp_path / "again")
    assert result.exit_code == 1 and "annotations have changed" in result.stderr
    assert not (tmp_path / "again").exists()


def test_what_makes_a_repeated_run_differ_is_said(copy, tmp_path, monkeypatch):
    from slrcli.training import resume as training

    resumed(copy, "--epochs", 4, "--lr", "1e-3")
    now = training.versions()
    monkeypatch.setattr(training, "versions", lambda: {**now, "torch": "9.9"})
    result = slr("train", "--from-run", copy, "--dry-run")
    said = " ".join(result.stderr.split())
    assert result.exit_code == 0 and "torch 9.9, before" in said
    assert "From epoch 4 on" in said and "optim.lr" in said and "optim.epochs" in said


@pytest.mark.parametrize(
    "flags", [["--lr", "1e-3"], ["--seed", "7"], ["--arch", "tcn"], ["--resume", "x"], ["--epochs", 9]]
)
def test_a_repeated_run_takes_no_other_settings(copy, flags):
    result = slr("train", "--from-run", copy, *flags)
    assert result.exit_code == 2 and flags[0] in result.stderr
