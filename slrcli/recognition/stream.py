"""What `slr decode --stream` does: frames come from a pipe or a growing file, glosses come out once certain."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from slrcli.config import LiveConfig, check_live
from slrcli.console import Console
from slrcli.decoding.decoder import BestPath
from slrcli.decoding.stream import StreamEvent, StreamRecogniser
from slrcli.errors import DataError
from slrcli.features.layout import Layout
from slrcli.features.rate import RunningPace, pace
from slrcli.features.recording import prepare, zeros_to_nan
from slrcli.features.rows import AnyRows
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.sliding import SlidingWindow

MOST_BYTES = 1 << 16  # read at once
LOOK_EVERY = 0.05  # seconds between two looks at a file that has not grown


class AtPace:
    """A `StreamRecogniser` of another frame rate than the one that it is made of; its events count frames of its own.

    Args:
        stream: takes frames of the rate that they are brought to.
        factor: frames that come per frame of that rate (`slrcli.features.rate.pace`).
        layout: of the columns.
    """

    def __init__(self, stream: StreamRecogniser, factor: float, layout: Layout):
        self._stream, self._factor, self._layout = stream, factor, layout
        self._rows = RunningPace(factor, layout)
        self._came = 0

    def push(self, frames: np.ndarray) -> list[StreamEvent]:
        """See `StreamRecogniser`."""
        if not len(frames):
            return []
        self._came += len(frames)
        if self._layout.zero_is_missing:
            frames = zeros_to_nan(frames, self._layout)
        rows = self._rows.push(np.where(np.isfinite(frames), frames, np.float32(np.nan)))
        return [self._of(event) for event in self._stream.push(rows)] if len(rows) else []

    def finish(self) -> list[StreamEvent]:
        """See `StreamRecogniser`."""
        return [self._of(event) for event in self._stream.finish()]

    def _of(self, event: StreamEvent) -> StreamEvent:
        start = min(round(event.start * self._factor), self._came - 1)
        end = max(start + 1, min(round(event.end * self._factor), self._came))
        peak = None if event.peak is None else min(round(event.peak * self._factor), self._came - 1)
        return replace(event, start=start, end=end, peak=peak, told=self._came)


def stream_recogniser(
    console: Console,
    recogniser: ClipRecogniser,
    fps: float,
    options: LiveConfig,
    complete: Callable[[np.ndarray], np.ndarray] = lambda x: x,
) -> StreamRecogniser:
    """A recogniser that carries its state from part to part where the network can, else one of sliding windows.

    A stream whose frame rate differs from that of the training data is resampled.

    Args:
        console: for a note on which of them, and on resampling.
        recogniser: with its decoder; a search needs windows.
        fps: frames per second of the stream.
        options: of the windows.
        complete: makes of the frames of a window what the recogniser's layout has.

    Raises:
        UsageError: window, hop and settling time do not fit each other.
    """
    meta = recogniser.meta
    factor = pace(fps, meta.fps)
    if factor != 1:
        console.note(f"The stream has {fps:.4g} frames per second and is resampled to {meta.fps:.4g}, as in training.")
        return AtPace(stream_recogniser(console, recogniser, meta.fps, options, complete), factor, meta.layout)
    running = recogniser.running()
    if running is not None and isinstance(recogniser.decoder, BestPath):
        console.note("The network recognises the stream as it arrives.")
        return running
    check_live(options)
    why = "a beam search needs windows (--beam 0: none)" if running is not None else "the network needs whole clips"
    console.note(f"The last {options.window:g} s are recognised every {options.hop:g} s: {why}.")
    layout, preparation = meta.layout, meta.config.data.preparation

    def recognise(x: np.ndarray):
        return recogniser.recognise([prepare(complete(x), layout, **preparation)], ["stream"])[0]

    return SlidingWindow(recognise, fps, options, recogniser.least_frames)


def stream_glosses(
    console: Console, recogniser: ClipRecogniser, chunks: Iterator[bytes], name: str, fps: float, options: LiveConfig
) -> Iterator[StreamEvent]:
    """The glosses of a stream until it ends; an interruption (Ctrl-C) is such an end.

    Args:
        console: see `stream_recogniser`.
        recogniser: of the layout whose columns a frame has.
        chunks: bytes as they come; see `piped` and `growing`.
        name: of the stream, for errors.
        fps: frames per second.
        options: of the windows, where they are needed.

    Raises:
        DataError: the bytes are not frames of that layout; glosses recognised before were yielded.
    """
    rows = AnyRows(recogniser.meta.layout.width, name)
    stream = stream_recogniser(console, recogniser, fps, options)
    last = np.zeros((0, recogniser.meta.layout.width), np.float32)
    try:
        for data in chunks:
            yield from stream.push(rows.feed(data))
        last = rows.close()
    except KeyboardInterrupt:
        console.note()
    yield from [*stream.push(last), *stream.finish()]


def piped(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a pipe as they arrive, without waiting for a full buffer."""
    number = file.fileno()
    while data := os.read(number, MOST_BYTES):
        yield data


def growing(
    path: Path,
    patience: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[bytes]:
    """What a file holds and what is added to it, until it has not grown for `patience` seconds.

    Raises:
        DataError: the file cannot be read, or has become shorter.
    """
    try:
        with path.open("rb") as file:
            latest = clock()
            while True:
                if data := file.read(MOST_BYTES):
                    latest = clock()
                    yield data
                elif os.fstat(file.fileno()).st_size < file.tell():
                    raise DataError("The file was truncated while it was read.", str(path), "Only append to it.")
                elif clock() - latest >= patience:
                    return
                else:
                    sleep(LOOK_EVERY)
    except OSError as error:
        raise DataError(f"The stream cannot be read: {error.strerror}.", str(path), "Check the name.") from error
