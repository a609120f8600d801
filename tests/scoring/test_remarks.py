"""What makes a rate mean something else than it seems: ids that are glosses, look-alikes, lists, missing hypotheses."""

import json
import unicodedata

import jiwer
import pytest
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.glosses import get_normaliser


@pytest.fixture
def score(tmp_path):
    """Score two texts, written to files with a suffix."""

    def run(ref, hyp, *options, suffix="txt", code=0):
        paths = [tmp_path / f"{name}.{suffix}" for name in ("ref", "hyp")]
        for path, text in zip(paths, (ref, hyp), strict=True):
            path.write_text(text, encoding="utf-8")
        result = CliRunner().invoke(app, ["score", *map(str, paths), *options], terminal_width=4000)
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.mark.parametrize(
    ("ref", "hyp", "said"),
    [
        ("HELLO YOU GOOD\nMY NAME\n", "HELLO ME GOOD\nMY NAME\n", "20.00 % of 5 glosses instead of 33.33 % of 3"),
        ("A1 B\nC A1\n", "A1 B\nC B\n", "25.00 % of 4 glosses instead of 50.00 % of 2"),
        ("我 好\n你 好\n", "我 好\n你 不\n", "25.00 % of 4 glosses instead of 50.00 % of 2"),
    ],
)
def test_words_that_are_taken_for_ids_are_told_with_both_rates(score, ref, hyp, said):
    assert said in " ".join(score(ref, hyp).stderr.split())
    whole = json.loads(score(ref, hyp, "--by", "line", "--json").stdout)
    assert f"{whole['wer']:.2f} % of {whole['ref_tokens']}" in said


@pytest.mark.parametrize("text", ["u1 A B\nu2 A\n", "1 A B\n2 1\n", "S1/clip A\nS2/clip B\n", "my_clip A\n"])
def test_ids_are_no_words(score, text):
    assert "--by line" not in score(text, text).stderr


@pytest.mark.parametrize(
    ("ref", "hyp"), [("A B\nA C\n", "A B\nA D\n"), ("HELLO YOU\nMY NAME\n", "HALLO YOU\nMY NAME\n")]
)
def test_words_that_cannot_be_ids_name_the_way_out(score, ref, hyp):
    assert "--by line" in score(ref, hyp, code=1).stderr


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_tokens_that_look_the_same_are_counted_and_shown_by_code_points(score, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    ref, hyp = (unicodedata.normalize(one, "u1 GRÜSSEN MÄRZ NORD\n") for one in (form, other))
    found = score(ref, hyp)
    said = " ".join((found.stdout + found.stderr).split())
    assert "2 substitutions are between tokens that look the same" in said
    assert said.count("GRU\\u0308SSEN") == 2  # in the warning, and in the alignment
    assert json.loads(score(ref, hyp, "--normaliser", "nfc", "--json").stdout)["errors"] == 0


@pytest.mark.parametrize(
    ("hyp", "normaliser"),
    [
        ("NO\u200dRD", "nfc"),
        ("NORD\u200c", "nfc"),
        ("NO\u200bRD", "nfc"),
        ("\u200fNORD", "nfc"),
        ("NORD\u2069", "nfc"),
        ("NO\ufe0fRD", "nfc"),
        ("nord", "casefold"),
    ],
)
def test_what_cannot_be_seen_and_case_are_told(score, hyp, normaliser):
    assert f"--normaliser {normaliser}" in score("u1 NORD A\n", f"u1 {hyp} A\n").stderr
    assert json.loads(score("u1 NORD\n", f"u1 {hyp}\n", "--normaliser", normaliser, "--json").stdout)["errors"] == 0


def test_ids_are_matched_once_composed_and_others_shown_by_code_points(score):
    assert json.loads(score("ü1 A B\n", "u\u03081 A B\n", "--json").stdout)["errors"] == 0
    assert "u1 and u\\u200b1" in score("u1 A\n", "u\u200b1 A\n", code=1).stderr


@pytest.mark.parametrize("text", ["u1 A, B\nu2 A B\n", "u1 ['A', B\nu2 A B\n", "u1 A|B\n", "u1 A,B\nu2 A B\n"])
def test_remains_of_lists_are_told(score, text):
    assert "like parts of lists" in score(text, text).stderr


CTM = "u1 1 0.0 0.5 A\nu1 1 1.0 0.5 B\n"


def test_missing_hypotheses_count_as_deleted_where_that_is_asked_for(score):
    ref = "u1 1 0.0 0.5 A\nu1 1 1.0 0.5 B\nu2 1 0.0 0.5 C\nu3 1 0.0 0.5 D\nu3 1 1.0 0.5 E\n"
    assert "--missing-as-empty" in score(ref, CTM, suffix="ctm", code=1).stderr
    assert "--missing-as-empty" in score(ref, CTM, "--partial", suffix="ctm").stderr
    found = json.loads(score(ref, CTM, "--missing-as-empty", "--json", suffix="ctm").stdout)
    assert (found["deletions"], found["errors"], found["ref_tokens"], found["wer"]) == (3, 3, 5, 60.0)
    extra = score(CTM, ref, "--missing-as-empty", suffix="ctm", code=1).stderr
    assert "have no reference" in extra


@pytest.mark.parametrize(
    ("refs", "hyps"),
    [
        (["HELLO", "WORLD"], ["HELO", "WORDL"]),
        (["H E L L O", "A"], ["H E L O", "A B"]),
        (["我们 好", "你 好"], ["我 好", "你好"]),
        (["GRÜSSEN NORD", "X"], ["GRUSSEN NORDEN", ""]),
    ],
)
def test_characters_are_counted_as_jiwer_counts_them(score, refs, hyps):
    texts = ("".join(f"u{n} {text}\n" for n, text in enumerate(side)) for side in (refs, hyps))
    result = score(*texts, "--protocol", "cer")
    assert f"CER {100 * jiwer.cer(refs, hyps):.2f} %" in result.stdout


def test_the_normaliser_of_characters_keeps_marks_with_their_letters():
    assert get_normaliser("characters").normalise(["AU\u0308B", "x\u0323"]) == ["A", "Ü", "B", "x\u0323"]
