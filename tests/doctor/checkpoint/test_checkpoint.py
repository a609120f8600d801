"""`slr check checkpoint`: a real run's checkpoint passes, and every planted fault is found under its own code."""

import json

import pytest
import torch
from support.planted_corpora import errors, of_level, said, vocabulary_of
from support.rewritten import BEST, STATE, assign, rewrite
from typer.testing import CliRunner

from slrcli.cli.check.check import app
from slrcli.console import Console
from slrcli.doctor.checkpoint.checks import CHECKPOINT_CHECKS
from slrcli.doctor.checkpoint.target import CheckpointTarget
from slrcli.doctor.run import run as examined
from slrcli.errors import CheckpointError
from slrcli.findings import Level


def check_checkpoint(path):
    return examined(CheckpointTarget(path), Console(quiet=True))


@pytest.fixture
def run(trained, tmp_path):
    """A copy of it, to be spoilt."""
    folder = tmp_path / "run"
    folder.mkdir()
    for file in trained.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def without(key):
    return lambda tensors, values: values.pop(key)


def tensor(name, make):
    """A change of one tensor; None takes it out."""

    def change(tensors, values):
        made = make(tensors.get(name))
        if made is None:
            del tensors[name]
        else:
            tensors[name] = made

    return change


def put(value):
    """The tensor with its first number replaced."""

    def make(item):
        item = item.clone()
        item.view(-1)[0] = value
        return item

    return make


def swapped_tokens(tensors, values):
    tokens = values["vocabulary"]["tokens"]
    tokens[1], tokens[2] = tokens[2], tokens[1]


def enormous(tensors, values):
    """Finite weights that multiply to infinity."""
    for name in tensors:
        if name.startswith("project") or (name.startswith("blocks") and name.endswith("conv.weight")):
            tensors[name] = torch.full_like(tensors[name], 1e30)


PLANTED = {
    "metadata lack the layout": (BEST, without("layout"), "SLR-C01", "layout"),
    "a version that is a number": (BEST, assign(["versions"], "slrcli", 1.5), "SLR-C01", "slrcli is float"),
    "an unknown setting": (BEST, assign(["config", "optim"], "learning", 1), "SLR-C01", "learning"),
    "an unknown architecture": (BEST, assign(["config", "model"], "arch", "conv-bilstn"), "SLR-C01", "conv-bilstn"),
    "an unknown option": (BEST, assign(["config", "model", "options"], "widht", 16), "SLR-C01", "widht"),
    "a setting beyond its bounds": (BEST, assign(["config", "optim"], "epochs", 0), "SLR-C01", "at least 1"),
    "two glosses swapped": (BEST, swapped_tokens, "SLR-C01", "do not match its hash"),
    "a damaged layout": (BEST, assign(["layout"], "groups", 3), "SLR-C01", ""),
    "a weight is missing": (BEST, tensor("project.bias", lambda item: None), "SLR-C01", "project.bias"),
    "a tensor too many": (BEST, tensor("extra", lambda item: torch.zeros(2)), "SLR-C01", "extra"),
    "a weight in another shape": (
        BEST,
        tensor("project.bias", lambda item: item[:-1]),
        "SLR-C01",
        "size mismatch for project.bias",
    ),
    "a weight in double precision": (BEST, tensor("project.bias", torch.Tensor.double), "SLR-C01", "is stored as"),
    "NaN in a weight": (
        BEST,
        tensor("project.weight", put(float("nan"))),
        "SLR-C06",
        "infinity: project.weight",
    ),
    "infinity in a weight": (BEST, tensor("classifier.bias", put(float("inf"))), "SLR-C06", "classifier.bias"),
    "a negative variance": (BEST, tensor("blocks.0.norm.running_var", put(-1.0)), "SLR-C06", "negative"),
    "a deviation of 0": (BEST, tensor("frontend.std", put(0.0)), "SLR-C06", "1 column has a deviation"),
    "NaN in the statistics": (BEST, tensor("frontend.mean", put(float("nan"))), "SLR-C06", "infinity: frontend.mean"),
    "statistics too narrow": (BEST, tensor("frontend.mean", lambda item: item[:-1]), "SLR-C01", "frontend.mean"),
    "a WER below 0": (BEST, assign(["metrics"], "wer", -3.0), "SLR-C08", "are impossible"),
    "the WER of another run": (BEST, assign(["metrics"], "wer", 12.5), "SLR-C08", "in the run's log"),
    "weights that multiply to infinity": (BEST, enormous, "SLR-C09", "NaN"),
    "a state without progress": (STATE, without("progress"), "SLR-C10", "lacks progress"),
    "a state without random numbers": (STATE, tensor("random", lambda item: None), "SLR-C10", "lacks random"),
    "NaN in the optimiser": (STATE, tensor("optimiser.0.exp_avg", put(float("nan"))), "SLR-C10", "optimiser.0."),
    "a state of another model": (
        STATE,
        tensor("model.project.bias", lambda item: item[:-1]),
        "SLR-C10",
        "another model",
    ),
    "a state of another moment": (STATE, assign(["progress", "best"], "epoch", 77), "SLR-C10", "says 77"),
}


def test_every_check_of_checkpoints_has_a_planted_fault():
    assert {check.code for check in CHECKPOINT_CHECKS} == {code for _, _, code, _ in PLANTED.values()} | {"SLR-C12"}


def test_a_real_run_passes_best_and_last(trained):
    for name in ("best.safetensors", "last.safetensors"):
        found = check_checkpoint(trained / name)
        assert of_level(found, Level.ERROR) == of_level(found, Level.WARNING) == set()
        assert len(found.checks) == len(CHECKPOINT_CHECKS)


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_under_its_own_code_and_no_other(run, fault):
    file, change, code, text = PLANTED[fault]
    rewrite(run / file, change)
    found = check_checkpoint(run)
    assert errors(found) == {code}
    finding = said(found, code)
    assert text in f"{finding.what} {finding.fix} {finding.where}"


def test_a_file_that_is_no_checkpoint_is_a_finding(run):
    (run / BEST).write_bytes(b"\x00" * 100)
    found = check_checkpoint(run)
    assert errors(found) == {"SLR-C01"} and len(found.skipped) == len(CHECKPOINT_CHECKS) - 1
    (run / "other.safetensors").write_bytes((run / STATE).read_bytes())
    assert errors(check_checkpoint(run / "other.safetensors")) == {"SLR-C01"}
    with pytest.raises(CheckpointError):
        check_checkpoint(run / "nowhere")


def test_a_state_that_cannot_be_read_is_a_finding(run):
    (run / STATE).write_bytes((run / STATE).read_bytes()[:200])
    assert errors(check_checkpoint(run)) == {"SLR-C10"}


@pytest.mark.parametrize(
    "text", [b"\xff", b"[", b"3", b'{"epoch": 1, "wer": "x"}', b'{"epoch": 1, "wer": ' + b"9" * 400 + b"}"]
)
def test_numbers_of_epochs_that_cannot_be_read_are_a_finding(run, text):
    rewrite(run / BEST, assign(["metrics"], "epoch", 1))
    (run / "metrics.jsonl").write_bytes(text)
    found = check_checkpoint(run)
    assert "numbers of the epochs cannot be read" in said(found, "SLR-C08").what


@pytest.mark.parametrize("wer", [10**400, float("nan"), "x"])
def test_an_error_rate_that_is_none_is_a_finding(run, wer):
    rewrite(run / BEST, assign(["metrics"], "wer", wer))
    assert "are impossible" in said(check_checkpoint(run), "SLR-C08").what


@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16])
def test_a_state_of_any_precision_is_looked_at(run, kind):
    rewrite(run / STATE, tensor("optimiser.0.exp_avg", lambda item: torch.full_like(item, float("nan")).to(kind)))
    assert "holds NaN or infinity: optimiser.0.exp_avg" in said(check_checkpoint(run), "SLR-C10").what


def test_a_progress_that_is_none_is_a_finding(run):
    rewrite(run / STATE, assign([], "progress", 3))
    assert "training state is damaged" in said(check_checkpoint(run), "SLR-C10").what


def test_the_last_checkpoint_and_its_state_have_the_same_weights_to_the_bit(run):
    rewrite(run / STATE, tensor("average.project.bias", put(3.0)))
    assert errors(check_checkpoint(run / "last.safetensors")) == {"SLR-C10"}
    assert errors(check_checkpoint(run)) == set()  # the best may be of another epoch


def test_the_vocabulary_beside_it_is_the_same(run):
    vocabulary_of("ONE TWO").save(run / "vocab.json")
    found = check_checkpoint(run)
    assert errors(found) == {"SLR-C08"} and "differs from the one beside it" in said(found, "SLR-C08").what


def test_a_checkpoint_alone_is_enough(run, tmp_path):
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((run / BEST).read_bytes())
    found = check_checkpoint(alone)
    assert found.passed and not of_level(found, Level.WARNING)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (assign([], "metrics", {}), "SLR-C08"),
        (assign([], "data_hash", ""), "SLR-C12"),
        (assign(["versions"], "slrcli", "99.0"), "SLR-C12"),
        (assign([], "versions", {}), "SLR-C12"),
        (tensor("project.weight", torch.zeros_like), "SLR-C06"),
    ],
)
def test_what_is_only_worth_a_look_is_a_warning(run, tmp_path, change, code):
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((run / BEST).read_bytes())
    rewrite(alone, change)
    found = check_checkpoint(alone)
    assert found.passed and of_level(found, Level.WARNING) == {code}


def test_statistics_that_were_never_set_are_a_warning(run):
    def unset(tensors, values):
        tensors["frontend.mean"].zero_()
        tensors["frontend.std"].fill_(1.0)

    rewrite(run / BEST, unset)
    found = check_checkpoint(run)
    assert found.passed and "never set" in said(found, "SLR-C06").what


def test_a_state_of_an_early_version_is_a_warning(run):
    def no_weights(tensors, values):
        for name in [name for name in tensors if name.startswith("model.")]:
            del tensors[name]

    rewrite(run / STATE, no_weights)
    found = check_checkpoint(run)
    assert found.passed and "early versions" in said(found, "SLR-C10").what


def test_the_command_exits_with_1_for_a_fault_and_0_without(run):
    def command(*arguments):
        return CliRunner().invoke(app, ["checkpoint", *map(str, arguments)])

    sound = command(run, "--verbose")
    assert sound.exit_code == 0 and "SLR-C09" in sound.stdout
    assert command(run, "--seed", 3, "-v").stdout.count("synthetic clip") == 2
    answer = json.loads(command(run, "--json", "--only", "C08").stdout)
    assert answer["summary"]["passed"] and {item["code"] for item in answer["checks"]} == {"SLR-C01", "SLR-C08"}
    rewrite(run / BEST, assign(["metrics"], "wer", 12.5))
    spoilt = command(run)
    assert spoilt.exit_code == 1 and "✗ SLR-C08" in spoilt.stdout
