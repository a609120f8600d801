"""Live frames from a camera or a pipe."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from slrcli.config import FRAMES_PER_SECOND
from slrcli.errors import DataError
from slrcli.video.frames import AS_THEY_COME, MOST_FPS, Frame, announced_rate, decode_stream, open_stream
from slrcli.video.library import need, silence

UNSEEN = 50  # pictures that a camera may fail to give in a row before it counts as gone


@dataclass(frozen=True)
class Stream:
    """A running stream.

    Attributes:
        frames: the frames as they arrive.
        fps: nominal frames per second.
        name: for messages.
    """

    frames: Iterable[Frame]
    fps: float
    name: str


def camera(index: int, max_side: int, clock: Callable[[], float] = time.monotonic) -> Stream:
    """A camera of this machine, through OpenCV, which MediaPipe installs.

    Args:
        index: number of the camera, from 0.
        max_side: larger pictures are reduced to this length in pixels.
        clock: returns seconds; pictures get the time of their arrival.

    Raises:
        DataError: there is no such camera, or another program uses it.
        DependencyError: OpenCV is not installed.
    """
    cv2 = need("cv2")
    with silence():
        device = cv2.VideoCapture(index)
    if not device.isOpened():
        fix = "Connect one, or close the program that uses it. Or choose another with --camera-index, or use --pipe."
        raise DataError("No camera can be opened.", f"camera {index}", fix)
    told = float(device.get(cv2.CAP_PROP_FPS))
    fps = told if 1 <= told <= MOST_FPS else FRAMES_PER_SECOND
    return Stream(_filmed(device, max_side, clock, index), fps, f"camera {index}")


def pipe(file: BinaryIO, raw: str, max_side: int) -> Stream:
    """A video from a pipe; see `open_stream`.

    Raises:
        DataError: the stream is not a video that can be read without seeking.
    """
    container, stream = open_stream(file, raw)
    fps = announced_rate(stream) or FRAMES_PER_SECOND
    return Stream(_piped(decode_stream(container, stream, "stdin", max_side)), fps, "stdin")


def in_real_time(
    frames: Iterable[Frame],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Frame]:
    """Delay frames to their times, as from a camera, since a recording may arrive faster."""
    start = None
    for frame in frames:
        start = clock() - frame.time if start is None else start
        early = start + frame.time - clock()
        if early > 0:
            sleep(early)
        yield frame


def _piped(frames: Iterator[Frame]) -> Iterator[Frame]:
    """The same; a stream that fails before its first frame is probably of a kind that has to be read backwards."""
    begun = False
    try:
        for frame in frames:
            begun = True
            yield frame
    except DataError as error:
        raise error if begun else DataError(error.what, error.where, AS_THEY_COME) from error


def _filmed(device, max_side: int, clock: Callable[[], float], index: int) -> Iterator[Frame]:
    cv2 = need("cv2")
    start, failures = None, 0
    try:
        while failures < UNSEEN:
            there, picture = device.read()
            if not there:
                failures += 1
                continue
            now, failures = clock(), 0
            start = now if start is None else start
            height, width = picture.shape[:2]
            scale = min(1.0, max_side / max(width, height))
            if scale < 1:
                picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            yield Frame(np.ascontiguousarray(picture[..., ::-1]), now - start, (width, height))
        raise DataError("The camera gives no more pictures.", f"camera {index}", "Check its cable.")
    finally:
        device.release()
