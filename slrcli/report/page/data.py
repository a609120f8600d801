"""What the page of an evaluation is made from: plain numbers and names, computed elsewhere."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from slrcli.scoring.align import Counts, Edit
from slrcli.scoring.breakdown import Familiarity
from slrcli.scoring.wer import Score


@dataclass(frozen=True)
class Posterior:
    """What the model said of one utterance, over time.

    Attributes:
        probs: float32 `[T', K]`, probabilities of the classes that are shown.
        labels: names of the K classes.
        ref_spikes: (output frame, gloss) of the reference, where its forced alignment is surest.
        hyp_spikes: the same of the hypothesis.
        seconds: duration of an output frame.
    """

    probs: np.ndarray
    labels: Sequence[str]
    ref_spikes: Sequence[tuple[int, str]]
    hyp_spikes: Sequence[tuple[int, str]]
    seconds: float


@dataclass(frozen=True)
class ReportData:
    """One evaluation. What is empty has no section on the page. Rates and intervals are percentages.

    Attributes:
        title: heads the page.
        split: name of the split that was scored.
        checkpoint: the file, as a person would type it.
        signature: one line that says how the score was made.
        score: of the whole split.
        facts: (name, value) pairs for the headline, such as date and versions.
        groups: signer -> score; '' is an unknown signer.
        intervals: signer -> the 95 % interval of its WER; '' is that of the whole split. NaN is not shown.
        glosses: (gloss, support, hits, predicted): how often in references, recognised, in hypotheses.
        confusions: (reference, hypothesis, count) of every substitution, the most frequent first.
        by_length: (label, counts) of the utterances whose references are so long.
        calibration: (low, high, count, mean confidence, accuracy) of recognised glosses by confidence, all in 0 .. 1.
        posteriors: utterance id -> posterior; those utterances are shown with it.
        protocols: (name and version, score, errors of perfect recognition) of each protocol, where several were asked
            for; all else on the page is of `score`.
        notes: sentences that a reader of the score has to know.
        spelt: whether characters are counted, not glosses.
        familiarity: the score parted by whether the sentence was learnt from; None where that is not known.
    """

    title: str
    split: str
    checkpoint: str
    signature: str
    score: Score
    facts: Sequence[tuple[str, str]] = ()
    groups: Mapping[str, Score] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    glosses: Sequence[tuple[str, int, int, int]] = ()
    confusions: Sequence[tuple[str, str, int]] = ()
    by_length: Sequence[tuple[str, Counts]] = ()
    calibration: Sequence[tuple[float, float, int, float, float]] = ()
    posteriors: Mapping[str, Posterior] = field(default_factory=dict)
    protocols: Sequence[tuple[str, Score, int]] = ()
    notes: Sequence[str] = ()
    spelt: bool = False
    familiarity: Familiarity | None = None

    def interval(self, name: str = "") -> tuple[float, float] | None:
        """The interval of a signer or of the whole split, if it is known."""
        low, high = self.intervals.get(name, (math.nan, math.nan))
        return None if math.isnan(low) or math.isnan(high) else (low, high)

    @cached_property
    def edits(self) -> Counter[Edit]:
        """How often each hit, substitution, deletion and insertion occurs."""
        return Counter(edit for item in self.score.utterances for edit in item.alignment.edits)

    @cached_property
    def signer_of(self) -> dict[str, str]:
        """Utterance id -> signer."""
        return {item.id: signer for signer, group in self.groups.items() for item in group.utterances}
