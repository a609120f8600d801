"""What `slr decode` does: feature files and videos in, glosses with their places and confidences out."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.config import FRAMES_PER_SECOND, ExtractConfig
from slrcli.console import Console
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.errors import DataError, SlrError
from slrcli.features.clip import Clip
from slrcli.features.readers import SUFFIXES, clips_below, is_holder
from slrcli.files import temporary_folder
from slrcli.parallel.prefetch import prefetch
from slrcli.parallel.workers import usable_cores
from slrcli.recognition.load import open_recogniser
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.settings import DecoderOptions
from slrcli.recognition.timing import FrameRates, check_rate
from slrcli.transcripts import TimedClip
from slrcli.video.sources import is_source, sources_below
from slrcli.video.timing import frame_rate

DECODE_BATCH = 8


@dataclass(frozen=True)
class DecodeOptions:
    """What clips are decoded with.

    Attributes:
        model: checkpoint, run or exported model; None is the newest run, which a note names.
        device: where a checkpoint is run.
        extraction: how videos become landmarks; their layout is always the checkpoint's. Its `fps` is also the rate of
            feature files that do not say it.
        jobs: processes for landmark extraction and for the beam search; 0: one per core.
        decoder: settings of the decoder given by the user.
        timed: whether times are written, which the frame rate is needed for.
    """

    model: Path | None = None
    device: str = "auto"
    extraction: ExtractConfig = field(default_factory=ExtractConfig)
    jobs: int = 0
    decoder: DecoderOptions = field(default_factory=DecoderOptions)
    timed: bool = False


@dataclass(frozen=True)
class Decoded:
    """One file's outcome: a hypothesis, or the error that stood in its way.

    Attributes:
        times: for a video, the presentation time of each frame in seconds.
    """

    path: Path
    frames: int = 0
    hypothesis: Hypothesis | None = None
    error: SlrError | None = None
    times: tuple[float, ...] = ()

    @property
    def found(self) -> Hypothesis:
        """The hypothesis; raises the error where there is none."""
        if self.hypothesis is None:
            raise self.error or ValueError("neither a hypothesis nor an error")
        return self.hypothesis

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`; spans are in frames, the end exclusive; for videos also in seconds."""
        if self.hypothesis is None:
            return {"file": str(self.path), "error": str(self.error)}
        found = {"file": str(self.path), "frames": self.frames, **self._dict_of(self.hypothesis)}
        if self.hypothesis.others:
            found["others"] = [self._dict_of(item) for item in self.hypothesis.others]
        return found

    def _dict_of(self, found: Hypothesis) -> dict[str, Any]:
        rows = zip(found.glosses, found.spans, found.confidences, strict=True)
        return {
            "log_probability": found.score,
            **({} if found.rating is None else {"rating": found.rating}),
            "glosses": [
                {
                    "gloss": gloss,
                    "start": start,
                    "end": end,
                    **self._seconds(start, end),
                    "confidence": round(confidence, 4),
                }
                for gloss, (start, end), confidence in rows
            ],
        }

    def _seconds(self, start: int, end: int) -> dict[str, float]:
        """From when the first frame of a span is shown until the last one's time is over."""
        if not self.times:
            return {}
        rate = frame_rate(np.array(self.times)) or FRAMES_PER_SECOND
        clip = TimedClip(self.path.name, self.frames, self.found, rate, self.times)
        return {"start_seconds": round(clip.second(start), 3), "end_seconds": round(clip.second(end), 3)}


def decode(console: Console, paths: Sequence[Path], decode_options: DecodeOptions) -> Iterator[Decoded]:
    """Decode files and the clips of folders, in the order given; a file that fails does not stop the others.

    Args:
        paths: feature files, videos, folders of pictures, or folders of all these.
        decode_options: what they are decoded with.

    Raises:
        SlrError: no checkpoint, or a folder without clips.
    """
    files = list(clips(paths))
    with open_for(console, decode_options, len(files)) as recogniser:
        yield from decode_with(console, recogniser, files, decode_options)


@contextmanager
def open_for(console: Console, decode_options: DecodeOptions, count: int) -> Iterator[ClipRecogniser]:
    """The recogniser of so many clips; where they are many and searched, on several cores until the block ends."""
    jobs = min(decode_options.jobs or usable_cores(), DECODE_BATCH) if count > DECODE_BATCH else 1
    with ExitStack() as stack:
        yield open_recogniser(
            console, decode_options.model, decode_options.device, replace(decode_options.decoder, jobs=jobs), stack
        )


def decode_with(
    console: Console, recogniser: ClipRecogniser, files: Sequence[Path], decode_options: DecodeOptions
) -> Generator[Decoded, None, None]:
    """Decode clips with a recogniser, in the order given; see `decode`."""
    fps = decode_options.extraction.fps
    if not any(is_source(file) for file in files):
        check_rate(fps, files, recogniser.meta.fps, decode_options.timed)
    rates = FrameRates(console, fps, recogniser.meta.fps)
    with (
        extracted(console, recogniser, files, decode_options.extraction, decode_options.jobs) as found,
        console.progress("decoding", len(files)) as task,
    ):
        parts = (files[start : start + DECODE_BATCH] for start in range(0, len(files), DECODE_BATCH))
        for part in prefetch((read(recogniser, part, found, fps) for part in parts), depth=1):
            for index, clip in part.clips.items():
                rates.note(clip, part.files[index])
            yield from recognised(recogniser, part, found)
            task.advance(len(part.files))


Landmarks = Mapping[Path, Path | SlrError]


@contextmanager
def extracted(
    console: Console, recogniser: ClipRecogniser, files: Sequence[Path], extraction: ExtractConfig, jobs: int
) -> Iterator[Landmarks]:
    """For each video among some files its landmarks in the layout of a recogniser, or the error, until the block ends.

    Args:
        console: for progress.
        recogniser: whose layout the landmarks have.
        files: feature files and videos.
        extraction: how videos become landmarks, at the recogniser's frame rate unless it names one.
        jobs: processes; 0: one per core.
    """
    videos = list(dict.fromkeys(file for file in files if is_source(file)))
    if not videos:
        yield {}
        return
    from slrcli.video.landmarks import landmarks_of  # nothing else needs all that looks at videos

    extraction = replace(extraction, fps=extraction.fps or recogniser.meta.fps)
    with temporary_folder() as folder:
        yield landmarks_of(console, videos, recogniser.meta.layout, extraction, jobs, folder)


def timed(item: Decoded, id: str, rates: FrameRates) -> TimedClip:
    """A decoded file with the times of its glosses; a video brings its own.

    Raises:
        SlrError: the error that stands in place of a hypothesis, or the file cannot be read.
    """
    if item.times:
        return timed_video(item.path, id, item.frames, item.found, item.times)
    return TimedClip(id, item.frames, item.found, rates.of(item.path))


def timed_video(path: Path, id: str, frames: int, found: Hypothesis, times: tuple[float, ...]) -> TimedClip:
    """The glosses of a video with the times of its own frames; a file that was filmed is named in it."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    fps = 1 / step if step > 0 else FRAMES_PER_SECOND
    return TimedClip(id, frames, found, fps, times, path if path.is_file() else None)


@dataclass(frozen=True)
class Read:
    """Some files that are recognised together, and what was read of them: clips or errors, by place."""

    files: Sequence[Path]
    clips: dict[int, Clip]
    errors: dict[int, Decoded]


def read(recogniser: ClipRecogniser, files: Sequence[Path], landmarks: Landmarks, fps: float = 0.0) -> Read:
    """What the recogniser reads of each file, or of the feature file that stands in its place; `fps` is the rate of
    files that do not say it."""
    found, errors = {}, {}
    for index, file in enumerate(files):
        try:
            features = landmarks.get(file, file)
            if isinstance(features, SlrError):
                raise features
            found[index] = recogniser.read(features, fps)
        except SlrError as error:
            errors[index] = Decoded(file, error=error)
    return Read(files, found, errors)


def recognised(recogniser: ClipRecogniser, part: Read, landmarks: Landmarks) -> list[Decoded]:
    """What comes out for each of the files that were read."""
    files, arrays = part.files, [clip.x for clip in part.clips.values()]
    names = [str(files[index]) for index in part.clips]
    done = {}
    for (index, clip), found in zip(part.clips.items(), _recognised(recogniser, arrays, names), strict=True):
        if isinstance(found, SlrError):
            part.errors[index] = Decoded(files[index], error=found)
        else:
            made = landmarks.get(files[index])
            times = frame_times(made) if isinstance(made, Path) else ()
            hypothesis = found.at_pace(clip.factor, clip.frames)
            done[index] = Decoded(files[index], clip.frames, hypothesis, times=times)
    return [(done | part.errors)[index] for index in range(len(files))]


def _recognised(
    recogniser: ClipRecogniser, arrays: Sequence[np.ndarray], names: Sequence[str]
) -> Sequence[Hypothesis | SlrError]:
    """What is recognised in each clip; where the batch fails, clip by clip, so that one does not take the others."""
    if not arrays:
        return []
    try:
        return recogniser.recognise(arrays, names)
    except SlrError as error:
        if len(arrays) == 1:
            return [type(error)(error.what, error.where or names[0], error.fix)]
    return [_recognised(recogniser, [x], [name])[0] for x, name in zip(arrays, names, strict=True)]


def frame_times(made: Path) -> tuple[float, ...]:
    """When each frame of an extracted video is shown."""
    with np.load(made, allow_pickle=False) as arrays:
        return tuple(arrays["timestamps"].tolist())


def clips(paths: Sequence[Path]) -> Iterator[Path]:
    """The files themselves, and for a folder its feature files and videos, those in folders below it too, by name.

    A packed store is a folder of its clips, and so is any other file of several.
    """
    for path in paths:
        if is_holder(path):
            yield from clips_below(path)
            continue
        if not path.is_dir() or is_source(path):
            yield path
            continue
        inside = [*clips_below(path), *sources_below(path)]
        if not inside:
            fix = f"Name a folder with files such as {', '.join(SUFFIXES)} or .mp4."
            raise DataError("The folder contains neither feature files nor videos.", str(path), fix)
        yield from sorted(inside)
