"""Distribution of the errors: by gloss, pair of glosses, length, place in the sentence and confidence, and by whether
the sentence occurs in train."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from slrcli.console import finite
from slrcli.scoring.align import DELETION, HIT, INSERTION, SUBSTITUTION, Edit
from slrcli.scoring.stats import Interval, interval
from slrcli.scoring.wer import Score, UtteranceScore, total

LENGTHS = (2, 4, 6, 9, 14)  # the longest reference of each class but the last
PLACES = 5  # parts of a sentence
BINS = 10  # of confidences


@dataclass(frozen=True)
class GlossScore:
    """The counts of one gloss.

    Attributes:
        gloss: its name.
        support: occurrences in references.
        hits: how many of these were recognised.
        predicted: occurrences in hypotheses.
        deleted, inserted: numbers of deletions and insertions.
    """

    gloss: str
    support: int
    hits: int
    predicted: int
    deleted: int
    inserted: int

    @property
    def recall(self) -> float:
        """Share of its occurrences in references that were recognised; NaN if there are none."""
        return self.hits / self.support if self.support else math.nan

    @property
    def precision(self) -> float:
        """Share of its occurrences in hypotheses that are hits; NaN if there are none."""
        return self.hits / self.predicted if self.predicted else math.nan

    @property
    def errors(self) -> int:
        """Errors with this gloss: missed occurrences in references, and wrong ones in hypotheses."""
        return self.support + self.predicted - 2 * self.hits


@dataclass(frozen=True)
class Breakdown:
    """The distribution of a score's errors.

    Attributes:
        glosses: sorted by errors, most first.
        confusions: (reference, hypothesis, count), most frequent first.
        by_length: (label, score) per class of reference length, short ones first.
        by_place: (label, share of hits in percent, reference tokens) per part of the reference.
    """

    glosses: tuple[GlossScore, ...]
    confusions: tuple[tuple[str, str, int], ...]
    by_length: tuple[tuple[str, Score], ...]
    by_place: tuple[tuple[str, float, int], ...]

    @property
    def deletions(self) -> list[tuple[str, int]]:
        """Deleted glosses, most frequent first."""
        return _ranked({item.gloss: item.deleted for item in self.glosses})

    @property
    def insertions(self) -> list[tuple[str, int]]:
        """Inserted glosses, most frequent first."""
        return _ranked({item.gloss: item.inserted for item in self.glosses})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return finite(
            {
                "glosses": [asdict(one) | {"recall": one.recall, "precision": one.precision} for one in self.glosses],
                "confusions": [list(row) for row in self.confusions],
                "deletions": [list(row) for row in self.deletions],
                "insertions": [list(row) for row in self.insertions],
                "by_length": [{"glosses": label, **score.to_dict()} for label, score in self.by_length],
                "by_place": [{"place": p, "recognised": share, "tokens": n} for p, share, n in self.by_place],
            }
        )


def breakdown(score: Score) -> Breakdown:
    """The distribution of a score's errors."""
    edits = Counter(edit for item in score.utterances for edit in item.alignment.edits)
    swapped = {
        (e.ref, e.hyp): count
        for e, count in edits.items()
        if e.op == SUBSTITUTION and e.ref is not None and e.hyp is not None
    }
    confusions = sorted(((*pair, count) for pair, count in swapped.items()), key=lambda row: (-row[2], *row[:2]))
    return Breakdown(_glosses(edits), tuple(confusions), _by_length(score), _by_place(score))


def _glosses(edits: Mapping[Edit, int]) -> tuple[GlossScore, ...]:
    support, hits, predicted, deleted, inserted = (Counter[str | None]() for _ in range(5))
    for (op, ref, hyp), count in edits.items():
        support[ref] += count
        predicted[hyp] += count
        hits[ref] += count * (op == HIT)
        deleted[ref] += count * (op == DELETION)
        inserted[hyp] += count * (op == INSERTION)
    names = {name for name in support.keys() | predicted.keys() if name is not None}
    found = [GlossScore(n, support[n], hits[n], predicted[n], deleted[n], inserted[n]) for n in names]
    return tuple(sorted(found, key=lambda item: (-item.errors, item.gloss)))


def _by_length(score: Score) -> tuple[tuple[str, Score], ...]:
    parts: dict[int, list[UtteranceScore]] = {}
    for item in score.utterances:
        parts.setdefault(bisect_left(LENGTHS, item.ref_tokens), []).append(item)
    return tuple((_length_label(number), total(parts[number])) for number in sorted(parts))


def _length_label(number: int) -> str:
    first = LENGTHS[number - 1] + 1 if number else 0
    return f"{first} to {LENGTHS[number]}" if number < len(LENGTHS) else f"{first} and more"


def _by_place(score: Score) -> tuple[tuple[str, float, int], ...]:
    """Hits among reference tokens by fifths of the reference; references shorter than that have too few parts."""
    hits, tokens = [0] * PLACES, [0] * PLACES
    for item in score.utterances:
        ops = [edit.op for edit in item.alignment.edits if edit.ref is not None]
        for place, op in enumerate(ops if len(ops) >= PLACES else ()):
            part = place * PLACES // len(ops)
            tokens[part] += 1
            hits[part] += op == HIT
    step = 100 // PLACES
    return tuple(
        (f"{step * i} to {step * (i + 1)} %", 100.0 * hits[i] / tokens[i], tokens[i])
        for i in range(PLACES)
        if tokens[i]
    )


@dataclass(frozen=True)
class Familiarity:
    """A score, split by whether the sentence occurs in train.

    Attributes:
        seen, unseen: the scores of both kinds of utterances; either may be empty.
        seen_interval, unseen_interval: 95 % intervals of their WERs.
    """

    seen: Score
    unseen: Score
    seen_interval: Interval
    unseen_interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """`seen` and `unseen` as JSON values."""
        seen, unseen = asdict(self.seen_interval), asdict(self.unseen_interval)
        return finite(
            {
                "seen": {**self.seen.to_dict(), "interval": seen},
                "unseen": {**self.unseen.to_dict(), "interval": unseen},
            }
        )


def familiarity(score: Score, seen: Mapping[str, bool | None], seed: int = 1) -> Familiarity:
    """Split a score; `seen` maps every utterance id to whether train holds its sentence, `seed` draws intervals."""
    known, new = (total(item for item in score.utterances if seen[item.id] is kind) for kind in (True, False))
    return Familiarity(known, new, interval(known, seed=seed), interval(new, seed=seed))


def calibration(
    score: Score, confidences: Mapping[str, Sequence[float]]
) -> list[tuple[float, float, int, float, float]]:
    """Recognised glosses in classes of confidence of equal width: (low, high, count, mean confidence, share of hits).

    Args:
        score: with alignments; an utterance whose hypothesis was changed by a protocol is left out.
        confidences: utterance id -> one confidence in [0, 1] per gloss of its hypothesis.
    """
    return calibration_classes([pair for own in confidence_outcomes(score, confidences) for pair in own])


def confidence_outcomes(score: Score, confidences: Mapping[str, Sequence[float]]) -> list[list[tuple[float, bool]]]:
    """For each utterance the confidence of every recognised gloss and whether it is a hit; see `calibration`."""
    found = []
    for item in score.utterances:
        right = [edit.op == HIT for edit in item.alignment.edits if edit.hyp is not None]
        sure = confidences.get(item.id, ())
        found.append(list(zip(sure, right, strict=True)) if len(sure) == len(right) else [])
    return found


def calibration_classes(outcomes: Sequence[tuple[float, bool]]) -> list[tuple[float, float, int, float, float]]:
    """Pairs of confidence and hit, summarised in the classes of `calibration`."""
    classes: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for value, hit in outcomes:
        classes[min(int(max(value, 0.0) * BINS), BINS - 1)].append((value, hit))
    return [
        (number / BINS, (number + 1) / BINS, len(part), _mean(v for v, _ in part), _mean(h for _, h in part))
        for number, part in enumerate(classes)
        if part
    ]


def calibration_error(rows: Sequence[tuple[float, float, int, float, float]]) -> float:
    """Expected calibration error in percentage points: mean distance of confidence and accuracy; NaN without glosses.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    count = sum(row[2] for row in rows)
    return 100.0 * sum(row[2] * abs(row[3] - row[4]) for row in rows) / count if count else math.nan


def _mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def _ranked(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(((name, count) for name, count in counts.items() if count), key=lambda row: (-row[1], row[0]))
