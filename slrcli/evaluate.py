"""The one evaluation path, in training too: recogniser x clips -> hypotheses -> score."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from slrcli.clip_recogniser import ClipRecogniser
from slrcli.ctc import ctc_loss
from slrcli.data import Clips, ahead, collate
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.recognise import by_length
from slrcli.scoring.wer import Score, score
from slrcli.vocab import BLANK

EVAL_BATCH = 16


@dataclass(frozen=True)
class Evaluation:
    """What a recogniser made of a split.

    Attributes:
        references: glosses by utterance id, in the order of the split.
        hypotheses: by utterance id, in the same order.
        blank_share: share of output frames whose best class is blank.
        loss: mean CTC loss a gloss, over the utterances whose glosses the vocabulary holds; NaN if there are none.
        spike_frames: output frames that a recognised gloss stands for, on average; 0 if none was recognised.
    """

    references: dict[str, list[str]]
    hypotheses: dict[str, Hypothesis]
    blank_share: float
    loss: float
    spike_frames: float = 0.0

    @cached_property
    def glosses(self) -> dict[str, list[str]]:
        """What was recognised, by utterance id."""
        return {id: list(item.glosses) for id, item in self.hypotheses.items()}

    @cached_property
    def score(self) -> Score:
        """Plain word errors with the alignment of every utterance; aligned when it is first asked for."""
        return score(self.references, self.glosses)


def evaluate(
    recogniser: ClipRecogniser,
    clips: Clips,
    batch_size: int = EVAL_BATCH,
    advance: Callable[[int], None] = lambda count: None,
) -> Evaluation:
    """Recognise every clip and score it against its utterance's glosses.

    Args:
        recogniser: model and vocabulary.
        clips: the split, its utterances' glosses as they are to be scored.
        batch_size: clips at a time; changes nothing but time and memory.
        advance: called with the number of clips done.
    """
    targets = [encodable(item.glosses, recogniser) for item in clips.utterances]
    plan = by_length(clips.frames, batch_size)
    made = (collate([clips[i] for i in part], [targets[i] or () for i in part], part) for part in plan)
    hypotheses: dict[int, Hypothesis] = {}
    blanks = frames = 0
    losses: list[float] = []
    for batch in ahead(made):
        log_probs, lengths = recogniser.log_probs(batch.x.numpy(), batch.lengths.numpy())
        names = [clips.utterances[index].id for index in batch.index]
        found = recogniser.hypotheses(log_probs, lengths, batch.lengths.numpy(), names)
        hypotheses |= zip(batch.index, found, strict=True)
        for row, count in zip(log_probs, lengths.tolist(), strict=True):
            blanks += int((row[:count].argmax(axis=-1) == BLANK).sum())
            frames += count
        each = ctc_loss(*map(torch.from_numpy, (log_probs, lengths)), batch.targets, batch.target_lengths, "none")
        counts = batch.target_lengths.tolist()
        losses += [value / n for value, n in zip(each.tolist(), counts, strict=True) if n and math.isfinite(value)]
        advance(len(batch.index))
    ordered = {item.id: hypotheses[i] for i, item in enumerate(clips.utterances)}
    references = {item.id: list(item.glosses) for item in clips.utterances}
    loss = sum(losses) / len(losses) if losses else math.nan
    spike_frames = (frames - blanks) / max(sum(len(item.glosses) for item in ordered.values()), 1)
    return Evaluation(references, ordered, blanks / max(frames, 1), loss, spike_frames)


def encodable(glosses: Sequence[str], recogniser: ClipRecogniser) -> list[int] | None:
    """The glosses' ids, or None where one of them is not in the vocabulary."""
    if all(gloss in recogniser.vocabulary for gloss in glosses):
        return recogniser.vocabulary.encode(glosses)
    return None
