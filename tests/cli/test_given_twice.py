"""Options that name one corpus and were given several: refused, where the last would have been taken in silence."""

import pytest
from support.calling import slr

from slrcli.cli import COMMANDS

CHECKS = (("check", name) for name in ("model", "data", "vocab", "checkpoint", "env", "overfit"))
ARGUMENTS = {("check", "vocab"): ["vocab.json"], ("export",): ["run", "model.onnx"]}
EVERY = [*((name,) for name in COMMANDS), *CHECKS]
PLACES = [command for command in EVERY if "--data-dir" in slr(*command, "--help").stdout]


def test_most_commands_are_examined():
    assert {("train",), ("eval",), ("lm",), ("vocab",), ("check", "data"), ("check", "overfit")} <= set(PLACES)


@pytest.mark.parametrize("command", PLACES, ids=" ".join)
def test_two_folders_are_refused_with_both_names(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    result = slr(*command, *ARGUMENTS.get(command, []), "--data-dir", "one", "-d", "two")
    assert result.exit_code == 2, result.output
    assert "Only one value of --data-dir can be used, not one and two." in " ".join(result.stderr.split())


@pytest.mark.parametrize("flag", ["--annotations", "--features", "--format", "--layout"])
def test_other_options_of_a_corpus_have_one_value_as_well(tmp_path, flag):
    result = slr("check", "data", "--data-dir", tmp_path, flag, "a", flag, "b")
    assert result.exit_code == 2
    assert f"Only one value of {flag} can be used, not a and b." in " ".join(result.stderr.split())


def test_the_same_value_twice_is_one_value(tmp_path):
    given = ["--data-dir", tmp_path / "missing"]
    assert "There is no such folder." in slr("check", "data", *given, *given).stderr
