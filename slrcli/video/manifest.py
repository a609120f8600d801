"""`manifest.jsonl`: the record of an extraction, with one line (a JSON object) per clip.

target        the file, below the folder
source        path of the clip, and `fingerprint`: its files, bytes and time of change
settings      settings of the extraction
error         why it failed; then the following keys are absent
frames, fps, seconds, size, rotation, notes
seen          share of the frames in which pose, left_hand, right_hand and face were found
bytes         size of the file
took          duration in seconds
versions      of the libraries that the values depend on

Parts that run at the same time, on other machines perhaps, write one each: `.parts/2-of-8/manifest.jsonl`. Every part
knows what stands in all of them; an extraction of the whole merges them.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from slrcli.files import atomic_write_text, held, json_text, written
from slrcli.parallel.parts import Part

NAME = "manifest.jsonl"
PARTS = ".parts"

Entries = dict[str, dict[str, Any]]  # target -> its line


class Manifest:
    """The lines of one output folder, or of one part of it, by target.

    Attributes:
        path: the file.
        entries: target -> its line.
        damaged: number of lines that could not be read; their clips are extracted again.
        others: what other parts have written.
    """

    def __init__(self, path: Path, entries: Entries, damaged: int = 0, others: Entries | None = None):
        self.path, self.entries, self.damaged, self.others = path, entries, damaged, others or {}

    @classmethod
    def of(cls, folder: Path, part: Part | None = None) -> "Manifest":
        """The manifest of an output folder or of a part of it; an empty one if there is none yet."""
        path = (_place(folder, part) if part else folder) / NAME
        others: Entries = {}
        parts = (place / NAME for place in _places(folder))
        for other in (folder / NAME, *sorted(parts, key=_changed)):
            others |= _read(other)[0] if other != path else {}
        return cls(path, *_read(path), others)

    def known(self, target: str) -> dict[str, Any] | None:
        """The line of a target; None where it has none."""
        return self.entries.get(target) or self.others.get(target)

    def is_done(self, target: str, file: Path, fingerprint: dict[str, int], settings: dict[str, Any]) -> bool:
        """Whether a clip was extracted with these settings, and neither it nor the result has changed since."""
        entry = self.known(target)
        if entry is None or "error" in entry:
            return False
        same = entry.get("fingerprint") == fingerprint and entry.get("settings") == settings
        return same and file.is_file() and file.stat().st_size == entry.get("bytes")

    def put(self, entry: dict[str, Any]) -> None:
        """Add the line of a clip, replacing an older one."""
        self.entries[entry["target"]] = entry

    def add(self, entry: dict[str, Any]) -> None:
        """Like `put`, and append the line to the file at once, so that it survives a killed process.

        Raises:
            SlrError: the line cannot be written; the file is as it was.
        """
        self.put(entry)
        with written(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            size = self.path.stat().st_size if self.path.exists() else 0
            try:
                with self.path.open("a+b") as file:
                    torn = file.tell() and (file.seek(-1, 2), file.read(1))[1] != b"\n"  # killed within a line
                    file.write((b"\n" if torn else b"") + _line(entry).encode())
            except OSError:
                with suppress(OSError):  # there was room for a part of the line
                    os.truncate(self.path, size)
                raise

    def save(self) -> None:
        """Write all lines atomically, sorted by target."""
        atomic_write_text(self.path, "".join(_line(self.entries[target]) for target in sorted(self.entries)))


@contextmanager
def held_manifest(folder: Path, part: Part | None) -> Iterator[Manifest]:
    """The manifest of an output folder, or of a part of it, while this process alone writes it.

    That of the whole has the lines of all parts, whose own manifests are gone then.

    Raises:
        SlrError: another process is at work on the same part, or, for the whole, on any.
    """
    place = _place(folder, part) if part else folder
    place.mkdir(parents=True, exist_ok=True)
    with held(place, f"part {part} of the extraction" if part else "folder of landmarks"):
        if not part:
            _merge(folder)
        yield Manifest.of(folder, part)


def _merge(folder: Path) -> None:
    """Bring the lines of all parts into the one manifest."""
    with ExitStack() as stack:
        places = _places(folder)
        for place in places:
            stack.enter_context(held(place, f"part {place.name.replace('-of-', '/')} of the extraction"))
        manifest = Manifest.of(folder)
        if manifest.others:
            manifest.entries |= manifest.others
            manifest.save()
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
    with suppress(OSError):  # there is none, or another part has just begun
        (folder / PARTS).rmdir()


def _place(folder: Path, part: Part) -> Path:
    return folder / PARTS / f"{part.number}-of-{part.total}"


def _places(folder: Path) -> list[Path]:
    """The folders of the parts of an output folder."""
    return sorted((folder / PARTS).glob("*-of-*"))


def _changed(path: Path) -> float:
    """When a file was changed; 0 for one that is not there, or no longer."""
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _read(path: Path) -> tuple[Entries, int]:
    """The lines of a file, and how many of them cannot be read."""
    entries: Entries = {}
    damaged, text = 0, ""
    with suppress(FileNotFoundError):
        text = path.read_text(encoding="utf-8", errors="replace")
    for line in filter(None, text.splitlines()):
        try:
            entry = json.loads(line)
            entries[str(entry["target"])] = entry
        except (ValueError, KeyError, TypeError, RecursionError):
            damaged += 1
    return entries, damaged


def _line(entry: dict[str, Any]) -> str:
    return json_text(entry) + "\n"
