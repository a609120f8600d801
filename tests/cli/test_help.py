"""Pages of help: panels, defaults, choices, examples; and what the shell completes."""

import os
import re
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from slrcli.cli import COMMANDS, app

CHECKS = ("model", "data", "vocab", "checkpoint", "env", "overfit")
PAGES = [(), *((name,) for name in COMMANDS), *(("check", name) for name in CHECKS)]


def page(*command, columns=80):
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": str(columns), "TERM": "dumb"})
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def words(text):
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("command", PAGES, ids=" ".join)
@pytest.mark.parametrize("columns", [80, 120])
def test_no_page_shows_types_of_switches_or_defaults_in_brackets_or_cuts_a_line(command, columns):
    text = page(*command, columns=columns)
    assert "<bool>" not in text and "[default: (" not in text and "…" not in text and " range" not in text
    assert max(map(len, text.splitlines())) <= columns


@pytest.mark.parametrize("command", [item for item in PAGES if item != ("check",)], ids=" ".join)
def test_examples_stand_one_a_line_unbroken(command):
    examples = page(*command).split("Examples:")[1].split("╭")[0].strip("\n").splitlines()
    assert len([line for line in examples if line.strip()]) >= 1
    for line in examples:
        assert not line.strip() or re.match(r"     \S", line), line


def test_train_has_its_options_in_panels_and_shows_defaults_and_choices():
    text = page("train")
    panels = re.findall(r"╭─ (.+?) ─", text)
    assert panels == ["Data", "Model", "Optimisation", "Run", "Several runs", "Output and help"]
    assert "[default: 0.002]" in words(text) and "Choices: tcn, conv-bilstm" in words(text)
    for known in ("phoenix2014-ctm", "mediapipe-258", "forerunner", "bf16", "isharah-us"):
        assert known in text


def test_commands_are_grouped():
    assert re.findall(r"╭─ (.+?) ─", page()) == ["Options", "Data", "Train", "Evaluate", "Use", "Check and try"]


def test_nothing_is_taken_for_markup():
    assert "section [decode]" in words(page("decode"))


def test_a_switch_that_can_be_turned_off_says_how_and_still_works():
    assert "--no-square" in page("extract") and "--no-gradient-checkpointing" in page("train")
    command = typer.main.get_command(app).get_command(None, "extract")
    assert next(item for item in command.params if item.name == "square").secondary_opts == ["--no-square"]


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("slr train --arch conv", {"conv-bilstm"}),
        ("slr train --normaliser phoenix2014-s", {"phoenix2014-sentence"}),
        ("slr train --layout kine", {"kinect-20"}),
        ("slr train --preset f", {"forerunner"}),
        ("slr train --precision b", {"bf16"}),
        ("slr train --device cu", {"cuda"}),
        ("slr train --format isharah", {"isharah-si", "isharah-us"}),
        ("slr score --protocol sc", {"sclite"}),
        ("slr decode --format ea", {"eaf"}),
    ],
)
def test_the_shell_completes_choices(line, known):
    env = {**os.environ, "_SLR_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    code = "from slrcli.cli import app; app(prog_name='slr')"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert set(done.stdout.split()) == known, done.stderr
