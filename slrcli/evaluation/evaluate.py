"""The one evaluation path, in training too: recogniser x clips -> hypotheses -> score."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property

import torch

from slrcli.corpus.clips import Clips, collate
from slrcli.ctc.loss import ctc_loss
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.glosses.vocabulary import BLANK
from slrcli.parallel import distributed
from slrcli.parallel.prefetch import prefetch
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.scoring.wer import Score, score

EVAL_BATCH = 16


@dataclass(frozen=True)
class Evaluation:
    """What a recogniser made of a split.

    Attributes:
        references: glosses by utterance id, in the order of the split.
        hypotheses: by utterance id, in the same order.
        blank_share: share of output frames whose best class is blank.
        loss: mean CTC loss per gloss, over the utterances whose glosses the vocabulary holds; NaN if there are none.
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

    Processes that work together (`slrcli.parallel.distributed`) recognise a part of the clips each and all get the
    whole.

    Args:
        recogniser: model and vocabulary.
        clips: the split, its utterances' glosses as they are to be scored.
        batch_size: clips at a time; changes nothing but time and memory.
        advance: called with the number of clips done.
    """
    targets = [encodable(item.glosses, recogniser) for item in clips.utterances]
    plan = list(clips.batches(batch_size))[distributed.rank() :: distributed.size()]
    made = (collate([clips[i] for i in part], [targets[i] or () for i in part], part) for part in plan)
    own = Part()
    for batch in prefetch(made):
        log_probs, lengths = recogniser.log_probs(batch.x.numpy(), batch.lengths.numpy())
        names = [clips.utterances[index].id for index in batch.index]
        found = recogniser.hypotheses(log_probs, lengths, batch.lengths.numpy(), names)
        own.hypotheses |= {
            index: item.at_pace(clips.pace(index), clips.own_frames[index])
            for index, item in zip(batch.index, found, strict=True)
        }
        for row, count in zip(log_probs, lengths.tolist(), strict=True):
            own.blanks += int((row[:count].argmax(axis=-1) == BLANK).sum())
            own.frames += count
        posteriors = torch.from_numpy(log_probs), torch.from_numpy(lengths)
        each = ctc_loss(*posteriors, batch.targets, batch.target_lengths, "none")
        counts = batch.target_lengths.tolist()
        own.losses |= {
            index: value / n
            for index, value, n in zip(batch.index, each.tolist(), counts, strict=True)
            if n and math.isfinite(value)
        }
        advance(len(batch.index) * distributed.size())
    whole = own.joined()
    ordered = {item.id: whole.hypotheses[i] for i, item in enumerate(clips.utterances)}
    references = {item.id: list(item.glosses) for item in clips.utterances}
    losses = [whole.losses[index] for index in sorted(whole.losses)]
    loss = sum(losses) / len(losses) if losses else math.nan
    spike_frames = (whole.frames - whole.blanks) / max(sum(len(item.glosses) for item in ordered.values()), 1)
    return Evaluation(references, ordered, whole.blanks / max(whole.frames, 1), loss, spike_frames)


@dataclass
class Part:
    """What one process found out: hypotheses and losses by the clip's place, and counted output frames."""

    hypotheses: dict[int, Hypothesis] = field(default_factory=dict)
    losses: dict[int, float] = field(default_factory=dict)
    blanks: int = 0
    frames: int = 0

    def joined(self) -> "Part":
        """The parts of all processes as one."""
        if distributed.size() == 1:
            return self
        whole = Part()
        for text in distributed.gathered(json.dumps(asdict(self), default=lambda number: number.item())):
            part = json.loads(text)
            whole.hypotheses |= {int(index): Hypothesis.from_plain(item) for index, item in part["hypotheses"].items()}
            whole.losses |= {int(index): value for index, value in part["losses"].items()}
            whole.blanks, whole.frames = whole.blanks + part["blanks"], whole.frames + part["frames"]
        return whole


def encodable(glosses: Sequence[str], recogniser: ClipRecogniser) -> list[int] | None:
    """The glosses' ids, or None where one of them is not in the vocabulary."""
    if all(gloss in recogniser.vocabulary for gloss in glosses):
        return recogniser.vocabulary.encode(glosses)
    return None
