"""What `slr decode --camera` and `--pipe` do: the glosses of a running stream, each once it is certain."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from slrcli.config import ExtractConfig, LiveConfig
from slrcli.console import Console
from slrcli.decoding.stream import StreamEvent, StreamRecogniser
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.stream import stream_recogniser
from slrcli.video.frames import Frame
from slrcli.video.holistic import Columns, Holistic, in_square
from slrcli.video.library import hushed, silence
from slrcli.video.newest import Newest
from slrcli.video.streams import Stream, in_real_time
from slrcli.video.timing import Evenly

TELL_EVERY = 10.0  # seconds

Points = Callable[[np.ndarray], np.ndarray]


@dataclass
class Pace:
    """The speed of live recognition.

    Attributes:
        came, dropped: frames of the stream, and those of them that were not processed.
        seconds: since the first of them.
        wanted: frames per second that the stream should have.
    """

    came: int = 0
    dropped: int = 0
    seconds: float = 0.0
    wanted: float = 0.0

    @property
    def reached(self) -> float:
        """Frames per second that were processed."""
        return (self.came - self.dropped) / self.seconds if self.seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {**asdict(self), "reached": round(self.reached, 2)}

    def __str__(self) -> str:
        share = self.dropped / self.came if self.came else 0.0
        return (
            f"{self.reached:.1f} of {self.wanted:.4g} frames/s were processed; "
            f"{self.dropped} of {self.came} frames ({share:.0%}) were dropped."
        )


def live(
    console: Console,
    recogniser: ClipRecogniser,
    stream: Stream,
    options: LiveConfig,
    extraction: ExtractConfig,
    pace: Pace,
) -> Iterator[StreamEvent]:
    """The glosses of a stream until it ends; an interruption (Ctrl-C) is such an end.

    Args:
        console: for the speed, every few seconds and at the end.
        recogniser: of a layout that MediaPipe gives.
        stream: see `camera` and `pipe`.
        options: how it is recognised.
        extraction: how frames become landmarks.
        pace: filled in on the way.
    """
    columns = Columns.of(recogniser.meta.layout)
    fps = rate_of(recogniser, stream, options)
    pace.wanted = stream.fps
    recognised = stream_recogniser(console, recogniser, fps, options, columns.complete)
    console.note(f"{stream.name}: {stream.fps:.4g} frames/s; Ctrl-C ends it.")
    with silence():
        holistic = Holistic(columns.face)
        holistic(np.zeros((64, 64, 3), np.uint8))  # it goes on setting itself up, aloud, until its first picture
    with holistic:
        rows = even_rows(stream, hushed(holistic), columns, fps, extraction, options.drop, pace)
        yield from glosses(console, rows, recognised, pace)
    console.note(str(pace))


def rate_of(recogniser: ClipRecogniser, stream: Stream, options: LiveConfig) -> float:
    """Frames per second at which frames become landmarks: as given, else as in training, else those of the stream."""
    return options.fps or recogniser.meta.fps or stream.fps


def glosses(
    console: Console, rows: Iterator[np.ndarray], recogniser: StreamRecogniser, pace: Pace
) -> Iterator[StreamEvent]:
    """What a stream recogniser makes of rows `[n, D]` as they arrive; the pace is noted every few seconds."""
    told = 0.0
    try:
        for part in rows:
            yield from recogniser.push(part)
            if pace.seconds - told > TELL_EVERY:
                told = pace.seconds
                console.note(str(pace))
    except KeyboardInterrupt:
        console.note()
    yield from recogniser.finish()


def even_rows(
    stream: Stream, points: Points, columns: Columns, fps: float, extraction: ExtractConfig, drop: bool, pace: Pace
) -> Iterator[np.ndarray]:
    """Positions `[n, positions]` of the newest frames at even steps of time; straight lines bridge what is left out."""
    evenly = Evenly(fps)
    frames = in_real_time(stream.frames) if drop else stream.frames
    start = time.monotonic()
    with Newest(frames, drop) as newest:
        for frame in newest:
            rows = evenly.push(frame.time, _placed(points, frame, extraction.square))
            pace.came, pace.dropped, pace.seconds = newest.came, newest.dropped, time.monotonic() - start
            if len(rows):
                yield columns.positions(rows)


def _placed(points: Points, frame: Frame, square: bool) -> np.ndarray:
    found = points(frame.image)
    return in_square(found, frame.size) if square else found
