"""Subtitles of one clip: SubRip (.srt) and WebVTT (.vtt), a gloss per cue. They hold no confidences, and no id: the
file's name is the id."""

import html
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from slrcli.console import visible
from slrcli.errors import DataError
from slrcli.transcripts.items import Entry, Segment, rows_of

_CLOCK = r"(?:\d+:)?\d\d:\d\d[.,]\d{3}"
_TIMES = re.compile(rf"\s*{_CLOCK}\s+-->\s+{_CLOCK}(?:\s.*)?")
_TAG = re.compile(r"<[^>]*>")  # WebVTT's; its text writes `<` as an entity


def read_srt(text: str, path: str) -> Iterator[Segment]:
    """The words of all cues, in the order of the file; tags are not removed, since glosses may look like them."""
    if text.strip() and not any(map(_TIMES.fullmatch, text.split("\n"))):
        raise DataError("The file holds no cue.", path, "Write cues with times such as 00:00:01,040 --> 00:00:01,520.")
    glosses = tuple(word for line in _cue_lines(text) for word in _words(line, vtt=False))
    yield Segment(Path(path).stem, glosses, line=1)


def read_vtt(text: str, path: str) -> Iterator[Segment]:
    """Like `read_srt`, without tags and with entities resolved; headers, styles and notes are not cues."""
    if not text.startswith("WEBVTT"):
        raise DataError("The file does not begin with WEBVTT.", f"{path}, line 1", "Use a WebVTT file.")
    lines = _cue_lines(text)
    glosses = tuple(word for line in lines for word in _words(line, vtt=True))
    yield Segment(Path(path).stem, glosses, line=1)


def cue_text(lines: Sequence[str], vtt: bool) -> list[str]:
    """The words of the cue whose line of times these lines follow; those of WebVTT without tags and entities."""
    words: list[str] = []
    for line in lines:
        if not line.strip() or "-->" in line:
            break
        words += _words(line, vtt)
    return words


def _words(line: str, vtt: bool) -> list[str]:
    """The words of a line of text; those of WebVTT without tags and entities."""
    return [_read(word) for word in (html.unescape(_untagged(line)) if vtt else line).split()]


def _untagged(line: str) -> str:
    """A line without WebVTT's tags; no end is looked for behind the last one, for every `<` again."""
    end = line.rfind(">") + 1
    return _TAG.sub("", line[:end]) + line[end:]


def _cue_lines(text: str) -> Iterator[str]:
    """The lines of text of all cues: what follows a line of times, up to a blank one."""
    inside = False
    for line in text.split("\n"):
        timed = _TIMES.fullmatch(line) is not None
        inside = timed or (inside and bool(line.strip()))
        if inside and not timed:
            yield line


def write_srt(entries: Sequence[Entry]) -> str:
    """SubRip: number, `00:00:01,040 --> 00:00:01,520`, text, empty line."""
    rows = [row for entry in entries for row in rows_of(entry, "srt")]
    return "".join(
        f"{number}\n{_clock(row.start, ',')} --> {_clock(row.end, ',')}\n{_shown(row.gloss)}\n\n"
        for number, row in enumerate(rows, 1)
    )


def write_vtt(entries: Sequence[Entry]) -> str:
    """WebVTT (W3C): a header, then cues; `&`, `<` and `>` are reserved in their text and written as entities."""
    rows = [row for entry in entries for row in rows_of(entry, "vtt")]
    cues = (f"\n{_clock(row.start, '.')} --> {_clock(row.end, '.')}\n{_escaped(row.gloss)}\n" for row in rows)
    return "WEBVTT\n" + "".join(cues)


def _clock(seconds: float, point: str) -> str:
    """Hours, minutes, seconds and milliseconds."""
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{point}{whole % 1000:03}"


def _escaped(gloss: str) -> str:
    return _shown(gloss).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


def _shown(gloss: str) -> str:
    """A gloss for a player's screen: what would act there or not be seen stands as `\\x1b`, as `_read` knows."""
    return visible(_ESCAPE.sub(lambda found: rf"\x5c{found[0][1:]}", gloss), keep="")


def _read(line: str) -> str:
    """The opposite of `_shown`."""
    return _ESCAPE.sub(_character, line)


def _character(found: re.Match[str]) -> str:
    code = int(found[1] or found[2] or found[3], 16)
    escaped = code <= sys.maxunicode and (chr(code) == "\\" or visible(chr(code), keep="") == found[0])
    return chr(code) if escaped else found[0]
