"""`slr check env`: every fault of a machine is found under its own code, and this machine is described truly."""

import json
import os
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.planted_corpora import errors, of_level, said
from typer.testing import CliRunner

from slrcli import __version__
from slrcli.cli.check.check import app
from slrcli.doctor.machine import environment
from slrcli.doctor.machine.checks import ENV_CHECKS
from slrcli.doctor.machine.environment import EnvContext, facts, memory, older, without_home, writing_problem
from slrcli.doctor.run import examine
from slrcli.findings import Level

SOUND = EnvContext(
    python="3.12.1",
    packages=dict(environment.REQUIRED),
    optional={"tensorboard": None},
    device="cpu",
    device_problem="",
    idle_gpu=False,
    cores=8,
    threads=8,
    thread_variables={"OMP_NUM_THREADS": "8"},
    memory_total=16_000,
    memory_free=8_000,
    runs=Path("runs"),
    disk_free=50_000,
    runs_problem="",
    encoding="utf-8",
    locale="en_GB.UTF-8",
    loss=environment.KNOWN_LOSS,
)
PLANTED_ERRORS = {
    "old python": ({"python": "3.10.4"}, "SLR-E01", "Python 3.10.4 is too old"),
    "old torch": ({"packages": {**SOUND.packages, "torch": "2.3.1+cu118"}}, "SLR-E01", "torch 2.3.1+cu118 is too old"),
    "no rapidfuzz": ({"packages": {**SOUND.packages, "rapidfuzz": None}}, "SLR-E01", "rapidfuzz is not installed"),
    "torch and numpy apart": ({"loss": float("nan")}, "SLR-E01", "cannot read arrays of numpy"),
    "wrong arithmetic": ({"loss": 0.3}, "SLR-E01", "0.300000 instead of 0.287682"),
    "a dead GPU": ({"device": "cuda (X)", "device_problem": "no kernel image"}, "SLR-E03", "no kernel image"),
    "threads unreadable": ({"thread_variables": {"OMP_NUM_THREADS": "all"}}, "SLR-E04", "is 'all'"),
    "no memory": ({"memory_free": 200}, "SLR-E05", "200 MiB of 15.6 GiB"),
    "disk full": ({"disk_free": 40}, "SLR-E05", "40 MiB of disk space are free"),
    "runs not writable": ({"runs_problem": "Permission denied"}, "SLR-E05", "Permission denied"),
}
PLANTED_WARNINGS = {
    "old tensorboard": ({"optional": {"tensorboard": "2.1"}}, "SLR-E01", "tensorboard 2.1"),
    "an idle GPU": ({"idle_gpu": True}, "SLR-E03", "built for the CPU alone"),
    "more threads than cores": (
        {"threads": 32, "thread_variables": {"OMP_NUM_THREADS": "32"}},
        "SLR-E04",
        "32 threads on 8 cores (OMP_NUM_THREADS=32)",
    ),
    "little memory": ({"memory_free": 1500}, "SLR-E05", "little"),
    "little space": ({"disk_free": 700}, "SLR-E05", "little"),
    "a terminal without UTF-8": ({"encoding": "ascii", "locale": "C"}, "SLR-E08", "in ascii (locale C)"),
}


def examined(**changes):
    return examine("", replace(SOUND, **changes), ENV_CHECKS)


def test_every_check_of_the_machine_has_a_planted_fault():
    planted = {code for _, code, _ in (*PLANTED_ERRORS.values(), *PLANTED_WARNINGS.values())}
    assert {check.code for check in ENV_CHECKS} == planted


def test_a_sound_machine_passes_without_a_warning():
    found = examined()
    assert {finding.level for finding in found.findings} == {Level.NOTE} and len(found.checks) == len(ENV_CHECKS)


@pytest.mark.parametrize("fault", PLANTED_ERRORS)
def test_a_fault_is_found_under_its_own_code_and_no_other(fault):
    changes, code, text = PLANTED_ERRORS[fault]
    found = examined(**changes)
    assert errors(found) == {code} and text in said(found, code).what and said(found, code).fix


@pytest.mark.parametrize("fault", PLANTED_WARNINGS)
def test_what_is_only_worth_a_look_is_a_warning(fault):
    changes, code, text = PLANTED_WARNINGS[fault]
    found = examined(**changes)
    assert not errors(found) and of_level(found, Level.WARNING) == {code} and text in said(found, code).what


def test_what_cannot_be_seen_is_no_fault():
    found = examined(memory_free=None, memory_total=None, disk_free=None)
    assert found.passed and not of_level(found, Level.WARNING)


@pytest.mark.parametrize(
    ("version", "least", "is_older"),
    [("2.4.0", "2.4", False), ("2.13.0+cpu", "2.4", False), ("2.3.9", "2.4", True), ("1.26.4", "2.0", True)],
)
def test_versions_are_compared_as_numbers(version, least, is_older):
    assert older(version, least) is is_older


def test_the_required_versions_are_those_of_the_package():
    path = Path(__file__).parents[3] / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={environment.PYTHON}"
    stated = dict(item.split(">=") for item in project["dependencies"])
    assert stated == environment.REQUIRED
    extra = dict(item.split(">=") for item in project["optional-dependencies"]["tensorboard"])
    assert extra == environment.OPTIONAL


def test_this_machine_is_described_truly(tmp_path):
    here = EnvContext.here(tmp_path / "runs")
    assert here.packages["torch"] and here.packages["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert here.threads == torch.get_num_threads() and 1 <= here.cores <= os.cpu_count()
    assert here.loss == pytest.approx(0.2876820724)  # -ln 3/4
    assert here.disk_free > 0 and here.runs_problem == ""
    assert facts(here)["slr"] == __version__ and facts(here)["python"] == sys.version.split()[0]


def test_memory_is_read_as_the_system_states_it_a_container_limit_included(tmp_path):
    proc = tmp_path / "meminfo"
    proc.write_text("MemTotal:       16384000 kB\nMemFree: 1 kB\nMemAvailable:    8192000 kB\n")
    assert memory(proc, tmp_path) == (16000, 8000)
    (tmp_path / "memory.max").write_text(f"{1000 * 2**20}\n")
    (tmp_path / "memory.current").write_text(f"{400 * 2**20}\n")
    assert memory(proc, tmp_path) == (1000, 600)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory(proc, tmp_path) == (16000, 8000)
    assert memory(tmp_path / "nothing", tmp_path) == (None, None)


def test_a_folder_that_cannot_hold_runs_is_noticed(tmp_path):
    assert writing_problem(tmp_path / "deep" / "runs") == ""
    (tmp_path / "runs").write_text("a file stands here")
    assert writing_problem(tmp_path / "runs") == "Not a directory"
    assert list(tmp_path.iterdir()) == [tmp_path / "runs"]


def test_numpy_and_torch_apart_are_noticed(monkeypatch):
    def refuse(array):
        raise RuntimeError("Numpy is not available")

    monkeypatch.setattr(environment.torch, "from_numpy", refuse)
    assert environment.loss_of_known() != environment.loss_of_known()  # NaN


def test_the_home_folder_is_not_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert without_home(Path("runs")) == "~/runs" and without_home(Path("/opt/x")) == "/opt/x"
    for arguments in (["env"], ["env", "--markdown"], ["env", "--json"]):
        assert str(tmp_path) not in CliRunner().invoke(app, arguments).output


def command(*arguments):
    return CliRunner().invoke(app, ["env", *map(str, arguments)])


def test_the_command_shows_findings_a_table_or_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = command("--verbose")
    assert plain.exit_code == 0 and "SLR-E01" in plain.stdout
    table = command("--markdown").stdout
    assert table.startswith("| what | here |\n|---|---|\n| slr |") and f"| {torch.__version__} |" in table
    answer = json.loads(command("--json").stdout)
    assert answer["facts"]["torch"] == torch.__version__ and answer["summary"]["checks"] == len(ENV_CHECKS)


def test_a_folder_for_runs_can_be_named_and_fails_where_none_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    failed = command("--output-dir", tmp_path / "file", "--markdown")
    assert failed.exit_code == 1 and "- error SLR-E05: The folder for runs cannot be written" in failed.stdout


def test_a_bad_variable_of_the_environment_is_found_by_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    failed = command("--only", "e04")
    assert failed.exit_code == 1 and "✗ SLR-E04 OMP_NUM_THREADS is '0'" in failed.stdout
