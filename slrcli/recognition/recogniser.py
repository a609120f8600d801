"""What all recognisers of whole clips share, whatever computes their log-probabilities; torch is not needed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from slrcli.checkpoints.meta import Meta
from slrcli.decoding.alignment import align
from slrcli.decoding.calibration import Calibration
from slrcli.decoding.decoder import Decoder, make_decoder
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.decoding.stream import StreamRecogniser
from slrcli.errors import DataError, reason_of
from slrcli.features.clip import Clip, check_width, is_empty, load_at, padded, ready_at
from slrcli.glosses.vocabulary import Vocabulary


class ClipRecogniser:
    """Feature arrays in, hypotheses out. A subclass says `log_probs`, `stride` and `least_frames`.

    Attributes:
        vocabulary: names of the classes.
        meta: what is known of the model beside its weights.
        decoder: makes hypotheses of log-probabilities; what its training found out about reading clips, else the best
            path, unless another one is put here.
        calibration: what the confidences go through; None leaves them as the model has them.
    """

    calibration: Calibration | None = None

    def __init__(self, vocabulary: Vocabulary, meta: Meta):
        self.vocabulary, self.meta = vocabulary, meta
        self.decoder: Decoder = make_decoder(meta.decode, vocabulary)

    @property
    def stride(self) -> float:
        """Input frames that an output frame stands for; not always whole."""
        raise NotImplementedError

    @property
    def least_frames(self) -> int:
        """The shortest clip of which anything comes out."""
        raise NotImplementedError

    @property
    def late(self) -> int:
        """Input frames by which output frames come after what they see (see `SignModel`); times are put right by it."""
        return 0

    def load(self, path: Path) -> np.ndarray:
        """A feature file, prepared for this recogniser; DataError where it does not fit or nobody is seen in it."""
        return self.read(path).x

    def read(self, path: Path, fps: float = 0.0) -> Clip:
        """The same with what leads back to its frames; `fps` is the rate of a file that does not say it (0: unknown).

        Where both rates are known, the clip is read at the one of the training data.
        """
        meta = self.meta
        return _require_person(load_at(path, meta.layout, fps, meta.fps, **meta.config.data.preparation), path)

    def prepared(self, x: np.ndarray, name: str = "array", fps: float = 0.0) -> Clip:
        """An array `[T, D]` of the layout's columns prepared for this recogniser; errors name it `name`.

        Args:
            fps: its frames per second; 0: unknown.

        Raises:
            DataError: wrong shape or type, no frames, infinite values, or no person was seen in it.
        """
        x = self.frames(x, name)
        if not len(x):
            raise DataError("The clip has no frames.", name, "Give an array of shape [T, D].")
        meta = self.meta
        return _require_person(ready_at(x, meta.layout, name, fps, meta.fps, **meta.config.data.preparation), name)

    def frames(self, x: np.ndarray, name: str = "array") -> np.ndarray:
        """Frames as float32 `[n, D]`, D the columns of the layout.

        Raises:
            DataError: they are not numeric, or of another shape.
        """
        try:
            x = np.asarray(x, np.float32)
        except (TypeError, ValueError) as error:
            what = f"The clip is not numeric: {reason_of(error)}."
            raise DataError(what, name, "Give an array of shape [T, D].") from error
        if x.ndim != 2:
            what = f"A clip has two axes, frames and columns, but this array has the shape {list(x.shape)}."
            raise DataError(what, name, "Give an array of shape [T, D].")
        check_width(x.shape[1], self.meta.layout, name)
        return x

    def log_probs(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-probabilities of a batch.

        Args:
            x: float32 `[B, T, D]`, NaN where a point is missing; what lies beyond a clip's end is not looked at.
            lengths: frames of each clip, int64 `[B]`.

        Returns:
            Float32 `[B, T', V]`, and the output frames of each clip, int64 `[B]`.
        """
        raise NotImplementedError

    def local_log_probs(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `log_probs`, but nearer to where in the clip a gloss is signed: for placing glosses that are known."""
        return self.log_probs(x, lengths)

    def inner_log_probs(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """As `log_probs`, by the inner heads alone, several of them on average; None where none can be asked."""
        return None

    def running(self) -> StreamRecogniser | None:
        """A recogniser of a running stream that carries on what it knows; None where whole clips are needed."""
        return None

    def recognise(self, clips: Sequence[np.ndarray], names: Sequence[str] | None = None) -> list[Hypothesis]:
        """Hypotheses of clips `[T, D]`, computed as one batch; DataError where one is not as wide as the layout."""
        for index, clip in enumerate(clips):
            check_width(clip.shape[-1], self.meta.layout, names[index] if names else f"clip {index}")
        x, frames = padded(clips)
        return self.hypotheses(*self.log_probs(x, frames), frames, names)

    def hypotheses(
        self, log_probs: np.ndarray, lengths: np.ndarray, frames: np.ndarray, names: Sequence[str] | None = None
    ) -> list[Hypothesis]:
        """What the decoder makes of a batch, spans in input frames.

        Args:
            log_probs, lengths: as `log_probs` gives them.
            frames: input frames of each clip.
            names: what to call the clips in an error.
        """
        # The stride is the model's, not the batch's: spans must not depend on what else is in it.
        found = self.decoder(log_probs, lengths.tolist(), self.stride, frames.tolist(), names)
        found = [item.earlier(self.late) for item in found]
        return [self.calibration.applied(item) for item in found] if self.calibration else found

    def placed(self, log_probs: np.ndarray, ids: Sequence[int], frames: int) -> Hypothesis:
        """Known glosses, placed in a clip; see `slrcli.decoding.alignment.align`.

        Args:
            log_probs: `[T', V]` of one clip without padding, of `log_probs` or `local_log_probs`.
            ids: the glosses in their order.
            frames: input frames of the clip.

        Raises:
            DataError: they cannot be placed.
        """
        return align(log_probs, ids, self.stride, self.vocabulary, frames).earlier(self.late)


def _require_person(clip: Clip, where: str | Path) -> Clip:
    """The clip; DataError where every value of it is missing."""
    if is_empty(clip.x):
        what = f"No person was seen in {Path(where).name}: all values of its {clip.frames:,} frames are missing."
        raise DataError(what, where, "Look at it with slr show, then extract it again.")
    return clip
