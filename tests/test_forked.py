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
import time
print("begun", flush=True)
time.sleep(60)
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


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_reaches_it_and_ends_who_asked_as_well(tmp_path, kind):
    process = start(tmp_path, WAITS)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(kind)
    assert process.communicate()[0] == "" and process.returncode == -kind


def test_an_interruption_is_one_of_python_there_too(tmp_path):
    process = start(tmp_path, WAITS)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == -signal.SIGINT and err.count("Traceback") == 1 and "KeyboardInterrupt" in err


def test_it_does_not_outlive_who_asked(tmp_path):
    process = start(tmp_path, WAITS)
    assert process.stdout.readline() == "begun\n"
    process.kill()
    assert process.communicate()[0] == "" and process.returncode == -signal.SIGKILL
