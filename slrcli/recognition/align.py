"""What `slr align` does: glosses that are known to be signed in a clip, placed in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from slrcli.config import DataConfig, ExtractConfig
from slrcli.console import Console
from slrcli.corpus import split_name
from slrcli.corpus.opening import open_data
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.features.clip import Clip, padded
from slrcli.recognition.decode import Landmarks, extracted, frame_times, timed_video
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.timing import FrameRates, check_rate
from slrcli.transcripts import TimedClip

ALIGN_BATCH = 8


@dataclass(frozen=True)
class Known:
    """A clip whose glosses are known; `path` is None where no feature file was found."""

    id: str
    path: Path | None
    glosses: tuple[str, ...]


@dataclass(frozen=True)
class Aligned:
    """What became of a clip: its glosses with their times, or the error that stood in the way."""

    id: str
    clip: TimedClip | None = None
    error: SlrError | None = None

    @property
    def placed(self) -> TimedClip:
        """The clip; raises the error where there is none."""
        if self.clip is None:
            raise self.error or ValueError("neither a clip nor an error")
        return self.clip


def known_clip(path: Path, glosses: str) -> list[Known]:
    """One file, and its glosses separated by white space.

    Raises:
        UsageError: no glosses.
    """
    if not glosses.split():
        raise UsageError("No glosses are given.", "--glosses", 'Write them as "HELLO YOU".')
    return [Known(path.stem, path, tuple(glosses.split()))]


def known_clips(console: Console, data: DataConfig, split: str) -> list[Known]:
    """The utterances of a split of a corpus.

    Raises:
        SlrError: the corpus cannot be read or has no such split.
    """
    corpus = open_data(data)
    for note in corpus.notes:
        console.note(note)
    return [Known(item.id, item.features, tuple(item.glosses)) for item in corpus.split(split_name(split))]


def align(
    console: Console,
    recogniser: ClipRecogniser,
    clips: Sequence[Known],
    fps: float = 0.0,
    extraction: ExtractConfig | None = None,
) -> Iterator[Aligned]:
    """Place the glosses of clips, in the order given; a clip that fails does not stop the others.

    Args:
        console: for progress.
        recogniser: whose vocabulary's normaliser the glosses go through.
        clips: what to align.
        fps: frames per second of files that do not say it; 0: those of the training data. Videos have their own times.
        extraction: how videos become landmarks.
    """
    rates = FrameRates(console, fps, recogniser.meta.fps)
    files = [item.path for item in clips if item.path is not None]
    with (
        extracted(console, recogniser, files, extraction or ExtractConfig(), 0) as landmarks,
        console.progress("aligning", len(clips)) as task,
    ):
        for start in range(0, len(clips), ALIGN_BATCH):
            part = clips[start : start + ALIGN_BATCH]
            yield from _align_batch(recogniser, part, rates, landmarks)
            task.advance(len(part))


def require_rate(recogniser: ClipRecogniser, clips: Sequence[Known], fps: float) -> None:
    """Raise a UsageError if a frame rate was given, and all files say another one themselves."""
    check_rate(fps, [item.path for item in clips if item.path], recogniser.meta.fps, True)


def align_clip(recogniser: ClipRecogniser, clip: Clip, glosses: Sequence[str], name: str) -> Hypothesis:
    """Place the glosses of one clip, prepared as the recogniser wants it; `name` it in errors.

    Raises:
        DataError: no gloss, one that the vocabulary lacks, or a clip that is too short for them.
    """
    ids = _ids(recogniser, Known(name, Path(name), tuple(glosses)))
    log_probs, lengths = recogniser.local_log_probs(*padded([clip.x]))
    return _placed(recogniser, log_probs[0, : int(lengths[0])], ids, clip, name)


def _placed(recogniser: ClipRecogniser, log_probs: np.ndarray, ids: list[int], clip: Clip, name: str) -> Hypothesis:
    try:
        return recogniser.placed(log_probs, ids, len(clip.x)).at_pace(clip.factor, clip.frames)
    except SlrError as error:
        raise type(error)(error.what, name, error.fix) from error


def _align_batch(
    recogniser: ClipRecogniser, clips: Sequence[Known], rates: FrameRates, landmarks: Landmarks
) -> list[Aligned]:
    done: dict[int, Aligned] = {}
    files, arrays, targets = {}, {}, {}
    for index, item in enumerate(clips):
        try:
            files[index] = _file(item)
            targets[index] = _ids(recogniser, item)
            features = landmarks.get(files[index], files[index])
            if isinstance(features, SlrError):
                raise features
            arrays[index] = recogniser.read(features, rates.given)
            rates.note(arrays[index], item.id)
        except SlrError as error:
            done[index] = Aligned(item.id, error=error)
    if arrays:
        log_probs, lengths = recogniser.local_log_probs(*padded([clip.x for clip in arrays.values()]))
        for row, (index, length) in enumerate(zip(arrays, lengths.tolist(), strict=True)):
            item, clip = clips[index], arrays[index]
            try:
                found = _placed(recogniser, log_probs[row, :length], targets[index], clip, item.id)
                done[index] = Aligned(item.id, _timed(item.id, files[index], clip.frames, found, rates, landmarks))
            except SlrError as error:
                done[index] = Aligned(item.id, error=error)
    return [done[index] for index in range(len(clips))]


def _timed(id: str, file: Path, frames: int, found: Hypothesis, rates: FrameRates, landmarks: Landmarks) -> TimedClip:
    made = landmarks.get(file)
    if isinstance(made, Path):
        return timed_video(file, id, frames, found, frame_times(made))
    return TimedClip(id, frames, found, rates.of(file))


def _file(item: Known) -> Path:
    """The feature file of a clip; DataError where none was found."""
    if item.path is None:
        raise DataError("No feature file was found.", item.id, "Name the folder of the features with --features.")
    return item.path


def _ids(recogniser: ClipRecogniser, item: Known) -> list[int]:
    """The ids of a clip's glosses.

    Raises:
        DataError: no gloss, or one that the vocabulary lacks.
    """
    glosses = recogniser.vocabulary.normalise(item.glosses)
    if not glosses:
        fix = "Check the annotation: it is empty, or the normaliser left nothing of it."
        raise DataError("There is no gloss to align.", item.id, fix)
    try:
        return recogniser.vocabulary.encode(glosses)
    except DataError as error:
        raise DataError(error.what, item.id, error.fix) from error
