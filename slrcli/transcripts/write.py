"""Transcripts into files."""

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
    """Write gloss lists, hypotheses or clips; the file appears whole or not at all.

    Args:
        path: where to.
        transcripts: id -> glosses, hypothesis or clip; places and confidences go where the format has room.
        format: one of `FORMATS`; "auto" goes by the suffix.
        fps: frames per second of hypotheses; formats that hold seconds need it.
        signers: id -> signer, for stm.

    Raises:
        DataError: an id or a gloss that the format cannot hold, or glosses without the times that it needs.
        UsageError: unknown format, seconds without `fps`, or several utterances for a format whose files hold one.
    """
    format = format_of(path, format)
    if len(transcripts) != 1 and not FORMATS[format].many:
        what = f"A file of the format {format} holds one utterance, and there are {len(transcripts)}."
        raise UsageError(what, str(path), "Write a file per utterance, or another format.")
    known = fps if fps and math.isfinite(fps) and fps > 0 else None
    entries = [_entry(id, item, known, (signers or {}).get(id, "")) for id, item in transcripts.items()]
    atomic_write_text(path, text_of(format, entries))


def _entry(id: str, item: Sequence[str] | Timed | TimedClip, fps: float | None, signer: str) -> Entry:
    if isinstance(item, str):
        raise TypeError("a transcript is a list of glosses, not a string")
    if isinstance(item, TimedClip):
        return item
    if not hasattr(item, "spans"):
        return Untimed(id, list(item), signer)
    if fps is None:
        return Untimed(id, item.glosses, signer, item)
    return TimedClip(id, None, item, fps, signer=signer)
