"""Frames of videos and of folders of pictures: upright RGB pictures with their times.

What a video says about itself is applied: rotation (as telephones store it), pixels that are not square, and the time
at which each frame is shown, which need not come at even steps.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from slrcli.config import FRAMES_PER_SECOND
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.video.library import need
from slrcli.video.sources import pictures_in

LARGEST = 40_000_000  # pixels of one picture; 8K has 33 million
MOST_BROKEN = 0.05  # share of a video's packets that may be damaged before it is refused
MOST_MISSING = 0.05  # share of the announced frames that may be missing before the file counts as cut short
LONGEST_PAUSE = 120.0  # seconds from one frame to the next; beyond it the times are damaged
RAW = re.compile(r"[1-9]\d{0,4}x[1-9]\d{0,4}(@\d{1,3}(\.\d+)?)?")  # WIDTHxHEIGHT@FPS
SLACK = 0.5  # seconds by which announced and actual length may differ in any case
AGAIN = "copy or record it again"
AS_THEY_COME = "send webm, mpegts or yuv4mpeg, which can be read as they come (mp4 cannot), or RGB frames with --raw"


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a clip.

    Attributes:
        image: uint8 `[height, width, 3]`, RGB, upright, perhaps smaller than it was.
        time: seconds since the first frame.
        size: width and height in pixels before it was made smaller, upright and with square pixels.
        rotation: degrees clockwise by which the stored picture was turned.
    """

    image: np.ndarray
    time: float
    size: tuple[int, int]
    rotation: int = 0


@dataclass(frozen=True)
class Announced:
    """What a clip says of itself before it is read; 0 where it says nothing."""

    frames: int
    fps: float


def announced(path: Path, picture_fps: float = FRAMES_PER_SECOND) -> Announced:
    """How many frames a clip should have.

    Raises:
        DataError: it cannot be read, or there is no picture in it.
    """
    if path.is_dir():
        return Announced(len(pictures_in(path)), picture_fps)
    with _opened(path) as container:
        stream = _stream(container, path)
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        return Announced(stream.frames or round((_seconds(container, stream) or 0) * fps), fps)


def read_frames(path: Path, max_side: int, picture_fps: float = FRAMES_PER_SECOND) -> Generator[Frame, None, None]:
    """The frames of a video or of a folder of pictures, in the order they are shown.

    Args:
        path: the video or the folder.
        max_side: larger pictures are made so many pixels long.
        picture_fps: frames a second of a folder of pictures.

    Raises:
        DataError: no video, no picture in it, cut short, damaged, or too large.
        DependencyError: PyAV or Pillow is not installed.
    """
    if path.is_dir():
        yield from _read_pictures(path, max_side, picture_fps)
        return
    with _opened(path) as container:
        stream = _stream(container, path)
        last, count = 0.0, 0
        for frame in decode_stream(container, stream, path, max_side):
            last, count = frame.time, count + 1
            yield frame
        _check_whole(container, stream, count, last, path)


def decode_stream(container: Any, stream: Any, where: str | Path, max_side: int) -> Iterator[Frame]:
    """The frames of an open video; damaged packets are passed over while they are few.

    Raises:
        DataError: no frame at all, too many damaged packets, or a picture that is too large.
    """
    av = need("av")
    stream.thread_type = "SLICE"  # one process a core: threads would only compete
    rate = float(stream.average_rate or stream.guessed_rate or FRAMES_PER_SECOND)
    packets = broken = count = 0
    first = last = None
    for packet in _packets(container, stream, where):
        packets += 1
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            broken += 1
            continue
        for picture in decoded:
            time = picture.time if picture.time is not None else count / rate
            first = time if first is None else first
            time -= first
            if last is not None and time <= last:
                time = last + 1 / rate
            if last is not None and time - last > LONGEST_PAUSE:
                raise DataError(f"The times of the frames jump by {time - last:.0f} seconds.", where, AGAIN)
            last, count = time, count + 1
            yield _frame(picture, stream, time, max_side, where)
    if not count:
        raise DataError("The video has no frame that can be decoded.", where, AGAIN)
    if broken > max(MOST_BROKEN * packets, 1):
        raise DataError(f"{broken} of {packets} packets of the video are damaged.", where, AGAIN)


def open_stream(file: BinaryIO, raw: str = "") -> tuple[Any, Any]:
    """A video that comes in through a pipe.

    Args:
        file: where it comes from; it is read forwards only.
        raw: `WIDTHxHEIGHT@FPS` of bare RGB frames, 8 bits a colour; "" where the stream itself says what it is.

    Returns:
        PyAV's container and its stream of pictures.

    Raises:
        DataError: no video that can be read without going back.
        UsageError: `raw` says something else.
    """
    av = need("av")
    if raw and not RAW.fullmatch(raw):
        fix = "Write it as WIDTHxHEIGHT@FPS, such as 640x480@25."
        raise UsageError(f"This is no size and rate of bare frames: {raw}.", "--raw", fix)
    size, _, fps = raw.partition("@")
    options = {"video_size": size, "pixel_format": "rgb24", "framerate": fps or f"{FRAMES_PER_SECOND:g}"}
    try:
        container = av.open(file, format="rawvideo" if raw else None, options=options if raw else {})
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"No video comes in through the pipe: {_said(error)}.", "stdin", AS_THEY_COME) from error
    return container, _stream(container, "stdin")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    av = need("av")
    try:
        container = av.open(str(path))
    except FileNotFoundError as error:
        raise DataError("There is no such video.", path) from error
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"This is no video, or it is damaged: {_said(error)}.", path, AGAIN) from error
    with container:
        yield container


def _stream(container: Any, where: str | Path) -> Any:
    """The stream of moving pictures; covers of sound files are none."""
    streams = [item for item in container.streams.video if not _is_cover(item)]
    if not streams:
        sound = " (only sound)" if container.streams.audio else ""
        raise DataError(f"There are no moving pictures in the file{sound}.", where, "Name the video itself.")
    context = streams[0].codec_context
    if context is None:
        raise DataError("The video is coded in a way that PyAV does not know.", where, "Convert it to mp4 (H.264).")
    _check_pixels(context.width, context.height, where)
    return streams[0]


def _is_cover(stream: Any) -> bool:
    need("av")
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _packets(container: Any, stream: Any, where: str | Path) -> Iterator[Any]:
    av = need("av")
    try:
        yield from container.demux(stream)
    except av.FFmpegError as error:
        raise DataError(f"The video breaks off: {_said(error)}.", where, AGAIN) from error


def _frame(picture: Any, stream: Any, time: float, max_side: int, where: str | Path) -> Frame:
    _check_pixels(picture.width, picture.height, where)
    ratio = float(stream.sample_aspect_ratio or 1) or 1.0
    width, height = max(1, round(picture.width * ratio)), picture.height
    scale = min(1.0, max_side / max(width, height))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = picture.to_ndarray(format="rgb24", width=small[0], height=small[1])
    turns = round(picture.rotation / 90) % 4  # counterclockwise
    if turns % 2:
        width, height = height, width
    return Frame(np.ascontiguousarray(np.rot90(image, turns)), time, (width, height), -90 * turns % 360)


def _seconds(container: Any, stream: Any) -> float | None:
    """Announced length of the pictures; None where the file does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and not container.streams.audio:  # else it may be that of the sound
        return container.duration / 1e6
    return None


def _check_whole(container: Any, stream: Any, count: int, last: float, path: Path) -> None:
    """DataError for a video that ends before it said it would."""
    rate = float(stream.average_rate or FRAMES_PER_SECOND)
    slack = max(1, MOST_MISSING * stream.frames, SLACK * rate)
    if stream.frames and count < stream.frames - slack:
        raise DataError(f"The video is cut short: {count} of {stream.frames} frames are there.", path, AGAIN)
    seconds = _seconds(container, stream)
    if not stream.frames and seconds and last + 1 / rate < seconds - max(SLACK, MOST_MISSING * seconds):
        raise DataError(f"The video is cut short: {last:.1f} of {seconds:.1f} seconds are there.", path, AGAIN)


def _read_pictures(folder: Path, max_side: int, fps: float) -> Iterator[Frame]:
    need("PIL")
    from PIL import Image, ImageOps

    size, first = None, None
    for number, path in enumerate(pictures_in(folder)):
        try:
            with Image.open(path) as stored:
                _check_pixels(*stored.size, path)
                image = ImageOps.exif_transpose(stored).convert("RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(f"The picture cannot be read: {_said(error)}.", path, AGAIN) from error
        if size not in (None, image.size):
            what = "the pictures are of different sizes: {}x{} and {}x{}".format(*size, *image.size)
            raise DataError(what, f"{first}, {path}", "One folder holds the frames of one clip.")
        size, first = image.size, first or path
        image.thumbnail((max_side, max_side))
        yield Frame(np.ascontiguousarray(image), number / fps, size)
    if size is None:
        raise DataError("The folder holds no pictures.", folder)


def _check_pixels(width: int, height: int, where: str | Path) -> None:
    if width * height > LARGEST:
        raise DataError(f"The pictures are {width} x {height} pixels large.", where, "Make the video smaller first.")


def _said(error: Exception) -> str:
    """What a library said, in one line and without the path, which stands elsewhere."""
    if isinstance(error, SlrError):
        return error.what
    text = getattr(error, "strerror", None) or str(error)
    return text.splitlines()[0] if text else type(error).__name__
