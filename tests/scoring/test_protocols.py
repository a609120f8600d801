"""Protocols, statistics, breakdowns and signatures: by hand, by simulation, and against jiwer."""

import math
import random
from dataclasses import replace

import jiwer
import numpy as np
import pytest

from slrcli.errors import DataError, UsageError
from slrcli.scoring.breakdown import breakdown, calibration, calibration_error
from slrcli.scoring.protocols import PROTOCOLS, errors_by_step, get_protocol, removed_by_rule
from slrcli.scoring.signature import signature, transcripts_hash
from slrcli.scoring.stats import compare, interval
from slrcli.scoring.wer import score


def errors(name, ref, hyp):
    return get_protocol(name).score({"a": ref.split()}, {"a": hyp.split()}).errors


@pytest.mark.parametrize(
    ("ref", "hyp", "counts"),
    [
        # order: plain, sclite, phoenix2014-sclite, vac, phoenix2014-sentence, phoenix2014t-sentence, forerunner
        ("A B C D E", "D E X Y Z", [5, 6, 6, 6, 0, 0, 0]),
        ("WORT ORT", "wort Ort", [2, 0, 0, 2, 2, 2, 2]),
        ("NORD", "loc-NORD", [1, 1, 0, 0, 0, 0, 1]),
        ("loc-NORD", "loc-NORD", [0, 0, 1, 1, 0, 0, 0]),
        ("WORT WORT", "WORT WORT", [0, 0, 0, 1, 0, 0, 0]),
        ("WORT", "", [1, 1, 1, 1, 1, 1, 1]),
        ("", "WORT", [1, 1, 1, 1, 1, 1, 0]),
        ("WORT", "ORT TORT HORT", [3, 3, 3, 3, 3, 3, 1]),
        ("__ON__ WORT", "WORT", [1, 1, 1, 1, 1, 0, 0]),
    ],
)
def test_the_same_pair_under_every_protocol(ref, hyp, counts):
    if ref.startswith("A B"):  # single letters: spelled, joined or left out by the sentence rules
        names = list(PROTOCOLS)[:4]
        assert [errors(name, ref, hyp) for name in names] == counts[:4]
    else:
        assert [errors(name, ref, hyp) for name in PROTOCOLS if name != "cer"] == counts


def test_plain_is_what_jiwer_counts():
    rng = random.Random(4)
    refs = {str(i): rng.choices("ABCDEF", k=rng.randint(1, 9)) for i in range(200)}
    hyps = {id: rng.choices("ABCDEF", k=rng.randint(0, 9)) for id in refs}
    ours = get_protocol("plain").score(refs, hyps)
    theirs = jiwer.process_words([" ".join(r) for r in refs.values()], [" ".join(hyps[id]) for id in refs])
    assert ours.wer == pytest.approx(100 * theirs.wer)
    assert (ours.substitutions, ours.deletions, ours.insertions) == (
        theirs.substitutions,
        theirs.deletions,
        theirs.insertions,
    )


@pytest.mark.parametrize("name", PROTOCOLS)
def test_equal_sides_are_aligned_as_the_aligner_would(name):
    protocol = get_protocol(name)
    for tokens in ([], ["X"], ["X", "X", "Y", "X"]):
        (found,) = protocol.score({"a": ["KEPT", *tokens]}, {"a": ["KEPT", *tokens]}).utterances
        assert found.alignment == protocol.aligner(found.alignment.ref, found.alignment.hyp)


def test_an_empty_hypothesis_is_filled_where_the_fields_scripts_fill_it():
    ref = {"a": ["X", "Y"]}
    filled = get_protocol("phoenix2014-sclite").score(ref, {"a": ["__PU__"]})
    assert (filled.substitutions, filled.deletions) == (1, 1)
    plain = get_protocol("sclite").score(ref, {"a": []})
    assert (plain.substitutions, plain.deletions) == (0, 2)


def test_the_floor_counts_merged_repeats_and_glosses_that_nobody_can_say():
    refs = {"a": ["X", "X", "Y"], "b": ["Z"]}
    assert get_protocol("plain").floor(refs).errors == 0
    assert get_protocol("vac").floor(refs).errors == 1
    assert get_protocol("plain").floor(refs, {"X", "Y"}).errors == 1


def test_no_hypothesis_beats_the_floor():
    rng = random.Random(6)
    refs = {str(i): rng.choices(["X", "Y", "loc-Z", "OOV"], k=rng.randint(1, 5)) for i in range(20)}
    known = ["X", "Y", "loc-Z", "Z"]
    for name in ("plain", "sclite"):
        protocol = get_protocol(name)
        best = protocol.floor(refs, known)
        for _ in range(200):
            hyps = {
                id: [rng.choice(known) if rng.random() < 0.3 or g == "OOV" else g for g in ref]
                for id, ref in refs.items()
            }
            assert protocol.score(refs, hyps).errors >= best.errors


def test_removed_tokens_are_named_by_rule_and_side():
    refs, hyps = {"a": ["IX", "X", "B"]}, {"a": ["X", "IX"]}
    assert removed_by_rule(get_protocol("forerunner"), refs, hyps) == {"marked": (1, 1), "letters": (2, 1)}
    assert removed_by_rule(get_protocol("vac"), refs, {"a": ["X", "X", "__PU__"]}) == {
        "marks": (0, 1),
        "merge-repeats": (0, 1),
    }


def test_errors_that_a_step_makes_or_hides_are_those_that_are_not_there_without_it():
    vac, forerunner = get_protocol("vac"), get_protocol("forerunner")
    assert errors_by_step(vac, {"a": ["X", "X"]}, {"a": ["X", "X"]}) == {"merge-repeats": 1}
    assert errors_by_step(vac, {"a": ["X"]}, {"a": ["loc-X", "__PU__"]}) == {"prefixes": -1, "marks": -1}
    assert errors_by_step(forerunner, {"a": ["XX"]}, {"a": ["PP", "QQ"]}) == {"capped": -1}
    assert errors_by_step(get_protocol("sclite"), {"a": ["X"]}, {"a": ["Y"]}) == {}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_leaving_a_step_out_of_all_utterances_gives_the_same_as_of_those_that_it_changes(name):
    rng = random.Random(7)
    tokens = ["X", "Y", "XX", "loc-X", "__PU__", "__LEFTHAND__", "NORDRAUM", "ZEIGEN", "WIE", "AUSSEHEN", "IX-PLUSPLUS"]
    refs, hyps = ({str(i): rng.choices(tokens, k=rng.randint(0, 6)) for i in range(150)} for _ in range(2))
    protocol = get_protocol(name)
    found, errors = errors_by_step(protocol, refs, hyps), protocol.score(refs, hyps).errors
    # "spaces" is no step of its own: it takes out what other rules have emptied.
    steps = {rule.name: {"left_out": (rule.name,)} for rule in protocol.rules.rules if rule.name != "spaces"}
    steps |= {edge.replace("_", "-"): {edge: False} for edge in ("merge_repeats", "skip_empty", "capped")}
    for step, change in steps.items():
        assert found.get(step, 0) == errors - replace(protocol, **change).score(refs, hyps).errors, step
    assert set(found) <= set(steps) and (len(found) > 1) == (name not in ("plain", "sclite", "cer"))


def test_protocols_are_found_by_name_and_version():
    for item in PROTOCOLS.values():
        assert get_protocol(item.signature) is item
        other = item.with_normaliser("seed-filter")
        assert other.signature == f"{item.name}@1+seed-filter@1" and other != item
        assert get_protocol(other.signature) == get_protocol(f"{item.name}+seed-filter") == other
    with pytest.raises(UsageError, match=r"no gloss normaliser 'seed'.*seed-filter"):
        get_protocol("plain+seed")
    with pytest.raises(UsageError, match="sclite"):
        get_protocol("sclit")
    with pytest.raises(UsageError, match=r"sclite@1.*sclite@9"):
        get_protocol("sclite@9")


def sets(seed, count, rate):
    """References of ten glosses and hypotheses with so many substitutions."""
    rng = np.random.default_rng(seed)
    refs = {str(i): [f"G{g}" for g in rng.integers(0, 50, 10)] for i in range(count)}
    hyps = {id: [g if rng.random() > rate else "WRONG" for g in ref] for id, ref in refs.items()}
    return score(refs, hyps)


def test_the_interval_holds_the_true_rate_about_as_often_as_it_says():
    found = [interval(sets(seed, 60, 0.3), draws=400) for seed in range(200)]
    inside = sum(one.low <= 30.0 <= one.high for one in found)
    assert 180 <= inside <= 199  # 95 % of 200 are 190; three deviations are nine
    width = np.mean([one.high - one.low for one in found])
    assert width == pytest.approx(2 * 1.96 * 100 * math.sqrt(0.3 * 0.7 / 600), rel=0.1)


def test_intervals_over_signers_are_wider_where_signers_differ():
    refs = {f"{signer}-{i}": ["A"] * 10 for signer in range(8) for i in range(20)}
    hyps = {id: ["B"] * int(id[0]) + ["A"] * (10 - int(id[0])) for id in refs}
    whole = score(refs, hyps)
    one, other = interval(whole), interval(whole, {id: id[0] for id in refs})
    assert other.units == 8 and other.high - other.low > 2 * (one.high - one.low)


def test_the_same_seed_draws_the_same_interval_and_too_little_gives_none():
    whole = sets(1, 30, 0.2)
    assert interval(whole, seed=3) == interval(whole, seed=3) != interval(whole, seed=4)
    assert math.isnan(interval(sets(1, 1, 0.2)).low)


def test_equal_systems_do_not_differ_and_a_much_better_one_does():
    first, better = sets(1, 80, 0.4), sets(1, 80, 0.1)
    same = compare(first, first)
    assert (same.difference, same.p_bootstrap, same.p_matched, same.same) == (0.0, 1.0, 1.0, 80)
    found = compare(first, better)
    assert found.difference < -20 and found.interval.high < 0
    assert found.p_bootstrap < 0.01 and found.p_matched < 1e-6 and found.better > 70


def test_a_few_utterances_that_differ_alike_prove_little():
    refs = {str(i): ["G"] for i in range(4)}
    first, better = score(refs, {id: ["X"] for id in refs}), score(refs, refs)
    found = compare(first, better)
    assert found.p_bootstrap == found.p_matched == 2 * 0.5**4  # four coins that fall alike


def test_systems_of_one_quality_seldom_differ_significantly():
    refs = {str(i): ["G"] * 10 for i in range(50)}

    def system(seed):
        rng = np.random.default_rng(seed)
        return score(refs, {id: ["G" if rng.random() > 0.3 else "X" for _ in ref] for id, ref in refs.items()})

    found = [compare(system(seed), system(1000 + seed), draws=300) for seed in range(120)]
    for name in ("p_bootstrap", "p_matched"):
        assert sum(getattr(one, name) < 0.05 for one in found) <= 14  # 5 % of 120 are 6


def test_different_references_are_not_compared():
    with pytest.raises(DataError, match="different references"):
        compare(score({"a": ["X"]}, {"a": ["X"]}), score({"a": ["Y"]}, {"a": ["X"]}))


def test_a_breakdown_by_hand():
    found = breakdown(score({"1": ["A", "B"], "2": ["A", "C"]}, {"1": ["A", "D", "E"], "2": ["C"]}))
    by_name = {item.gloss: item for item in found.glosses}
    a = by_name["A"]
    assert (a.support, a.hits, a.predicted, a.deleted, a.recall, a.precision) == (2, 1, 1, 1, 0.5, 1.0)
    assert found.confusions in ((("B", "D", 1),), (("B", "E", 1),))
    assert found.deletions == [("A", 1)] and len(found.insertions) == 1
    assert [label for label, _ in found.by_length] == ["0 to 2"] and not found.by_place


def test_parts_of_a_breakdown_add_up_to_the_score():
    whole = sets(2, 40, 0.3)
    found = breakdown(whole)
    assert sum(item.support for item in found.glosses) == whole.ref_tokens
    assert sum(item.predicted for item in found.glosses) == whole.hyp_tokens
    assert sum(part.errors for _, part in found.by_length) == whole.errors
    assert sum(tokens for *_, tokens in found.by_place) == whole.ref_tokens


def test_calibration_by_hand():
    whole = score({"a": ["A", "B", "C", "D"]}, {"a": ["A", "X", "C", "D"]})
    rows = calibration(whole, {"a": (0.95, 0.95, 1.0, 0.15)})
    assert rows[0][2:] == (1, pytest.approx(0.15), 1.0)
    assert rows[1][2:] == (3, pytest.approx(2.9 / 3), pytest.approx(2 / 3))
    assert calibration_error(rows) == pytest.approx(100 * (0.85 + 0.9) / 4)
    assert calibration(whole, {"a": (0.5,)}) == []


def test_a_signature_changes_with_all_that_changes_the_number():
    refs, hyps = {"a": ["A"], "b": ["B"]}, {"a": ["A"], "b": ["C"]}
    plain = get_protocol("plain")
    line = signature(plain, plain.score(refs, hyps), refs, hyps, decoder="greedy", empty="")
    assert "protocol:plain@1" in line and "|tokens:2|" in line and line.endswith("decoder:greedy")
    assert transcripts_hash(refs) == transcripts_hash(dict(reversed(refs.items())))
    assert transcripts_hash(refs) != transcripts_hash(hyps) != transcripts_hash({"a": ["A", "C"], "b": []})
