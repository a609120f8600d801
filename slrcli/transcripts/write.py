"""Writes transcripts to files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from slrcli.errors import UsageError
from slrcli.files import atomic_write_text
from slrcli.transcripts.clip import TimedClip
from slrcli.transcripts.formats import FORMATS, format_of, text_of
from slrcli.transcripts.items import Entry, Timed, Untimed


def write_transcripts(
    path: str | Path,
    transcripts: Mapping[str, Sequence[str] | Timed | TimedClip],
    format: str = "auto",
    fps: float | None = None,
    signers: Mapping[str, str] | None = None,
) -> None:
    """Write gloss lists, hypotheses or clips, atomically.

    Args:
        path: of the file.
        transcripts: id -> glosses, hypothesis or clip; times and confidences are written if the format has them.
        format: one of `FORMATS`; "auto": by the suffix.
        fps: frames per second of hypotheses; formats with seconds need it.
        signers: id -> signer, for stm.

    Raises:
        DataError: the format cannot hold an id or a gloss, or needs times that are not known.
        UsageError: the format is unknown, needs `fps`, or holds one utterance per file and there are several.
    """
    format = format_of(path, format)
    if len(transcripts) != 1 and not FORMATS[format].many:
        what = f"A file of the format {format} holds only one utterance, and there are {len(transcripts)}."
        raise UsageError(what, str(path), "Write one file per utterance, or use another format.")
    known = fps if fps and math.isfinite(fps) and fps > 0 else None
    entries = [_entry(id, item, known, (signers or {}).get(id, "")) for id, item in transcripts.items()]
    atomic_write_text(path, text_of(format, entries))


def _entry(id: str, item: Sequence[str] | Timed | TimedClip, fps: float | None, signer: str) -> Entry:
    if isinstance(item, str):
        raise TypeError("a transcript is a list of glosses, not a string")
    if isinstance(item, TimedClip):
        return item
    if not isinstance(item, Timed):
        return Untimed(id, list(item), signer)
    if fps is None:
        return Untimed(id, item.glosses, signer, item)
    return TimedClip(id, None, item, fps, signer=signer)
