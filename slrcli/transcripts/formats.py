"""The table of formats, each with its reader and writer."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from slrcli.errors import DataError, UsageError
from slrcli.transcripts import ctm, elan, jsonl, stm, subtitles, table, trn, txt
from slrcli.transcripts.items import Entry, Segment
from slrcli.transcripts.words import check_id, check_word


class Format(NamedTuple):
    """A format.

    Attributes:
        read: text and the file's name -> its segments.
        write: entries -> text.
        many: whether a file holds several utterances; otherwise the utterance is named after the file.
        blanks: whether ids may hold spaces.
    """

    read: Callable[[str, str], Iterator[Segment]]
    write: Callable[[Sequence[Entry]], str]
    many: bool = True
    blanks: bool = False


FORMATS: dict[str, Format] = {
    "txt": Format(txt.read, txt.write),
    "stm": Format(stm.read, stm.write),
    "ctm": Format(ctm.read, ctm.write),
    "trn": Format(trn.read, trn.write),
    "csv": Format(table.read, table.write_csv, blanks=True),
    "tsv": Format(table.read, table.write_tsv, blanks=True),
    "jsonl": Format(jsonl.read, jsonl.write, blanks=True),
    "eaf": Format(elan.read, elan.write, many=False, blanks=True),
    "srt": Format(subtitles.read_srt, subtitles.write_srt, many=False, blanks=True),
    "vtt": Format(subtitles.read_vtt, subtitles.write_vtt, many=False, blanks=True),
}


def format_of(path: str | Path, format: str = "auto", many: bool = False) -> str:
    """The named format, or the one of the file's suffix.

    Args:
        path: the file.
        format: a name in `FORMATS`, or "auto".
        many: refuse formats whose files hold only one utterance.

    Raises:
        DataError: the path is a folder, and no format with one file per utterance is named.
        UsageError: the format or the suffix is unknown.
    """
    if Path(path).is_dir() and (format not in FORMATS or FORMATS[format].many):
        single = ", ".join(name for name, item in FORMATS.items() if not item.many)
        fix = f"Name a file in it, or one of the formats {single}, of which folders can be read."
        raise DataError("This is a folder, not a file of transcripts.", str(path), fix)
    name = Path(path).suffix.lstrip(".").lower() if format == "auto" else format
    if name not in FORMATS:
        what = (
            f"There is no transcript format {name!r}." if name else "The file name has no suffix that gives the format."
        )
        raise UsageError(what, str(path), f"Use one of {', '.join(FORMATS)} as the suffix or the format.")
    if many and not FORMATS[name].many:
        fitting = ", ".join(name for name, item in FORMATS.items() if item.many)
        raise UsageError(f"A file of the format {name} holds only one utterance.", str(path), f"Use one of {fitting}.")
    return name


def text_of(format: str, entries: Sequence[Entry]) -> str:
    """The text of a file in a format.

    Raises:
        DataError: the format cannot hold an id or a gloss, or needs times that are not known.
        UsageError: the format needs seconds, and the frame rate is not known.
    """
    check_ids(format, (entry.id for entry in entries))
    for entry in entries:
        for gloss in entry.glosses:
            check_word(gloss, "gloss", entry.id)
    return FORMATS[format].write(entries)


def check_ids(format: str, ids: Iterable[str]) -> None:
    """Raise a DataError for an id that the format cannot hold."""
    if FORMATS[format].many:  # otherwise files are named after them
        for id in ids:
            check_id(id, spaces=FORMATS[format].blanks)
