"""The table of formats: a line each, with the reader and the writer of its file."""

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
        many: whether a file holds many utterances; those of one are called after their file.
        blanks: whether ids may hold blanks.
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
    """The format that was named, or the one that the file's suffix means.

    Args:
        path: the file.
        format: a name in `FORMATS`, or "auto".
        many: refuse formats whose files hold one utterance.

    Raises:
        DataError: the path is a folder, and no format is named of which a folder holds a file per utterance.
        UsageError: there is no such format, or a name that means none.
    """
    if Path(path).is_dir() and (format not in FORMATS or FORMATS[format].many):
        single = ", ".join(name for name, item in FORMATS.items() if not item.many)
        fix = f"Name a file in it; folders are read of the formats {single}, where one is named."
        raise DataError("This is a folder, not a file of transcripts.", str(path), fix)
    name = Path(path).suffix.lstrip(".").lower() if format == "auto" else format
    if name not in FORMATS:
        what = f"Unknown transcript format {name!r}." if name else "The name does not say which format the file has."
        raise UsageError(what, str(path), f"Use one of {', '.join(FORMATS)}, as suffix or as the format's name.")
    if many and not FORMATS[name].many:
        fitting = ", ".join(name for name, item in FORMATS.items() if item.many)
        raise UsageError(f"A file of the format {name} holds one utterance.", str(path), f"Use one of {fitting}.")
    return name


def text_of(format: str, entries: Sequence[Entry]) -> str:
    """The text of a file of a format.

    Raises:
        DataError: an id or a gloss that the format cannot hold, or glosses without the times that it needs.
        UsageError: it needs seconds, and the frame rate is not known.
    """
    check_ids(format, (entry.id for entry in entries))
    for entry in entries:
        for gloss in entry.glosses:
            check_word(gloss, "gloss", entry.id)
    return FORMATS[format].write(entries)


def check_ids(format: str, ids: Iterable[str]) -> None:
    """DataError for an id that the format cannot hold."""
    if FORMATS[format].many:  # elsewhere files are called by them
        for id in ids:
            check_id(id, spaces=FORMATS[format].blanks)
