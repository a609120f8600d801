"""Glosses of a stream from a network that answers while the signing goes on: each part is carried on, none repeated."""

from collections.abc import Callable

import numpy as np
import torch

from slrcli.decoding.hypothesis import Decodes
from slrcli.decoding.stream import BestPathStream, StreamEvent
from slrcli.features.gaps import StreamingGaps
from slrcli.models.base import device_of
from slrcli.models.frontend import Cache
from slrcli.models.streaming import Streaming


class StreamingRecogniser:
    """A `StreamRecogniser` made of a streaming network; its glosses are those of the best path of the whole clip.

    A gloss ends with its last step of 4 frames. It is emitted with the next step, which takes 4 frames, after the
    network's lookahead, and after the frames that the filling of a gap waits for.

    Args:
        model: a network of the architecture `streaming` with a causal frontend, in evaluation mode.
        vocabulary: names of its classes.
        stride: input frames of a step.
        max_gap: gaps up to this many frames are filled.
        confidence: what a gloss's mean probability becomes.
    """

    def __init__(
        self,
        model: Streaming,
        vocabulary: Decodes,
        stride: float,
        max_gap: int,
        confidence: Callable[[float], float] = lambda value: value,
    ):
        self._model = model
        self._device = device_of(model)
        self._width = model.frontend.layout.width
        self._gaps = StreamingGaps(model.frontend.layout, max_gap)
        self._cache, self._stream = Cache(), model.start()
        self._decoder = BestPathStream(vocabulary, stride, confidence)
        self._came = 0

    def push(self, frames: np.ndarray) -> list[StreamEvent]:
        """See `StreamRecogniser`. The glosses do not depend on how the frames are divided.

        Derivatives that the layout stores are not used, so the positions alone will do.
        """
        if not len(frames):
            return []
        self._came += len(frames)
        beyond = self._width - frames.shape[1]
        if beyond:
            frames = np.pad(frames, ((0, 0), (0, beyond)), constant_values=np.nan)
        return self._decoder.push(self._answers(self._gaps.push(frames)), self._came)

    @torch.inference_mode()
    def finish(self) -> list[StreamEvent]:
        """See `StreamRecogniser`."""
        last = self._answers(self._gaps.finish()), self._model.finish(self._stream).float().cpu().numpy()
        found = [item for part in last for item in self._decoder.push(part, self._came, self._came)]
        return found + self._decoder.finish(self._came)

    @torch.inference_mode()
    def _answers(self, frames: np.ndarray) -> np.ndarray:
        """Log-probabilities `[S, V]` of the steps that these frames settle."""
        if not len(frames):
            return np.zeros((0, self._model.vocab_size), np.float32)
        x = torch.from_numpy(np.ascontiguousarray(frames)).to(self._device)
        return self._model.step(self._model.frontend.step(x, self._cache), self._stream).float().cpu().numpy()
