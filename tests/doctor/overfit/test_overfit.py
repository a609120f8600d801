"""`slr check overfit`: sound set-ups pass in seconds, each fault has its own diagnostic, curves are drawn truly."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from support.forked import program
from support.planted_corpora import errors, said
from typer.testing import CliRunner

from slrcli.cli.check.check import app
from slrcli.config import OverfitConfig, resolve
from slrcli.console import Console
from slrcli.doctor.model.probe import ModelContext
from slrcli.doctor.overfit.checks import OVERFIT_CHECKS, OverfitContext, Point
from slrcli.doctor.overfit.overfit import STEPS_AN_EPOCH, OverfitTarget
from slrcli.doctor.run import examine, run
from slrcli.errors import UsageError
from slrcli.features.layout import generic_layout
from slrcli.models.registry import build_model
from slrcli.report.text.curve import curve, table
from slrcli.report.text.histograms import BLOCKS

GLOSSES = ("LEFT", "RIGHT", "STOP", "HELLO", "NAME")
FAST = ["--set", "model.options.width=32", "--set", "model.options.dilations=[1]"]


@pytest.fixture
def corpus(tmp_path):
    """Twelve sentences of three glosses, each a bump of twelve frames in a column of its own; all clips as long."""
    root, rng = tmp_path / "corpus", np.random.default_rng(0)
    rows = []
    for split, count in (("train", 12), ("dev", 2)):
        (root / "features" / split).mkdir(parents=True)
        for number in range(count):
            order = rng.permutation(5)[:3]
            x = 0.1 * rng.normal(size=(56, 5))
            for place, gloss in enumerate(order):
                x[4 + 16 * place : 16 + 16 * place, gloss] += 2
            id = f"{split}{number}"
            np.save(root / "features" / split / f"{id}.npy", x.astype(np.float32))
            rows.append((split, id, " ".join(GLOSSES[gloss] for gloss in order)))
    (root / "annotations").mkdir()
    for split in ("train", "dev"):
        lines = [f"{id}|{id}|S1|{glosses}\n" for part, id, glosses in rows if part == split]
        (root / "annotations" / f"{split}.corpus.csv").write_text("id|folder|signer|annotation\n" + "".join(lines))
    return root


def learn(corpus, arch="conv-bilstm", lr=5e-3, seconds=60.0, steps=150, utterances=8, **options):
    given = {"data": {"data_dir": str(corpus)}, "model": {"arch": arch, "options": options}, "optim": {"lr": lr}}
    config = resolve(given)
    return run(OverfitTarget(config, OverfitConfig(utterances, seconds, steps)), Console(quiet=True))


SMALL = {"width": 32, "layers": 1}


def test_a_handful_of_utterances_is_learnt_and_time_kept(corpus):
    found = learn(corpus, **SMALL)
    attempt = found.context
    assert found.passed and len(attempt.utterances) == 8 == len(set(attempt.utterances))
    assert attempt.points[-1].wer <= 5.0 and len(attempt.losses) == attempt.points[-1].step < 150
    assert "memorised" in found.findings[0].what


def test_the_same_seed_draws_and_learns_the_same(corpus):
    a, b = learn(corpus, **SMALL).context, learn(corpus, **SMALL).context
    assert a.utterances == b.utterances and a.losses == b.losses


def spoil(corpus, change):
    for path in (corpus / "features" / "train").glob("*.npy"):
        np.save(path, change(np.load(path)).astype(np.float32))


def test_features_without_anything_in_them_are_stuck_or_blank(corpus):
    spoil(corpus, np.zeros_like)
    found = errors(learn(corpus, steps=600, seconds=600.0, **SMALL))
    assert found in ({"SLR-O01"}, {"SLR-O02"})


def test_a_learning_rate_far_too_low_is_stuck(corpus):
    found = learn(corpus, lr=1e-9, steps=20, **SMALL)
    assert errors(found) == {"SLR-O02"} and "--lr 1e-08" in said(found, "SLR-O02").fix


def test_a_learning_rate_far_too_high_diverges(corpus):
    found = learn(corpus, lr=100.0, steps=30, **SMALL)
    assert errors(found) == {"SLR-O04"} and "--lr" in said(found, "SLR-O04").fix


def test_huge_numbers_in_the_features_are_no_reason_to_break(corpus):
    spoil(corpus, lambda x: x * 1e6)
    assert learn(corpus, **SMALL).passed  # they are standardised


def test_too_few_steps_are_named_as_such(corpus):
    found = learn(corpus, steps=10, lr=2e-3, **SMALL)
    assert errors(found) == {"SLR-O03"} and "After 10 steps (10 steps)" in said(found, "SLR-O03").what


def test_the_limit_of_time_holds(corpus):
    found = learn(corpus, lr=1e-9, seconds=1.0, steps=10_000, **SMALL)
    attempt = found.context
    assert 1.0 <= attempt.seconds < 10 and "(1 seconds)" in said(found, "SLR-O02").what
    assert attempt.points[-1].step == len(attempt.losses)


def test_a_network_without_time_does_not_pass_however_well_it_learns(corpus):
    result = learn(corpus, arch="mobilenetv3-collapsed", lr=2e-3, steps=100, width=0.25)
    assert not result.passed
    assert errors(result) in ({"SLR-M04"}, {"SLR-O03"})  # by how far it came in so many steps


@pytest.mark.parametrize(("arch", "codes"), [("conv-bilstm", set()), ("mobilenetv3-collapsed", {"SLR-M04"})])
def test_success_counts_only_where_the_network_keeps_time(arch, codes):
    layout = generic_layout(8)
    torch.manual_seed(1)
    model = ModelContext(build_model(arch, layout, 6), 8, 6, layout)
    for wer, others in ((2.0, set()), (9.0, {"SLR-O06"})):  # learnt, or nearly, with no loss left
        points = [Point(60, 9.0, 0.01, wer, 100.0, 0.3)]
        found = examine("", OverfitContext([5.0, *[0.01] * 9], points, 5.0, 1e-3, model=model), OVERFIT_CHECKS)
        assert errors(found) == (codes or others)
        assert not codes or said(found, "SLR-M04").where == "pool (AverageOverTime)"


# Diagnostics from numbers


def diagnostic(losses, wer=90.0, emission=80.0, broken="", blank=0.5):
    points = [Point(len(losses), 1.0, losses[-1], wer, emission, blank)]
    return examine("", OverfitContext(list(losses), points, 5.0, 1e-3, "120 seconds", broken), OVERFIT_CHECKS)


FALLING = [10 * 0.97**n for n in range(60)]
OUTCOMES = {
    "SLR-O01": (diagnostic([10.0, 8.0, *[3.0] * 40], emission=0.0, wer=100.0, blank=1.0), "all blank (100.0%"),
    "SLR-O02": (diagnostic([10.0, 8.0, *[3.0] * 40]), "the loss went from 10.00 to 3.00"),
    "SLR-O03": (diagnostic(FALLING), "too slowly"),
    "SLR-O04": (diagnostic([5.0, *[9.0] * 20]), "from 5.00 to 9.00"),
    "SLR-O06": (diagnostic([10 * 0.8**n for n in range(60)], wer=20.0), "evaluation gives errors"),
}


@pytest.mark.parametrize("code", OUTCOMES)
def test_each_way_to_fail_has_its_own_code_and_no_other(code):
    found, text = OUTCOMES[code]
    assert errors(found) == {code} and text in said(found, code).what and said(found, code).fix


def test_every_check_is_among_those_that_are_planted():
    assert {check.code for check in OVERFIT_CHECKS} == set(OUTCOMES) | {"SLR-M04"}


def test_a_loss_that_is_no_number_is_told_with_the_utterances():
    found = diagnostic([5.0], broken="SLR-T10 the loss is nan, utterances u1")
    assert errors(found) == {"SLR-O04"} and "u1" in said(found, "SLR-O04").what


def test_success_is_a_note():
    assert diagnostic(FALLING, wer=4.0).passed and not diagnostic(FALLING, wer=5.1).passed


# The command


def command(corpus, *arguments):
    return CliRunner().invoke(app, ["overfit", "--data-dir", str(corpus), *FAST, *map(str, arguments)])


def test_the_command_prints_a_table_where_it_is_piped_and_exits_by_the_outcome(corpus):
    sound = command(corpus, "--lr", 5e-3, "--steps", 150)
    assert sound.exit_code == 0, sound.output
    assert sound.stdout.startswith("step ") and "WER %" in sound.stdout
    assert "0 errors, 0 warnings, 1 note" in sound.stdout and not set(BLOCKS[1:]) & set(sound.stdout)
    assert command(corpus, "--lr", 1e-9, "--steps", 10).exit_code == 1
    assert command(corpus, "--lr", 0).exit_code == 2
    assert command(corpus, "--steps", 0).exit_code == 2


def test_json_has_the_curve(corpus):
    result = command(corpus, "--lr", 5e-3, "--steps", 30, "--utterances", 3, "--json")
    answer = json.loads(result.stdout)
    assert len(answer["utterances"]) == 3
    assert answer["curve"][0]["step"] == STEPS_AN_EPOCH
    assert set(answer["curve"][0]) == {"step", "seconds", "loss", "wer", "emission", "blank_share"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_the_curve_is_drawn(corpus):
    import os
    import pty

    ours, theirs = pty.openpty()
    arguments = [*program("slrcli"), "check", "overfit", "-d", str(corpus), "--steps", "20", *FAST]
    environment = {**os.environ, "TERM": "xterm", "PYTHONUTF8": "1", "COLUMNS": "80"}
    subprocess.run(arguments, stdout=theirs, stderr=subprocess.DEVNULL, timeout=120, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(ours)
    text = shown.decode()
    lines = [line.strip() for line in text.splitlines() if " by step" in line]
    assert [line.split(" by")[0] for line in lines] == ["loss per gloss", "WER in %"]
    assert all(set(line.split("|")[1]) <= set(BLOCKS) and len(line.strip()) <= 80 for line in lines)


def test_bounds_of_the_options_are_kept(corpus):
    with pytest.raises(UsageError, match="utterances must be at least 1"):
        learn(corpus, utterances=0)


# Curves


def test_a_falling_series_is_a_falling_line_between_its_first_and_its_last_value():
    line = curve("loss", range(1, 9), [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    assert line == "loss |█▇▆▅▄▃▂▁|  8 at 1, 1 at 8"


def test_more_values_than_characters_are_averaged():
    line = curve("WER", range(1, 101), [100.0] * 50 + [50.0] * 50, width=4)
    assert line == "WER |██▄▄|  100 at 1, 50 at 100"


def test_curves_of_nothing_one_number_and_no_numbers_are_drawn():
    assert curve("x", [], []) == "x: no numbers"
    assert curve("x", [1], [2.0]) == "x |█|  2 at 1, 2 at 1"
    assert curve("x", [1, 2], [float("nan")] * 2) == "x: no numbers"
    assert curve("x", [1, 2, 3], [float("nan"), 0.0, 2.0]) == "x |▁█|  0 at 2, 2 at 3"


def test_a_table_keeps_the_last_row():
    rows = [(step, step / 2) for step in range(1, 100)]
    lines = table(("step", "loss"), rows)
    assert len(lines) <= 12 and lines[-1] == "step 99: loss 49.50"
