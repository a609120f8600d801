"""What stands in for a program that loads torch first is a process like it."""

import os
import signal
import subprocess

import pytest
from support.forked import FORKS, program

pytestmark = pytest.mark.skipif(not FORKS, reason="programs are started as they are")
TELLS = """
import os, sys
print(os.getcwd(), os.environ["SAID"], sys.argv[1:], sys.stdin.read(), sys.modules[__name__].__file__)
sys.stderr.write("an error")
sys.exit(7)
"""
WAITS = """
import sys
print("begun", flush=True)
sys.stdin.read()
print("gone on")
"""


def start(folder, text, *arguments, **options):
    (folder / "told.py").write_text(text)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*program("told"), *arguments], cwd=folder, text=True, **pipes, **options)


def test_it_has_the_streams_folder_environment_and_arguments_of_who_asked_and_ends_as_it_does(tmp_path):
    process = start(tmp_path, TELLS, "one", "--two", env={**os.environ, "SAID": "Ü"})
    out, err = process.communicate("typed")
    assert out == f"{tmp_path} Ü ['one', '--two'] typed {tmp_path / 'told.py'}\n"
    assert (process.returncode, err) == (7, "an error")


def waiting(folder, handler=signal.SIG_DFL):
    """Such a process that has begun; its SIGHUP is handled so, whoever started the tests (`nohup`)."""
    process = start(folder, WAITS, preexec_fn=lambda: signal.signal(signal.SIGHUP, handler))
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_ends_it_and_who_asked(tmp_path, kind):
    with waiting(tmp_path) as process:
        process.send_signal(kind)
        assert process.stdout.read() == "" and process.wait() == -kind  # read to its end: nobody has gone on


def test_an_interruption_is_one_of_python_there_too(tmp_path):
    with waiting(tmp_path) as process:
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
        assert process.wait() == -signal.SIGINT and err.count("Traceback") == 1 and "KeyboardInterrupt" in err


def test_a_signal_that_who_asked_ignores_is_ignored_there(tmp_path):
    process = waiting(tmp_path, signal.SIG_IGN)
    process.send_signal(signal.SIGHUP)
    assert process.communicate("") == ("gone on\n", "") and process.returncode == 0
