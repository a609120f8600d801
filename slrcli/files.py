"""Atomic writing of files, names that data give to files, temporary names and locks.

A reader finds either the old file or the complete new one. What a killed process leaves under a temporary name is
removed by the next one that writes into the same folder. Names from data lead nowhere but below their folder.
"""

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from slrcli.errors import DataError, InUseError, SlrError, shortened


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


_HALVES = re.compile("[\ud800-\udfff]")


def json_text(value: Any) -> str:
    """Plain values as JSON in one line. Halves of characters, which names of files may have and UTF-8 cannot hold, stay
    escaped; all other letters stand as they are."""
    text = json.dumps(value, ensure_ascii=False)
    return _HALVES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


AROUND = 20  # characters that are shown before and behind what cannot be written


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 with unchanged line endings; see `atomic_file`.

    Raises:
        SlrError: the text has halves of characters, as names of files in another encoding have; or see `atomic_file`.
    """
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        near = text[max(0, error.start - AROUND) : error.end + AROUND]
        what = f"The file would hold a name that is not UTF-8, near {near!r}."
        raise SlrError(what, str(path), "Rename the file or folder that is called so.") from error
    atomic_write_bytes(path, data)


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
    with written(path), _replaced(path) as temporary:
        yield temporary


@contextmanager
def written(path: str | Path) -> Iterator[None]:
    """Report what keeps a file or a folder from being written in the user's terms, whichever library raises it.

    Raises:
        SlrError: see `unwritable`, or another error of the system.
    """
    try:
        yield
    except SlrError:
        raise
    except Exception as error:
        if told := unwritable(error, path):
            raise told from error
        if not isinstance(error, OSError):
            raise
        what = f"The file cannot be written: {error.strerror or error}."
        raise SlrError(what, str(path), "Check the folder, its permissions and its free space.") from error


_DISK = {
    errno.ENOSPC: "There is no space left on the disk.",
    errno.EDQUOT: "There is no space left: the disk quota is used up.",
    errno.EFBIG: "There is no space for a file of this size.",
    errno.EROFS: "The disk is read-only.",
}
_OF_ONE_FILE = {errno.EFBIG}
MOST_CAUSES = 20
# What numpy and pyarrow say, and safetensors with the number alone, without an errno.
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")
_NUMBER = re.compile(r"os error (\d+)|\[errno (\d+)\]|\bos \{ code: (\d+)", re.IGNORECASE)  # the last is old


class DiskError(SlrError):
    """Nothing can be written to a disk any more: it is full, the quota is used up, or it is read-only."""


def unwritable(error: BaseException, path: str | Path = "") -> SlrError | None:
    """What the disk has to do with an error: it is full, a quota or a limit is reached, or it is read-only.

    Libraries wrap such errors in others: causes and texts are looked at, too. None: nothing. A `DiskError` where the
    next file cannot be written either.
    """
    cause: BaseException | None = error
    for _ in range(MOST_CAUSES):  # one may be its own cause
        if cause is None:
            break
        if (number := _errno(cause)) in _DISK:
            where = path or getattr(cause, "filename", None) or ""
            kind = SlrError if number in _OF_ONE_FILE else DiskError
            return kind(_DISK[number], str(where), "Make space, or write to another disk; what is whole is kept.")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return None


def _errno(error: BaseException) -> int:
    """The system's number of an error; 0 where there is none."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    text = str(error)
    if isinstance(error, OSError) and _SHORT_WRITE.search(text):
        return errno.ENOSPC
    number = _NUMBER.search(text)
    return int(next(filter(None, number.groups()))) if number else 0


@contextmanager
def _replaced(path: str | Path) -> Iterator[Path]:
    """The temporary file of `atomic_file`."""
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
    finally:
        if temporary != target:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            _ours.discard(temporary.name)


# Names that Windows keeps for devices, whatever follows a dot.
_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(\..*)?", re.IGNORECASE | re.DOTALL
)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
MOST_LETTERS = 60  # of a folder that is named after data
RENAME_FILE = "Rename it, with letters, digits, '-', '_' and '.' only."


def stays_below(name: str) -> bool:
    """Whether a name from data leads to a place below its folder: no step upwards, not absolute, nothing invisible."""
    steps = any(part in ("", ".", "..") for part in name.split("/"))
    return not steps and "\\" not in name and ":" not in name[:2] and name.replace("\u3000", "").isprintable()


def below(folder: str | Path, name: str, suffix: str = "", where: str | Path = "") -> Path:
    """The file or folder below `folder` that data name: every such name becomes a path here and nowhere else.

    Args:
        folder: what the path must not leave.
        name: an id, a split, a signer or the member of an archive, perhaps with folders (`/`).
        suffix: what the name of the file ends with, such as `.npy`.
        where: the file or line that has the name, for the error.

    Raises:
        DataError: the name leads elsewhere, or no file or folder can be called so on some system (`CON`, `a.`).
    """
    *folders, last = f"{name}{suffix}".split("/")
    if not stays_below(name) or any(_DEVICE.fullmatch(part) or part[-1] in ". " for part in (*folders, last)):
        raise DataError(f"The name {shortened(name, 80)!r} cannot be a file name.", where, RENAME_FILE)
    return Path(folder, *folders, last)


def require_apart(folder: str | Path, names: Iterable[str]) -> None:
    """Raise a DataError for two names from data that are one file in `folder`, where case does not matter."""
    if not folds_case(Path(folder)):
        return
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            what = f"{shortened(other, 80)!r} and {shortened(name, 80)!r} are one file in this folder."
            raise DataError(what, str(folder), "Rename one of them, or write to another disk.")


def folds_case(folder: Path) -> bool:
    """Whether a file system takes `a` and `A` for one name, as those of Windows and macOS do."""
    absolute = folder.absolute()
    for place in (absolute, *absolute.parents):
        other = place.with_name(place.name.swapcase()) if place.name else place
        if other != place and place.exists():
            return other.exists() and place.samefile(other)
    return False


def folder_names(names: Sequence[str]) -> list[str]:
    """Distinct folder names that are valid on every system: `Ann/1` and `ann?1` become `Ann_1` and `ann_1-2`."""
    taken: set[str] = set()
    found = []
    for name in names:
        plain = _UNSAFE.sub("_", name).strip(".")[:MOST_LETTERS].rstrip(".") or "_"
        plain = f"_{plain}" if _DEVICE.fullmatch(plain) else plain
        chosen, number = plain, 1
        while chosen.lower() in taken:
            number += 1
            chosen = f"{plain}-{number}"
        taken.add(chosen.lower())
        found.append(chosen)
    return found


MOST_BYTES = 1 << 30  # of a file that is read at once


def open_regular(path: str | Path, pipes: bool = False) -> BinaryIO:
    """Open a file to be read. A pipe nobody writes to would wait for ever, and a device may never end.

    Args:
        path: of the file.
        pipes: whether pipes are meant, too, as a shell makes them of `<(...)`.

    Raises:
        OSError: the file cannot be opened, or is not a file.
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    flags |= 0 if pipes else getattr(os, "O_NONBLOCK", 0)  # which does not wait for a writer
    descriptor = os.open(path, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode) and not (pipes and stat.S_ISFIFO(mode)):
            raise OSError(errno.EINVAL, "It is a pipe or a device, not a file", str(path))
        if hasattr(os, "set_blocking"):
            os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: str | Path, most: int = MOST_BYTES, pipes: bool = False) -> bytes:
    """The content of a file, see `open_regular`.

    Raises:
        OSError: the file cannot be read, or has more than `most` bytes.
    """
    with open_regular(path, pipes) as file:
        if (size := os.fstat(file.fileno()).st_size) <= most:
            data = file.read(size + 1 if size else most + 1)
            data += file.read(most + 1 - len(data)) if len(data) > size else b""  # it grows, or does not tell its size
            if len(data) <= most:
                return data
    raise OSError(errno.EINVAL, f"It has more than {most >> 20:,} MB", str(path))


def read_json(path: str | Path) -> Any:
    """The value of a JSON file.

    Raises:
        OSError, ValueError, RecursionError: the file cannot be read, is no JSON, or is nested too deeply.
    """
    return json.loads(read_bytes(path).decode("utf-8-sig"))


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


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A place beside `folder` for its files, which are moved there at the end of the block; none where it fails.

    Raises:
        SlrError: there is no room on the disk, or it must not be written there.
    """
    with written(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder.parent) as place:
            yield place
            folder.mkdir(exist_ok=True)
            for path in sorted(place.iterdir()):
                shutil.move(path, folder / path.name)


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
        InUseError: another process holds it.
        SlrError: the folder cannot be written to.
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
            raise InUseError(
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


# Caches

COMPILER_CACHE = "TORCHINDUCTOR_CACHE_DIR"  # in the environment: where torch's compiler keeps what it makes


def keep_caches_private() -> None:
    """Let torch keep its compiled code in a folder that only the user may enter, unless the environment names one.

    Its own choice is a folder of a predictable name among everybody's temporary files. Where there is no place for
    caches it stays.
    """
    if COMPILER_CACHE in os.environ:
        return
    with suppress(OSError, RuntimeError):
        os.environ[COMPILER_CACHE] = str(cache_folder() / "inductor")


def cache_folder() -> Path:
    """The user's folder for what can be made or fetched again; only the user may enter it.

    Raises:
        OSError, RuntimeError: there is no home, it cannot be written to, or the folder is somebody else's.
    """
    folder = cache_place()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def cache_place() -> Path:
    """Where `cache_folder` is or would be; RuntimeError without a home."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slr"
