"""Best-path decoding: the likeliest label of each frame, repeats merged, blanks dropped (Graves et al. 2006, eq. 4)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from slrcli.decoding.hypothesis import Decodes, Hypothesis, input_frame, input_span
from slrcli.errors import SlrError
from slrcli.glosses.vocabulary import BLANK


def greedy(
    log_probs: np.ndarray, stride: float, vocab: Decodes, input_length: int | None = None, clip: str = ""
) -> Hypothesis:
    """Decode one clip.

    Args:
        log_probs: [T', V], natural log-probabilities, blank at 0.
        stride: input frames per output frame.
        vocab: its V tokens name the columns.
        input_length: input frames of the clip, so that no span goes beyond it; None if unknown.
        clip: what to call the clip in an error.

    Returns:
        A hypothesis whose `score` is the log-probability of the best path, whose `confidences` are the mean
        probability of each gloss over the output frames of its run, and whose `peaks` are the likeliest of these.
    """
    log_probs = np.asarray(log_probs)
    if log_probs.ndim != 2:
        raise ValueError(f"log_probs must be [T', V], not {list(log_probs.shape)}")
    known = None if input_length is None else [input_length]
    return greedy_batch(log_probs[None], [len(log_probs)], stride, vocab, known, [clip])[0]


def greedy_batch(
    log_probs: np.ndarray,
    lengths: Sequence[int],
    stride: float,
    vocab: Decodes,
    input_lengths: Sequence[int] | None = None,
    clips: Sequence[str] | None = None,
) -> list[Hypothesis]:
    """Decode a padded batch; each clip has the same result as with `greedy` alone.

    Args:
        log_probs: [B, T', V], natural log-probabilities, blank at 0; what lies beyond a clip's length is not looked at.
        lengths: [B] valid output frames.
        stride: input frames per output frame.
        vocab: its V tokens name the columns.
        input_lengths: [B] input frames; None if unknown.
        clips: [B] names for errors.

    Raises:
        ValueError: shapes that do not fit each other.
        SlrError: NaN among the log-probabilities.
    """
    log_probs, valid_frames = np.asarray(log_probs), np.asarray(lengths, dtype=np.int64)
    check_shapes(log_probs, valid_frames, len(vocab.tokens))
    labels, values = _best_labels(log_probs, valid_frames)
    check_numbers(values, clips)
    scores = values.sum(axis=1, dtype=np.float64)
    runs = _runs(labels, values)
    bounds = np.searchsorted(runs.clip, np.arange(len(valid_frames) + 1))
    hypotheses = []
    for clip, (begin, stop) in enumerate(pairwise(bounds)):
        length = None if input_lengths is None else int(input_lengths[clip])
        places = list(zip(runs.first[begin:stop].tolist(), runs.last[begin:stop].tolist(), strict=True))
        spans = [input_span(first, last, stride, length) for first, last in places]
        likeliest = [first + int(values[clip, first : last + 1].argmax()) for first, last in places]
        peaks = [input_frame(frame, stride, length) for frame in likeliest]
        ids, confidences = runs.label[begin:stop].tolist(), runs.confidence[begin:stop].tolist()
        hypotheses.append(Hypothesis.from_ids(ids, vocab, spans, confidences, float(scores[clip]), peaks))
    return hypotheses


class _Runs(NamedTuple):
    """Stretches of one label other than blank, in order of clip and time; five arrays [N]."""

    clip: np.ndarray
    label: np.ndarray
    first: np.ndarray
    last: np.ndarray
    confidence: np.ndarray


def _best_labels(log_probs: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label and log-probability [B, T'] of each frame's best; padding gets blank and 0."""
    labels = log_probs.argmax(axis=2)
    values = np.take_along_axis(log_probs, labels[:, :, None], axis=2)[:, :, 0]
    valid = np.arange(log_probs.shape[1]) < lengths[:, None]
    return np.where(valid, labels, BLANK), np.where(valid, values, 0.0)


def _runs(labels: np.ndarray, values: np.ndarray) -> _Runs:
    """All runs of the batch at once: the clips end to end with one blank between, cut wherever the label changes."""
    clips, frames = labels.shape
    width = frames + 1
    line = np.full((clips, width), BLANK, dtype=np.int64)
    line[:, :frames] = labels
    probability = np.zeros((clips, width))
    probability[:, :frames] = np.exp(np.minimum(values, 0.0))  # rounding may leave a log-probability just above 0
    line, probability = line.ravel(), probability.ravel()
    begins = np.flatnonzero(np.concatenate(([True], line[1:] != line[:-1]))) if line.size else np.zeros(0, np.int64)
    ends = np.append(begins[1:], line.size)
    sums = np.add.reduceat(probability, begins) if begins.size else np.zeros(0)
    spoken = line[begins] != BLANK
    begins, ends, sums = begins[spoken], ends[spoken], sums[spoken]
    clip = begins // width
    return _Runs(clip, line[begins], begins - clip * width, ends - 1 - clip * width, sums / (ends - begins))


def check_shapes(log_probs: np.ndarray, lengths: np.ndarray, size: int) -> None:
    if log_probs.ndim != 3:
        raise ValueError(f"log_probs must be [B, T', V], not {list(log_probs.shape)}")
    clips, frames, width = log_probs.shape
    if width != size:
        raise ValueError(f"the model has {width} classes, the vocabulary {size} tokens")
    if lengths.shape != (clips,) or (lengths < 0).any() or (lengths > frames).any():
        raise ValueError(f"lengths must be {clips} numbers from 0 to {frames}")


def check_numbers(values: np.ndarray, clips: Sequence[str] | None) -> None:
    # argmax prefers NaN to any number, so a NaN anywhere in a frame shows in its best value.
    bad = np.flatnonzero(np.isnan(values).any(axis=1))
    if bad.size:
        where = ", ".join(clips[index] for index in bad[:5]) if clips else ""
        raise SlrError(
            f"The model's output is NaN for {bad.size} of {len(values)} clips.",
            where,
            "Check the features (slr check data) and the checkpoint (slr check model).",
        )
