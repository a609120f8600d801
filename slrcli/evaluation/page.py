"""What `slr eval --report` writes: the page of an evaluation, with what it needs beyond the score."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.checkpoints.runs import shown
from slrcli.ctc.paths import forced_alignment
from slrcli.errors import DataError
from slrcli.evaluation.checkpoint import UNKNOWN_SENTENCES, EvalResult
from slrcli.files import atomic_write_text
from slrcli.glosses.vocabulary import BLANK, BLANK_TOKEN
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.report.page.data import Posterior, ReportData
from slrcli.report.page.document import render
from slrcli.report.page.posterior import ROWS
from slrcli.report.page.utterances import WORST
from slrcli.scoring.breakdown import breakdown
from slrcli.scoring.wer import Score

PAGE = "index.html"


def write_report(folder: Path, result: EvalResult) -> Path:
    """Write the page of an evaluation to `folder/index.html`.

    Args:
        folder: made where it is missing.
        result: the evaluation, with the recogniser and the clips it was made of.

    Raises:
        SlrError: the file cannot be written.
    """
    path = folder / PAGE
    atomic_write_text(path, render(report_data(result)))
    return path


def report_data(result: EvalResult) -> ReportData:
    """All that the page shows; the worst utterances are recognised once more for their posteriors."""
    score = result.score
    run = result.checkpoint.resolve().parent.name
    return ReportData(
        title=f"{run} on {result.split}",
        split=result.split,
        checkpoint=shown(result.checkpoint),
        signature=result.protocol_scores[0].signature,
        score=score,
        facts=facts(result),
        groups=result.by_signer,
        calibration=result.calibration,
        posteriors=posteriors_of(result, [item.id for item in score.worst(WORST)], result.fps),
        protocols=[(item.protocol.signature, item.score, item.floor.errors) for item in result.protocol_scores],
        notes=notes(result),
        intervals=intervals(result),
        spelt=result.protocol_scores[0].protocol.of_characters,
        familiarity=result.familiarity,
        **parts_of(score),
    )


def parts_of(score: Score) -> dict[str, Any]:
    """A score's breakdown, as `ReportData` names and orders its parts."""
    found = breakdown(score)
    return {
        "glosses": [(item.gloss, item.support, item.hits, item.predicted) for item in found.glosses],
        "confusions": found.confusions,
        "by_length": found.by_length,
    }


def intervals(result: EvalResult) -> dict[str, tuple[float, float]]:
    """The intervals of the whole ('') and of each signer."""
    found = {"": result.intervals[""]}
    found |= {name: result.intervals[f"signer {name}"] for name in result.by_signer}
    return {name: (item.low, item.high) for name, item in found.items()}


def facts(result: EvalResult) -> list[tuple[str, str]]:
    """What the headline says besides the rate."""
    score, evaluation = result.score, result.evaluation
    versions = ", ".join(f"{name} {value}" for name, value in result.meta.versions.items())
    return [
        ("Scored", datetime.now().astimezone().isoformat(" ", "minutes")),
        ("Architecture", result.meta.config.model.arch),
        ("Epoch", str(result.meta.metrics.get("epoch", ""))),
        ("Glosses, recognised and reference", f"{score.hyp_tokens} and {score.ref_tokens}"),
        ("Distinct glosses, recognised and reference", f"{score.distinct_hyp} and {score.distinct_ref}"),
        ("Blank output frames", f"{100 * evaluation.blank_share:.1f} %"),
        ("Trained with", versions),
    ]


def notes(result: EvalResult) -> list[str]:
    """Caveats for a reader of the WER."""
    empty = result.score.empty_hyp
    said = []
    if result.oov:
        said.append(f"{result.oov} reference tokens are not in the vocabulary and are certain errors.")
    if result.familiarity is None:
        said.append(f"{UNKNOWN_SENTENCES}.")
    if empty:
        said.append(f"Nothing was recognised in {empty} utterances.")
    return said


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
            (result.clips.rate(place[id]) or fps) / result.clips.pace(place[id]),
        )
        for id in ids
    }


def posterior_of(
    recogniser: ClipRecogniser, clip: np.ndarray, reference: Sequence[str], hypothesis: Sequence[str], fps: float
) -> Posterior:
    """What the model says of a clip `[T, D]`: the glosses of both sides in their order, then the blank.

    Glosses of the reference that the vocabulary lacks have no probability, so they have no row; nor have more glosses
    than a picture should hold.
    """
    (log_probs,), (steps,) = recogniser.log_probs(clip[None], np.array([len(clip)]))
    log_probs = log_probs[:steps]
    vocabulary = recogniser.vocabulary
    sides = [[gloss for gloss in side if gloss in vocabulary] for side in (reference, hypothesis)]
    labels = list(dict.fromkeys([*sides[0], *sides[1]]))[:ROWS]
    columns = [*vocabulary.encode(labels), BLANK]
    ref_spikes, hyp_spikes = (spikes(log_probs, side, vocabulary.encode(side)) for side in sides)
    seconds = recogniser.stride / fps
    return Posterior(np.exp(log_probs[:, columns]), [*labels, BLANK_TOKEN], ref_spikes, hyp_spikes, seconds)


def spikes(log_probs: np.ndarray, glosses: Sequence[str], ids: Sequence[int]) -> list[tuple[int, str]]:
    """Where each gloss is surest within its part of the forced alignment; none where it cannot be aligned.

    Args:
        log_probs: `[T', V]`.
        glosses: names.
        ids: their vocabulary ids.
    """
    if not ids:
        return []
    try:
        spans, _ = forced_alignment(log_probs, ids)
    except DataError:
        return []
    return [
        (start + int(log_probs[start:end, id].argmax()), gloss)
        for (start, end), id, gloss in zip(spans, ids, glosses, strict=True)
    ]
