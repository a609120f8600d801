"""What every decoder gives back: glosses with their places in the clip and how sure the model was of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor
from typing import Any, Protocol


class Decodes(Protocol):
    """The part of a vocabulary that decoding needs."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """What every id stands for; the first is the blank."""

    def decode(self, ids: Sequence[int]) -> list[str]:
        """The glosses of `ids`."""


@dataclass(frozen=True)
class Hypothesis:
    """A recognised gloss sequence.

    Attributes:
        ids: vocabulary ids, blank not among them.
        glosses: their glosses.
        spans: for each gloss (start, end) in INPUT frames, end exclusive.
        confidences: for each gloss a probability in [0, 1]; which one, the decoder says.
        score: natural log-probability of the hypothesis; of which event, the decoder says.
        peaks: for each gloss the INPUT frame where it is likeliest; empty where the decoder does not say.
        rating: what it was chosen by, where more than `score` counted (a language model); None where nothing else did.
        others: the next best hypotheses, where they were asked for.
    """

    ids: tuple[int, ...]
    glosses: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    confidences: tuple[float, ...]
    score: float
    peaks: tuple[int, ...] = ()
    rating: float | None = None
    others: tuple["Hypothesis", ...] = ()

    def __post_init__(self):
        sizes = {len(self.ids), len(self.glosses), len(self.spans), len(self.confidences)}
        sizes |= {len(self.peaks)} if self.peaks else set()
        if len(sizes) > 1:
            raise ValueError(f"ids, glosses, spans, confidences (and peaks) must be equally many, not {sorted(sizes)}")

    def earlier(self, frames: int) -> "Hypothesis":
        """The same with all times so many input frames earlier, none before the clip's beginning."""
        if not frames:
            return self
        starts = [max(0, start - frames) for start, _ in self.spans]
        spans = [(start, max(start + 1, end - frames)) for start, (_, end) in zip(starts, self.spans, strict=True)]
        peaks = [max(0, peak - frames) for peak in self.peaks]
        others = [item.earlier(frames) for item in self.others]
        return replace(self, spans=tuple(spans), peaks=tuple(peaks), others=tuple(others))

    def at_pace(self, factor: float, frames: int) -> "Hypothesis":
        """The same in a clip that has `factor` frames per frame, `frames` in all."""
        if factor == 1:
            return self
        last = floor((frames - 1) / factor + 1e-6) + 1
        starts = [min(round(start * factor), frames - 1) for start, _ in self.spans]
        ends = [frames if end >= last else min(round(end * factor), frames) for _, end in self.spans]
        spans = [(start, max(start + 1, end)) for start, end in zip(starts, ends, strict=True)]
        peaks = [min(round(peak * factor), frames - 1) for peak in self.peaks]
        others = [item.at_pace(factor, frames) for item in self.others]
        return replace(self, spans=tuple(spans), peaks=tuple(peaks), others=tuple(others))

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Hypothesis":
        """The hypothesis whose fields, lists in place of tuples, are `values`."""
        given: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        spans, others = tuple(map(tuple, values["spans"])), tuple(map(cls.from_plain, values["others"]))
        return cls(**{**given, "spans": spans, "others": others})

    @classmethod
    def from_ids(
        cls,
        ids: Sequence[int],
        vocab: Decodes,
        spans: Sequence[tuple[int, int]],
        confidences: Sequence[float],
        score: float,
        peaks: Sequence[int] = (),
    ) -> "Hypothesis":
        """A hypothesis whose glosses `vocab` knows."""
        glosses = tuple(vocab.decode(list(ids)))
        return cls(tuple(ids), glosses, tuple(spans), tuple(confidences), score, tuple(peaks))


def input_span(first: int, last: int, stride: float, input_length: int | None = None) -> tuple[int, int]:
    """The input frames (start, end exclusive) that the output frames `first` .. `last` stand for.

    Output frame t stands for the input from t * stride up to (t + 1) * stride, rounded to whole frames, so spans of
    neighbouring runs touch without overlapping. A span holds at least one frame and ends within the clip.

    Args:
        first, last: output frames, both inclusive.
        stride: input frames per output frame; need not be whole.
        input_length: input frames of the clip; None if unknown.
    """
    start, end = round(first * stride), round((last + 1) * stride)
    if input_length is not None:
        start, end = min(start, input_length - 1), min(end, input_length)
    return start, max(end, start + 1)


def input_frame(output_frame: int, stride: float, input_length: int | None = None) -> int:
    """The input frame in the middle of those that an output frame stands for, within the clip."""
    middle = int((output_frame + 0.5) * stride)
    return middle if input_length is None else max(0, min(middle, input_length - 1))
