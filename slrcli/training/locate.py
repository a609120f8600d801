"""Where the signs of the training clips are, by the recogniser that is being trained."""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from slrcli.corpus.clips import Batch, Clips, collate
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.decoding.segments import Lengths, segment
from slrcli.errors import DataError
from slrcli.evaluation.evaluate import EVAL_BATCH
from slrcli.features.motion import active
from slrcli.features.recombine import lateness, sign_spans
from slrcli.parallel.prefetch import prefetch
from slrcli.recognition.from_checkpoint import Recogniser

SURE = 0.5  # mean probability of a gloss over its frames from which on its place is believed
REST = 0.15  # share of the full speed below which the ends of a clip are rest, as `slr compose` takes it
TIMES = 4  # so often in a whole run they are looked for at most


def due(epoch: int, epochs: int, begins: float) -> bool:
    """Whether the signs are to be located before this epoch, counted from 1.

    Args:
        epoch: the one that begins.
        epochs: of the whole run.
        begins: share of them that passes before the first time; one epoch always does.
    """
    first = first_epoch(epochs, begins)
    return epoch >= first and (epoch - first) % math.ceil(epochs / TIMES) == 0


def first_epoch(epochs: int, begins: float) -> int:
    """The first epoch, counted from 1, after the share `begins` of all; one epoch always passes before it."""
    return 1 + max(1, math.ceil(begins * epochs))


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
    placed: dict[int, tuple[Hypothesis, tuple[int, int]]] = {}  # and the frames between the rest poses
    for batch in _batches(clips, targets):
        log_probs, lengths = recogniser.log_probs(batch.x.numpy(), batch.lengths.numpy())
        for row, index in enumerate(batch.index):
            x = batch.x[row, : batch.lengths[row], : clips.layout.positions].numpy()
            with suppress(DataError):  # too short for its glosses, or they cannot be
                own = log_probs[row, : lengths[row]]
                signs = recogniser.placed(own, targets[index], len(x))
                placed[index] = signs, active(x, clips.layout, REST)
    return _spans(placed, targets)


def _batches(clips: Clips, targets: Sequence[Sequence[int]]) -> Iterator[Batch]:
    plan = clips.batches(EVAL_BATCH)
    made = (collate([clips[index] for index in part], [targets[index] for index in part], part) for part in plan)
    yield from prefetch(made)


def sign_lengths(recogniser: Recogniser, clips: Clips, targets: Sequence[Sequence[int]]) -> Lengths:
    """How long the signs of the training clips last, as the recogniser places them; arguments as of `locate`.

    Raises:
        DataError: every clip is too short to be segmented into its glosses.
    """
    found: list[float] = []
    for batch in _batches(clips, targets):
        log_probs, lengths = recogniser.local_log_probs(batch.x.numpy(), batch.lengths.numpy())
        for row, index in enumerate(batch.index):
            with suppress(DataError):  # too short for its glosses
                spans = segment(log_probs[row, : lengths[row]], targets[index])
                found += [(stop - first) * recogniser.stride for first, stop in spans]
    if not found:
        raise DataError("No clip is long enough to be segmented into its glosses.", "loss.frames", "Leave it at 0.")
    return Lengths.of(found)


def _spans(placed: dict[int, tuple[Hypothesis, tuple[int, int]]], targets: Sequence[Sequence[int]]) -> np.ndarray:
    sure = [(signs.peaks, moving) for _, (signs, moving) in sorted(placed.items()) if min(signs.confidences) >= SURE]
    late = lateness(*zip(*sure, strict=True)) if sure else 0.5
    found = []
    for index, target in enumerate(targets):
        if index not in placed:
            found += [(0, 0)] * len(target)
            continue
        signs, moving = placed[index]
        spans = zip(sign_spans(signs.peaks, moving, late), signs.confidences, strict=True)
        found += [span if confidence >= SURE else (0, 0) for span, confidence in spans]
    return np.array(found, np.int32).reshape(-1, 2)
