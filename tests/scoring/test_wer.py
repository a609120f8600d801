"""Alignments and word error rates, against brute force, jiwer and counts by hand."""

import math
import random
from functools import cache

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slrcli.errors import DataError
from slrcli.scoring.align import Counts, Edit, align, align_jiwer
from slrcli.scoring.protocols import get_protocol
from slrcli.scoring.wer import by_group, score

tokens = st.lists(st.sampled_from(["A", "B", "C", "loc-A", "two words", "{", "", "(x)"]), max_size=6)


def fewest_edits(ref, hyp):
    """The Levenshtein distance by its recursive definition."""

    @cache
    def rest(i, j):
        if i == len(ref) or j == len(hyp):
            return len(ref) - i + len(hyp) - j
        return min(rest(i + 1, j) + 1, rest(i, j + 1) + 1, rest(i + 1, j + 1) + (ref[i] != hyp[j]))

    return rest(0, 0)


@pytest.mark.parametrize("aligner", [align, align_jiwer])
@given(tokens, tokens)
def test_an_alignment_has_the_fewest_edits_and_gives_both_sides_back(aligner, ref, hyp):
    alignment = aligner(ref, hyp)
    assert alignment.counts.errors == fewest_edits(ref, hyp)
    assert alignment.ref == tuple(ref)
    assert alignment.hyp == tuple(hyp)
    for edit in alignment.edits:
        expected = "I" if edit.ref is None else "D" if edit.hyp is None else "=" if edit.ref == edit.hyp else "S"
        assert edit.op == expected


@given(st.lists(st.text(max_size=3), max_size=5), st.lists(st.text(max_size=3), max_size=5))
def test_tokens_of_any_characters_are_compared_whole(ref, hyp):
    assert align_jiwer(ref, hyp) == align(ref, hyp)
    assert align(ref, hyp).counts.errors == fewest_edits(ref, hyp)


def test_tokens_whose_python_hashes_agree_stay_apart():
    class Clash(str):
        __slots__ = ()

        def __hash__(self):
            return 1

    assert align([Clash("A")], [Clash("B")]).ops == "S"


def test_alignment_by_hand():
    edits = align(["WETTER", "MORGEN", "REGEN", "NORD"], ["WETTER", "REGEN", "NORD", "WIND"]).edits
    assert edits == (
        Edit("=", "WETTER", "WETTER"),
        Edit("D", "MORGEN", None),
        Edit("=", "REGEN", "REGEN"),
        Edit("=", "NORD", "NORD"),
        Edit("I", None, "WIND"),
    )


def test_a_string_in_place_of_a_list_is_refused():
    with pytest.raises(TypeError, match="lists of tokens"):
        align("A B", ["A", "B"])
    with pytest.raises(TypeError, match="lists of tokens"):
        align_jiwer(["A", "B"], "A B")


def test_the_plain_protocol_is_counted_by_jiwer(monkeypatch):
    asked, counted = [], jiwer.process_words
    monkeypatch.setattr(jiwer, "process_words", lambda *sides: (asked.append(sides[:2]), counted(*sides))[1])
    refs, hyps = {"a": ["two words", ""], "b": []}, {"a": ["two", "words", ""], "b": ["X"]}
    found = get_protocol("plain").score(refs, hyps)
    assert asked == [([refs[id]], [hyps[id]]) for id in refs]
    assert [item.alignment.ops for item in found.utterances] == ["IS=", "I"] and found.errors == 3


def test_totals_and_breakdown_are_those_of_jiwer():
    rng = random.Random(1)
    vocabulary = [f"G{index}" for index in range(12)]
    refs = {str(index): rng.choices(vocabulary, k=rng.randint(1, 14)) for index in range(300)}
    hyps = {id: rng.choices(vocabulary, k=rng.randint(1, 14)) for id in refs}
    theirs = jiwer.process_words([" ".join(ref) for ref in refs.values()], [" ".join(hyps[id]) for id in refs])
    ours = score(refs, hyps)
    assert (ours.hits, ours.substitutions, ours.deletions, ours.insertions) == (
        theirs.hits,
        theirs.substitutions,
        theirs.deletions,
        theirs.insertions,
    )
    assert ours.wer == pytest.approx(100 * theirs.wer)
    assert ours.ref_tokens == sum(map(len, refs.values()))
    assert ours.hyp_tokens == sum(map(len, hyps.values()))


def test_the_documented_example_of_plain_edit_distance():
    # The case in which sclite's weights give 6 errors and the edit distance is 5.
    assert score({"a": list("ABCDE")}, {"a": list("DEXYZ")}).errors == 5


def test_the_rate_is_over_all_tokens_and_never_capped():
    result = score({"a": ["A"], "b": ["B", "C", "D"]}, {"a": ["X", "Y", "Z"], "b": ["B", "C", "D"]})
    assert result.wer == pytest.approx(75.0)
    assert result.utterances[0].wer == pytest.approx(300.0)
    assert [utterance.id for utterance in result.utterances] == ["a", "b"]


def test_insertions_into_an_empty_reference_count_in_the_total():
    result = score({"empty": [], "b": ["B", "C"]}, {"empty": ["X"], "b": ["B", "C"]})
    assert result.insertions == 1
    assert result.wer == pytest.approx(50.0)
    assert math.isnan(result.utterances[0].wer)


def test_an_empty_hypothesis_is_all_deletions():
    result = score({"a": ["A", "B"]}, {"a": []})
    assert (result.deletions, result.wer, result.empty_hyp) == (2, 100.0, 1)


@pytest.mark.parametrize("refs", [{}, {"a": []}])
def test_without_reference_tokens_the_rate_is_not_a_number(refs):
    result = score(refs, refs)
    assert math.isnan(result.wer)
    assert math.isnan(result.emission)
    assert result.errors == 0


def test_ids_that_do_not_agree_are_counted_and_the_first_five_named():
    refs = {f"r{index}": ["A"] for index in range(7)}
    with pytest.raises(DataError) as caught:
        score(refs | {"both": ["A"]}, {"both": ["A"], "extra": ["A"]})
    text = str(caught.value)
    assert "7 of 8 utterances have no hypothesis: r0, r1, r2, r3, r4, ...; " in text
    assert "1 of 2 hypotheses have no reference: extra" in text
    assert "r5" not in text


def test_groups_add_up_to_the_whole():
    refs = {"1": ["A"], "2": ["A", "B"], "3": ["C"], "4": ["D"]}
    hyps = {"1": ["A"], "2": ["B"], "3": [], "4": ["D", "E"]}
    whole = score(refs, hyps)
    groups = by_group(whole, {"1": "s2", "2": "s1", "3": "s2"})
    assert list(groups) == ["", "s1", "s2"]
    assert groups["s1"].wer == pytest.approx(50.0)
    assert groups["s2"].wer == pytest.approx(50.0)
    assert groups[""].insertions == 1
    assert sum(group.errors for group in groups.values()) == whole.errors


def test_what_training_watches():
    result = score({"1": ["A", "B"], "2": ["C", "D"]}, {"1": ["A", "A", "A"], "2": []})
    assert result.emission == pytest.approx(75.0)
    assert (result.distinct_ref, result.distinct_hyp, result.empty_hyp) == (4, 1, 1)


def test_the_worst_have_the_most_errors_then_the_highest_rate_and_no_perfect_one_is_among_them():
    refs = {"fine": ["A"], "long": ["A", "B", "C"], "short": ["A"], "many": ["A", "B"]}
    hyps = {"fine": ["A"], "long": ["A", "B"], "short": [], "many": ["X", "Y"]}
    result = score(refs, hyps)
    assert [utterance.id for utterance in result.worst(9)] == ["many", "short", "long"]
    assert [utterance.id for utterance in result.worst(1)] == ["many"]


def test_another_aligner_may_be_given():
    def everything_wrong(ref, hyp):
        return align(ref, [f"not {token}" for token in ref])

    assert score({"a": ["A", "B"]}, {"a": ["A", "B"]}, aligner=everything_wrong).wer == 100.0


def test_counts_of_nothing():
    assert math.isnan(Counts().wer)
    assert Counts().errors == 0
