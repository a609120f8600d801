"""Trackers are told of a run, and nothing that they do changes it."""

import json
import random

import numpy as np
import pytest
import torch
from support.calling import slr
from support.quick_corpus import QUICK, write_corpus

from slrcli.checkpoints.checkpoint import load_state
from slrcli.checkpoints.runs import STATE
from slrcli.errors import SlrError
from slrcli.training.watch import trackers

FEW = ("--arch", "conv-bilstm", "--set", "model.options.width=16", "--epochs", "2", *QUICK[2:])


class Told:
    """A tracker that remembers, and spoils what it is given."""

    def __init__(self, settings, manifest):
        self.heard = [("start", json.loads(json.dumps([settings, manifest])))]
        Told.newest = self
        settings.clear()
        print("nothing of this on stdout")

    def epoch(self, metrics):
        self.heard.append(("epoch", json.loads(json.dumps(metrics))))
        metrics.clear()
        torch.rand(3), np.random.rand(3), random.random()

    def end(self, result):
        self.heard.append(("end", json.loads(json.dumps(result))))


def failing(settings, manifest):
    raise ConnectionError("nobody answers")


class FailsLater(Told):
    def epoch(self, metrics):
        self.heard.append("epoch")
        raise SystemExit(3)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "corpus")


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    known = {"told": Told, "failing": failing, "later": FailsLater, "nothing": 7}
    monkeypatch.setattr(trackers, "plugin", lambda group, name: known.get(name))
    monkeypatch.setattr(trackers, "plugins", lambda group: known)
    return known


def train(corpus, folder, *names):
    flags = [word for name in names for word in ("--tracker", name)]
    return slr("train", "--data-dir", corpus, "--output-dir", folder, *FEW, "--json", *flags)


def test_a_run_is_told_from_its_beginning_to_its_end_and_is_what_it_is_without(corpus, tmp_path):
    done = train(corpus, tmp_path / "told", "told", "failing", "later")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["epochs"] == 2  # what a tracker prints is elsewhere
    assert done.stderr.count("The tracker failing failed") == done.stderr.count("The tracker later failed") == 1
    assert "ConnectionError: nobody answers" in " ".join(done.stderr.split())
    assert train(corpus, tmp_path / "plain").exit_code == 0
    plain, told = (load_state(tmp_path / name / STATE)[0] for name in ("plain", "told"))
    assert all(torch.equal(plain[name], told[name]) for name in plain)


def test_what_is_told_are_settings_manifest_metrics_and_result(corpus, tmp_path):
    assert train(corpus, tmp_path / "run", "told").exit_code == 0
    start, *epochs, end = Told.newest.heard
    settings, manifest = start[1]
    assert settings["model"]["arch"] == "conv-bilstm" and settings["run"]["tracker"] == ["told"]
    assert manifest["utterances"] == {"train": 24, "dev": 6} and manifest["glosses"] == 3
    metrics = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [item[1] for item in epochs] == metrics
    assert end[1]["epochs"] == 2 and end[1]["stopped"] == "" and end[1]["checkpoint"].endswith("best.safetensors")


def test_a_resumed_run_tells_its_tracker_and_goes_on_without_one_that_is_gone(corpus, tmp_path, registered):
    assert train(corpus, tmp_path / "run", "told").exit_code == 0
    assert slr("train", "--resume", tmp_path / "run", "--epochs", "3").exit_code == 0
    assert [kind for kind, _ in Told.newest.heard] == ["start", "epoch", "end"]
    assert Told.newest.heard[0][1][1]["first_epoch"] == 3
    del registered["told"]
    done = slr("train", "--resume", tmp_path / "run", "--epochs", "4")
    assert done.exit_code == 0 and "goes on without the tracker told" in " ".join(done.output.split())
    assert slr("train", "--resume", tmp_path / "run", "--epochs", "5", "--tracker", "later").exit_code == 2


def test_a_run_that_fails_says_so():
    class Console:
        def warn(self, text):
            raise AssertionError(text)

    with pytest.raises(SlrError), trackers.tracked(["told"], Console(), {}, {}):
        raise SlrError("The disk is full.")
    assert Told.newest.heard[-1] == ("end", {"stopped": "failed", "error": "The disk is full"})


@pytest.mark.parametrize(("name", "said"), [("tolt", "no package"), ("nothing", "cannot be called")])
def test_a_tracker_that_is_none_is_refused_before_a_run_is_made(corpus, tmp_path, name, said):
    done = train(corpus, tmp_path / "run", name)
    assert done.exit_code == 2 and said in done.output.lower() and not (tmp_path / "run").exists()
