"""Best-path decoding, against collapsing by hand and against real posteriors with published answers."""

import json
import math
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slrcli.decoding.greedy import greedy, greedy_batch
from slrcli.decoding.hypothesis import Hypothesis, input_span
from slrcli.errors import SlrError


class Words:
    """A vocabulary as the decoders see it."""

    def __init__(self, tokens):
        self.tokens = tuple(tokens)

    def decode(self, ids):
        return [self.tokens[id] for id in ids]


def letters(size):
    return Words(["<blank>", *(chr(64 + index) for index in range(1, size))])


def log_softmax(logits):
    return (logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)).astype(np.float32)


def posteriors(labels, size, sharpness=5.0):
    """Log-probabilities [T', V] whose best path is `labels`."""
    logits = np.zeros((len(labels), size))
    logits[np.arange(len(labels)), labels] = sharpness
    return log_softmax(logits)


def collapse(labels):
    """Ids and runs (first, last) by the textbook: merge repeats, drop blanks."""
    ids, runs, frame = [], [], 0
    for label, run in groupby(labels):
        length = len(list(run))
        if label:
            ids.append(label)
            runs.append((frame, frame + length - 1))
        frame += length
    return ids, runs


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 5))
def test_ids_and_spans_are_those_of_collapsing_by_the_textbook(labels, stride):
    hypothesis = greedy(posteriors(labels, 5), stride, letters(5))
    ids, runs = collapse(labels)
    assert list(hypothesis.ids) == ids
    assert list(hypothesis.glosses) == [chr(64 + id) for id in ids]
    assert list(hypothesis.spans) == [(first * stride, (last + 1) * stride) for first, last in runs]


@given(st.integers(0, 2**32 - 1))
def test_a_clip_gives_the_same_alone_and_in_a_padded_batch(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 12, size=rng.integers(1, 6))
    batch = rng.normal(size=(len(lengths), 12, 4)).astype(np.float32)
    for clip, length in enumerate(lengths):
        batch[clip, length:] = np.nan  # nothing may look at the padding
    together = greedy_batch(batch, lengths, 4, letters(4), lengths * 4 - 1)
    alone = [
        greedy(clip[:length], 4, letters(4), int(length) * 4 - 1) for clip, length in zip(batch, lengths, strict=True)
    ]
    assert [one.ids for one in together] == [one.ids for one in alone]
    assert [one.spans for one in together] == [one.spans for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.confidences == pytest.approx(other.confidences)
        assert one.score == pytest.approx(other.score)


def test_score_is_the_log_probability_of_the_path_and_confidence_the_mean_over_the_run():
    probabilities = np.array([[0.2, 0.7, 0.1], [0.4, 0.5, 0.1], [0.9, 0.05, 0.05], [0.1, 0.1, 0.8]])
    hypothesis = greedy(np.log(probabilities), 1, letters(3))
    assert hypothesis.glosses == ("A", "B")
    assert hypothesis.confidences == pytest.approx((0.6, 0.8))
    assert hypothesis.score == pytest.approx(math.log(0.7 * 0.5 * 0.9 * 0.8))


def test_confidence_never_exceeds_one():
    assert greedy(np.array([[-9.0, 1e-6]]), 1, letters(2)).confidences == (1.0,)


def test_one_gloss_in_two_clips_side_by_side_is_not_merged():
    batch = np.stack([posteriors([1, 1], 3), posteriors([1, 1], 3)])
    assert [one.ids for one in greedy_batch(batch, [2, 2], 1, letters(3))] == [(1,), (1,)]


@pytest.mark.parametrize(("frames", "size"), [(0, 3), (5, 3)])
def test_a_clip_without_glosses(frames, size):
    hypothesis = greedy(posteriors([0] * frames, size), 4, letters(size))
    assert hypothesis.ids == hypothesis.glosses == hypothesis.spans == hypothesis.confidences == ()


def test_an_empty_batch():
    assert greedy_batch(np.zeros((0, 7, 3)), [], 1, letters(3)) == []


def test_the_last_span_ends_with_the_clip():
    assert greedy(posteriors([0, 0, 1], 2), 4, letters(2), input_length=10).spans == ((8, 10),)


@given(st.floats(0.3, 9), st.integers(1, 60), st.data())
def test_spans_hold_a_frame_stay_in_the_clip_and_do_not_overlap(stride, outputs, data):
    length = max(1, math.ceil(outputs * stride) - data.draw(st.integers(0, max(0, math.ceil(stride) - 1))))
    spans = [input_span(frame, frame, stride, length) for frame in range(outputs)]
    assert all(0 <= start < end <= length for start, end in spans)
    if stride >= 1:
        inside = spans[:-1]
        assert all(left[1] <= right[0] for left, right in pairwise(inside))


def test_a_stride_that_is_not_whole_gives_spans_that_touch():
    spans = greedy(posteriors([1, 2, 1, 2], 3), 2.5, letters(3), input_length=10).spans
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
    assert (spans[0][0], spans[-1][1]) == (0, 10)


def test_nan_is_an_error_that_names_the_clip():
    batch = np.stack([posteriors([1, 0], 3), posteriors([1, 0], 3)])
    batch[1, 1, 2] = np.nan
    with pytest.raises(SlrError, match=r"NaN for 1 of 2 clips\. \| second"):
        greedy_batch(batch, [2, 2], 1, letters(3), clips=["first", "second"])


def test_a_vocabulary_of_another_size_is_refused():
    with pytest.raises(ValueError, match="3 classes, the vocabulary 4"):
        greedy(posteriors([1], 3), 1, letters(4))


@pytest.mark.parametrize("lengths", [[3], [-1], [1, 1]])
def test_lengths_that_do_not_fit_are_refused(lengths):
    with pytest.raises(ValueError, match="lengths"):
        greedy_batch(np.zeros((1, 2, 3)), lengths, 1, letters(3))


def test_a_hypothesis_with_missing_parts_is_refused():
    with pytest.raises(ValueError, match="equally many"):
        Hypothesis((1,), ("A",), (), (0.5,), 0.0)


@pytest.mark.parametrize("name", ["line", "word"])
def test_the_published_best_path_of_real_handwriting(real_data, name):
    folder = real_data / "data" / "ctc-posteriors"
    answers = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    rows = (folder / "CTCDecoder" / "data" / name / "rnnOutput.csv").read_text().split()
    logits = np.array([[float(cell) for cell in row.strip(";").split(";")] for row in rows])
    blank_first = np.roll(logits, 1, axis=1)  # there the blank is the last class
    chars = answers["CTCDecoder_line"]["chars"]
    hypothesis = greedy(log_softmax(blank_first), 1, Words(["<blank>", *chars]))
    assert "".join(hypothesis.glosses) == answers[f"CTCDecoder_{name}"]["best_path"]
    assert hypothesis.spans[-1][1] <= len(rows)


def test_real_speech_collapses_as_by_the_textbook(real_data):
    folder = real_data / "data" / "ctc-posteriors"
    log_probs = np.roll(np.array(json.loads((folder / "pyctcdecode" / "libri_logits.json").read_text())), 1, axis=1)
    labels = json.loads((folder / "expected.json").read_text(encoding="utf-8"))["pyctcdecode_libri"]["labels"]
    hypothesis = greedy(log_probs, 2, Words(["<blank>", *labels]))
    ids, runs = collapse(log_probs.argmax(axis=1).tolist())
    assert list(hypothesis.ids) == ids
    assert [(start // 2, end // 2 - 1) for start, end in hypothesis.spans] == runs
    assert hypothesis.score == pytest.approx(log_probs.max(axis=1).sum())
