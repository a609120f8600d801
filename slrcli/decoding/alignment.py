"""Known glosses, placed in a clip: the most probable alignment of them to the model's output (Viterbi)."""

from collections.abc import Sequence

import numpy as np

from slrcli.ctc.paths import forced_alignment
from slrcli.decoding.hypothesis import Decodes, Hypothesis, input_frame, input_span


def align(
    log_probs: np.ndarray, ids: Sequence[int], stride: float, vocab: Decodes, input_length: int | None = None
) -> Hypothesis:
    """Place glosses in a clip.

    Args:
        log_probs: [T', V], natural log-probabilities of one clip without padding, blank at 0.
        ids: the glosses in the order in which they are signed.
        stride: input frames per output frame.
        vocab: its V tokens name the columns.
        input_length: input frames of the clip, so that no span goes beyond it; None if unknown.

    Returns:
        A hypothesis of these glosses whose `score` is the log-probability of the alignment, whose `confidences` are the
        mean probability of each gloss over its output frames, and whose `peaks` are the likeliest of these.

    Raises:
        DataError: as `forced_alignment`.
    """
    places, score = forced_alignment(log_probs, ids)
    own = [np.asarray(log_probs[first:stop, id]) for (first, stop), id in zip(places, ids, strict=True)]
    return Hypothesis.from_ids(
        list(ids),
        vocab,
        [input_span(first, stop - 1, stride, input_length) for first, stop in places],
        [float(np.exp(np.minimum(values, 0.0), dtype=np.float64).mean()) for values in own],
        score,
        [
            input_frame(first + int(values.argmax()), stride, input_length)
            for (first, _), values in zip(places, own, strict=True)
        ],
    )
