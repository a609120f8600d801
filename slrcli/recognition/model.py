"""A recogniser as programs want it: files, arrays, folders and streams in, hypotheses out, nothing printed."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from slrcli.config import FRAMES_PER_SECOND, ExtractConfig, LiveConfig, merge_section
from slrcli.listening import Listening, Progress
from slrcli.transcripts.words import Glosses, words_of

if TYPE_CHECKING:
    import numpy as np

    from slrcli.checkpoints.meta import Meta
    from slrcli.decoding.hypothesis import Hypothesis
    from slrcli.decoding.stream import StreamEvent, StreamRecogniser
    from slrcli.features.clip import Clip as ReadyClip
    from slrcli.recognition.recogniser import ClipRecogniser
    from slrcli.recognition.settings import DecoderOptions

    Clip = str | Path | np.ndarray


class Model:
    """A recogniser with its decoder and its calibration; `slrcli.load` gives one.

    Attributes:
        path: the file that it was read from.
    """

    def __init__(self, path: Path, recogniser: "ClipRecogniser", decoder: "DecoderOptions", device: str):
        self.path, self._recogniser, self._decoder, self._device = path, recogniser, decoder, device

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r}, {self.meta.config.model.arch}, {len(self.glosses)} glosses)"

    @property
    def meta(self) -> "Meta":
        """What it knows of itself: configuration, vocabulary, layout, metrics, versions."""
        return self._recogniser.meta

    @property
    def glosses(self) -> tuple[str, ...]:
        """The glosses that it can say."""
        return self._recogniser.vocabulary.glosses

    def decode(
        self, clips: "Clip | Iterable[Clip]", progress: Progress | None = None, fps: float = 0.0
    ) -> "Hypothesis | list[Hypothesis] | dict[str, Hypothesis]":
        """What is signed in clips.

        Args:
            clips: a feature file, a video (extra `video`) or an array `[T, D]` of the model's layout, NaN where a point
                is missing; a folder of such files; or several of all these, one after the other.
            fps: frames per second of arrays, and of files that do not say it; 0: those of the training data.

        Returns:
            The hypothesis of one clip; for a folder a dictionary, the place of each clip below it -> its hypothesis;
            for several clips a list in their order. Spans and peaks are frames.

        Raises:
            SlrError: a clip that cannot be read or does not fit, the first of them; nobody is seen in it; a folder
                without clips.
        """
        from slrcli.recognition.decode import clips as clips_of
        from slrcli.recognition.timing import clip_ids

        if isinstance(clips, str | Path):
            files = list(clips_of([Path(clips)]))
            found = self._decoded(files, progress, fps)
            return found[0] if files == [Path(clips)] else dict(zip(clip_ids([Path(clips)], files), found, strict=True))
        if hasattr(clips, "__array__"):
            return self._decoded([cast("np.ndarray", clips)], progress, fps)[0]
        return self._decoded(list(clips), progress, fps)

    def align(self, clip: "Clip", glosses: Glosses, fps: float = 0.0) -> "Hypothesis":
        """Known glosses, placed in a clip, as `slr align` places them.

        Args:
            clip: a feature file, or an array `[T, D]`.
            glosses: in the order they are signed, as a text or one by one.
            fps: frames per second of an array, or of a file that does not say it; 0: those of the training data.

        Raises:
            SlrError: a clip that cannot be read or is too short for its glosses, or a gloss that nobody knows.
        """
        from slrcli.recognition.align import align_clip

        return align_clip(self._recogniser, self._prepared(clip, 0, fps), words_of(glosses), _name(clip, 0))

    def stream(self, fps: float = 0.0, **options: Any) -> "Stream":
        """A recogniser of a running stream of frames.

        Args:
            fps: frames per second of the stream; 0: of what the model was trained on, else 25.
            options: of `slrcli.config.LiveConfig`: `window`, `hop`, `settle`.

        Raises:
            UsageError: options that do not fit each other, or that do not exist.
        """
        from slrcli.recognition.stream import stream_recogniser

        live = merge_section(LiveConfig(), options, "stream")
        rate = fps or self.meta.fps or FRAMES_PER_SECOND
        return Stream(stream_recogniser(Listening(), self._recogniser, rate, live), self._recogniser)

    def _decoded(self, clips: "Sequence[Clip]", progress: Progress | None, fps: float) -> "list[Hypothesis]":
        """One hypothesis for each clip, files and arrays in any order."""
        from slrcli.recognition.decode import DECODE_BATCH, DecodeOptions, decode_with

        console = Listening(progress)
        done: dict[int, Hypothesis] = {}
        files = {index: Path(clip) for index, clip in enumerate(clips) if isinstance(clip, str | Path)}
        options = DecodeOptions(extraction=ExtractConfig(fps=fps), jobs=1, timed=True)
        with closing(decode_with(console, self._recogniser, [*files.values()], options)) as outcomes:
            for index, item in zip(files, outcomes, strict=True):
                done[index] = item.found
        others = {index: clip for index, clip in enumerate(clips) if not isinstance(clip, str | Path)}
        with console.progress("decoding arrays", len(others)) as task:
            for start in range(0, len(others), DECODE_BATCH):
                part = [*others][start : start + DECODE_BATCH]
                names = [_name(others[index], index) for index in part]
                made = [self._prepared(others[index], index, fps) for index in part]
                found = self._recogniser.recognise([item.x for item in made], names)
                done |= {
                    index: one.at_pace(item.factor, item.frames)
                    for index, one, item in zip(part, found, made, strict=True)
                }
                task.advance(len(part))
        return [done[index] for index in range(len(clips))]

    def _prepared(self, clip: "Clip", index: int, fps: float) -> "ReadyClip":
        if isinstance(clip, str | Path):
            return self._recogniser.read(Path(clip), fps)
        return self._recogniser.prepared(clip, _name(clip, index), fps)


class Stream:
    """A running stream: `push` frames as they come, `finish` when no more do. `Model.stream` gives one."""

    def __init__(self, stream: "StreamRecogniser", recogniser: "ClipRecogniser"):
        self._stream, self._recogniser = stream, recogniser

    def push(self, frames: "np.ndarray") -> "list[StreamEvent]":
        """Take in the next frames `[n, D]`, NaN where a point is missing; the glosses that are certain now.

        Raises:
            DataError: frames of another width than the model's layout.
        """
        return self._stream.push(self._recogniser.frames(frames, "stream"))

    def finish(self) -> "list[StreamEvent]":
        """No more frames come; the glosses that were open."""
        return self._stream.finish()


def _name(clip: Any, index: int) -> str:
    """What to call a clip in an error."""
    return str(clip) if isinstance(clip, str | Path) else f"array {index}"
