"""The extraction of one clip: landmarks in a layout, detection rates, and the `.npz` file of the result.

The file holds the arrays

    features    float32 [T, D]; NaN where a point is missing
    timestamps  float64 [T]; seconds since the first frame
    layout      the name of the layout
    fps         frames per second, the mean of a variable rate
    size        int [2]; width and height in pixels of the area that x and y are fractions of
    about       JSON text: source, frames, size of the picture, rotation, detection rates, settings, versions
"""

import io
import json
import platform
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from slrcli import __version__
from slrcli.config import FRAMES_PER_SECOND, ExtractConfig
from slrcli.errors import DataError
from slrcli.features.layout import Layout
from slrcli.files import atomic_write_bytes
from slrcli.video.frames import Frame, announced, read_frames
from slrcli.video.holistic import Columns, Holistic, in_square, seen
from slrcli.video.timing import LONGEST_GAP, Evenly, frame_rate, thinned, variation

SLOWER = 1.02  # a rate is fewer frames per second than another if that is more than so many times as high
FEW_HANDS = 0.3  # share of the frames below which hands were seen too rarely to recognise signs


@dataclass(frozen=True, eq=False)
class Extraction:
    """The landmarks of one clip.

    Attributes:
        features: float32 `[T, D]`, NaN where a point is missing.
        times: float64 `[T]`, seconds since the first frame.
        fps: frames per second of the array; the mean if they are uneven.
        size: width and height of the upright picture in pixels.
        shares_of: width and height of the area that x and y are fractions of.
        rotation: clockwise rotation of the stored pictures, in degrees.
        frames: number of frames processed.
        seen: for each part, the share of these frames in which it was found.
        notes: remarks for the user.
    """

    features: np.ndarray
    times: np.ndarray
    fps: float
    size: tuple[int, int]
    shares_of: tuple[int, int]
    rotation: int
    frames: int
    seen: dict[str, float]
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the arrays, as plain values."""
        return {
            "frames": len(self.features),
            "frames_looked_at": self.frames,
            "fps": round(self.fps, 4),
            "seconds": round(float(self.times[-1]), 4),
            "size": list(self.size),
            "rotation": self.rotation,
            "seen": {part: round(share, 4) for part, share in self.seen.items()},
            "notes": list(self.notes),
        }


@dataclass
class _Course:
    """What gathers while a clip is looked at."""

    times: list[float] = field(default_factory=list)
    points: list[np.ndarray] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    frames: int = 0


def extract(
    path: Path,
    layout: Layout,
    options: ExtractConfig,
    watch: Callable[[Frame, np.ndarray], None] = lambda frame, points: None,
) -> Extraction:
    """The landmarks of a video or of a folder of pictures.

    Args:
        path: the video or the folder.
        layout: of the array, with MediaPipe's points.
        options: see `ExtractConfig`; its `layout` is ignored.
        watch: called with every processed frame and its points `[543, 4]` in fractions of the picture.

    Raises:
        DataError: the clip cannot be read completely, its size changes, or nobody is seen in any frame.
        UsageError: the layout has other points.
        DependencyError: a library of the extra `video` is missing.
    """
    columns = Columns.of(layout)
    course = _Course()
    rate = announced(path, options.picture_fps).fps
    evenly = Evenly(options.fps) if options.fps else None
    last: Frame | None = None
    shown: list[float] = []
    with (
        Holistic(columns.face) as holistic,
        closing(read_frames(path, options.max_side, options.picture_fps)) as frames,
    ):
        for frame in thinned(_timed(frames, shown), options.fps):
            if last is not None and last.size != frame.size:
                what = "The size of the pictures changes from {}x{} to {}x{}.".format(*last.size, *frame.size)
                raise DataError(what, path, "Cut the video at that point.")
            last = frame
            points = holistic(frame.image)
            watch(frame, points)
            _note(course, frame.time, in_square(points, frame.size) if options.square else points, evenly)
            there = seen(points)
            for part in holistic.parts:
                course.counts[part] += there[part]
    if last is None or not any(course.counts.values()):
        what = f"No person is seen in any of the {course.frames} frames."
        raise DataError(what, path, "Check the video: is the signer in it, large enough, and upright?")
    times, rate = np.array(course.times), frame_rate(np.array(shown)) or rate
    shares = {part: count / course.frames for part, count in course.counts.items()}
    return Extraction(
        columns.complete(columns.positions(np.stack(course.points))),
        times,
        options.fps or rate or FRAMES_PER_SECOND,
        last.size,
        (max(last.size),) * 2 if options.square else last.size,
        last.rotation,
        course.frames,
        shares,
        (*_notes(np.array(shown), shares, rate, options), *_unseen(course)),
    )


def to_npz(found: Extraction, layout: Layout, about: dict[str, Any]) -> bytes:
    """The file of one clip; see the module."""
    stream = io.BytesIO()
    np.savez(
        stream,
        features=found.features,
        timestamps=found.times,
        layout=np.array(layout.name),
        fps=np.array(found.fps),
        size=np.array(found.shares_of),
        about=np.array(json.dumps(about, ensure_ascii=False)),
    )
    return stream.getvalue()


def write_npz(path: Path, found: Extraction, layout: Layout, about: dict[str, Any]) -> int:
    """Write the file of one clip atomically; returns its size in bytes."""
    data = to_npz(found, layout, about)
    atomic_write_bytes(path, data)
    return len(data)


def library_versions() -> dict[str, str]:
    """The versions of the libraries that the values depend on."""
    names = ("mediapipe", "av", "numpy")
    installed = {item.metadata["Name"]: item.version for item in map(metadata.distribution, names)}
    return {"slrcli": __version__, "python": platform.python_version(), "platform": sys.platform, **installed}


def _timed(frames: Iterator[Frame], shown: list[float]) -> Iterator[Frame]:
    """The frames as they come; the time of each is noted."""
    for frame in frames:
        shown.append(frame.time)
        yield frame


def _note(course: _Course, time: float, points: np.ndarray, evenly: Evenly | None) -> None:
    course.frames += 1
    if evenly is None:
        course.times.append(time)
        course.points.append(points)
        return
    for row in evenly.push(time, points):
        course.times.append(len(course.times) / evenly.fps)
        course.points.append(row)


def _unseen(course: _Course) -> Iterator[str]:
    """A remark on rows in which everything is missing."""
    missing = sum(bool(np.isnan(points).all()) for points in course.points)
    if missing:
        yield (
            f"{missing} of {len(course.points)} rows are missing: nobody is seen there, or the frames are more than "
            f"{LONGEST_GAP:g} seconds apart."
        )


def _notes(times: np.ndarray, shares: dict[str, float], rate: float, options: ExtractConfig) -> Iterator[str]:
    uneven = variation(times)
    if uneven and not options.fps:
        yield f"The frame rate is variable ({uneven}); --fps makes it even."
    if options.fps > rate * SLOWER > 0:
        yield f"The video has {rate:.4g} frames per second, fewer than the requested {options.fps:g}."
    if max(shares["left_hand"], shares["right_hand"]) < FEW_HANDS:
        yield f"Hands are seen in at most {max(shares['left_hand'], shares['right_hand']):.0%} of the frames."
