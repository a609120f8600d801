"""Commands whose output goes nowhere: closed streams and full disks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import slrcli

COMMANDS = {
    "help": ["--help"],
    "layout": ["layout", "kinect-20"],
    "score": ["score", "a.txt", "a.txt"],
    "json": ["score", "a.txt", "a.txt", "--json"],
}
BAD = ("Traceback", "defect", "Exception ignored", "AttributeError")


def run(tmp_path, command, redirection):
    """Exit code and stderr of a command with its streams as a shell redirects them."""
    (tmp_path / "a.txt").write_text("u-1 HELLO YOU\n")
    script = f'"$@" {redirection}'
    call = ["bash", "-c", script, "bash", sys.executable, "-m", "slrcli", *command]
    place = {**os.environ, "PYTHONPATH": str(Path(slrcli.__file__).parents[1])}
    done = subprocess.run(call, cwd=tmp_path, env=place, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, timeout=120)
    return done.returncode, done.stderr.decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_output_to_a_full_disk_is_a_failure_in_one_plain_sentence(tmp_path, command):
    code, said = run(tmp_path, command, "> /dev/full")
    assert code == 1 and "No space left on device" in said and not any(word in said for word in BAD)
    assert said.count("Error:") == 1


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("redirection", [">&-", "<&- >&- 2>&-", "2> /dev/full"])
def test_closed_streams_and_lost_notes_keep_no_command_from_its_work(tmp_path, command, redirection):
    if "full" in redirection and not Path("/dev/full").exists():
        pytest.skip("the system has no device that is always full")
    code, said = run(tmp_path, command, redirection)
    assert code == 0 and said == ""


def test_an_error_of_a_command_stays_one_where_nobody_hears_it(tmp_path):
    for redirection in ("2>&-", "2> /dev/full", ">&- 2>&-", "> /dev/full 2> /dev/full"):
        assert run(tmp_path, ["score", "missing.txt", "a.txt"], redirection)[0] == 1


def test_files_that_are_opened_do_not_take_the_place_of_closed_streams(tmp_path):
    code, _ = run(tmp_path, ["score", "a.txt", "a.txt", "--utterances", "scores.csv"], "<&- >&- 2>&-")
    assert code == 0 and (tmp_path / "scores.csv").read_text().startswith("id")
