"""`slr runs`: the runs below a folder side by side."""

import json

import pytest
from support.calling import slr

import slrcli
from slrcli.config import Config, to_toml
from slrcli.errors import UsageError
from slrcli.training.watch.runs import find_runs


def write_run(folder, wers, seconds=2.0, **sections):
    """A run whose epochs had these WERs."""
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(to_toml(Config.from_dict(sections)))
    lines = [json.dumps({"epoch": i + 1, "wer": wer, "seconds": seconds}) for i, wer in enumerate(wers)]
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder


@pytest.fixture
def runs(tmp_path):
    root = tmp_path / "runs"
    write_run(root / "slow", [50.0, 20.0, 30.0], 5.0, optim={"lr": 1e-3, "epochs": 3})
    write_run(root / "quick", [40.0, 35.0], optim={"lr": 2e-3, "epochs": 10})
    write_run(root / "sweep" / "a", [10.0, 60.0], optim={"lr": 2e-3, "epochs": 2, "choose": "last"})
    write_run(root / "begun", [], optim={"lr": 1e-3})
    (root / "latest").symlink_to("slow")
    return root


def test_runs_are_listed_with_their_chosen_epoch_the_best_first(runs):
    found = find_runs(runs)
    assert [(row.name, row.wer, row.epoch) for row in found.rows] == [
        ("slow", 20.0, 2), ("quick", 35.0, 2), ("sweep/a", 60.0, 2), ("begun", None, 0),
    ]  # fmt: skip
    assert [(row.epochs, row.planned, row.seconds) for row in found.rows[:2]] == [(3, 3, 15.0), (2, 10, 4.0)]


def test_other_orders(runs):
    assert [row.name for row in find_runs(runs, "name").rows] == ["begun", "quick", "slow", "sweep/a"]
    assert [row.name for row in find_runs(runs, "time").rows] == ["begun", "quick", "sweep/a", "slow"]
    done = slr("runs", runs, "--sort", "size")
    assert done.exit_code == 2 and "Runs cannot be sorted by 'size'." in done.output


def test_settings_that_differ_are_shown_and_no_others(runs):
    assert find_runs(runs).differing == ["optim.lr", "optim.epochs", "optim.choose"]
    assert find_runs(runs / "slow").differing == []
    done = slr("runs", runs)
    head, *rows = [line.split() for line in done.output.splitlines() if line.strip() and "─" not in line]
    assert head == ["run", "dev", "WER", "at", "epochs", "time", "lr", "epochs", "choose"]
    assert ["slow", "20.00", "%", "2", "3/3", "15.0", "s", "0.001", "3", "best"] in rows


def test_a_setting_that_a_run_does_not_name_counts_as_its_default(tmp_path):
    write_run(tmp_path / "a", [1.0])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "config.toml").write_text("[optim]\nlr = 0.002\n")
    assert find_runs(tmp_path).differing == []


def test_at_80_columns_the_table_holds_and_what_has_no_room_is_named(runs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    done = slr("runs", runs)
    assert "no room" in done.output or "choose" in done.output
    assert max(map(len, done.output.splitlines()[:8])) <= 110


def test_json_and_frame_have_all_of_it(runs):
    plain = json.loads(slr("runs", runs, "--json").output)
    assert plain["differing"] == ["optim.lr", "optim.epochs", "optim.choose"]
    assert plain["runs"][0]["settings"]["optim.lr"] == 1e-3
    frame = slrcli.list_runs(runs).to_frame()
    assert list(frame["name"]) == ["slow", "quick", "sweep/a", "begun"]
    assert list(frame["optim.lr"]) == [1e-3, 2e-3, 2e-3, 1e-3]


def test_a_damaged_run_is_named_and_the_others_are_shown(runs):
    (runs / "quick" / "metrics.jsonl").write_text("{")
    done = slr("runs", runs)
    assert done.exit_code == 0 and "quick cannot be read" in done.output and "20.00 %" in done.output
    assert json.loads(slr("runs", runs, "--json").output)["runs"][-1]["problem"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config.toml", "[optim]\nepochs = inf\n"),
        ("metrics.jsonl", '{"epoch": 1, "wer": "x", "seconds": 1}'),
        ("metrics.jsonl", '{"epoch": Infinity, "wer": 1, "seconds": 1}'),
        ("metrics.jsonl", f'{{"epoch": 1, "wer": 1, "seconds": {"9" * 400}}}'),
        ("metrics.jsonl", "[" * 100_000),
    ],
)
def test_impossible_numbers_of_a_run_are_its_problem_alone(runs, file, text):
    (runs / "quick" / file).write_text(text)
    found = {row.name: row for row in find_runs(runs).rows}
    assert found["quick"].problem and [name for name, row in found.items() if row.problem] == ["quick"]


def test_a_folder_without_runs_is_an_error(tmp_path):
    with pytest.raises(UsageError):
        find_runs(tmp_path)
    done = slr("runs", tmp_path / "nowhere")
    assert done.exit_code == 2 and "no such folder" in done.output
