"""Signals that ask for an end: exit codes, what is saved, and what is left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest
from support.forked import program
from support.quick_corpus import write_corpus

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
WAITING = """
import os, sys
from slrcli.cli.options.common import command
from slrcli.errors import ended_by_signals
from slrcli.files import temporary_folder
import slrcli.cli.check.check, typer

def wait(console) -> int:
    with temporary_folder() as folder:
        print(folder, flush=True)
        sys.stdin.read()
    return 0

app = typer.Typer(add_completion=False)
app.command("wait")(command(wait))
app()
"""


def default_signals():
    for kind in CODES:
        signal.signal(kind, signal.SIG_DFL)


def ignoring_hangups():
    default_signals()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.fixture
def waiting(tmp_path):
    """A command that holds a temporary folder and waits; gives the process and the folder."""
    started = []

    def start(prepare=default_signals):
        process = subprocess.Popen(
            [sys.executable, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, preexec_fn=prepare, env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.getcwd()},
        )  # fmt: skip
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.name)
def test_a_command_that_is_told_to_end_removes_its_temporary_folder_and_says_by_which_signal(waiting, kind):
    process, folder = waiting()
    assert os.path.isdir(folder)
    process.send_signal(kind)
    _, error = process.communicate(timeout=30)
    assert process.returncode == CODES[kind] and "Traceback" not in error
    assert not os.path.exists(folder)


def test_what_nohup_lets_a_command_ignore_stays_ignored(waiting):
    process, folder = waiting(ignoring_hangups)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None and os.path.isdir(folder)
    process.communicate("", timeout=30)
    assert process.returncode == 0


def test_the_folder_of_a_command_that_was_killed_is_removed_by_the_next(waiting):
    process, folder = waiting()
    process.kill()
    process.wait()
    assert os.path.isdir(folder)
    other, _ = waiting()
    assert not os.path.exists(folder)
    third, _ = waiting()
    assert third.poll() is None and other.poll() is None  # what is in use stays


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP], ids=lambda kind: kind.name)
def test_a_run_that_is_told_to_end_saves_and_says_how_to_go_on(tmp_path, kind):
    corpus = write_corpus(tmp_path / "corpus")
    arguments = ["train", "--data-dir", corpus, "--epochs", "100000", "--set", "model.options.width=8", "-o", "run"]
    command = [*program("slrcli"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, preexec_fn=default_signals, env=environment
    )
    metrics, deadline = tmp_path / "run" / "metrics.jsonl", time.monotonic() + 90
    while not (metrics.exists() and metrics.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(kind)
    error = process.communicate(timeout=60)[1].decode()
    assert process.returncode == CODES[kind] and "slr train --resume run" in error
    assert (tmp_path / "run" / "last.state.safetensors").exists() and not (tmp_path / "run" / ".lock").exists()
