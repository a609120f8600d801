"""Language models of glosses: estimated, written, read, measured and asked by a decoder."""

import json
import math
import pickle
import re
import shutil
import subprocess
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.config import RunConfig
from slrcli.corpus import open_corpus
from slrcli.corpus.tables import read_table
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.language import BoundModel, NgramModel, estimate, perplexity, read_arpa, write_arpa
from slrcli.language import bound as bound_module
from slrcli.language.kneser_ney import FALLBACK, discount_of
from slrcli.language.ngram import END, START, UNKNOWN

WEATHER = """RAIN TOMORROW NORTH
RAIN TOMORROW SOUTH
SUN TOMORROW
SUN NOW NORTH
WIND RAIN NORTH
WIND WIND SOUTH
SNOW
RAIN RAIN RAIN
SUN SUN SOUTH NOW
RAIN TOMORROW NORTH
RAIN TOMORROW
RAIN TOMORROW NOW
SUN TOMORROW NORTH
HAIL FOG

SUN RAIN
RAIN WIND
RAIN TOMORROW SOUTH
RAIN WIND SOUTH"""
SENTENCES = [line.split() for line in WEATHER.split("\n")]
UNSEEN = [["RAIN", "TOMORROW", "WIND"], ["ICE", "SUN"], []]
TEXTS = st.lists(st.lists(st.sampled_from("ABCD"), max_size=6), min_size=1, max_size=12).filter(any)


@pytest.fixture(scope="module")
def weather() -> NgramModel:
    return estimate(SENTENCES, 3)[0]


# Estimation.


def test_a_tiny_model_has_the_probabilities_that_were_worked_out_by_hand():
    """Two sentences, A B and A; no bigram is counted three times, so the discounts are 0.5, 1, 1.5.

    Unigrams count what stands before them: A 1, B 1, </s> 2 of 4. Discounted by 2 in all, gamma is 1/2, and a quarter
    of it goes to each of the three and <unk>.
    """
    model, discounts = estimate([["A", "B"], ["A"]], 2)
    assert [item.values for item in discounts] == [FALLBACK, FALLBACK]
    expected = {
        ((), "A"): 0.25,
        ((), "B"): 0.25,
        ((), END): 0.375,
        ((), UNKNOWN): 0.125,
        ((START,), "A"): 0.5 + 0.5 * 0.25,
        (("A",), "B"): 0.25 + 0.5 * 0.25,
        (("A",), END): 0.25 + 0.5 * 0.375,
        (("B",), END): 0.5 + 0.5 * 0.375,
        (("B",), "A"): 0.5 * 0.25,
        (("NEVER",), "A"): 0.25,
    }
    for (history, token), value in expected.items():
        assert 10 ** model.log10(history, token) == pytest.approx(value, abs=1e-12), (history, token)


def test_discounts_are_those_of_the_formula():
    counts = Counter({(str(number),): count for number, count in enumerate([1] * 10 + [2] * 5 + [3] * 4 + [4] * 2)})
    assert discount_of(1, counts).values == pytest.approx((0.5, 0.8, 2.0))  # Y = 10 / 20
    assert [discount_of(1, counts).of(count) for count in (1, 2, 3, 9)] == pytest.approx([0.5, 0.8, 2.0, 2.0])


def test_guessed_discounts_say_why():
    found = discount_of(2, Counter({("A", "B"): 1, ("B", "A"): 2}))
    assert found.values == FALLBACK and "3 times" in found.reason
    odd = Counter({(str(number),): count for number, count in enumerate([1] * 9 + [2] + [3] * 9)})
    assert "beyond" in discount_of(1, odd).reason and discount_of(1, odd).values == FALLBACK


def test_the_numbers_are_those_that_kenlm_prints(weather):
    """lmplz -o 3 --discount_fallback and query (KenLM 0.3.0) on the same sentences."""
    _, discounts = estimate(SENTENCES, 3)
    assert [item.values for item in discounts] == [
        FALLBACK,
        pytest.approx((0.567568, 1.78716, 3), abs=1e-5),
        pytest.approx((0.692308, 1.65385, 3), abs=1e-5),
    ]
    assert weather.sizes == (13, 32, 35)
    listed = {
        "<unk>": (-1.4874212, 0),
        "SUN": (-1.1951652, -0.24598242),
        "<s> SUN": (-0.862867, -0.12717164),
        "SUN RAIN": (-0.8259309, -0.15970083),
        "<s> SUN RAIN": (-0.7621005, 0),
        "SUN RAIN </s>": (-0.32970548, 0),
    }
    for ngram, numbers in listed.items():
        tokens = tuple(ngram.split())
        assert weather.tables[len(tokens) - 1][tokens] == pytest.approx(numbers, abs=1e-6), ngram
    steps = [-0.4305454, -0.39946234, -1.3119763, -0.56416464, -1.7889148, -1.1951652, -0.8195898, -0.80665064]
    assert [value for glosses in UNSEEN for value in weather.sentence(glosses)] == pytest.approx(steps, abs=1e-6)
    found = perplexity(weather, UNSEEN)
    assert found.including_unknown == pytest.approx(8.21407415, abs=1e-6)
    assert found.excluding_unknown == pytest.approx(6.16099127, abs=1e-6)
    assert (found.tokens, found.sentences, found.unknown) == (5, 3, {"ICE": 1}) and found.unknown_rate == 20


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.integers(1, 6), st.lists(st.sampled_from("ABCDX"), max_size=6), st.booleans())
def test_probabilities_after_any_history_add_up_to_one(sentences, order, history, at_start):
    model, _ = estimate(sentences, order)
    history = [START, *history] if at_start else history
    total = sum(10 ** model.log10(history, token) for token in [*model.glosses, END, UNKNOWN])
    assert total == pytest.approx(1, abs=1e-9)


def test_text_that_was_seen_is_likelier_than_text_that_was_not(weather):
    assert perplexity(weather, SENTENCES).including_unknown < perplexity(weather, UNSEEN).excluding_unknown


@pytest.mark.parametrize("order", [0, 7])
def test_orders_beyond_the_offer_are_refused(order):
    with pytest.raises(UsageError, match="order"):
        estimate(SENTENCES, order)


def test_text_that_makes_no_model_is_refused():
    with pytest.raises(DataError, match="no gloss"):
        estimate([[], []], 3)
    with pytest.raises(DataError, match="</s>"):
        estimate([["A", "</s>"]], 3)


def test_short_sentences_make_a_shorter_model():
    assert estimate([["A"], ["B"]], 6)[0].order == 3


# KenLM itself, where it is installed.


def compare_with_lmplz(folder, sentences, tests, order):
    """Estimate with both; every n-gram and the perplexity of every text must agree."""
    for name, text in {"train": sentences, **tests}.items():
        (folder / f"{name}.txt").write_text("".join(" ".join(glosses) + "\n" for glosses in text))
    theirs = folder / "lmplz.arpa"
    command = ["lmplz", "-S", "200M", "--discount_fallback", "-o", str(order), "--arpa", str(theirs)]
    subprocess.run([*command, "--text", str(folder / "train.txt")], check=True, capture_output=True, timeout=120)
    ours, other = estimate(sentences, order)[0], read_arpa(theirs)
    assert ours.sizes == other.sizes
    for mine, table in zip(ours.tables, other.tables, strict=True):
        for ngram, numbers in mine.items():
            assert numbers == pytest.approx(table[ngram], abs=2e-6), ngram
    for name, text in tests.items():
        with open(folder / f"{name}.txt", "rb") as file:
            query = ["query", "-v", "summary", str(theirs)]
            done = subprocess.run(query, stdin=file, check=True, capture_output=True, text=True, timeout=120)
        printed = [float(value) for value in re.findall(r"OOVs:\s*(\S+)", done.stdout)]
        found = perplexity(ours, text)
        assert [found.including_unknown, found.excluding_unknown, found.unknown.total()] == pytest.approx(
            printed, rel=1e-5
        )


def kenlm_tools():
    if not shutil.which("lmplz") or not shutil.which("query"):
        pytest.skip("KenLM's lmplz and query are not on the PATH")


@pytest.mark.parametrize("order", [2, 3, 4])
def test_every_number_agrees_with_lmplz(tmp_path, order):
    kenlm_tools()
    compare_with_lmplz(tmp_path, SENTENCES, {"unseen": UNSEEN}, order)


@pytest.mark.parametrize("name", ["phoenix2014", "phoenix2014-T"])
def test_every_number_agrees_with_lmplz_on_real_tables(tmp_path, real_data, name):
    kenlm_tools()
    tables = {
        split: [
            row.utterance.glosses
            for row in read_table(real_data / f"data/phoenix2014/{name}.{split}.corpus.csv", split)
        ]
        for split in ("train", "dev", "test")
    }
    compare_with_lmplz(tmp_path, tables.pop("train"), tables, 3)


def test_kenlm_reads_our_file_and_gives_the_same_scores(tmp_path, weather):
    kenlm = pytest.importorskip("kenlm")
    write_arpa(tmp_path / "lm.arpa", weather)
    other = kenlm.Model(str(tmp_path / "lm.arpa"))
    for glosses in [*SENTENCES, *UNSEEN]:
        scores = [score for score, _, _ in other.full_scores(" ".join(glosses))]
        assert weather.sentence(glosses) == pytest.approx(scores, abs=1e-5)


# Files.


@settings(deadline=None, max_examples=25)
@given(TEXTS, st.integers(1, 4))
def test_what_was_written_is_read_back(tmp_path_factory, sentences, order):
    path = tmp_path_factory.mktemp("arpa") / "lm.arpa"
    model, _ = estimate(sentences, order, "none@1", "a table")
    write_arpa(path, model)
    again = read_arpa(path)
    assert (again.normaliser, again.source, again.sizes) == ("none@1", "a table", model.sizes)
    for mine, table in zip(model.tables, again.tables, strict=True):
        for ngram, numbers in mine.items():
            assert table[ngram] == pytest.approx(numbers, abs=1e-6)


FOREIGN = """a comment of some toolkit\r

\\data\\\r
ngram 1 = 4
ngram 2=2

\\1-grams:
-inf <s> -0.3
-0.5\t</s>
-0.6  A   -0.2
-0.7 \\end-\t-0.1

\\2-grams:
-0.1 <s> A
-0.2 A \\end-
\\end\\
after the end anything goes
"""


def test_files_of_other_toolkits_are_read(tmp_path):
    (tmp_path / "x.arpa").write_bytes(b"\xef\xbb\xbf" + FOREIGN.encode())
    model = read_arpa(tmp_path / "x.arpa")
    assert model.sizes == (4, 2) and model.glosses == ["A", "\\end-"]
    assert model.log10([START], "A") == -0.1
    assert model.log10(["A"], "A") == pytest.approx(-0.8)
    assert model.log10(["A"], "B") == pytest.approx(-100.2)  # it has no <unk>


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ngram 2=2", "ngram 2=3", "line 16.*2 n-grams of 2 tokens, but the header announces 3"),
        ("-0.2 A \\end-", "-0.2 A", "line 15.*2 tokens"),
        ("-0.2 A \\end-", "x A \\end-", "line 15.*'x' is not a logarithm"),
        ("-0.2 A \\end-", "nan A \\end-", "line 15.*not a logarithm"),
        ("-0.2 A \\end-", "0.2 A \\end-", "line 15.*not the logarithm of a probability"),
        ("-0.2 A \\end-", "-0.2 <s> A", "line 15.*twice"),
        ("\\2-grams:", "\\3-grams:", "line 13.*2-grams"),
        ("\n\\end\\\n", "\n", "line 16.*tokens"),
        ("\\data\\", "data", "it has no line"),
        ("ngram 2=2", "ngram 3=2", "line 5.*2 tokens"),
        ("-0.5\t</s>", "-0.5\tB", "no unigram </s>"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(tmp_path, old, new, said):
    assert old in FOREIGN
    (tmp_path / "x.arpa").write_text(FOREIGN.replace(old, new, 1))
    with pytest.raises(DataError) as caught:
        read_arpa(tmp_path / "x.arpa")
    assert re.search(said, f"{caught.value.where}: {caught.value.what}"), str(caught.value)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_file_with_any_damage_is_read_or_refused_but_never_fails_otherwise(tmp_path_factory, data):
    text = FOREIGN.encode()
    place = data.draw(st.integers(0, len(text) - 1))
    change = data.draw(st.binary(max_size=3))
    path = tmp_path_factory.getbasetemp() / "damaged.arpa"
    path.write_bytes(text[:place] + change + text[place + data.draw(st.integers(0, 40)) :])
    try:
        read_arpa(path)
    except SlrError as error:
        assert str(error)


# Bound to a vocabulary.


@settings(deadline=None, max_examples=40)
@given(TEXTS, st.integers(1, 5), st.lists(st.integers(1, 4), max_size=6))
def test_a_bound_model_says_what_the_model_says(sentences, order, ids):
    model, _ = estimate(sentences, order)
    vocabulary = Vocabulary(("<blank>", "B", "A", "X", "D"), (0, 1, 1, 1, 1))
    if not {"A", "B", "D"} & set(model.glosses):
        return
    bound = BoundModel(model, vocabulary)
    state, history = bound.start(), [START]
    for number in [*ids, 1]:
        row = bound.log_probs(state)
        expected = [model.log10(history, gloss) * math.log(10) for gloss in vocabulary.glosses]
        assert row[0] == -np.inf and row[1:] == pytest.approx(expected, abs=1e-9)
        assert bound.end(state) == pytest.approx(model.log10(history, END) * math.log(10), abs=1e-9)
        state = bound.next(state, number)
        history.append(vocabulary.gloss_of(number))


def test_histories_that_make_no_difference_share_a_state(weather):
    vocabulary = Vocabulary.build(SENTENCES)
    bound = BoundModel(weather, vocabulary)
    rain, snow, fog = (vocabulary.id_of(gloss) for gloss in ("RAIN", "SNOW", "FOG"))
    assert bound.next(bound.next(bound.start(), snow), rain) == bound.next(bound.next(bound.start(), fog), rain)
    assert bound.next(bound.start(), rain) != bound.next(bound.start(), snow)


def test_rows_are_shared_and_cannot_be_written_to(weather):
    bound = BoundModel(weather, Vocabulary.build(SENTENCES))
    state = bound.next(bound.start(), 1)
    assert bound.log_probs(state) is bound.log_probs(state)
    with pytest.raises(ValueError, match="read-only"):
        bound.log_probs(state)[1] = 0


def test_old_rows_make_room_for_new_ones(weather, monkeypatch):
    vocabulary = Vocabulary.build(SENTENCES)
    free, tight = BoundModel(weather, vocabulary), BoundModel(weather, vocabulary)
    monkeypatch.setattr(bound_module, "KEPT_ROWS", 2)
    for number in [*range(1, len(vocabulary)), *range(1, len(vocabulary))]:
        one, other = tight.next(tight.start(), number), free.next(free.start(), number)
        assert np.array_equal(tight.log_probs(one), free.log_probs(other))
        assert len(tight._rows) <= 2


def test_unknown_glosses_of_the_vocabulary_are_named_and_priced_as_unknown(weather):
    bound = BoundModel(weather, Vocabulary.build([["RAIN", "ICE", "<unk>"]]))
    assert bound.unknown == ("<unk>", "ICE")
    row = bound.log_probs(bound.start())
    assert row[1] == row[2] == pytest.approx(weather.log10([START], UNKNOWN) * math.log(10))
    with pytest.raises(DataError, match="knows none"):
        BoundModel(weather, Vocabulary.build([["rain"]]))


def test_a_bound_model_goes_to_other_processes(weather):
    bound = BoundModel(weather, Vocabulary.build(SENTENCES))
    bound.log_probs(bound.start())
    again = pickle.loads(pickle.dumps(bound))
    assert np.array_equal(again.log_probs(again.start()), bound.log_probs(bound.start()))


# The command.


@pytest.fixture
def slr(tmp_path, monkeypatch):
    """Run the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["lm", *map(str, arguments)])


@pytest.fixture
def corpus(tmp_path):
    """Train and dev in the layout of Phoenix-2014."""
    folder = tmp_path / "corpus"
    (folder / "annotations").mkdir(parents=True)
    for split, sentences in (("train", SENTENCES), ("dev", UNSEEN)):
        rows = [f"{split}-{number}|x|s|{' '.join(glosses)}\n" for number, glosses in enumerate(sentences)]
        (folder / "annotations" / f"{split}.corpus.csv").write_text("id|folder|signer|annotation\n" + "".join(rows))
    return folder


def test_a_corpus_teaches_train_and_measures_the_rest(slr, corpus, weather):
    done = slr("--data-dir", corpus, "--out", "lm.arpa", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["ngrams"] == [13, 32, 35] and list(told["texts"]) == ["dev"]
    assert told["texts"]["dev"]["perplexity"] == pytest.approx(8.214074, abs=1e-5)
    assert told["texts"]["dev"]["oov"] == {"ICE": 1}
    assert "1-grams are guessed" in done.stderr
    assert read_arpa("lm.arpa").sizes == weather.sizes


def test_what_training_sets_aside_as_dev_is_not_learnt(slr, corpus):
    (corpus / "annotations" / "dev.corpus.csv").unlink()
    rows = "".join(f"u{number}|x|s|G{number}\n" for number in range(40))  # every sentence has a gloss of its own
    (corpus / "annotations" / "train.corpus.csv").write_text("id|folder|signer|annotation\n" + rows)
    for seed in (RunConfig().seed, 7):
        splits = open_corpus(corpus).with_dev(seed)[0].splits
        done = slr("--data-dir", corpus, "--out", "lm.arpa", "--order", 1, "--seed", seed, "--json")
        assert done.exit_code == 0, done.output
        assert set(read_arpa("lm.arpa").glosses) == {item.glosses[0] for item in splits["train"]}
        assert json.loads(done.stdout)["texts"]["dev"]["sentences"] == len(splits["dev"]) == 4
        assert f"10% of train that training sets aside (seed {seed})" in done.stderr


def test_tables_transcripts_and_texts_teach_the_same(slr, corpus, tmp_path):
    (tmp_path / "text.txt").write_text(WEATHER + "\n")
    lines = [f"{' '.join(glosses)} (id{number})\n" for number, glosses in enumerate(SENTENCES)]
    (tmp_path / "text.trn").write_text("".join(lines))
    found = []
    for source in (corpus / "annotations" / "train.corpus.csv", "text.txt", "text.trn"):
        done = slr(source, "--test", corpus / "annotations" / "dev.corpus.csv", "--order", 2, "--json")
        assert done.exit_code == 0, done.output
        (measured,) = json.loads(done.stdout)["texts"].values()
        found.append(measured["perplexity"])
    assert found[0] == found[1] == found[2]


def test_a_written_model_is_measured_with_its_own_normaliser(slr, tmp_path):
    (tmp_path / "a.txt").write_text("loc-NORD REGEN\nREGEN\n")
    assert slr("a.txt", "--normaliser", "phoenix2014", "-o", "lm.arpa").exit_code == 0
    told = json.loads(slr("--perplexity", "lm.arpa", "a.txt", "--json").stdout)
    assert told["normaliser"] == "phoenix2014-ctm@1" and told["texts"]["a.txt"]["oov"] == {}
    raw = json.loads(slr("--perplexity", "lm.arpa", "a.txt", "--normaliser", "none", "--json").stdout)
    assert raw["texts"]["a.txt"]["oov"] == {"loc-NORD": 1}


def test_the_result_is_readable(slr, corpus):
    shown = slr("--data-dir", corpus).stdout
    for part in ("N-grams     1: 13  2: 32  3: 35", "dev", "8.21", "6.16", "OOV in dev: ICE 1"):
        assert part in shown


def test_a_table_of_several_splits_is_taken_whole_with_a_word(slr, tmp_path):
    (tmp_path / "all.csv").write_text("id,glosses,split\n1,A B,train\n2,B A,dev\n")
    done = slr("all.csv")
    assert done.exit_code == 0 and "several splits (train, dev)" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "No text is named"),
        (["missing.txt"], 1, "missing.txt"),
        (["a.txt", "--order", "9"], 2, "1 to 6"),
        (["a.txt", "--perplexity", "a.txt"], 1, "not an ARPA file"),
        (["a.txt", "--perplexity", "x", "--out", "y"], 2, "Leave one of the two out"),
        (["a.doc"], 2, "There is no transcript format"),
        (["a.txt", "--normaliser", "phoenix"], 2, "phoenix2014"),
    ],
)
def test_mistakes_end_in_a_message(slr, tmp_path, arguments, code, said):
    (tmp_path / "a.txt").write_text("A B\n")
    done = slr(*arguments)
    assert done.exit_code == code and said in done.output and "Traceback" not in done.output
    assert not list(tmp_path.glob("*.arpa"))
