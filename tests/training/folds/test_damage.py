"""What runs leave in their folders, damaged: each file is named."""

import json
import os
from pathlib import Path

import pytest

from slrcli.checkpoints import runs
from slrcli.config import Config
from slrcli.errors import CheckpointError, DataError, SlrError
from slrcli.training.folds.folds import read_outcome
from slrcli.training.folds.plan import FORMAT, Part, Plan, read_plan
from slrcli.training.watch.history import RunHistory

DEEP = "[" * 100_000
BROKEN = ["", "{", "3", "[]", "null", DEEP, '{"a": 1}', '"x"', "[[1]]", "NaN", "\ufeff", "9" * 5000]


def plan() -> dict:
    """A sound plan, as plain values."""
    made = Plan("signer", ("train",), "dev", (Part("ann", 3, 2), Part("bob", 2, 3)), (1, 2), 1, Config(), "0" * 12)
    return json.loads(json.dumps(made.to_dict()))


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_named(tmp_path, text):
    for name, read in (("folds.json", read_plan), ("result.json", read_outcome)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(CheckpointError) as caught:
            read(tmp_path)
        assert name in caught.value.where and len(str(caught.value)) < 1000
    if text not in ("", "\ufeff", '{"a": 1}', "[]", "[[1]]"):
        (tmp_path / "metrics.jsonl").write_text(text, encoding="utf-8")
        with pytest.raises(DataError) as caught:
            RunHistory.of(tmp_path)
        assert "metrics.jsonl" in caught.value.where


WRONG = [
    ("parts", [{"name": 0.5, "learnt": 1, "held_out": 1}]),
    ("parts", 3),
    ("parts", [3]),
    ("seeds", [{}]),
    ("seeds", None),
    ("threads", "x"),
    ("threads", 1e400),
    ("config", 3),
    ("config", {"optim": 3}),
    ("format", FORMAT + "0"),
]


@pytest.mark.parametrize(("key", "value"), WRONG, ids=range(len(WRONG)))
def test_a_plan_with_a_value_of_another_kind_is_named(tmp_path, key, value):
    (tmp_path / "folds.json").write_text(json.dumps(plan()))
    assert read_plan(tmp_path).parts[0].name == "ann"
    (tmp_path / "folds.json").write_text(json.dumps(plan() | {key: value}))
    with pytest.raises(SlrError) as caught:
        read_plan(tmp_path)
    assert "folds.json" in caught.value.where


@pytest.mark.parametrize("data", [b"\xff\xfe", b"9" * 5000, b"\0", b"", b"a" * 300])
def test_a_shortcut_to_the_newest_run_that_is_no_path_is_none(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    os.mkdir("runs")
    (tmp_path / "runs" / "latest").write_bytes(data)
    assert runs.newest_run() in (None, Path())
