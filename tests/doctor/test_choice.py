"""What all checks share: choosing codes, strictness, pages; and `slr check` alone."""

import json
import re

import numpy as np
import pytest
from support.planted_corpora import infinite_value, sound_corpus, vocabulary_of, write_table
from support.rewritten import BEST, assign, rewrite
from typer.testing import CliRunner

from slrcli.cli.check.check import app
from slrcli.console import Console
from slrcli.doctor.catalogue import catalogue, explain, pages
from slrcli.doctor.check_all import check_all, find_corpus
from slrcli.doctor.choice import SUCCESSORS, Choice, full_code
from slrcli.doctor.context import Checks, Context, error, note, warning
from slrcli.doctor.run import NothingWanted, examine
from slrcli.errors import UsageError
from slrcli.training.watch.diagnostics import DIAGNOSTICS

THREE = Checks()


@THREE.add("SLR-X01", "the ground holds")
def ground(context):
    yield note("the ground holds") if context.sound else error("it does not")


@THREE.add("SLR-X02", "the wall stands", needs=("SLR-X01",))
def wall(context):
    yield warning("the wall has a crack")


@THREE.add("SLR-Y01", "the roof is tight")
def roof(context):
    yield note("the roof is tight")


class House(Context):
    def __init__(self, sound=True):
        self.sound = sound


def ran(choice, sound=True):
    found = examine("", House(sound), THREE, choice=choice)
    return [code for code, _ in found.checks], [finding.code for finding in found.findings], found


@pytest.mark.parametrize("text", ["m03", "M03", "SLR-M03", "slr-m03", " m03 "])
def test_a_code_may_be_written_in_short(text):
    assert full_code(text) == "SLR-M03"


def test_a_merged_check_is_found_under_the_code_that_took_over():
    known = set(catalogue())
    assert set(SUCCESSORS.values()) <= known and not set(SUCCESSORS) & known
    for old, new in SUCCESSORS.items():
        assert explain(old).startswith(f"# {new}: ") and Choice.of([old]).wants(new)


def test_only_runs_what_is_asked_for_and_what_that_needs():
    assert ran(Choice.of(["y01"]))[:2] == (["SLR-Y01"], ["SLR-Y01"])
    assert ran(Choice.of(["X02"]))[:2] == (["SLR-X01", "SLR-X02"], ["SLR-X02"])  # the need's note is not told
    assert ran(Choice.of(["X"]))[0] == ["SLR-X01", "SLR-X02"]
    assert ran(Choice.of(["x02,y"]))[0] == ran(Choice.of(["x02", "Y01"]))[0] == ["SLR-X01", "SLR-X02", "SLR-Y01"]


def test_a_need_that_fails_is_told_although_it_was_not_asked_for():
    _, findings, found = ran(Choice.of(["X02"]), sound=False)
    assert findings == ["SLR-X01"] and found.skipped == (("SLR-X02", "SLR-X01"),) and not found.passed


def test_skip_leaves_out():
    assert ran(Choice.of([], ["X"]))[0] == ["SLR-Y01"]
    assert ran(Choice.of(["X"], ["X01"]))[0] == ["SLR-X02"]


def test_strict_lets_warnings_fail():
    assert ran(Choice())[2].passed and not ran(Choice(strict=True))[2].passed
    assert ran(Choice.of(["Y"], strict=True))[2].passed
    assert ran(Choice(strict=True))[2].to_dict()["summary"]["passed"] is False


def test_a_choice_that_leaves_nothing_and_a_code_that_is_none_are_errors_of_use():
    with pytest.raises(NothingWanted):
        ran(Choice.of(["M"]))
    with pytest.raises(UsageError, match="SLR-M99") as caught:
        Choice.of(["m99"]).require_known(catalogue())
    assert "SLR-M" in caught.value.fix
    with pytest.raises(UsageError, match="empty"):
        Choice.of(["M01,,M02"])


# Pages


def test_every_code_has_a_page_and_every_page_a_code():
    assert set(pages()) == set(catalogue())


@pytest.mark.parametrize("code", [code for code in catalogue() if code[4] in "TCEO"])
def test_a_page_begins_with_code_and_title_and_says_why_and_what_to_do(code):
    first, *rest = explain(code).splitlines()
    assert first == f"# {code}: {catalogue()[code]}"
    assert "## Why" in rest and "## What to do" in rest and max(map(len, rest)) <= 120


def test_codes_that_pages_mention_exist():
    known = set(catalogue())
    for code, page in pages().items():
        assert set(re.findall(r"SLR-[A-Z]\d\d", page)) <= known, code


def test_the_catalogue_holds_checks_and_diagnostics():
    assert {diagnostic.code for diagnostic in DIAGNOSTICS} <= set(catalogue())
    assert {"SLR-M01", "SLR-D01", "SLR-V01", "SLR-C01", "SLR-E01", "SLR-O01"} <= set(catalogue())


# Commands


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """A folder without runs and corpora to stand in."""
    monkeypatch.chdir(tmp_path)


def command(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_explain_shows_a_page_however_the_code_is_written_and_names_the_nearest():
    for text in ("T03", "t03", "SLR-T03"):
        shown = command("--explain", text)
        assert shown.exit_code == 0 and shown.stdout.startswith("# SLR-T03: ")
    wrong = command("--explain", "T93")
    assert wrong.exit_code == 2 and "Did you mean 'SLR-T" in wrong.stderr
    assert json.loads(command("--explain", "T03", "--json").stdout)["code"] == "SLR-T03"


@pytest.mark.parametrize("word", ["list", "all"])
def test_explain_lists_every_code_with_its_title(word):
    lines = command("--explain", word).stdout.splitlines()
    assert lines == [f"{code}  {title}" for code, title in catalogue().items()]


def test_options_before_a_subcommand_are_refused_rather_than_lost():
    refused = command("--strict", "env")
    assert refused.exit_code == 2 and "slr check env" in refused.stderr


def test_choosing_works_for_every_check(tmp_path, monkeypatch):
    corpus = sound_corpus(tmp_path / "elsewhere")
    path = tmp_path / "v.json"
    vocabulary_of("RAIN TODAY SUN TOMORROW NORTH").save(path)
    for arguments, code in (
        (["model", "conv-bilstm", "--layout", "generic-6"], "M01"),
        (["data", "--data-dir", corpus], "D14"),
        (["vocab", path], "V01"),
        (["env"], "E01"),
    ):
        answer = json.loads(command(*arguments, "--only", code, "--json").stdout)
        assert [item["code"] for item in answer["checks"]] == [f"SLR-{code}"], arguments
        others = json.loads(command(*arguments, "--skip", code, "--skip", "M", "--json").stdout or "{}")
        assert f"SLR-{code}" not in {item["code"] for item in others.get("checks", [])}
        assert command(*arguments, "--only", "Q").exit_code == 2


def test_strict_fails_the_command_for_data_on_a_warning(tmp_path):
    corpus = sound_corpus(tmp_path)
    write_table(corpus, "dev", [("d1", "SNOW"), ("d2", "SUN")])
    assert command("data", "--data-dir", corpus).exit_code == 0
    assert command("data", "--data-dir", corpus, "--strict").exit_code == 1


# Vocabularies


def test_a_vocabulary_is_examined_alone_or_with_a_corpus(tmp_path):
    corpus, path = sound_corpus(tmp_path / "corpus"), tmp_path / "v.json"
    vocabulary_of("RAIN TODAY SUN NORTH").save(path)
    assert command("vocab", path).exit_code == 0
    with_corpus = command("vocab", path, "--data-dir", corpus, "--verbose")
    assert with_corpus.exit_code == 1 and "1 of 10 tokens of train" in with_corpus.stdout
    assert "the vocabulary has every gloss of dev" in with_corpus.stdout
    path.write_text("{}")
    damaged = command("vocab", path)
    assert damaged.exit_code == 1 and "✗ SLR-V01" in damaged.stdout


def test_a_table_of_the_field_is_examined_too(tmp_path):
    path = tmp_path / "gloss_dict.npy"
    np.save(path, {"RAIN": [1, 3], "SUN": [2, 1]})
    assert "2 glosses and the blank" in command("vocab", path, "--verbose").stdout
    np.save(path, {"RAIN": [1, 3], "SUN": [1, 1]})
    twice = command("vocab", path)
    assert twice.exit_code == 1 and "share the id 1" in twice.stdout


# Everything at hand


def test_alone_where_nothing_is_it_checks_machine_and_default_architecture_and_says_what_it_left():
    shown = command("--only", "E,M01")
    assert shown.exit_code == 0, shown.output
    for text in ("env: This machine", "model: Architecture tcn", "data: not run, there is no corpus here",
                 "checkpoint: not run, there is no run", "to do slr check overfit --data-dir DIR"):  # fmt: skip
        assert text in shown.stdout, text


def test_alone_it_finds_the_corpus_at_hand_and_fails_with_it(tmp_path):
    assert find_corpus() is None
    corpus = sound_corpus(tmp_path / "data")
    assert find_corpus().data_dir == "data"
    assert command("--only", "D").exit_code == 0
    infinite_value(corpus)
    failed = command("--only", "D,E")
    assert failed.exit_code == 1 and "✗ SLR-D06" in failed.stdout and "Errors were found" in failed.stdout


def test_alone_it_examines_the_newest_run_its_corpus_and_its_model(trained, tmp_path):
    folder = tmp_path / "runs" / "latest"
    folder.mkdir(parents=True)
    for file in trained.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    parts = {part.name: part for part in check_all(Console(quiet=True))}
    assert set(parts) == {"env", "data", "checkpoint", "model", "overfit"}
    assert str(trained.parent / "corpus") in parts["data"].examination.subject
    assert parts["checkpoint"].passed and "newest run" in parts["model"].examination.subject
    assert parts["overfit"].how.endswith(str(trained.parent / "corpus"))
    rewrite(folder / BEST, assign(["metrics"], "wer", 12.5))
    broken = command("--json", "--only", "C,M01")
    answer = json.loads(broken.stdout)
    assert broken.exit_code == 1 and answer["passed"] is False
    model = next(part for part in answer["parts"] if part["name"] == "model")
    assert model["why_not"] == "the checkpoint has errors"
