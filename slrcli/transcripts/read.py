"""Reads transcripts from files."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from slrcli.errors import DataError
from slrcli.transcripts.delimited import read_text
from slrcli.transcripts.formats import FORMATS, format_of
from slrcli.transcripts.items import Segment


def read_transcripts(path: str | Path, format: str = "auto") -> dict[str, list[str]]:
    """The glosses of every utterance in a file, in the order of the file; see `read_segments`."""
    return {segment.id: list(segment.glosses) for segment in read_segments(path, format)}


def read_lines(path: str | Path, format: str = "auto") -> dict[str, list[str]]:
    """The glosses of every utterance by its number in the file, from "1" on, for files with different ids.

    In a `txt` file, every line is read as glosses without an id, and an empty line as an utterance without glosses.

    Raises:
        DataError, UsageError: as `read_segments`.
    """
    if format_of(path, format) == "txt":
        lines = read_text(path, pipes=True).removesuffix("\n").split("\n")
        return {str(number): line.split() for number, line in enumerate(lines, 1)}
    return {str(number): list(one.glosses) for number, one in enumerate(read_segments(path, format), 1)}


def read_segments(path: str | Path, format: str = "auto") -> list[Segment]:
    """The utterances of a file.

    Args:
        path: UTF-8 text; a byte order mark and any line endings are accepted. A folder, if `format` is one with one
            utterance per file: all its files with that suffix, including subfolders, named after their paths.
        format: one of `FORMATS`; "auto": by the suffix.

    Raises:
        DataError: the file cannot be read, a line does not fit the format, an id occurs twice; names file and line.
        UsageError: the format is unknown.
    """
    format = format_of(path, format)
    lines: dict[str, int] = {}
    segments = []
    for segment in _below(Path(path), format) if Path(path).is_dir() else _inside(path, format):
        where = f"{path}, line {segment.line}"
        if not segment.id:
            raise DataError("An utterance has no id.", where, "Give every line an id.")
        if segment.id in lines:
            more = {
                "stm": " in the hypotheses too: they are not divided among segments by time",
                "txt": "; if the lines hold glosses without ids, pair them with slr score --by line",
            }.get(format, "")
            raise DataError(
                f"The id {segment.id} occurs twice, first in line {lines[segment.id]}.",
                where,
                f"Make the ids unique{more}.",
            )
        lines[segment.id] = segment.line
        segments.append(segment)
    return segments


def _inside(path: str | Path, format: str) -> Iterator[Segment]:
    yield from FORMATS[format].read(read_text(path, pipes=True), str(path))


def _below(folder: Path, format: str) -> Iterator[Segment]:
    for file in sorted(folder.rglob(f"*.{format}")):
        for segment in _inside(file, format):
            yield replace(segment, id=file.relative_to(folder).with_suffix("").as_posix())
