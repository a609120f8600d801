"""Files of many clips: text, JSON lines, CTM and a table, a gloss or a clip a line."""

import csv
import io
import json
from collections.abc import Iterator, Sequence

from slrcli.console import finite
from slrcli.transcripts.outputs.clip import Row, TimedClip
from slrcli.transcripts.write import ctm_lines

CSV_COLUMNS = ("id", *Row._fields)


def text(clips: Sequence[TimedClip]) -> str:
    """`id gloss ...`, a line a clip, as `slr score` reads it."""
    return "".join(" ".join([clip.id, *clip.hypothesis.glosses]) + "\n" for clip in clips)


def json_lines(clips: Sequence[TimedClip]) -> str:
    """One JSON object a line, all that is known of a clip in it."""
    return "".join(json.dumps(finite(clip.to_dict()), ensure_ascii=False) + "\n" for clip in clips)


def ctm(clips: Sequence[TimedClip]) -> str:
    """NIST's time-marked words: `id 1 start duration gloss confidence`, in seconds."""
    return "".join(f"{line}\n" for clip in clips for line in ctm_lines(clip.id, _words(clip)))


def _words(clip: TimedClip) -> Iterator[tuple[str, float, float, float]]:
    yield from ((row.gloss, row.start, row.end, row.confidence) for row in clip.rows)


def table(clips: Sequence[TimedClip]) -> str:
    """Comma-separated values with a header, a row a gloss: frames (the end exclusive), seconds, confidence."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for clip in clips:
        writer.writerows([clip.id, *map(_cell, row)] for row in clip.rows)
    return buffer.getvalue()


def _cell(value: str | int | float | None) -> str | int:
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else value
