"""Places that cannot be written to, temporary names that are swept, folders that one process holds; what data may be
called, and what becomes of files that cannot be written or read."""

import errno
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from support.disks import room_for

from slrcli import files
from slrcli.errors import DataError, SlrError
from slrcli.files import (
    atomic_file,
    atomic_write_text,
    below,
    held,
    read_bytes,
    require_apart,
    require_place,
    sweep,
    temporary_folder,
    temporary_name,
    unwritable,
    written,
)  # fmt: skip

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


def test_compiled_code_lies_where_only_its_user_may_look(tmp_path, monkeypatch):
    from slrcli.files import COMPILER_CACHE, keep_caches_private

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(COMPILER_CACHE, "mine")
    keep_caches_private()
    assert os.environ[COMPILER_CACHE] == "mine" and not any(tmp_path.iterdir())
    monkeypatch.delenv(COMPILER_CACHE)
    keep_caches_private()
    assert Path(os.environ[COMPILER_CACHE]).parent == tmp_path / "slr"
    assert (tmp_path / "slr").stat().st_mode & 0o777 == 0o700


OUTSIDE = ["", ".", "..", "/x", "../x", "a/../b", "a//b", "a/", "./a", "a\\b", "C:x", "a\x1b", "\u202ea", "a\0", "a\nb"]
RESERVED = ["con", "CON", "nul.tar", "COM1", "lpt9.x", "com\u00b9", "aux /b", "a/prn", "conin$", "a./b", "a /b"]


@pytest.mark.parametrize("name", OUTSIDE + RESERVED)
def test_names_that_lead_elsewhere_or_are_devices_somewhere_become_no_path(tmp_path, name):
    with pytest.raises(DataError, match="cannot be a file name") as caught:
        below(tmp_path, name, ".npy", "table.csv, line 3")
    assert caught.value.where == "table.csv, line 3" and caught.value.fix


@pytest.mark.parametrize(
    "name", ["a", "a/b", "..a", "a.b", "con-1", "console", "Ä b", "\u4eca\u3000\u65e5", "<b>", "-rf", "COM10", "Oh."]
)
def test_other_names_are_paths_below_the_folder(tmp_path, name):
    path = below(tmp_path, name, ".npy")
    assert path == Path(f"{tmp_path}/{name}.npy") and path.resolve().is_relative_to(tmp_path.resolve())


def test_a_name_without_suffix_must_not_end_with_what_windows_drops(tmp_path):
    for name in ("a.", "a "):
        with pytest.raises(DataError):
            below(tmp_path, name)


def test_a_long_name_is_quoted_in_part(tmp_path):
    with pytest.raises(DataError) as caught:
        below(tmp_path, "../" + "x" * 100_000)
    assert len(str(caught.value)) < 400


def test_names_that_differ_in_case_alone_are_two_files_or_an_error(tmp_path, monkeypatch):
    require_apart(tmp_path / "not" / "there", ["a", "A", "a"])  # of a disk that knows case, as this one does
    monkeypatch.setattr(files, "folds_case", lambda folder: True)
    require_apart(tmp_path, ["a", "b", "a"])
    for pair in (["clip", "Clip"], ["stra\u00dfe", "STRASSE"], ["\u00e9", "e\u0301"]):
        with pytest.raises(DataError, match="one file"):
            require_apart(tmp_path, pair)


VALUES = np.zeros((100, 100), np.float32)


def by_safetensors(path):
    from safetensors.torch import save_file
    from torch import zeros

    save_file({"x": zeros(100, 100)}, path)


def by_parquet(path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": np.random.default_rng(0).random(10_000)}), path)


def by_numpy(path):
    with open(path, "wb") as file:
        np.save(file, VALUES)


def by_zip(path):
    with open(path, "wb") as file:
        np.savez(file, x=VALUES)


def by_python(path):
    path.write_bytes(bytes(40_000))


WRITERS = [by_safetensors, by_parquet, by_numpy, by_zip, by_python]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@pytest.mark.parametrize("size", [0, 4096, 10_000])
def test_a_full_disk_is_called_one_and_leaves_what_was_there(tmp_path, write, size):
    path = tmp_path / "a.bin"
    path.write_text("the last good one")
    write(tmp_path / "warm")  # the libraries are loaded, and can write this
    (tmp_path / "warm").unlink()
    with room_for(size), pytest.raises(SlrError, match="no space") as caught, atomic_file(path) as temporary:
        write(temporary)
    assert str(path) in caught.value.where and caught.value.fix
    assert path.read_text() == "the last good one" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_what_a_disk_refuses_is_found_in_errors_of_any_library(number):
    errors = [OSError(number, "x"), RuntimeError(f"Error while serializing: I/O error: x (os error {number})")]
    errors += [RuntimeError(f'IoError(Os {{ code: {number}, kind: Full, message: "x" }})')]  # old safetensors
    errors += [OSError(f"[Errno {number}] Error writing bytes to file. Detail: [errno {number}] x")]
    for error in [*errors, *map(caused, errors)]:
        assert unwritable(error, "a.npy").where == "a.npy"


def caused(error: Exception) -> Exception:
    """Another error that was raised because of this one."""
    try:
        raise RuntimeError("the writer was closed") from error
    except RuntimeError as found:
        return found


def test_other_errors_are_not_blamed_on_the_disk(tmp_path):
    for error in (
        ValueError("x"),
        OSError(errno.EACCES, "x"),
        RuntimeError("os error 2"),
        io.UnsupportedOperation("x"),
    ):
        assert unwritable(error) is None
    with pytest.raises(ZeroDivisionError), written(tmp_path):
        raise ZeroDivisionError
    (tmp_path / "file").touch()
    with pytest.raises(SlrError, match="cannot be written"):
        atomic_write_text(tmp_path / "file" / "below", "x")


def test_pipes_and_devices_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", "/dev/zero", "/dev/null", tmp_path):
        with pytest.raises(OSError, match=r"pipe or a device|directory"):
            read_bytes(place)
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="device"):
        read_bytes(tmp_path / "link")


def test_a_pipe_is_read_to_its_end_where_it_is_meant(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    data = os.urandom(200_000)
    writer = Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
    writer.start()
    found = read_bytes(tmp_path / "pipe", pipes=True)
    writer.join()
    assert found == data


def test_files_are_read_up_to_a_size(tmp_path):
    path = tmp_path / "a"
    for size in (0, 1, 100):
        path.write_bytes(bytes(size))
        assert read_bytes(path, 100) == bytes(size)
    path.write_bytes(bytes(101))
    with pytest.raises(OSError, match="more than"):
        read_bytes(path, 100)
    with open(path, "wb") as file:
        file.truncate(1 << 40)  # takes no room
    with pytest.raises(OSError, match="more than 1,024 MB"):
        read_bytes(path)


@pytest.mark.parametrize("value", ["ä\udcff", {"\ud800": ["\\ud800", "👩‍👩"]}, [1, None, "a\n"]])
def test_any_names_stand_in_json_that_utf8_can_hold(value):
    text = files.json_text(value)
    assert json.loads(text.encode()) == value and "\n" not in text and ("ä" in text or "ä" not in str(value))


def test_a_name_that_is_not_utf8_is_an_error_that_quotes_it_and_leaves_what_was_there(tmp_path):
    (tmp_path / "a.toml").write_text("old")
    with pytest.raises(SlrError, match=r"data_dir = '/x/a\\udcff'") as told:
        files.atomic_write_text(tmp_path / "a.toml", f"{'#' * 100_000}\ndata_dir = '/x/a\udcff'\n")
    assert "a.toml" in told.value.where and str(told.value).isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["a.toml"] and (tmp_path / "a.toml").read_text() == "old"
