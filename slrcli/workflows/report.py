"""What `slr eval --report` writes: the page of an evaluation, with what it needs beyond the score."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.ctc import forced_alignment, minimum_frames
from slrcli.data import collate
from slrcli.evaluate import Evaluation
from slrcli.files import atomic_write_text
from slrcli.recognise import Recogniser, stride_of
from slrcli.report.page.data import Posterior, ReportData
from slrcli.report.page.document import render
from slrcli.report.page.utterances import WORST
from slrcli.scoring.align import HIT, SUBSTITUTION
from slrcli.scoring.wer import Score, total
from slrcli.vocab import BLANK, BLANK_TOKEN
from slrcli.workflows.evaluate import EvalResult
from slrcli.workflows.runs import shown

PAGE = "index.html"
LENGTHS = (2, 4, 6, 9, 14)  # the longest reference of each class but the last
BINS = 10  # of confidences


def write_report(folder: Path, result: EvalResult, fps: float) -> Path:
    """Write the page of an evaluation to `folder/index.html`.

    Args:
        folder: made where it is missing.
        result: the evaluation, with the recogniser and the clips it was made of.
        fps: frames a second of the clips.

    Raises:
        SlrError: the file cannot be written.
    """
    path = folder / PAGE
    atomic_write_text(path, render(report_data(result, fps)))
    return path


def report_data(result: EvalResult, fps: float) -> ReportData:
    """All that the page shows; the worst utterances are recognised once more for their posteriors."""
    score = result.evaluation.score
    run = result.checkpoint.resolve().parent.name
    return ReportData(
        title=f"{run} on {result.split}",
        split=result.split,
        checkpoint=shown(result.checkpoint),
        signature=signature(result),
        score=score,
        facts=facts(result),
        groups=result.by_signer,
        calibration=calibration_of(result.evaluation),
        posteriors=posteriors_of(result, [item.id for item in score.worst(WORST)], fps),
        notes=notes(result),
        **breakdown_of(score),
    )


def signature(result: EvalResult) -> str:
    """One line that says what was scored and how."""
    vocabulary = result.meta.vocabulary
    parts = {
        "wer": "levenshtein",
        "normaliser": vocabulary.normaliser,
        "split": result.split,
        "utterances": len(result.signers),
        "vocabulary": vocabulary.hash[:12],
        "slr": result.meta.versions.get("slrcli", ""),
    }
    return "|".join(f"{name}:{value}" for name, value in parts.items() if value)


def facts(result: EvalResult) -> list[tuple[str, str]]:
    """What the headline says besides the rate."""
    score, evaluation = result.evaluation.score, result.evaluation
    versions = ", ".join(f"{name} {value}" for name, value in result.meta.versions.items())
    return [
        ("Scored", datetime.now().astimezone().isoformat(" ", "minutes")),
        ("Architecture", result.meta.config.model.arch),
        ("Epoch", str(result.meta.metrics.get("epoch", ""))),
        ("Recognised against reference glosses", f"{score.hyp_tokens} against {score.ref_tokens}"),
        ("Distinct glosses, recognised against reference", f"{score.distinct_hyp} against {score.distinct_ref}"),
        ("Frames that are blank", f"{100 * evaluation.blank_share:.1f} %"),
        ("Trained with", versions),
    ]


def notes(result: EvalResult) -> list[str]:
    """What a reader of the rate has to know."""
    empty = result.evaluation.score.empty_hyp
    said = []
    if result.oov:
        said.append(f"{result.oov} reference tokens are not in the vocabulary: errors for certain.")
    if empty:
        said.append(f"Nothing was recognised in {empty} utterances.")
    return said


def breakdown_of(score: Score) -> dict[str, Any]:
    """Glosses, confusions and lengths of a score, as `ReportData` names and describes them."""
    edits = Counter(edit for item in score.utterances for edit in item.alignment.edits)
    support, hits, predicted, swapped = Counter(), Counter(), Counter(), Counter()
    for (op, ref, hyp), count in edits.items():
        support[ref] += count
        predicted[hyp] += count
        hits[ref] += count * (op == HIT)
        swapped[ref, hyp] += count * (op == SUBSTITUTION)
    names = sorted((support.keys() | predicted.keys()) - {None})
    pairs = sorted(((*pair, count) for pair, count in swapped.items() if count), key=lambda row: (-row[2], *row[:2]))
    parts: dict[int, list] = {}
    for item in score.utterances:
        parts.setdefault(int(np.searchsorted(LENGTHS, item.ref_tokens)), []).append(item)
    return {
        "glosses": [(name, support[name], hits[name], predicted[name]) for name in names],
        "confusions": pairs,
        "by_length": [(length_label(number), total(parts[number])) for number in sorted(parts)],
    }


def length_label(number: int) -> str:
    """Name of the class of lengths with this number."""
    first = LENGTHS[number - 1] + 1 if number else 0
    return f"{first} to {LENGTHS[number]}" if number < len(LENGTHS) else f"{first} and more"


def calibration_of(evaluation: Evaluation) -> list[tuple[float, float, int, float, float]]:
    """Recognised glosses in equal classes of confidence: (low, high, count, mean confidence, share of hits)."""
    confidences, right = [], []
    for item in evaluation.score.utterances:
        confidences += evaluation.hypotheses[item.id].confidences
        right += [edit.op == HIT for edit in item.alignment.edits if edit.hyp is not None]
    sure, hit = np.array(confidences, dtype=float), np.array(right, dtype=float)
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    rows = []
    for number in range(BINS):
        inside = place == number
        if count := int(inside.sum()):
            rows.append(
                (number / BINS, (number + 1) / BINS, count, float(sure[inside].mean()), float(hit[inside].mean()))
            )
    return rows


def posteriors_of(result: EvalResult, ids: Sequence[str], fps: float) -> dict[str, Posterior]:
    """The posteriors of some utterances."""
    place = {item.id: index for index, item in enumerate(result.clips.utterances)}
    hypotheses = result.evaluation.hypotheses
    return {
        id: posterior_of(
            result.recogniser,
            result.clips[place[id]],
            result.clips.utterances[place[id]].glosses,
            hypotheses[id].glosses,
            fps,
        )
        for id in ids
    }


def posterior_of(
    recogniser: Recogniser, clip: np.ndarray, reference: Sequence[str], hypothesis: Sequence[str], fps: float
) -> Posterior:
    """What the model says of a clip `[T, D]`: the glosses of both sides in their order, then the blank.

    Glosses of the reference that the vocabulary lacks have no probability, so they have no row.
    """
    output = recogniser.posteriors(collate([clip], [()], [0]))
    log_probs = output.log_probs[0, : int(output.lengths[0])].float().cpu().numpy()
    vocabulary = recogniser.vocabulary
    sides = [[gloss for gloss in side if gloss in vocabulary] for side in (reference, hypothesis)]
    labels = list(dict.fromkeys([*sides[0], *sides[1]]))
    columns = [*vocabulary.encode(labels), BLANK]
    ref_spikes, hyp_spikes = (spikes(log_probs, side, vocabulary.encode(side)) for side in sides)
    seconds = stride_of(recogniser.model) / fps
    return Posterior(np.exp(log_probs[:, columns]), [*labels, BLANK_TOKEN], ref_spikes, hyp_spikes, seconds)


def spikes(log_probs: np.ndarray, glosses: Sequence[str], ids: Sequence[int]) -> list[tuple[int, str]]:
    """Where each gloss is surest within its part of the forced alignment; none where the clip is too short for it.

    Args:
        log_probs: `[T', V]`.
        glosses: names.
        ids: their vocabulary ids.
    """
    if not ids or len(log_probs) < minimum_frames(ids):
        return []
    spans, _ = forced_alignment(log_probs, ids)
    return [
        (start + int(log_probs[start:end, id].argmax()), gloss)
        for (start, end), id, gloss in zip(spans, ids, glosses, strict=True)
    ]
