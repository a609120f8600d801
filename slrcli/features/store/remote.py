"""Packed corpora in object stores: everything but the shards is copied, a shard when it is first read.

An address such as `s3://bucket/corpus` is read through fsspec, which knows each kind of store. Its copy lies in the
user's cache:

    remote/NAME/origin.json   the address, and what was there when it was last looked at
    remote/NAME/corpus/       the copy, a corpus like any other in which shards come and go

Shards take at most `room()` bytes of all copies together; the longest unused go first. The address of a copy is beside
it, not in it: nothing that was copied can name a place to fetch from.
"""

import json
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from slrcli.errors import DataError, DependencyError, InUseError, SlrError, UsageError, reason_of, with_extra
from slrcli.features.store.form import SUFFIX, digest_of
from slrcli.files import (
    atomic_file,
    atomic_write_text,
    below,
    cache_folder,
    cache_place,
    held,
    read_json,
    temporary_folder,
    unwritable,
)

ORIGIN, COPY, REMOTE = "origin.json", "corpus", "remote"
ROOM = "SLR_REMOTE_GB"  # in the environment, since it says something of the machine
ROOM_GB = 50.0
MOST_BYTES = 2 << 30  # of everything but shards
FRESH_S = 60.0  # so long a process does not look again whether the corpus has changed
WAIT_S = 0.1
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/{1,2}([^/].*)")
_SHARD = re.compile(rf"(?:.*/)?[^/]+{re.escape(SUFFIX)}/shard-\d+\.npy")
_looked: dict[str, float] = {}


def address_of(place: str | Path) -> str:
    """The address that a text names, empty for a path; one slash is enough, since paths drop the second."""
    found = _ADDRESS.fullmatch(os.fspath(place).rstrip("/"))
    return f"{found[1]}://{found[2]}" if found else ""


def local_folder(place: str | Path) -> Path:
    """The folder itself, or the copy of the corpus at an address, brought up to date.

    Raises:
        DependencyError: fsspec, or its library for this kind of address, is not installed.
        DataError: the corpus cannot be read, or is not packed.
        SlrError: there is no place for the copy.
    """
    address = address_of(place)
    if not address:
        return Path(place)
    home = _home(address)
    if time.monotonic() - _looked.get(address, -FRESH_S) >= FRESH_S:
        with _alone(home):
            _update(address, home)
        _looked[address] = time.monotonic()
    return home / COPY


def origin_of(path: Path) -> tuple[str, Path] | None:
    """The address that a file below a copy was, or would be, copied from, and the folder of the copy."""
    with suppress(ValueError, RuntimeError):  # it lies elsewhere; there is no home
        copies = cache_place().absolute() / REMOTE
        name, part, *inside = path.absolute().relative_to(copies).parts
        address = _noted(copies / name).get("address")
        if part == COPY and address:
            return f"{address}/{'/'.join(inside)}", copies / name
    return None


def fetch(path: Path) -> bool:
    """Copy a shard that a copy lacks, or note that it is in use, so that others go first; whether it was copied now.

    Raises:
        DataError: it cannot be read there.
        SlrError: it cannot be written here.
    """
    found = origin_of(path)
    if found is None or _used(path):
        return False
    address, home = found
    with _alone(home):
        if _used(path):
            return False
        with atomic_file(path) as part, _reached(address) as (files, remote):
            _make_room(int(files.info(remote)["size"]))
            files.get_file(remote, str(part))
    return True


def fetch_ahead(paths: Iterable[Path]) -> None:
    """Fetch shards of remote stores in a thread, in this order; what fails is met again, and told, when one is read."""
    remote = [path for path in paths if origin_of(path)]

    def work() -> None:
        with suppress(SlrError):
            for path in remote:
                fetch(path)

    if remote:
        threading.Thread(target=work, daemon=True).start()


def room() -> int:
    """How many bytes shards may take on this machine.

    Raises:
        UsageError: the environment says something else than a number.
    """
    text = os.environ.get(ROOM) or str(ROOM_GB)
    try:
        return int(float(text) * 1e9)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is not a size.", ROOM, "Give it in gigabytes: 50.") from None


def _home(address: str) -> Path:
    """The folder of a copy."""
    try:
        home = cache_folder() / REMOTE / digest_of(address.encode())
        home.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        fix = "Set XDG_CACHE_HOME to a folder of yours."
        raise SlrError(f"There is no place for a copy of the corpus: {reason_of(error)}.", address, fix) from error
    return home


def _noted(home: Path) -> dict[str, Any]:
    """What is noted of a copy; empty where nothing is, or what is damaged."""
    with suppress(OSError, ValueError):
        found = read_json(home / ORIGIN)
        return found if isinstance(found, dict) else {}
    return {}


def _used(path: Path) -> bool:
    """Whether a shard is here; it counts as used now."""
    with suppress(OSError):
        os.utime(path)
        return True
    return False


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Wait for the copy, so that processes on one machine fetch nothing twice."""
    while True:
        with suppress(InUseError):
            with held(home, "copy of a remote corpus"):
                yield
            return
        time.sleep(WAIT_S)


@contextmanager
def _reached(address: str) -> Iterator[tuple[Any, str]]:
    """The file system of an address, and the path in it; its libraries may raise anything."""
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError as error:
        raise DependencyError("Remote corpora need the library fsspec.", address, with_extra("remote")) from error
    try:
        yield url_to_fs(address)
    except ImportError as error:
        what = f"Addresses of this kind need another library: {reason_of(error)}."
        raise DependencyError(what, address, with_extra("remote")) from error
    except SlrError:
        raise
    except Exception as error:
        if told := unwritable(error):
            raise told from error
        fix = "Check the address, the network, and the credentials that its library looks for."
        raise DataError(f"The remote corpus cannot be read: {reason_of(error)}.", address, fix) from error


def _update(address: str, home: Path) -> None:
    """Copy what is new or has changed, except for shards; remove what is gone or has changed, shards too."""
    copy, known = home / COPY, _noted(home).get("files", {})
    with _reached(address) as (files, root):
        listed = _listed(files, root)
        there = {name: _stamp(about) for name, about in listed.items()}
        small = {name: below(copy, name, where=address) for name in listed if not _SHARD.fullmatch(name)}
        _require_packed(sum(int(listed[name].get("size") or 0) for name in small), address)
        if not small:
            raise DataError("There is no corpus at this address.", address, "Check its name.")
        for path in [path for path in copy.rglob("*") if path.is_file()]:
            name = path.relative_to(copy).as_posix()
            if name not in there or known.get(name) != there[name]:
                path.unlink()
        if new := {name: path for name, path in small.items() if not path.is_file()}:
            with temporary_folder(home) as parts:
                files.get([f"{root.rstrip('/')}/{name}" for name in new], [str(below(parts, name)) for name in new])
                for name, path in new.items():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(below(parts, name), path)
    atomic_write_text(home / ORIGIN, json.dumps({"address": address, "files": there}))


def _listed(files: Any, root: str) -> dict[str, dict[str, Any]]:
    """What is below an address: name -> what the store says of it."""
    root = root.rstrip("/")
    found = {path.removeprefix(root).lstrip("/"): about for path, about in files.find(root, detail=True).items()}
    found.pop("", None)  # the address is that of a file
    return found


def _stamp(about: dict[str, Any]) -> list[str]:
    """What is another where a file was replaced."""
    marks = ("size", "ETag", "etag", "LastModified", "mtime", "updated", "last_modified", "created")
    return [str(about[mark]) for mark in marks if about.get(mark)]


def _require_packed(whole: int, address: str) -> None:
    if whole > MOST_BYTES:
        what = f"Beside packed shards there are {whole / 1e9:.1f} GB, which would be copied before anything is read."
        raise DataError(what, address, "Pack the corpus with slr pack, and upload the packed folder alone.")


def _make_room(size: int) -> None:
    """Remove the longest unused shards of all copies until another of `size` bytes has room."""
    found = []
    for path in (cache_place() / REMOTE).glob(f"*/{COPY}/**/*{SUFFIX}/shard-*.npy"):
        with suppress(OSError):
            about = path.stat()
            found.append((about.st_mtime_ns, about.st_size, path))
    total = size + sum(taken for _, taken, _ in found)
    for _, taken, path in sorted(found):
        if total <= room():
            break
        with suppress(OSError):  # on Windows one that is in use stays
            path.unlink()
            total -= taken
