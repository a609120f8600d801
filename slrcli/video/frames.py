"""Frames of videos and of folders of pictures: upright RGB pictures with their times.

The metadata of a video are applied: rotation (as stored by telephones), non-square pixels, and the time of each frame,
which may be uneven.
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
MOST_OF_16_BITS = 65_535
MOST_BROKEN = 0.05  # share of a video's packets that may be damaged before it is refused
MOST_MISSING = 0.05  # share of the announced frames that may be missing before the file counts as cut short
MOST_FPS = 240.0  # containers that announce more say how finely they count time (browsers: 1000), not a frame rate
LONGEST_PAUSE = 120.0  # seconds from one frame to the next; beyond it the times are damaged
RAW = re.compile(r"[1-9]\d{0,4}x[1-9]\d{0,4}(@\d{1,3}(\.\d+)?)?")  # WIDTHxHEIGHT@FPS
SLACK = 0.5  # seconds by which announced and actual length may differ in any case
AGAIN = "Copy or record it again."
AS_THEY_COME = "Send webm, mpegts or yuv4mpeg, which can be read as a stream (mp4 cannot), or RGB frames with --raw."


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a clip.

    Attributes:
        image: uint8 `[height, width, 3]`, RGB, upright, possibly reduced.
        time: seconds since the first frame.
        size: width and height in pixels before reduction, upright and with square pixels.
        rotation: clockwise rotation of the stored picture, in degrees.
    """

    image: np.ndarray
    time: float
    size: tuple[int, int]
    rotation: int = 0


@dataclass(frozen=True)
class Announced:
    """The length and frame rate that a clip announces; 0 if unknown."""

    frames: int
    fps: float


def announced(path: Path, picture_fps: float = FRAMES_PER_SECOND) -> Announced:
    """The number of frames that a clip should have.

    Raises:
        DataError: the clip cannot be read, or holds no picture.
    """
    if path.is_dir():
        return Announced(len(pictures_in(path)), picture_fps)
    with _opened(path) as container:
        stream = _stream(container, path)
        fps = announced_rate(stream)
        expected = round((_seconds(container, stream) or 0) * (fps or FRAMES_PER_SECOND))
        return Announced(stream.frames or expected, fps)


def announced_rate(stream: Any) -> float:
    """Frames per second that an open video announces; 0 if it says none that can be believed."""
    rates = (float(rate) for rate in (stream.average_rate, stream.guessed_rate) if rate)
    return next((rate for rate in rates if 0 < rate <= MOST_FPS), 0.0)


def read_frames(path: Path, max_side: int, picture_fps: float = FRAMES_PER_SECOND) -> Generator[Frame, None, None]:
    """The frames of a video or of a folder of pictures, in order of time.

    Args:
        path: the video or the folder.
        max_side: larger pictures are reduced to this length in pixels.
        picture_fps: frames per second of a folder of pictures.

    Raises:
        DataError: the file is not a video, has no pictures, is truncated, damaged, or too large.
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
    """The frames of an open video; a few damaged packets are skipped.

    Raises:
        DataError: there is no frame, too many packets are damaged, or a picture is too large.
    """
    av = need("av")
    stream.thread_type = "SLICE"  # one process a core: threads would only compete
    scaler = need("av.video.reformatter").VideoReformatter()  # made once: its tables cost a third of a conversion
    rate = announced_rate(stream) or FRAMES_PER_SECOND
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
            yield _frame(picture, stream, scaler, time, max_side, where)
    if not count:
        raise DataError("The video has no frame that can be decoded.", where, AGAIN)
    if broken > max(MOST_BROKEN * packets, 1):
        raise DataError(f"{broken} of {packets} packets of the video are damaged.", where, AGAIN)


def open_stream(file: BinaryIO, raw: str = "") -> tuple[Any, Any]:
    """Open a video from a pipe.

    Args:
        file: the pipe, which is only read forwards.
        raw: `WIDTHxHEIGHT@FPS` of raw RGB frames, 8 bits per colour; "" if the stream has a header.

    Returns:
        PyAV's container and its stream of pictures.

    Raises:
        DataError: the stream is not a video that can be read without seeking.
        UsageError: `raw` has another form.
    """
    av = need("av")
    if raw and not RAW.fullmatch(raw):
        fix = "Write it as WIDTHxHEIGHT@FPS, such as 640x480@25."
        raise UsageError(f"{raw!r} is not a size and rate of raw frames.", "--raw", fix)
    size, _, fps = raw.partition("@")
    options = {"video_size": size, "pixel_format": "rgb24", "framerate": fps or f"{FRAMES_PER_SECOND:g}"}
    try:
        container = av.open(file, format="rawvideo" if raw else None, options=options if raw else {})
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"There is no video in the pipe: {_said(error)}.", "stdin", AS_THEY_COME) from error
    return container, _stream(container, "stdin")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    av = need("av")
    try:
        container = av.open(str(path))
    except FileNotFoundError as error:
        raise DataError("There is no such video.", path) from error
    except (av.FFmpegError, ValueError) as error:
        raise DataError(f"This is not a video, or it is damaged: {_said(error)}.", path, AGAIN) from error
    with container:
        yield container


def _stream(container: Any, where: str | Path) -> Any:
    """The stream of moving pictures; covers of sound files are none."""
    streams = [item for item in container.streams.video if not _is_cover(item)]
    if not streams:
        sound = " (only sound)" if container.streams.audio else ""
        raise DataError(f"The file has no video stream{sound}.", where, "Name the video itself.")
    context = streams[0].codec_context
    if context is None:
        raise DataError("PyAV does not know the codec of the video.", where, "Convert it to mp4 (H.264).")
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
        raise DataError(f"The video ends with an error: {_said(error)}.", where, AGAIN) from error


def _frame(picture: Any, stream: Any, scaler: Any, time: float, max_side: int, where: str | Path) -> Frame:
    _check_pixels(picture.width, picture.height, where)
    ratio = float(stream.sample_aspect_ratio or 1) or 1.0
    width, height = max(1, round(picture.width * ratio)), picture.height
    scale = min(1.0, max_side / max(width, height))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = scaler.reformat(picture, *small, "rgb24").to_ndarray()
    flipped, turns = _orientation(picture)
    if turns % 2:
        width, height = height, width
    upright = np.rot90(image[:, ::-1] if flipped else image, turns)
    return Frame(np.ascontiguousarray(upright), time, (width, height), -90 * turns % 360)


def _orientation(picture: Any) -> tuple[bool, int]:
    """How a player shows a stored picture: mirrored left to right first or not, then so many quarter turns
    counterclockwise.

    The display matrix (a 3 x 3 matrix of 32-bit numbers) sends a stored point (x, y) to (a x + c y, b x + d y).
    """
    need("av")
    from av.sidedata.sidedata import Type

    data = next((item for item in picture.side_data if item.type == Type.DISPLAYMATRIX), None)
    if data is None:
        return False, 0
    a, b, _, c, d, *_ = np.frombuffer(bytes(data), "<i4", 9).tolist()
    flipped = a * d - b * c < 0
    if flipped:
        a, b = -a, -b
    return flipped, round(np.degrees(np.arctan2(-b, a)) / 90) % 4


def _seconds(container: Any, stream: Any) -> float | None:
    """Announced length of the pictures; None where the file does not say."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if container.duration and not container.streams.audio:  # else it may be that of the sound
        return container.duration / 1e6
    return None


def _check_whole(container: Any, stream: Any, count: int, last: float, path: Path) -> None:
    """DataError for a video that ends before it said it would."""
    rate = announced_rate(stream) or FRAMES_PER_SECOND
    slack = max(1, MOST_MISSING * stream.frames, SLACK * rate)
    if stream.frames and count < stream.frames - slack:
        raise DataError(f"The video is truncated: it has {count} of {stream.frames} frames.", path, AGAIN)
    seconds = _seconds(container, stream)
    if not stream.frames and seconds and last + 1 / rate < seconds - max(SLACK, MOST_MISSING * seconds):
        raise DataError(f"The video is truncated: it has {last:.1f} of {seconds:.1f} seconds.", path, AGAIN)


def _read_pictures(folder: Path, max_side: int, fps: float) -> Iterator[Frame]:
    need("PIL")
    from PIL import Image, ImageOps

    size, first = None, None
    for number, path in enumerate(pictures_in(folder)):
        try:
            with Image.open(path) as stored:
                _check_pixels(*stored.size, path)
                image = _in_colour(ImageOps.exif_transpose(stored))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(f"The picture cannot be read: {_said(error)}.", path, AGAIN) from error
        if size not in (None, image.size):
            what = "The pictures have different sizes: {}x{} and {}x{}.".format(*size, *image.size)
            raise DataError(what, f"{first}, {path}", "Put the frames of each clip into a folder of their own.")
        size, first = image.size, first or path
        image.thumbnail((max_side, max_side))
        yield Frame(np.ascontiguousarray(image), number / fps, size)
    if size is None:
        raise DataError("The folder holds no pictures.", folder)


def _in_colour(image: Any) -> Any:
    """A picture as 8-bit RGB: 16-bit greys keep their range, and transparent areas lie over white."""
    from PIL import Image

    if image.mode.startswith("I"):
        shades = np.rint(np.clip(np.asarray(image, np.float64) / MOST_OF_16_BITS, 0, 1) * 255)
        return Image.fromarray(shades.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _check_pixels(width: int, height: int, where: str | Path) -> None:
    if width * height > LARGEST:
        raise DataError(
            f"The pictures are too large: {width} x {height} pixels.", where, "Reduce the size of the video first."
        )


def _said(error: Exception) -> str:
    """What a library said, in one line and without the path, which stands elsewhere."""
    if isinstance(error, SlrError):
        return error.what
    text = getattr(error, "strerror", None) or str(error)
    return text.splitlines()[0] if text else type(error).__name__
