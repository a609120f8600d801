"""Glosses of a running stream: what one is, who finds them, and the best path of what comes in parts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from slrcli.decoding.greedy import check_numbers
from slrcli.decoding.hypothesis import Decodes, input_frame, input_span
from slrcli.glosses.vocabulary import BLANK


@dataclass(frozen=True)
class StreamEvent:
    """A gloss of a running stream, final: it will not change any more.

    Attributes:
        gloss: its name.
        start, end: frames of the stream, the end exclusive.
        confidence: a probability in [0, 1].
        peak: the frame where it is likeliest; None where that is not known.
        told: how many frames had come when it was told.
    """

    gloss: str
    start: int
    end: int
    confidence: float
    peak: int | None = None
    told: int = 0

    @property
    def middle(self) -> float:
        """Where it is, in frames."""
        return (self.start + self.end) / 2

    @property
    def latency(self) -> int:
        """Frames that came after its end before it was told."""
        return self.told - self.end

    def seconds(self, fps: float) -> tuple[float, float]:
        """Start and end in seconds of a stream of `fps` frames per second."""
        return self.start / fps, self.end / fps

    def to_dict(self, fps: float) -> dict[str, Any]:
        """Plain values, for `--json`: frames, the end exclusive, and seconds, both rounded."""
        start, end = (round(value, 3) for value in self.seconds(fps))
        return {
            "gloss": self.gloss, "start": self.start, "end": self.end, "peak": self.peak,
            "confidence": round(self.confidence, 4), "latency": self.latency,
            "start_seconds": start, "end_seconds": end,
        }  # fmt: skip


class StreamRecogniser(Protocol):
    """Anything that turns a stream of frames into glosses as they become certain."""

    def push(self, frames: np.ndarray) -> list[StreamEvent]:
        """Take in the next frames `[n, D]`, NaN where a point is missing; the glosses that are certain now."""

    def finish(self) -> list[StreamEvent]:
        """No more frames come; the glosses that were open."""


@dataclass
class _Run:
    """Output frames of one label: the first, the last, the sum of the probabilities, the greatest and its place."""

    label: int
    first: int
    last: int
    total: float = 0.0
    greatest: float = -np.inf
    peak: int = 0


class BestPathStream:
    """`greedy` for log-probabilities that come in parts: the same glosses, spans, peaks and confidences.

    A gloss is certain once its run has ended, that is with the first output frame whose best label is another one.
    Its label is so from its first frame on, but not where it ends and peaks and how sure the model is of it.

    Args:
        vocab: its tokens name the columns.
        stride: input frames per output frame.
        confidence: what a gloss's mean probability becomes.
    """

    def __init__(self, vocab: Decodes, stride: float, confidence: Callable[[float], float] = lambda value: value):
        self._vocab, self._stride, self._confidence = vocab, stride, confidence
        self._run: _Run | None = None
        self._steps = 0

    def push(self, log_probs: np.ndarray, came: int, length: int | None = None) -> list[StreamEvent]:
        """The glosses that are certain with these output frames.

        Args:
            log_probs: `[S, V]`, natural log-probabilities of the next ones, blank at 0.
            came: input frames that have come.
            length: input frames of the whole stream, once it is over.

        Raises:
            SlrError: NaN among the log-probabilities.
        """
        if not len(log_probs):
            return []
        labels = log_probs.argmax(axis=1)
        values = log_probs[np.arange(len(labels)), labels]
        check_numbers(values[None], ["the stream"])
        found = []
        for label, value in zip(labels.tolist(), values.tolist(), strict=True):
            if self._run is not None and self._run.label != label:
                found += self._close(came, length)
            if label != BLANK:
                self._take(label, value)
            self._steps += 1
        return found

    def finish(self, length: int) -> list[StreamEvent]:
        """The gloss whose run the end of the stream, after `length` input frames, has ended."""
        return self._close(length, length)

    def _take(self, label: int, value: float) -> None:
        if self._run is None:
            self._run = _Run(label, self._steps, self._steps)
        run = self._run
        run.last = self._steps
        run.total += float(np.exp(min(value, 0.0)))
        if value > run.greatest:
            run.greatest, run.peak = value, self._steps

    def _close(self, came: int, length: int | None) -> list[StreamEvent]:
        run, self._run = self._run, None
        if run is None:
            return []
        start, end = input_span(run.first, run.last, self._stride, length)
        peak = input_frame(run.peak, self._stride, length)
        sure = self._confidence(run.total / (run.last - run.first + 1))
        return [StreamEvent(self._vocab.decode([run.label])[0], start, end, sure, peak, came)]
