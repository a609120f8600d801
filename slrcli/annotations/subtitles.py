"""Reads subtitles with their times: SubRip (.srt) and WebVTT (.vtt), a mark per cue."""

import re
from pathlib import Path

from slrcli.annotations.marks import Annotated, Mark, Tier
from slrcli.errors import DataError
from slrcli.transcripts.delimited import read_text
from slrcli.transcripts.subtitles import cue_text

_TIMES = re.compile(r"\s*((?:\d{1,6}:)?\d\d:\d\d[.,]\d{1,3})\s+-->\s+((?:\d{1,6}:)?\d\d:\d\d[.,]\d{1,3})(?:\s.*)?")
LIKE = "Write times such as 00:00:01,040 --> 00:00:01,520."


def read(path: Path) -> Annotated:
    """The cues of a file, in its only tier, which is called "".

    Raises:
        DataError: the file cannot be read, holds no cue, a cue that ends before it begins, or times that are none.
    """
    lines = read_text(path).split("\n")
    vtt = path.suffix.lower() == ".vtt"
    if vtt and not lines[0].startswith("WEBVTT"):
        raise DataError("The file does not begin with WEBVTT.", f"{path}, line 1", "Use a WebVTT file.")
    marks, empty = [], 0
    for number, line in enumerate(lines):
        if "-->" not in line:
            continue
        found = _TIMES.fullmatch(line)
        if found is None:
            raise DataError("The line holds no times.", f"{path}, line {number + 1}", LIKE)
        start, end = map(_seconds, found.groups())
        if end < start:
            raise DataError("The cue ends before it begins.", f"{path}, line {number + 1}", "Correct its times.")
        text = " ".join(cue_text(lines[number + 1 :], vtt))
        if text:
            marks.append(Mark(start, end, text))
        empty += not text
    if not marks and not empty:
        raise DataError("The file holds no cue.", path, LIKE)
    return Annotated(path, {"": Tier("", tuple(sorted(marks, key=lambda mark: mark.start)), empty=empty)})


def _seconds(clock: str) -> float:
    """`01:02:03,004` or `02:03.004` in seconds."""
    *hours, minutes, seconds = clock.replace(",", ".").split(":")
    return 3600 * int(hours[0] if hours else 0) + 60 * int(minutes) + float(seconds)
