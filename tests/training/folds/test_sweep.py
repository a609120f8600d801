"""`slr train --sweep` as a user meets it: ordinary runs that differ in some settings, and the best of them on dev."""

import itertools
import json
import signal
import tomllib
from contextlib import contextmanager

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.calling import slr
from support.quick_corpus import write_corpus

from slrcli.errors import UsageError

SMALL = ["--set", "model.options.dilations=[1]", "--batch-size", "8", "--warmup-epochs", "1"]
QUICK = [*SMALL, "--epochs", "2", "--set", "model.options.width=16"]
GRID = ["--sweep", "optim.lr=1e-3,5e-3", "--sweep", "data.assign_hands=true,false"]
NAMES = [f"lr-{lr}_assign_hands-{hands}" for lr in ("0.001", "0.005") for hands in ("true", "false")]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "c")


@pytest.fixture(scope="module")
def grid(corpus, tmp_path_factory):
    """The folder of two by two runs, and what was said."""
    folder = tmp_path_factory.mktemp("sweep") / "g"
    result = slr("train", "--data-dir", corpus, *QUICK, *GRID, "-o", folder)
    assert result.exit_code == 0, result.output
    return folder, result


def plan_of(folder):
    return json.loads((folder / "sweep.json").read_text())


def wers(folder):
    """Run -> WER, of those that are finished."""
    return {run["run"]: run["wer"] for run in plan_of(folder)["runs"] if run["state"] == "finished"}


def settings(run):
    return tomllib.loads((run / "config.toml").read_text())


def same_weights(first, second):
    a, b = (load_file(run / "last.safetensors") for run in (first, second))
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_every_combination_is_an_ordinary_run_and_the_best_on_dev_is_named(grid):
    folder, said = grid
    assert [run["run"] for run in plan_of(folder)["runs"]] == NAMES and plan_of(folder)["complete"]
    for run in plan_of(folder)["runs"]:
        used = settings(folder / run["run"])
        values = {"optim.lr": used["optim"]["lr"], "data.assign_hands": used["data"]["assign_hands"]}
        assert run["values"] == values and run["epochs"] == 2
        lines = [json.loads(line) for line in (folder / run["run"] / "metrics.jsonl").read_text().splitlines()]
        assert run["wer"] == min(line["wer"] for line in lines)
        assert (folder / run["run"] / "best.safetensors").is_file()
    found = wers(folder)
    best = min(NAMES, key=lambda name: found[name])  # of equal ones the first
    assert plan_of(folder)["best"] == next(run["values"] for run in plan_of(folder)["runs"] if run["run"] == best)
    assert f": WER {found[best]:.2f} % on dev" in said.stdout and f"{folder}/{best}/best.safetensors" in said.stdout
    shown = [line.split()[0] for line in said.stdout.splitlines() if line.strip().startswith("lr-")]
    assert sorted(shown) == sorted(NAMES) and [found[name] for name in shown] == sorted(found.values())
    assert "run 4 of 4: lr=0.005, assign_hands=false" in said.stderr and "; 1 to go, about " in said.stderr


def test_a_run_of_a_sweep_is_the_run_that_its_settings_give_alone(corpus, grid, tmp_path):
    alone = slr("train", "--data-dir", corpus, *QUICK, "--lr", "5e-3", "-o", tmp_path / "one")
    assert alone.exit_code == 0 and same_weights(tmp_path / "one", grid[0] / NAMES[2])


def test_an_interrupted_sweep_goes_on_to_the_same_bits_and_repeats_nothing(corpus, grid, tmp_path, monkeypatch):
    from slrcli.training import session

    steps, folder = itertools.count(), tmp_path / "g"

    class Told(session.Interruption):
        def __call__(self):
            if next(steps) == 10:  # three steps an epoch, two epochs a run
                self.press(signal.SIGINT)
            return super().__call__()

    @contextmanager
    def interrupted_in_the_second_run():
        yield Told()

    with monkeypatch.context() as patch:
        patch.setattr(session, "interruptible", interrupted_in_the_second_run)
        result = slr("train", "--data-dir", corpus, *QUICK, *GRID, "-o", folder)
    assert result.exit_code == 130 and f"slr train --resume {folder}" in result.stderr and not result.stdout
    assert [run["state"] for run in plan_of(folder)["runs"]] == ["finished", "left", "left", "left"]
    first = (folder / NAMES[0] / "last.safetensors").stat().st_mtime_ns
    result = slr("train", "--resume", folder)
    assert result.exit_code == 0 and "1 of them are already finished" in result.stderr, result.output
    assert (folder / NAMES[0] / "last.safetensors").stat().st_mtime_ns == first
    assert wers(folder) == wers(grid[0]) and all(same_weights(folder / name, grid[0] / name) for name in NAMES)


@pytest.mark.slow
def test_a_combination_that_fails_is_named_and_the_others_go_on(corpus, grid, tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    sweep = ["--lr", "5e-3", "--sweep", "data.max_frames=1,0,1000", "--jobs", "2", "-o", tmp_path / "g"]
    result = slr("train", "--data-dir", corpus, *QUICK, *sweep)
    assert result.exit_code == 1 and "defect" not in result.stderr
    assert (
        "1 of 3 runs have failed: max_frames=1." in result.stderr
        and "No utterance is left to train on" in result.stderr
    )
    assert "max_frames=1 has failed" in result.stderr and f"slr train --resume {tmp_path / 'g'}" in result.stderr
    assert [run["state"] for run in plan_of(tmp_path / "g")["runs"]] == ["failed", "finished", "finished"]
    assert wers(tmp_path / "g")["max_frames-0"] == wers(grid[0])[NAMES[2]]
    again = slr("train", "--resume", tmp_path / "g")
    assert again.exit_code == 1 and "2 of them are already finished" in again.stderr


def test_several_seeds_of_a_combination_are_one_row_with_their_mean(corpus, tmp_path):
    folder = tmp_path / "g"
    sweep = ["--epochs", "1", "--sweep", "optim.lr=1e-3,5e-3", "--seeds", "1,4", "-o", folder]
    result = slr("train", "--data-dir", corpus, *QUICK, *sweep)
    assert result.exit_code == 0, result.output
    found = wers(folder)
    assert [*found] == ["lr-0.001-seed1", "lr-0.005-seed1", "lr-0.001-seed4", "lr-0.005-seed4"]
    assert settings(folder / "lr-0.005-seed4")["run"]["seed"] == 4
    means = {lr: (found[f"{lr}-seed1"] + found[f"{lr}-seed4"]) / 2 for lr in ("lr-0.001", "lr-0.005")}
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip().startswith("lr-")}
    assert rows.keys() == means.keys() and all(f"{means[name]:.2f} %" in rows[name] for name in means)
    assert f"WER {min(means.values()):.2f} % on dev, mean of 2 seeds" in result.stdout


def test_each_architecture_of_a_sweep_has_the_settings_that_fit_it(corpus, tmp_path):
    folder = tmp_path / "g"
    sweep = ["--epochs", "1", "--sweep", "model.arch=tcn,conv-bilstm", "-o", folder]
    result = slr("train", "--data-dir", corpus, "--batch-size", "8", *sweep)
    assert result.exit_code == 0, result.output
    assert {run: settings(folder / run)["model"]["dropout"] for run in wers(folder)} == {
        "arch-tcn": 0.2,
        "arch-conv-bilstm": 0.3,
    }


def test_dry_run_tries_one_combination_and_writes_nothing(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = slr("train", "--data-dir", corpus, *QUICK, *GRID, "--seeds", "3", "--dry-run")
    assert result.exit_code == 0 and "12 runs in total" in result.stdout and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sweep", "optim.lrr=1,2"], "There is no setting 'lrr'. at --sweep, [optim]"),
        (["--sweep", "optm.lr=1,2"], "There is no section [optm]"),
        (["--sweep", "model.options.widht=1,2"], "There is no setting 'widht'"),
        (["--sweep", "optim.lr"], "no sweep of a setting"),
        (["--sweep", "lr=1,2"], "no sweep of a setting"),
        (["--sweep", "optim.lr="], "The list of values is empty"),
        (["--sweep", "optim.lr=1e-3,,2e-3"], "A value is missing"),
        (["--sweep", "optim.lr=1e-3,fast"], "Expected float, got 'fast'"),
        (["--sweep", "optim.lr=1e-3,0"], "must be above 0"),
        (["--sweep", "optim.epochs=1,2.5"], "Expected int, got 2.5"),
        (["--sweep", "optim.schedule=cosine,steep"], "no schedule 'steep'"),
        (["--sweep", "model.arch=tcn,tcm"], "There is no architecture 'tcm'"),
        (["--sweep", "model.arch=tcn,conv-bilstm", "--sweep", "model.options.dilations=[1],[2]"], "'dilations'"),
        (["--sweep", "optim.lr=1e-3,0.001"], "stands twice"),
        (["--sweep", "optim.lr=1e-3,2e-3", "--sweep", "optim.lr=3e-3"], "Two sweeps vary one setting"),
        (["--sweep", "optim.ema=0.9,0", "--sweep", "optim.average=0.9,0"], "Two sweeps vary one setting"),
        (["--sweep", "model.options={width=8},{}", "--sweep", "model.options.width=8"], "Two sweeps vary one"),
        (["--sweep", "optim.lr=1e-3,2e-3", "--lr", "1e-3"], "has one value for all runs"),
        (["--sweep", "optim.lr=1e-3,2e-3", "--set", "optim.lr=1e-3"], "has one value for all runs"),
        (["--sweep", "data.data_dir=a,b"], "A sweep cannot vary data.data_dir"),
        (["--sweep", "data.normaliser=none,phoenix2014-ctm"], "one corpus"),
        (["--sweep", "run.output_dir=a,b"], "A sweep cannot vary run.output_dir"),
        (["--sweep", "run.seed=1,2"], "Several seeds are given with --seeds"),
        (["--sweep", "optim.epochs=1..2000", "--sweep", "run.seed=1"], "cannot vary run.seed"),
        (["--sweep", "optim.lr=1e-3..1e-2"], "--search N"),
        (["--sweep", "optim.lr=1e-2..1e-3", "--search", "2"], "does not ascend"),
        (["--sweep", "optim.lr=1e-3..1e-2,1", "--search", "2"], "A range stands alone"),
        (["--sweep", "optim.lr=0..1e-2", "--search", "2"], "must be above 0"),
        (["--sweep", "optim.epochs=1.5..3", "--search", "2"], "Expected int"),
        (["--sweep", "optim.schedule=1..3", "--search", "2"], "Expected str"),
        (["--sweep", "data.fps=10..20", "--search", "2"], "List its values"),
        (["--search", "2"], "A search needs settings to vary"),
        (["--sweep", "optim.lr=1e-3..1e-2", "--search", "2", "--seeds", "2"], "one run with one seed"),
        (["--sweep", "optim.lr=1e-3,2e-3", "--folds", "signer"], "score them with --folds"),
        (["--sweep", "optim.lr=1e-3,2e-3", "--score-split", "test"], "compared on dev"),
        (["--sweep", f"optim.epochs={','.join(map(str, range(1, 1002)))}"], "1,001 combinations"),
    ],
)
def test_mistakes_are_answered_before_the_corpus_is_read(tmp_path, arguments, said):
    result = slr("train", "--data-dir", tmp_path / "missing", "-o", tmp_path / "g", *arguments)
    assert said in " ".join(result.stderr.split()) and "defect" not in result.stderr, result.stderr
    assert result.exit_code == 2 and "no such folder" not in result.stderr and not (tmp_path / "g").exists()


def test_a_sweep_goes_on_with_the_settings_it_began_with(corpus, grid, tmp_path):
    folder, _ = grid
    for given in (["--lr", "1"], ["--sweep", "optim.lr=1,2"], ["--search", "3"], ["--seeds", "2"]):
        result = slr("train", "--resume", folder, *given)
        assert result.exit_code == 2 and "defect" not in result.stderr, result.stderr
    result = slr("train", "--data-dir", corpus, *GRID, "-o", folder)
    assert result.exit_code == 2 and "already contains" in result.stderr
    result = slr("train", "--from-run", folder)
    assert result.exit_code == 2 and "contains several runs" in result.stderr
    kept = json.loads((folder / "sweep.json").read_text())
    for text in ("{", "[]", "{}", '{"format": "slr-sweep-9"}', "[" * 100_000, json.dumps({**kept, "bases": []})):
        (tmp_path / "sweep.json").write_text(text)
        result = slr("train", "--resume", tmp_path)
        assert result.exit_code == 1 and "sweep.json" in result.stderr and "defect" not in result.stderr, text


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a.b=1,2", (1, 2)),
        ("a.b=1e-3,2e-3", (1e-3, 2e-3)),
        ("a.b=one, two", ("one", "two")),
        ("a.b=[1, 2],[3]", ([1, 2], [3])),
        ('a.b="x,y",z', ("x,y", "z")),
        ("a.b=true,false", (True, False)),
        ("a.b={c=1,d=2},{}", ({"c": 1, "d": 2}, {})),
        ("a.b=../x,..", ("../x", "..")),
        ("a.b=runs/1..2,x", ("runs/1..2", "x")),
    ],
)
def test_values_are_read_as_toml_or_as_words(text, values):
    from slrcli.training.folds.axes import read_axes

    (axis,) = read_axes([text])
    assert axis.name == "a.b" and axis.values == values and list(map(type, axis.values)) == list(map(type, values))


@pytest.mark.parametrize(
    ("text", "whole", "log"),
    [
        ("a.b=1e-4..1e-2", False, True),
        ("a.b=0.1..0.9", False, False),
        ("a.b=0.1..1.0", False, True),
        ("a.b=0.07..0.7", False, True),
        ("a.b=-10..10", True, False),
        ("a.b=0..100", True, False),
        ("a.b=64..256", True, False),
        ("a.b=8..128", True, True),
        ("a.b=1..1.5", False, False),
    ],
)
def test_a_range_is_drawn_by_its_logarithm_from_a_factor_of_ten_on(text, whole, log):
    from slrcli.training.folds.axes import read_axes

    (axis,) = read_axes([text])
    assert axis.is_range and (axis.whole, axis.log) == (whole, log)


def test_a_program_gets_the_runs_of_a_sweep_as_a_table(corpus, grid, tmp_path):
    import slrcli

    given = {"epochs": 2, "batch_size": 8, "warmup_epochs": 1.0, "model": {"options": {"dilations": [1], "width": 16}}}
    varied = {"optim.lr": [1e-3, 5e-3], "data.max_frames": [0, 1]}
    found = slrcli.sweep(corpus, varied, output_dir=tmp_path / "g", **given)
    finished = [row for row in found.rows if row.wer is not None]
    assert {row.settings["optim.lr"]: row.wer for row in finished} == {
        1e-3: wers(grid[0])[NAMES[0]],
        5e-3: wers(grid[0])[NAMES[2]],
    }
    assert {"optim.lr"} <= {*found.differing}
    with pytest.raises(slrcli.SlrError, match="No combination"):
        slrcli.sweep(corpus, {"data.max_frames": [1]}, output_dir=tmp_path / "h", **given)
    for wrong in ({}, {"optim.lr": []}, {"optim.lr": 1e-3}, {"optim.lr": "1e-3..1e-2"}, {"lr": [1]}):
        with pytest.raises(UsageError):
            slrcli.sweep(corpus, wrong, output_dir=tmp_path / "h", **given)


@pytest.mark.slow
def test_a_network_that_the_user_names_goes_on_in_every_process(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "named_here.py").write_text(
        "from torch import nn\n\n\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, width, vocab_size, hidden=8):\n"
        "        super().__init__()\n"
        "        self.inner, self.head = nn.Linear(width, hidden), nn.Linear(hidden, vocab_size)\n\n"
        "    def output_length(self, frames):\n"
        "        return frames\n\n"
        "    def forward(self, x, lengths):\n"
        "        return self.head(self.inner(x)), lengths\n"
    )
    arch, sweep = ["--arch", "named_here:Net"], ["--sweep", "model.options.arguments.hidden=4,8"]
    result = slr("train", "--data-dir", corpus, "--batch-size", 8, "--epochs", 1, *arch, *sweep, "-o", "g")
    assert result.exit_code == 0, result.output
    for path in (tmp_path / "g").glob("*/result.json"):
        path.unlink()
    result = slr("train", "--resume", "g", *arch, "--jobs", 2)
    assert result.exit_code == 0, result.output
