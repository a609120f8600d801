"""Places that cannot be written to, temporary names that are swept, folders that one process holds."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slrcli.errors import SlrError
from slrcli.files import atomic_write_text, held, require_place, sweep, temporary_folder, temporary_name

NOWHERE = Path("/proc")  # where permissions allow a file to root, and the file system does not


@pytest.mark.skipif(not NOWHERE.is_dir(), reason="there is no such file system")
def test_a_place_is_tried_and_not_only_asked_for_its_permissions(tmp_path):
    with pytest.raises(SlrError, match="Nothing can be written"):
        require_place(NOWHERE / "decode.toml")
    (tmp_path / "link").symlink_to(NOWHERE / "decode.toml")
    with pytest.raises(SlrError, match="Nothing can be written"):
        require_place(tmp_path / "link")
    require_place(tmp_path / "new" / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def gone():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def named(process, machine=None):
    _, own, _, rest = temporary_name().split("-")
    return f".slr-{machine or own}-{process}-{rest}"


def test_what_a_dead_process_left_goes_with_the_next_file_and_all_else_stays(tmp_path):
    dead, mine, others, old = named(gone()), temporary_name(), named(gone(), "0" * 6), named(gone(), "1" * 6)
    folder, living = named(gone()), named(os.getppid())
    kept = [mine, others, living, ".slr-notes.tmp", "slr-results", "notes.tmp"]
    for name in (dead, old, *kept):
        (tmp_path / name).touch()
    (tmp_path / folder / "features").mkdir(parents=True)
    (tmp_path / folder / "features" / "a.npy").touch()
    os.utime(tmp_path / old, (0, time.time() - 3 * 24 * 3600))
    atomic_write_text(tmp_path / "new", "text")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "new"])


def test_a_number_of_a_process_that_is_ours_now_protects_nothing(tmp_path):
    left = named(os.getpid())[: -len("0123456789ab.tmp")] + "0123456789ab.tmp"
    (tmp_path / left).touch()
    sweep(tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_temporary_folder_is_gone_after_its_block_whatever_happens(tmp_path):
    with pytest.raises(ValueError), temporary_folder(tmp_path) as folder:
        assert folder.parent == tmp_path and folder.is_dir()
        raise ValueError
    assert not any(tmp_path.iterdir())


def test_a_folder_is_held_once_and_a_lock_left_behind_is_no_obstacle(tmp_path):
    (tmp_path / ".lock").write_text("process 1 on elsewhere, since 1970-01-01 00:00")
    with held(tmp_path, "run"):
        said = f"Another process is using the run: process {os.getpid()} on"
        with pytest.raises(SlrError, match=said), held(tmp_path, "run"):
            pass
    assert not any(tmp_path.iterdir())
    with held(tmp_path, "run"):
        pass


def test_where_a_file_system_knows_no_locks_work_goes_on(tmp_path, monkeypatch):
    import fcntl

    def unknown(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with held(tmp_path, "run"), held(tmp_path, "run"):
        pass


MEMORY = [
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried to"),
    RuntimeError("could not create a primitive"),
    RuntimeError("could not create a primitive descriptor for an LSTM forward propagation primitive"),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError("std::bad_alloc"),
    OSError(12, "Cannot allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.parametrize("error", MEMORY, ids=str)
def test_a_command_that_runs_out_of_memory_gives_the_advice_of_training(error, capsys):
    import typer

    from slrcli.cli.options.common import command

    def greedy(console) -> int:
        raise error

    with pytest.raises(typer.Exit) as stop:
        command(greedy)(quiet=False, debug=False)
    said = " ".join(capsys.readouterr().err.split())
    assert stop.value.exit_code == 1 and "There is not enough memory." in said and "--batch-size 1" in said
    assert "defect" not in said


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), OSError(2, "No such file"), ValueError("bad_alloc")])
def test_another_error_is_not_taken_for_a_want_of_memory(error, capsys):
    from slrcli.errors import out_of_memory

    assert out_of_memory(error) is None
