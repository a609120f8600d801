"""Where the signs of the training clips are, by the recogniser that is being trained."""

import math
from collections.abc import Sequence

import numpy as np

from slrcli.data import Clips, ahead, collate
from slrcli.decoding.alignment import align
from slrcli.errors import DataError
from slrcli.evaluate import EVAL_BATCH
from slrcli.features.layout import Layout
from slrcli.features.recombine import Signs, sign_spans
from slrcli.recognise import Recogniser, by_length

SURE = 0.5  # mean probability of a gloss over its frames from which on its place is believed
TIMES = 4  # so often in a whole run they are looked for at most


def due(epoch: int, epochs: int, begins: float) -> bool:
    """Whether the signs are to be located before this epoch, counted from 1.

    Args:
        epoch: the one that begins.
        epochs: of the whole run.
        begins: share of them that passes before the first time; one epoch always does.
    """
    first = 1 + max(1, math.ceil(begins * epochs))
    return epoch >= first and (epoch - first) % math.ceil(epochs / TIMES) == 0


def locate(recogniser: Recogniser, clips: Clips, targets: Sequence[Sequence[int]]) -> np.ndarray:
    """The frames of every gloss of every clip, found by forced alignment.

    Args:
        recogniser: what aligns.
        clips: the train split.
        targets: gloss ids of each clip.

    Returns:
        First frame and the one after the last, clip after clip, int32 `[N, 2]`; 0 and 0 for a gloss that the recogniser
        is not sure of, or of a clip that is too short for its glosses.
    """
    found: list[Signs] = [[(0, 0)] * len(target) for target in targets]
    plan = by_length(clips.frames, EVAL_BATCH)
    made = (collate([clips[index] for index in part], [targets[index] for index in part], part) for part in plan)
    for batch in ahead(made):
        log_probs, lengths = recogniser.log_probs(batch.x.numpy(), batch.lengths.numpy())
        for row, index in enumerate(batch.index):
            x = batch.x[row, : batch.lengths[row], : clips.layout.positions].numpy()
            found[index] = _signs(x, log_probs[row, : lengths[row]], targets[index], recogniser, clips.layout)
    return np.array([span for signs in found for span in signs], np.int32).reshape(-1, 2)


def _signs(x: np.ndarray, log_probs: np.ndarray, ids: Sequence[int], recogniser: Recogniser, layout: Layout) -> Signs:
    """The frames of each sign of one clip, whose positions are `x [T, positions]`."""
    try:
        placed = align(log_probs, ids, recogniser.stride, recogniser.vocabulary, len(x))
    except DataError:
        return [(0, 0)] * len(ids)
    spans = sign_spans(x, placed.peaks, layout)
    return [span if sure >= SURE else (0, 0) for span, sure in zip(spans, placed.confidences, strict=True)]
