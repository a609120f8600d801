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
"""

import json
from pathlib import Path
from typing import Any

from slrcli.files import atomic_write_text

NAME = "manifest.jsonl"


class Manifest:
    """The lines of one output folder, by target.

    Attributes:
        path: the file.
        entries: target -> its line.
        damaged: number of lines that could not be read; their clips are extracted again.
    """

    def __init__(self, path: Path, entries: dict[str, dict[str, Any]], damaged: int = 0):
        self.path, self.entries, self.damaged = path, entries, damaged

    @classmethod
    def of(cls, folder: Path) -> "Manifest":
        """The manifest of an output folder; an empty one if there is none yet."""
        path = folder / NAME
        entries, damaged = {}, 0
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for line in filter(None, text.splitlines()):
            try:
                entry = json.loads(line)
                entries[str(entry["target"])] = entry
            except (ValueError, KeyError, TypeError, RecursionError):
                damaged += 1
        return cls(path, entries, damaged)

    def is_done(self, target: str, file: Path, fingerprint: dict[str, int], settings: dict[str, Any]) -> bool:
        """Whether a clip was extracted with these settings, and neither it nor the result has changed since."""
        entry = self.entries.get(target)
        if entry is None or "error" in entry:
            return False
        same = entry.get("fingerprint") == fingerprint and entry.get("settings") == settings
        return same and file.is_file() and file.stat().st_size == entry.get("bytes")

    def put(self, entry: dict[str, Any]) -> None:
        """Add the line of a clip, replacing an older one."""
        self.entries[entry["target"]] = entry

    def add(self, entry: dict[str, Any]) -> None:
        """Like `put`, and append the line to the file at once, so that it survives a killed process."""
        self.put(entry)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            torn = file.tell() and (file.seek(-1, 2), file.read(1))[1] != b"\n"  # killed in the middle of a line
            file.write((b"\n" if torn else b"") + _line(entry).encode())

    def save(self) -> None:
        """Write all lines atomically, sorted by target."""
        atomic_write_text(self.path, "".join(_line(self.entries[target]) for target in sorted(self.entries)))


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"
