"""Scores as plain values, as JSON can hold them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from slrcli.console import finite
from slrcli.scoring.align import Counts
from slrcli.scoring.breakdown import Breakdown, Familiarity, calibration_error
from slrcli.scoring.stats import Interval
from slrcli.scoring.wer import Score, UtteranceScore


def intervals_dict(intervals: dict[str, Interval]) -> dict[str, Any]:
    """Intervals as JSON can hold them; that of the whole over utterances is called so."""
    return {name or "utterances": asdict(found) for name, found in intervals.items()}


def familiarity_dict(found: Familiarity | None) -> dict[str, Any]:
    """`seen` and `unseen` as JSON can hold them; null where nobody knows."""
    if found is None:
        return {"seen": None, "unseen": None}
    return finite(
        {
            "seen": {**score_dict(found.seen), "interval": asdict(found.seen_interval)},
            "unseen": {**score_dict(found.unseen), "interval": asdict(found.unseen_interval)},
        }
    )


def breakdown_dict(found: Breakdown) -> dict[str, Any]:
    """A breakdown as JSON can hold it."""
    return finite(
        {
            "glosses": [asdict(item) | {"recall": item.recall, "precision": item.precision} for item in found.glosses],
            "confusions": [list(row) for row in found.confusions],
            "deletions": [list(row) for row in found.deletions],
            "insertions": [list(row) for row in found.insertions],
            "by_length": [{"glosses": label, **score_dict(score)} for label, score in found.by_length],
            "by_place": [{"place": p, "recognised": share, "tokens": n} for p, share, n in found.by_place],
        }
    )


def protocol_dict(item) -> dict[str, Any]:
    """One protocol's score as JSON can hold it."""
    return {
        "protocol": item.protocol.signature,
        "description": item.protocol.description,
        "normaliser": item.protocol.normaliser,
        "signature": item.signature,
        "removed": {rule: {"ref": ref, "hyp": hyp} for rule, (ref, hyp) in item.removed.items()},
        "errors_by_step": item.made,
        "floor_errors": item.floor.errors,
        **score_dict(item.score),
    }


def score_result_dict(result) -> dict[str, Any]:
    """What `slr score` found, as JSON can hold it."""
    main = result.main
    changes = [dict(zip(("rule", "side", "id", "before", "after"), change, strict=True)) for change in result.changes]
    return finite(
        {
            "signature": main.signature,
            "protocol": main.protocol.signature,
            **score_dict(main.score, result.by_signer, utterances=True),
            "intervals": intervals_dict(result.intervals),
            "protocols": [protocol_dict(item) for item in result.protocol_scores],
            "others": [
                {"name": name, **score_dict(score), "comparison": asdict(found)} for name, score, found in result.others
            ],
            "breakdown": breakdown_dict(result.breakdown),
            "calibration": [list(row) for row in result.calibration],
            "calibration_error": calibration_error(result.calibration),
            "left_out": list(result.left_out),
            "sclite_meanings": result.meanings,
            "changes": changes,
        }
    )


def score_dict(score: Score, groups: Mapping[str, Score] | None = None, utterances: bool = False) -> dict[str, Any]:
    """The score as JSON can hold it; a rate without reference tokens is null.

    Args:
        score: the whole.
        groups: what `by_group` gives; adds `groups`.
        utterances: whether to add every utterance with its tokens and operations.
    """
    result = {
        **_counts_dict(score),
        "utterances": len(score.utterances),
        "emission": finite(score.emission),
        "distinct_ref": score.distinct_ref,
        "distinct_hyp": score.distinct_hyp,
        "empty_hyp": score.empty_hyp,
    }
    if groups is not None:
        result["groups"] = {name: score_dict(group) for name, group in groups.items()}
    if utterances:
        result["per_utterance"] = [utterance_dict(utterance) for utterance in score.utterances]
    return result


def utterance_dict(utterance: UtteranceScore) -> dict[str, Any]:
    """One utterance as JSON can hold it: counts, both token lists, and the operations as a string over `=SDI`."""
    alignment = utterance.alignment
    return {
        "id": utterance.id,
        **_counts_dict(utterance),
        "ref": list(alignment.ref),
        "hyp": list(alignment.hyp),
        "ops": alignment.ops,
    }


def _counts_dict(counts: Counts) -> dict[str, Any]:
    names = ("hits", "substitutions", "deletions", "insertions", "errors", "ref_tokens", "hyp_tokens")
    return {"wer": finite(counts.wer), **{name: getattr(counts, name) for name in names}}
