"""Subtitles of one clip: SubRip (.srt) and WebVTT (.vtt), a gloss a cue."""

from collections.abc import Sequence

from slrcli.transcripts.outputs.clip import TimedClip


def srt(clips: Sequence[TimedClip]) -> str:
    """SubRip: number, `00:00:01,040 --> 00:00:01,520`, text, empty line."""
    rows = [row for clip in clips for row in clip.rows]
    return "".join(
        f"{number}\n{_clock(row.start, ',')} --> {_clock(row.end, ',')}\n{row.gloss}\n\n"
        for number, row in enumerate(rows, 1)
    )


def vtt(clips: Sequence[TimedClip]) -> str:
    """WebVTT (W3C): a heading, then cues; `&`, `<` and `>` mean something in their text and are written as entities."""
    rows = [row for clip in clips for row in clip.rows]
    cues = (f"\n{_clock(row.start, '.')} --> {_clock(row.end, '.')}\n{_escaped(row.gloss)}\n" for row in rows)
    return "WEBVTT\n" + "".join(cues)


def _clock(seconds: float, point: str) -> str:
    """Hours, minutes, seconds and milliseconds."""
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{point}{whole % 1000:03}"


def _escaped(gloss: str) -> str:
    return gloss.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
