"""`slr check model` and `slr check data` as commands: what they look at, what they print, their exit codes."""

import json
from dataclasses import replace

import pytest
from support.planted_corpora import (
    SENTENCES,
    clip,
    errors,
    features,
    id_twice,
    infinite_value,
    sound_corpus,
    vocabulary_of,
    write_table,
)
from support.planted_models import CLASSES, COLUMNS
from typer.testing import CliRunner

from slrcli.checkpoints.checkpoint import save_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.checkpoints.runs import point_latest
from slrcli.cli.check.check import app
from slrcli.config import DEFAULT_ARCH, Config, DataConfig
from slrcli.console import Console
from slrcli.corpus import facts
from slrcli.doctor.data.target import DataTarget
from slrcli.doctor.model import target as workflow
from slrcli.doctor.model.checks import MODEL_CHECKS
from slrcli.doctor.model.target import ModelTarget
from slrcli.doctor.run import run
from slrcli.features.layout import generic_layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.registry import build_model


def command(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def corpus(tmp_path):
    return sound_corpus(tmp_path)


# Models


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """A folder without runs to stand in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint for generic-6, in the folder of a run."""
    path = tmp_path / "run" / "best.safetensors"
    layout, vocabulary = generic_layout(COLUMNS), vocabulary_of(" ".join(f"G{i}" for i in range(CLASSES - 1)))
    save_checkpoint(path, build_model(DEFAULT_ARCH, layout, CLASSES), Meta(Config(), vocabulary, layout))
    return path


def test_the_heading_says_what_is_looked_at(checkpoint):
    def subject_of(*target, **options):
        return ModelTarget(*target, **options).open(Console(quiet=True))[0]

    subject = subject_of()
    assert subject.startswith("Architecture tcn (mediapipe-1629, 101 classes)")
    assert subject.endswith("the default architecture")
    for target in (str(checkpoint), str(checkpoint.parent)):  # a folder of a run does as well
        assert subject_of(target) == f"Checkpoint run/best.safetensors (generic-6, {CLASSES} classes)"
    point_latest(checkpoint.parent)
    assert subject_of().endswith("the newest run")
    assert subject_of(layout="generic-6").startswith("Architecture tcn (generic-6")


def test_the_help_names_the_defaults_that_the_workflow_has():
    shown = command("model", "--help").stdout
    assert str(workflow.VOCAB_SIZE) in shown and workflow.LAYOUT in shown


def test_a_checkpoint_whose_vocabulary_is_of_another_size_is_refused(tmp_path):
    layout = generic_layout(COLUMNS)
    meta = Meta(Config(), vocabulary_of("A B C"), layout)
    save_checkpoint(tmp_path / "other.safetensors", build_model(DEFAULT_ARCH, layout, CLASSES), meta)
    result = command("model", "other.safetensors")
    assert result.exit_code == 1 and "The checkpoint is inconsistent" in result.stderr and not result.stdout
    audit = command("checkpoint", "other.safetensors")
    assert audit.exit_code == 1 and "✗ SLR-C01" in audit.stdout and "size mismatch" in audit.stdout


def test_the_command_exits_with_1_for_the_ancestor_and_0_for_the_default():
    options = ["--layout", "generic-22", "--vocab-size", "30"]
    assert command("model", "conv-bilstm", *options).exit_code == 0
    failed = command("model", "mobilenetv3-collapsed", *options)
    assert failed.exit_code == 1
    assert "✗ SLR-M04 time is lost" in failed.stdout and "1 error" in failed.stdout


def test_json_is_one_document_with_a_summary():
    result = command("model", "conv-bilstm", "--layout", "generic-6", "--json")
    answer = json.loads(result.stdout)
    assert answer["summary"]["passed"] is True and answer["summary"]["checks"] == len(MODEL_CHECKS)
    assert answer["subject"].startswith("Architecture conv-bilstm (generic-6")


def without_speed(text):
    """All lines but the one that depends on the clock."""
    return [line for line in text.splitlines() if "SLR-M08" not in line]


def test_every_option_of_the_command_changes_something():
    small = ["tcn", "--layout", "generic-6"]
    plain = without_speed(command("model", *small, "-v").stdout)
    assert without_speed(command("model", *small, "-v").stdout) == plain
    for option, value in {"--vocab-size": 7, "--seed": 5, "--layout": "generic-9"}.items():
        assert without_speed(command("model", *small, "-v", option, value).stdout) != plain, option
    assert command("model", *small, "--budget", 0.1).exit_code == 1


def test_a_name_that_is_nothing_is_answered_with_the_nearest():
    result = command("model", "mobilenetv2")
    assert result.exit_code == 2 and "mobilenetv3" in result.stderr


def test_a_checkpoint_takes_no_options_of_architectures(checkpoint):
    result = command("model", checkpoint, "--vocab-size", "5")
    assert result.exit_code == 2 and "brings its own" in result.stderr


# Corpora


def examined(corpus, **kwargs):
    return run(DataTarget(replace(DataConfig(data_dir=str(corpus)), **kwargs)), Console(quiet=True))


def test_the_workflow_says_which_corpus_and_passes_a_sound_one(corpus):
    found = examined(corpus)
    assert found.passed and str(corpus) in found.subject and "phoenix2014" in found.subject


def test_the_workflow_takes_the_vocabularys_own_normaliser(corpus, tmp_path):
    path = tmp_path / "vocab.json"
    Vocabulary.build([s.split() for s in SENTENCES["train"].values()], normaliser="phoenix2014").save(path)
    assert examined(corpus, vocab=str(path)).passed


def test_a_vocabulary_that_cannot_be_read_is_a_finding_among_others(corpus, tmp_path):
    path = tmp_path / "vocab.json"
    path.write_text("{}")
    id_twice(corpus)
    found = examined(corpus, vocab=str(path))
    assert errors(found) == {"SLR-D11", "SLR-V01"}
    assert found.skipped == (("SLR-D13", "SLR-V01"), ("SLR-D19", "SLR-D11"))


def test_the_command_for_data_exits_with_1_exactly_when_there_is_an_error(corpus):
    sound = command("data", "--data-dir", corpus)
    assert sound.exit_code == 0 and "0 errors" in sound.stdout
    write_table(corpus, "dev", [("d1", "SNOW"), ("d2", "SUN")])
    assert command("data", "--data-dir", corpus).exit_code == 0  # a warning
    infinite_value(corpus)
    spoilt = command("data", "--data-dir", corpus)
    assert spoilt.exit_code == 1 and "SLR-D06" in spoilt.stdout and "1 error, 1 warning" in spoilt.stdout


def test_json_of_data_holds_findings_and_a_summary(corpus):
    infinite_value(corpus)
    result = command("data", "--data-dir", corpus, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["summary"]["errors"] == 1 and answer["summary"]["passed"] is False
    (finding,) = (item for item in answer["findings"] if item["level"] == "error")
    assert (finding["code"], finding["where"]) == ("SLR-D06", "d2") and finding["what"] and finding["fix"]
    assert {"code": "SLR-D01", "title": "there is a train split"} in answer["checks"]


def test_every_option_of_the_command_for_data_changes_something(corpus, tmp_path):
    vocabulary = tmp_path / "vocab.json"
    vocabulary_of("RAIN").save(vocabulary)
    (tmp_path / "elsewhere").mkdir()
    failing = {
        "--layout": ("kinect-20", "SLR-D04"),
        "--vocab": (vocabulary, "SLR-D13"),
        "--features": (tmp_path / "elsewhere", "SLR-D02"),
        "--annotations": (corpus / "annotations/manual/dev.corpus.csv", "SLR-D01"),
    }
    for option, (value, code) in failing.items():
        result = command("data", "--data-dir", corpus, option, value)
        assert result.exit_code == 1 and f"✗ {code}" in result.stdout, (option, result.output)
    assert command("data", "--data-dir", corpus, "--layout", "generic").exit_code == 0
    assert command("data", "--data-dir", corpus, "--format", "csl-daily").exit_code == 1
    assert command("data", "--data-dir", corpus, "--normaliser", "nothing").exit_code == 2
    assert command("data", "--data-dir", corpus / "nowhere").exit_code in (1, 2)
    missing = command("data", "--data-dir", corpus, "--features", tmp_path / "nowhere")
    assert missing.exit_code == 1 and "There is no such folder" in missing.stderr and not missing.stdout


def test_the_distributions_are_drawn_and_stand_in_json(corpus):
    shown = command("data", "--data-dir", corpus, "--verbose")
    assert "frames per clip, from 40 to 40" in shown.stdout and "glosses per second (at 25 frames)" in shown.stdout
    (corpus / "corpus.toml").write_text("fps = 50\n")
    assert "glosses per second (at 50 frames)" in command("data", "--data-dir", corpus, "--verbose").stdout
    (corpus / "corpus.toml").unlink()
    drawn = shown.stdout.split("\n\n· ")[0]
    assert max(map(len, drawn.splitlines())) <= 80
    assert "frames per clip" not in command("data", "--data-dir", corpus, "--verbose", "--quiet").stdout
    first = json.loads(command("data", "--data-dir", corpus, "--json").stdout)["distributions"][0]
    assert first["name"] == "frames per clip" and first["splits"]["train"]["clips"] == 4
    assert sum(first["splits"]["train"]["counts"]) == 4 and first["splits"]["dev"]["median"] == 40


def test_a_healthy_corpus_fits_on_a_small_terminal_and_verbose_shows_every_note(corpus, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    write_table(corpus, "dev", [("d1", "SNOW"), ("d2", "SUN")])
    shown = command("data", "--data-dir", corpus)
    lines = shown.output.splitlines()  # the heading and the count of checks as well
    assert len(lines) <= 24 and "! SLR-D13" in shown.stdout and "·" not in shown.stdout
    assert shown.stdout.splitlines()[-1].startswith("0 errors, 1 warning, ")
    told = command("data", "--data-dir", corpus, "--verbose").stdout
    answer = json.loads(command("data", "--data-dir", corpus, "--json").stdout)
    assert told.count("\n· ") == answer["summary"]["notes"] > 10
    assert told.index("! SLR-D13") > told.rindex("\n· ")  # the warning comes last


def test_the_stride_and_the_claim_about_signers_make_errors(corpus):
    features(corpus, "t2", clip(frames=16))
    for option, code in ((("--stride", "8"), "SLR-D10"), (("--signer-independent",), "SLR-D21")):
        assert command("data", "--data-dir", corpus).exit_code == 0
        result = command("data", "--data-dir", corpus, *option)
        assert result.exit_code == 1 and f"✗ {code}" in result.stdout


def test_full_and_jobs_read_more_and_say_the_same(corpus, monkeypatch):
    monkeypatch.setattr(facts, "READ_BYTES", 0)
    monkeypatch.setattr(facts, "READ_CLIPS", 0)
    monkeypatch.setattr(facts, "AT_LEAST", 2)
    monkeypatch.setattr(facts, "CHUNK", 4)
    monkeypatch.setattr(facts, "WORTH_A_PROCESS", 0)
    infinite_value(corpus)
    assert "2 of them read through" in command("data", "--data-dir", corpus, "--jobs", 1, "--verbose").stdout
    outputs = {command("data", "--data-dir", corpus, "--full", "--jobs", jobs).stdout for jobs in (1, 2)}
    assert len(outputs) == 1 and "✗ SLR-D06" in outputs.pop()


def test_a_broken_table_is_a_finding_and_what_needs_it_is_left_out(corpus):
    table = corpus / "annotations/manual/train.corpus.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, "only|three|cells", "../up|x|s|SUN", "a|b"]) + "\n")
    result = command("data", "--data-dir", corpus)
    assert result.exit_code == 1 and result.stdout.count("✗ SLR-D14") == 3 and "SLR-D01" not in result.stdout
    assert f"line {len(lines) + 1}" in result.stdout and f"line {len(lines) + 3}" in result.stdout
