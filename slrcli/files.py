"""Atomic writing of files, temporary names that are swept up after a crash, and folders held by one process.

A reader finds either the old file or the complete new one. What a killed process leaves under a temporary name is
removed by the next one that writes into the same folder.
"""

import hashlib
import os
import platform
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path

from slrcli.errors import SlrError


def require_place(path: str | Path) -> None:
    """Raise an error if `path` cannot be written; tried with an empty file, which is removed at once.

    Called before long computations, so that a mistake in a name does not cost their result. Permissions alone tell too
    little: a file system may be read-only or full, and another machine's may refuse what this one would allow.

    Raises:
        SlrError: `path` is a folder, or its own folder is a file or not writable.
    """
    target = _resolved(path)
    nearest = next(parent for parent in target.parents if parent.exists())
    reason = "" if nearest.is_dir() else "it is not a folder"
    if not reason and not os.access(nearest, os.W_OK | os.X_OK):
        reason = "it is not writable"
    if not reason and not _is_special(target):
        probe = nearest / temporary_name()
        try:
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            reason = error.strerror or str(error)
        _ours.discard(probe.name)
    if reason:
        what = f"Nothing can be written to {nearest}: {reason}."
        raise SlrError(what, str(path), "Name another folder, or change its permissions.")


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 with unchanged line endings; see `atomic_file`."""
    atomic_write_bytes(path, text.encode("utf-8"))


def atomic_write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data`; see `atomic_file`."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; at the end it is flushed to the disk and replaces `path`.

    Missing folders are created. If the block raises, the temporary file is removed and `path` stays as it was. The
    target of a link is replaced, not the link; special files, such as `/dev/null`, are written directly.

    Raises:
        SlrError: the file cannot be written (invalid place, no permission, disk full).
    """
    target = _resolved(path)
    temporary = target if _is_special(target) else target.with_name(temporary_name())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep_once(target.parent)
        yield temporary
        if temporary != target:
            temporary.chmod(0o666 & ~_UMASK)  # some writers make files that only their owner may read
            _flush(temporary)
            os.replace(temporary, target)
            flush_folder(target.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SlrError(
            f"The file cannot be written: {reason}.", str(path), "Check the folder, its permissions and its free space."
        ) from error
    finally:
        if temporary != target:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            _ours.discard(temporary.name)


def file_hash(path: Path) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


_UMASK = os.umask(0o022)
os.umask(_UMASK)  # there is no way to ask but to set it and set it back


def _resolved(path: str | Path) -> Path:
    """What a link points to; an error if it is a folder."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise SlrError("This is a folder, not a file.", str(path), "Give the name of a file.")
    return target


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _flush(path: Path) -> None:
    # Read-write: Windows flushes only what is open for writing.
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Flush a folder, so that a new name in it persists; errors are ignored, since some systems do not support this."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# Temporary names

LONG_AGO = 24 * 3600.0  # seconds after which what another machine began is taken for abandoned
_ABANDONED = re.compile(
    r"\.?slr-(?P<machine>[0-9a-f]{6})-(?P<process>\d+)-[0-9a-z_]{8,12}(\.tmp)?|\.slr-[0-9a-f]{12}\.tmp"
)


def temporary_name() -> str:
    """A hidden name for what is not finished: `.slr-MACHINE-PROCESS-RANDOM.tmp`, which says whose it is."""
    name = f".{_own_prefix()}{secrets.token_hex(6)}.tmp"
    _ours.add(name)
    return name


@contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder that is gone after the block; those of processes that were killed are removed first.

    Args:
        parent: where it lies; None: where the system keeps temporary files.
    """
    sweep_once(parent or Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{'.' if parent else ''}{_own_prefix()}", dir=parent) as folder:
        _ours.add(Path(folder).name)
        yield Path(folder)


def sweep(folder: Path) -> None:
    """Remove what processes that are gone have left in a folder under temporary names.

    What another machine began, or a process that cannot be asked for, is removed when it is a day old.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _ABANDONED.fullmatch(entry.name)
            if found is None or entry.name in _ours or not _is_abandoned(entry, found["machine"], found["process"]):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with suppress(OSError):
                    os.unlink(entry.path)


@cache
def sweep_once(folder: Path) -> None:
    """`sweep`, at the first call with a folder."""
    sweep(folder)


_ours: set[str] = set()  # the number of this process may have been that of one that was killed


@cache
def _machine() -> str:
    return hashlib.sha256(platform.node().encode("utf-8")).hexdigest()[:6]


def _own_prefix() -> str:
    return f"slr-{_machine()}-{os.getpid()}-"


def _is_abandoned(entry: os.DirEntry, machine: str | None, process: str | None) -> bool:
    if machine == _machine() and process and os.name == "posix":
        return int(process) == os.getpid() or not _is_alive(int(process))
    with suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > LONG_AGO
    return False


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


# Folders that one process holds

LOCK = ".lock"
FAR = 1 << 30  # the byte that Windows locks, beyond the text, which others may read


@contextmanager
def held(folder: str | Path, what: str) -> Iterator[None]:
    """Hold a folder, so that no second process writes into it at the same time.

    The operating system lets go of the lock when the process ends, however it ends; a file left behind is no obstacle.
    Where the file system knows no locks the folder is not held.

    Args:
        folder: it exists.
        what: it contains, for people: `run`.

    Raises:
        SlrError: another process holds it, or the folder cannot be written to.
    """
    path = Path(folder) / LOCK
    file = _locked(path, what)
    try:
        yield
    finally:
        if file is not None:
            with suppress(OSError):  # Windows removes no file that is open
                path.unlink()
            os.close(file)


def _locked(path: Path, what: str) -> int | None:
    """The open and locked file; None where there are no locks."""
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            fix = "Check the folder and its permissions."
            raise SlrError(f"The {what} cannot be written to: {error.strerror}.", path.parent, fix) from error
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            holder = os.read(file, 200).decode("utf-8", "replace")
            os.close(file)
            raise SlrError(
                f"Another process is using the {what}{': ' if holder else ''}{holder}.",
                path.parent,
                "Wait until it has ended or end it, or name another folder.",
            ) from error
        except (OSError, ImportError):
            os.close(file)
            return None
        with suppress(OSError):
            if os.path.samestat(os.fstat(file), os.stat(path)):
                break
        os.close(file)  # whoever held it has removed it meanwhile
    with suppress(OSError):  # a full disk
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} on {platform.node()}, since {datetime.now():%Y-%m-%d %H:%M}".encode())
    return file


def _lock(file: int) -> None:
    """Lock an open file or raise at once."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(file, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(file, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
