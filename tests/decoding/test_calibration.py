"""Confidences fitted to what was right."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from slrcli.decoding.calibration import Calibration, fit, held_out, load_calibration, save_calibration
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.errors import DataError
from slrcli.evaluation.calibrate import calibrate
from slrcli.files import file_hash
from slrcli.scoring.breakdown import calibration, calibration_classes, calibration_error, confidence_outcomes
from slrcli.scoring.wer import score


def drawn(scale: float, shift: float, count: int = 4000, seed: int = 0) -> list[tuple[float, bool]]:
    """Glosses whose chance to be right is sigmoid(scale * logit(confidence) + shift)."""
    rng = np.random.default_rng(seed)
    confidences = rng.uniform(0.05, 0.99, count)
    chances = 1 / (1 + np.exp(-(scale * np.log(confidences / (1 - confidences)) + shift)))
    return list(zip(confidences.tolist(), (rng.random(count) < chances).tolist(), strict=True))


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.4, 0.5), (2.0, -1.0)])
def test_the_map_that_made_the_data_is_found(scale, shift):
    assert fit(drawn(scale, shift)) == pytest.approx((scale, shift), abs=0.15)


def test_no_pair_of_numbers_nearby_makes_the_data_likelier():
    pairs = drawn(0.5, 0.3, 300)
    hits = sum(hit for _, hit in pairs)
    smooth = {True: (hits + 1) / (hits + 2), False: 1 / (len(pairs) - hits + 2)}

    def loss(scale, shift):
        total = 0.0
        for value, hit in pairs:
            p = 1 / (1 + math.exp(-(scale * math.log(value / (1 - value)) + shift)))
            total -= smooth[hit] * math.log(p) + (1 - smooth[hit]) * math.log(1 - p)
        return total

    scale, shift = fit(pairs)
    best = loss(scale, shift)
    assert all(
        loss(scale + a, shift + b) > best for a in (-0.01, 0, 0.01) for b in (-0.01, 0, 0.01) if (a, b) != (0, 0)
    )


@pytest.mark.parametrize("right", [True, False])
def test_glosses_all_right_or_all_wrong_do_not_run_away(right):
    scale, shift = fit([(value, right) for value in np.linspace(0, 1, 50)])
    assert scale > 0 and math.isfinite(scale + shift)
    found = Calibration(scale, shift, "greedy", "", "dev", 50)
    assert (found.of(0.5) > 0.9) == right


def test_the_order_of_confidences_stays():
    backwards = [(value, value < 0.5) for value in np.linspace(0.01, 0.99, 60)]
    found = Calibration(*fit(backwards), "greedy", "", "dev", 60)
    mapped = [found.of(value) for value in np.linspace(0, 1, 30)]
    assert mapped == sorted(mapped) and mapped[0] >= 0 and mapped[-1] <= 1


def test_calibration_error_falls_on_utterances_that_were_not_fitted_to():
    pairs = drawn(0.3, 0.8)
    utterances = [pairs[start : start + 5] for start in range(0, len(pairs), 5)]
    after = [pair for own in held_out(utterances) for pair in own]
    assert [hit for _, hit in after] == [hit for _, hit in pairs]
    before, after = (calibration_error(calibration_classes(some)) for some in (pairs, after))
    assert before > 10 and after < 3


def test_too_few_glosses_are_refused():
    with pytest.raises(DataError, match="too few"):
        fit(drawn(1, 0, 19))


def test_confidences_are_paired_with_hits_and_counted_in_classes():
    refs, hyps = {"a": ["A", "B"], "b": ["C"]}, {"a": ["A", "X"], "b": ["C", "C"]}
    sure = {"a": (0.9, 0.2), "b": (0.95, 0.94)}
    found = confidence_outcomes(score(refs, hyps), sure)
    assert [sorted(own) for own in found] == [[(0.2, False), (0.9, True)], sorted(found[1])]
    assert sum(hit for _, hit in found[1]) == 1
    assert calibration(score(refs, hyps), sure) == calibration_classes([pair for own in found for pair in own])


def test_hypotheses_keep_all_but_their_confidences():
    one = Hypothesis((1, 2), ("A", "B"), ((0, 2), (2, 4)), (0.5, 0.9), -1.0, (1, 3))
    found = Calibration(0.5, 0.0, "greedy", "", "dev", 50).applied(one)
    assert replace(found, confidences=one.confidences) == one
    assert found.confidences == pytest.approx((0.5, 0.75))  # logit(0.9) = ln 9, halved ln 3
    best = replace(one, others=(one, replace(one, others=(one,))))
    every = Calibration(0.5, 0.0, "greedy", "", "dev", 50).applied(best)
    assert every.others == (found, replace(found, others=(found,)))


# The file beside the checkpoint.


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "best.onnx"
    path.write_bytes(b"weights")
    return path


def test_a_calibration_is_read_for_its_own_weights_and_decoder_alone(checkpoint):
    assert load_calibration(checkpoint, "greedy") is None
    calibration = Calibration(0.5, 0.1, "greedy", file_hash(checkpoint), "dev", 50)
    assert save_calibration(checkpoint, calibration).name == "best.calibration.json"
    assert load_calibration(checkpoint, "greedy") == calibration
    assert load_calibration(checkpoint, "beam") is None
    checkpoint.write_bytes(b"other weights")
    assert load_calibration(checkpoint, "greedy") is None


def evaluated(checkpoint, pairs):
    """An evaluation of utterances of one gloss each, recognised with these confidences."""
    refs = {str(place): ["A" if hit else "B"] for place, (_, hit) in enumerate(pairs)}
    hypotheses = {id: Hypothesis((1,), ("A",), ((0, 1),), (pairs[int(id)][0],), 0.0) for id in refs}
    judged = score(refs, {id: ["A"] for id in refs})
    evaluation = SimpleNamespace(hypotheses=hypotheses, score=judged)
    return SimpleNamespace(decoder="greedy", checkpoint=checkpoint, split="dev", evaluation=evaluation)


def test_what_helps_is_kept_beside_the_checkpoint(checkpoint):
    found = calibrate(evaluated(checkpoint, drawn(0.3, 0.8, 500)))
    assert found.after < found.before and found.calibration.glosses == 500
    assert load_calibration(checkpoint, "greedy") == found.calibration
    assert json.loads(json.dumps(found.to_dict()))["written"] == str(found.path)


def test_what_does_not_help_is_not_kept(checkpoint):
    sound = [(0.75 if place % 2 else 0.25, place % 8 in (0, 1, 3, 5)) for place in range(40)]
    found = calibrate(evaluated(checkpoint, sound))
    assert found.before == pytest.approx(0) and found.path is None
    assert load_calibration(checkpoint, "greedy") is None


@pytest.mark.parametrize("change", [{"scale": "x"}, {"scale": -1.0}, {"shift": None}, {"kind": "poem"}, {"version": 2}])
def test_a_damaged_calibration_is_refused(checkpoint, change):
    path = save_calibration(checkpoint, Calibration(0.5, 0.1, "greedy", file_hash(checkpoint), "dev", 50))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError, match="damaged"):
        load_calibration(checkpoint, "greedy")
    path.write_text("{")
    with pytest.raises(DataError, match="damaged"):
        load_calibration(checkpoint, "greedy")
