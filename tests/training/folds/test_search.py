"""`slr train --search`: what Optuna draws, how it goes on, and that it keeps quiet."""

import json
import math
import sys
import tomllib

import pytest
from support.calling import slr
from support.quick_corpus import write_corpus

from slrcli.config import Config
from slrcli.errors import CheckpointError, SlrError, UsageError
from slrcli.training.folds.axes import Axis
from slrcli.training.folds.search import JOURNAL, Search
from slrcli.training.folds.sweep_plan import Plan

pytest.importorskip("optuna")

AXES = (
    Axis("optim.lr", low=1e-4, high=1e-2),
    Axis("model.options.width", low=16, high=32),
    Axis("optim.schedule", ("cosine", "linear")),
)
TRIALS = 14  # the first ten are random


def search(folder, trials=TRIALS, seed=1):
    """A search and what it knows of the trials before."""
    known = {}
    plan = Plan(AXES, (seed,), trials, 1, (Config(),))
    return Search(folder, plan, lambda item, outcome: known.update({item.number: outcome})), known


def wer_of(values):
    """Lowest at a learning rate of 2e-3 and a width of 32."""
    return abs(math.log10(values["optim.lr"] / 2e-3)) * 10 + 32 - values["model.options.width"]


def work(searched, stop=None):
    """Trials with their values, each told at once; the one numbered `stop` is drawn and left."""
    drawn = []
    for item, _ in searched.tries():
        drawn.append((item.number, dict(item.values)))
        if item.number == stop:
            break
        searched.tell(item, wer_of(item.values))
    return drawn


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, work(search(folder)[0])


def test_values_lie_in_their_ranges_and_follow_what_was_told(whole):
    _, drawn = whole
    assert [number for number, _ in drawn] == list(range(TRIALS))
    for _, values in drawn:
        assert 1e-4 <= values["optim.lr"] <= 1e-2 and values["optim.schedule"] in ("cosine", "linear")
        assert isinstance(values["model.options.width"], int) and 16 <= values["model.options.width"] <= 32
    found = [wer_of(values) for _, values in drawn]
    assert sum(found[10:]) / 4 < sum(found[:10]) / 10
    assert len({values["optim.lr"] for _, values in drawn}) == TRIALS


def test_another_seed_draws_other_values(whole, tmp_path):
    assert work(search(tmp_path, 3, seed=2)[0]) != whole[1][:3]


@pytest.mark.parametrize("left_behind", ["nothing", "a torn line", "a lock", "half a trial"])
def test_a_search_that_was_stopped_goes_on_with_the_values_that_it_would_have_had(whole, tmp_path, left_behind):
    first = work(search(tmp_path)[0], stop=11)
    assert first == whole[1][:12]
    journal = tmp_path / JOURNAL
    if left_behind == "a torn line":
        journal.write_bytes(journal.read_bytes() + journal.read_bytes().splitlines()[-1][:20])
    elif left_behind == "a lock":
        (tmp_path / f"{JOURNAL}.lock").touch()
    elif left_behind == "half a trial":
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    again, known = search(tmp_path)
    assert again.left == 3 and len([outcome for outcome in known.values() if outcome]) == 11
    if left_behind == "half a trial":  # it has died: its number is gone
        assert [number for number, _ in work(again)] == [12, 13, 14]
        assert search(tmp_path)[0].left == 0
    else:
        assert work(again) == whole[1][11:]


def test_trials_that_failed_do_not_count(tmp_path):
    searched, _ = search(tmp_path, 3)
    for item, _ in searched.tries():
        searched.tell(item, None if item.number == 1 else 10.0 + item.number)
    assert searched.left == 1
    again, known = search(tmp_path, 3)
    assert again.left == 1 and known[1] == "It failed before." and [known[0].wer, known[2].wer] == [10.0, 12.0]
    assert [number for number, _ in work(again)] == [3]


def test_values_of_before_are_not_trained_again(tmp_path):
    plan = Plan((Axis("optim.schedule", ("cosine", "linear")),), (1,), 6, 1, (Config(),))
    searched, trained = Search(tmp_path, plan, lambda item, outcome: None), []
    for item, known in searched.tries():
        trained += [] if known else [item.values["optim.schedule"]]
        searched.tell(item, known.wer if known else {"cosine": 3.0, "linear": 4.0}[trained[-1]])
    assert len(trained) == len({*trained}) and searched.left == 0


def test_nothing_is_printed_and_a_damaged_journal_is_named(tmp_path, capfd, caplog):
    work(search(tmp_path, 2)[0])
    assert capfd.readouterr() == ("", "") and not caplog.records
    (tmp_path / JOURNAL).write_text("{}\n3\n")
    with pytest.raises(CheckpointError) as caught:
        search(tmp_path, 2)
    assert JOURNAL in caught.value.where


def test_the_command_trains_the_trials_and_goes_on_to_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "c")
    small = ["--set", "model.options.dilations=[1]", "--batch-size", 8, "--epochs", 1]
    sweep = ["--sweep", "optim.lr=1e-3..1e-2", "--sweep", "model.options.width=8,16", "--search", 2]
    result = slr("train", "--data-dir", "c", *small, *sweep, "-o", "s")
    assert result.exit_code == 0 and "Warning" not in result.stderr, result.output
    result = slr("train", "--resume", "s")
    assert result.exit_code == 0 and "2 of them are already finished" in result.stderr
    result = slr("train", "--resume", "s", "--search", 3, "--json")
    assert result.exit_code == 0 and "run 1 of 1: trial 3, lr=" in result.stderr, result.output
    told = json.loads(result.stdout)
    assert told == json.loads((tmp_path / "s" / "sweep.json").read_text()) and told["search"] == 3 and told["complete"]
    assert [run["run"] for run in told["runs"]] == ["trial-001", "trial-002", "trial-003"]
    for run in told["runs"]:
        used = tomllib.loads((tmp_path / "s" / run["run"] / "config.toml").read_text())
        assert used["optim"]["lr"] == run["values"]["optim.lr"] and 1e-3 <= used["optim"]["lr"] <= 1e-2
        assert used["model"]["options"]["width"] == run["values"]["model.options.width"]
    best = min(told["runs"], key=lambda run: run["wer"])
    assert told["best"] == best["values"]
    assert f"{best['run']}/best.safetensors" in slr("train", "--resume", "s").stdout


def test_a_trial_whose_values_do_not_go_together_fails_alone(tmp_path, monkeypatch):
    from slrcli.errors import UsageError
    from slrcli.training.folds import sweep

    real = Plan.config_of

    def odd_ones_alone(plan, folder, item):
        if item.number == 0:
            raise UsageError("These do not go together.", "options")
        return real(plan, folder, item)

    monkeypatch.setattr(Plan, "config_of", odd_ones_alone)
    monkeypatch.setattr(sweep, "run_one", lambda config, item, console: sweep.Outcome(12.5, 1, 1, 1.0))
    plan = Plan(AXES, (1,), 3, 1, (Config(),))
    ended = sweep.run_all(sweep.Engine(tmp_path), plan, sweep.Silent())
    assert ended.exit_code == 1 and ended.left == 1 and len(ended.finished) == 2
    assert [(item.number, text) for item, text in ended.failed] == [(0, "These do not go together. | options")]


def test_a_search_without_optuna_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    sweep = ["--sweep", "optim.lr=1e-3..1e-2", "--search", "2"]
    result = slr("train", "--data-dir", tmp_path / "missing", *sweep)
    assert result.exit_code == 1 and "library optuna" in result.stderr and "[search]" in result.stderr


def shared(place, folder, owner, trials=4, axes=AXES):
    plan = Plan(axes, (1,), trials, 1, (Config(),), str(place), owner)
    return Search(folder, plan, lambda item, outcome: None)


@pytest.mark.parametrize("address", ["{}/study.journal", "sqlite:///{}/study.db#widths"])
def test_searches_that_share_a_study_draw_with_regard_to_each_other_and_count_their_own(tmp_path, address):
    place = address.format(tmp_path)
    one, other = (shared(place, tmp_path / name, name) for name in ("one", "other"))
    streams = [one.tries(), other.tries()]
    numbers = []
    for turn in range(8):
        item, _ = next(streams[turn % 2])
        numbers.append(item.number)
        (one, other)[turn % 2].tell(item, wer_of(item.values))
    assert numbers == [*range(8)] and one.left == other.left == 0  # no trial is drawn twice
    more = shared(place, tmp_path / "one", "one", trials=6)
    assert more.left == 2
    assert [item.number for item, _ in more.tries()] == [8, 9]
    third = shared(place, tmp_path / "third", "third", trials=1)
    assert third.left == 1


def test_what_a_search_has_begun_is_not_taken_by_another(tmp_path):
    first = shared(tmp_path / "j", tmp_path / "a", "a")
    item, _ = next(first.tries())
    other, _ = next(shared(tmp_path / "j", tmp_path / "b", "b").tries())
    again, _ = next(shared(tmp_path / "j", tmp_path / "a", "a").tries())
    assert (item.number, other.number, again) == (0, 1, item)


def test_a_line_that_a_killed_process_left_torn_in_a_shared_journal_is_cut(tmp_path):
    work(shared(tmp_path / "j", tmp_path / "a", "a", 2))
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"op_code": 4, "wor')
    assert len(work(shared(tmp_path / "j", tmp_path / "b", "b", 2))) == 2
    assert shared(tmp_path / "j", tmp_path / "a", "a", 2).left == 0


def test_a_study_of_other_settings_and_one_that_cannot_be_reached_are_refused(tmp_path):
    shared(tmp_path / "j", tmp_path / "a", "a")
    with pytest.raises(UsageError, match="other settings"):
        shared(tmp_path / "j", tmp_path / "b", "b", axes=AXES[:2])
    for place in (f"sqlite:////{tmp_path}/no/folder/x.db", "nosuchdb://me:secret@host/x"):
        with pytest.raises(SlrError, match="cannot be reached") as caught:
            shared(place, tmp_path / "c", "c")
        assert "secret" not in str(caught.value)


def test_the_command_shares_a_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "c")
    small = ["--set", "model.options.dilations=[1]", "--batch-size", 8, "--epochs", 1, "--sweep", "optim.lr=1e-3..1e-2"]
    for name in ("a", "b"):
        result = slr("train", "--data-dir", "c", *small, "--search", 1, "--study", "lr.journal", "-o", name)
        assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "b" / "sweep.json").read_text())
    assert told["runs"][0]["run"] == "trial-002" and told["study"] == str(tmp_path / "lr.journal")
    result = slr("train", "--resume", "a", "--search", 2)
    assert result.exit_code == 0 and (tmp_path / "a" / "trial-003").is_dir(), result.output
    assert slr("train", "--data-dir", "c", *small, "--study", "lr.journal").exit_code == 2
