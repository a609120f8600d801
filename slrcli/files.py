"""Writing files so that a reader finds the old one or the whole new one, never half of either."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from slrcli.errors import SlrError


def require_place(path: str | Path) -> None:
    """Nothing, unless it is plain that `path` could not be written; what is missing is not made yet.

    For files that are written after long work, which a mistake in a name should not cost.

    Raises:
        SlrError: a folder of that name, or a file or a folder without rights where its folder should be.
    """
    target = _resolved(path)
    nearest = next(parent for parent in target.parents if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        reason = "no rights to write there" if nearest.is_dir() else "not a folder"
        raise SlrError(f"Cannot write into {nearest}: {reason}.", str(path), "Name another folder, or mend this one.")


def atomic_write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 with the line ends it has; see `atomic_file`."""
    atomic_write_bytes(path, text.encode("utf-8"))


def atomic_write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data`; see `atomic_file`."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on leaving it is flushed to the disk and takes the place of `path`.

    Missing folders are made. If the block raises, the temporary file is removed and `path` stays as it was. What a link
    points to is replaced, not the link; something that is no regular file, such as `/dev/null`, is written directly.

    Raises:
        SlrError: the file system refuses (no such place, no permission, disk full).
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
            f"Cannot write the file: {reason}.", str(path), "Check the folder, its rights and its space."
        ) from error
    finally:
        if temporary != target:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, 12 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


_UMASK = os.umask(0o022)
os.umask(_UMASK)  # there is no way to ask but to set it and set it back


def _resolved(path: str | Path) -> Path:
    """What a link points to; an error if it is a folder."""
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise SlrError("A folder stands where a file should be written.", str(path), "Give the name of a file.")
    return target


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _flush(path: Path) -> None:
    # Read-write: Windows flushes only what is open for writing.
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make the new name itself last; not every system lets a folder be opened, so failing here is no failure."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
