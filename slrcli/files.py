"""Atomic writing of files: a reader finds either the old file or the complete new one."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from slrcli.errors import SlrError


def require_place(path: str | Path) -> None:
    """Raise an error if `path` clearly cannot be written; nothing is created.

    Called before long computations, so that a mistake in a name does not cost their result.

    Raises:
        SlrError: `path` is a folder, or its own folder is a file or not writable.
    """
    target = _resolved(path)
    nearest = next(parent for parent in target.parents if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        reason = "it is not writable" if nearest.is_dir() else "it is not a folder"
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
    temporary = target if _is_special(target) else target.with_name(f".slr-{secrets.token_hex(6)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
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
