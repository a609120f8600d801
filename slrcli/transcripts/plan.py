"""The output files of clips, and when each is written."""

from collections.abc import Sequence
from pathlib import Path

from slrcli.config import nearest
from slrcli.errors import UsageError
from slrcli.files import atomic_write_text, below, require_apart
from slrcli.transcripts.clip import TimedClip
from slrcli.transcripts.elan import need_pympi
from slrcli.transcripts.formats import FORMATS, check_ids, text_of

TOGETHER = "glosses"  # name of the files that hold all clips, where a folder is named for them


class OutputPlan:
    """The files to write: `add` every clip, then `finish`.

    Attributes:
        formats: names of formats.
        out: a file, a folder, or None for stdout.
        written: the files written so far.
    """

    def __init__(self, formats: tuple[str, ...], out: Path | None, into: bool):
        self.formats, self.out, self._folder = formats, out, out if into else None
        self.written: list[Path] = []
        self._clips: list[TimedClip] = []

    def add(self, clip: TimedClip) -> None:
        """Add a clip; in formats with one file per clip, it is written at once.

        Raises:
            SlrError: a file cannot be written, or a format cannot hold the clip.
        """
        if self._folder is not None:
            texts = {name: text_of(name, [clip]) for name in self.formats if not FORMATS[name].many}
            for name, content in texts.items():
                self._write(below(self._folder, clip.id, f".{name}"), content)
        self._clips.append(clip)

    def finish(self) -> str:
        """Write the files that hold all clips; without a file, return the text to show."""
        if self.out is None:
            return text_of(self.formats[0], self._clips)
        for name in self.formats:
            if self._folder is None:
                self._write(self.out, text_of(name, self._clips))
            elif FORMATS[name].many:
                self._write(self._folder / f"{TOGETHER}.{name}", text_of(name, self._clips))
        return ""

    def _write(self, path: Path, content: str) -> None:
        atomic_write_text(path, content)
        self.written.append(path)


def plan_outputs(formats: Sequence[str], out: Path | None, ids: Sequence[str]) -> OutputPlan:
    """The files to write, checked before anything is computed.

    Args:
        formats: names of `FORMATS`; empty: by the suffix of `out`.
        out: a file, a folder, or None for stdout.
        ids: of the clips to come.

    Raises:
        UsageError: a format is unknown, or does not fit the place or the number of clips.
        DataError: a format cannot hold an id.
        DependencyError: the library of a format is not installed.
    """
    suffix = out.suffix.lower().lstrip(".") if out else ""
    into = out is not None and (out.is_dir() or suffix not in FORMATS)
    chosen = tuple(dict.fromkeys(formats)) or (() if into or out is None else (suffix,))
    for name in chosen:
        if name not in FORMATS:
            raise UsageError(f"There is no output format {name!r}.", "--format", nearest(name, FORMATS))
    if not chosen:
        fix = f"Name one of {', '.join(FORMATS)} with --format."
        raise UsageError("No output format is named.", f"--out {out}", fix)
    if not into:
        where = f"--out {out}" if out else "--format"
        if len(chosen) > 1:
            raise UsageError("Several formats cannot be written to one file.", where, "Name a folder with --out.")
        if len(ids) > 1 and not FORMATS[chosen[0]].many:
            what = f"A file of the format {chosen[0]} holds only one clip, and there are {len(ids)}."
            raise UsageError(what, where, "Name a folder with --out.")
    for name in chosen:
        check_ids(name, ids)
        if into and out is not None and not FORMATS[name].many:
            for id in ids:
                below(out, id, f".{name}")
            require_apart(out, ids)
    if "eaf" in chosen:
        need_pympi()
    return OutputPlan(chosen, out, into)
