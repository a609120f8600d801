"""The vocabulary, its file, the import of pickled tables, and the command."""

import contextlib
import json
import os
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from slrcli.config import DataConfig
from slrcli.corpus.vocabulary import look_up
from slrcli.corpus.vocabulary import vocab as work
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.glosses.vocabulary import BLANK_TOKEN, Vocabulary

SENTENCES = [["RAIN", "SUN", "RAIN"], ["WIND", "SUN", "RAIN"]]
GLOSS = st.text(st.characters(exclude_categories=("Cs", "Z", "C")), min_size=1).filter(lambda g: g.split() == [g])


def build(**options) -> Vocabulary:
    return Vocabulary.build(SENTENCES, **options)


def test_blank_is_zero_and_glosses_follow_in_order():
    vocabulary = build()
    assert vocabulary.tokens == (BLANK_TOKEN, "RAIN", "SUN", "WIND")
    assert vocabulary.counts == (0, 3, 2, 1)
    assert len(vocabulary) == vocabulary.size == 4
    assert "SUN" in vocabulary and BLANK_TOKEN not in vocabulary


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(GLOSS, min_size=1), min_size=1))
def test_encoding_and_decoding_are_inverse(sentences):
    if any(BLANK_TOKEN in sentence for sentence in sentences):
        return
    vocabulary = Vocabulary.build(sentences)
    again = Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict())))
    assert again == vocabulary and again.hash == vocabulary.hash
    for sentence in sentences:
        ids = vocabulary.encode(sentence)
        assert 0 not in ids and again.decode(ids) == sentence


def test_decoding_never_emits_blank_and_refuses_foreign_ids():
    assert build().decode([0, 1, 0, 0, np.int64(3)]) == ["RAIN", "WIND"]
    for number in (-1, 4):
        with pytest.raises(ValueError, match="outside"):
            build().decode([number])


@pytest.mark.parametrize("gloss", ["SNOW", BLANK_TOKEN])
def test_a_gloss_outside_is_an_error_that_names_it(gloss):
    with pytest.raises(DataError, match=gloss):
        build().encode(["RAIN", gloss])


def test_threshold_and_specials():
    vocabulary = build(min_count=2, specials=["<unk>", "<unk>"])
    assert vocabulary.tokens == (BLANK_TOKEN, "<unk>", "RAIN", "SUN")
    assert vocabulary.unknown(SENTENCES) == {"WIND": 1}
    with pytest.raises(DataError, match="No gloss is left"):
        build(min_count=9)
    with pytest.raises(UsageError):
        build(min_count=0)


def test_the_normaliser_is_applied_and_remembered():
    vocabulary = Vocabulary.build([["loc-NORD", "__PU__"]], normaliser="phoenix2014")  # an earlier name
    assert vocabulary.glosses == ("NORD",) and vocabulary.normaliser == "phoenix2014-ctm@1"
    assert vocabulary.normalise(["loc-NORD", "NORDRAUM"]) == ["NORD", "NORD"]


def test_the_hash_changes_with_the_order_of_ids_alone():
    one = Vocabulary((BLANK_TOKEN, "A", "B"), (0, 1, 1))
    assert one.hash == Vocabulary((BLANK_TOKEN, "A", "B"), (0, 5, 7), source="x").hash
    assert one.hash != Vocabulary((BLANK_TOKEN, "B", "A"), (0, 1, 1)).hash


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ((BLANK_TOKEN, "A", "B", "A"), "A has the ids 1 and 3"),
        ((BLANK_TOKEN, BLANK_TOKEN), "has the ids 0 and 1"),
        (("A", BLANK_TOKEN), "id 0 is not"),
        ((BLANK_TOKEN, "A B"), "white space"),
        ((BLANK_TOKEN, ""), "empty"),
        ((BLANK_TOKEN, "\ud800"), "invalid characters"),
        ((BLANK_TOKEN,), "no gloss"),
        ((), "id 0"),
    ],
)
def test_what_is_no_bijection_is_refused(tokens, text):
    with pytest.raises(DataError, match=text):
        Vocabulary(tokens, (0,) * len(tokens))


def test_a_saved_vocabulary_is_read_back(tmp_path):
    vocabulary = build(specials=["<unk>"], source="train.csv")
    vocabulary.save(tmp_path / "new" / "v.json")
    assert Vocabulary.load(tmp_path / "new" / "v.json") == vocabulary


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"tokens": [BLANK_TOKEN, "SUN", "RAIN", "WIND"]}, "do not match its hash"),
        ({"tokens": [BLANK_TOKEN, "SUN", "SUN", "WIND"]}, "has the ids"),
        ({"tokens": "RAIN"}, "damaged"),
        ({"counts": [0, 1, 2, "3"]}, "damaged"),
        ({"counts": [0, 1, 2]}, "counts"),
        ({"version": 2}, "version 2"),
        ({"kind": "poem"}, "not a vocabulary"),
        ({"specials": ["<x>"]}, "no id"),
    ],
)
def test_a_damaged_file_is_refused_with_a_reason(tmp_path, change, text):
    (tmp_path / "v.json").write_text(json.dumps({**build().to_dict(), **change}))
    with pytest.raises(DataError, match=text):
        Vocabulary.load(tmp_path / "v.json")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_vocabulary_at_all_is_refused(tmp_path, content):
    (tmp_path / "v.json").write_bytes(content)
    with pytest.raises(DataError):
        Vocabulary.load(tmp_path / "v.json")
    with pytest.raises(DataError, match="cannot be read"):
        Vocabulary.load(tmp_path / "missing.json")


# gloss_dict.npy


def save_pickled(path, value, protocol=None, numpy1=False):
    """A `gloss_dict.npy` as numpy writes it; with `numpy1` under the module names of numpy 1."""
    if protocol is None:
        np.save(path, value)
        data = path.read_bytes()
    else:
        header = path.with_name("header.npy")
        np.save(header, np.array({}, dtype=object))
        head = header.read_bytes()
        data = head[: head.index(b"\n") + 1] + pickle.dumps(np.array(value, dtype=object), protocol=protocol)
    if numpy1 and protocol in (2, 3):  # names end in a newline there, so their length is free
        data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("protocol", "numpy1"), [(None, False), (2, True), (3, True), (3, False), (4, False)])
def test_a_gloss_dict_keeps_its_ids(tmp_path, protocol, numpy1):
    path = save_pickled(tmp_path / "gloss_dict.npy", {"B": [1, 7], "A": [2, 3]}, protocol, numpy1)
    vocabulary = Vocabulary.from_gloss_dict(path)
    assert vocabulary.tokens == (BLANK_TOKEN, "B", "A") and vocabulary.counts == (0, 7, 3)
    assert vocabulary.source.startswith("gloss_dict.npy sha256:")


@pytest.mark.parametrize("depth", [3, 5, 8, 30])
def test_a_gloss_dict_whose_lists_share_their_parts_is_not_written_out(tmp_path, depth):
    """Written out, ten lists of ten lists of ten lists have any size."""
    value = [1]
    for _ in range(depth):
        value = [value] * 10
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="not a gloss_dict") as told:
            Vocabulary.from_gloss_dict(save_pickled(tmp_path / "g.npy", {"A": value}, 4, False))
        assert len(told.value.what) < 300 and tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"A": [1, 1], "B": [2, 1], "C": [2, 4]}, "B and C share the id 2"),
        ({"A": [0, 1]}, "share the id 0"),
        ({"A": [1, 1], "B": [3, 1]}, "No gloss has the id 2"),
        ({"A": [-1, 1]}, "No gloss has the id 1"),
        ({"A": ["1", 1]}, "not gloss"),
        ({"A": [True, 1]}, "not gloss"),
        ({1: [1, 1]}, "not gloss"),
        ({"A": []}, "not gloss"),
        (["A"], "shape"),
        ({}, "no gloss"),
    ],
)
def test_a_gloss_dict_that_is_no_bijection_is_refused(tmp_path, table, text):
    np.save(tmp_path / "g.npy", np.array(table, dtype=object))
    with pytest.raises(DataError, match=text):
        Vocabulary.from_gloss_dict(tmp_path / "g.npy")


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("function", [os.system, eval, getattr, __import__, np.fromfile, np.load])
def test_a_hostile_pickle_is_refused_and_does_nothing(tmp_path, protocol, function):
    trace = tmp_path / "trace"
    path = save_pickled(tmp_path / "g.npy", {"A": Hostile(function, f"touch {trace}")}, protocol)
    with pytest.raises(DataError, match="does not need"):
        Vocabulary.from_gloss_dict(path)
    assert not trace.exists()


def test_the_hostile_pickle_of_these_tests_would_act_if_it_could(tmp_path):
    trace = tmp_path / "trace"
    pickle.loads(pickle.dumps(Hostile(os.system, f"touch {trace}")))
    assert trace.exists()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"not numpy", b"\x80\x04N."])
def test_what_is_no_npy_file_is_refused(tmp_path, content):
    (tmp_path / "g.npy").write_bytes(content)
    with pytest.raises(DataError, match="not a gloss_dict"):
        Vocabulary.from_gloss_dict(tmp_path / "g.npy")
    np.save(tmp_path / "numbers.npy", np.zeros(3))
    with pytest.raises(DataError, match="float64"):
        Vocabulary.from_gloss_dict(tmp_path / "numbers.npy")
    with pytest.raises(DataError, match="cannot be read"):
        Vocabulary.from_gloss_dict(tmp_path / "missing.npy")


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 300), st.integers(0, 255))
def test_a_damaged_gloss_dict_gives_an_error_or_a_vocabulary(tmp_path_factory, place, byte):
    path = tmp_path_factory.mktemp("damaged") / "g.npy"
    np.save(path, {"A": [1, 2], "B": [2, 2]})
    data = bytearray(path.read_bytes())
    data[place % len(data)] = byte
    path.write_bytes(data)
    with contextlib.suppress(DataError):
        assert len(Vocabulary.from_gloss_dict(path)) > 1


# The command


@pytest.fixture
def corpus(tmp_path):
    """Train A B A, a dev that holds one more gloss, a test without."""
    for split, glosses in {"train": ["A B A", "C 2"], "dev": ["A D D", "B"], "test": ["C"]}.items():
        rows = "".join(f"{split}{number}|x|s1|{text}\n" for number, text in enumerate(glosses))
        (tmp_path / f"{split}.corpus.csv").write_text("id|folder|signer|annotation\n" + rows)
    return tmp_path


def data(corpus, **settings) -> DataConfig:
    return DataConfig(data_dir=str(corpus), **settings)


def test_the_workflow_counts_what_other_splits_hold_beyond(corpus):
    result = work(data(corpus), out=corpus / "v.json")
    assert (result.tokens, result.singletons, result.most[0]) == (5, 3, ("A", 2))
    assert [(item.split, item.oov_tokens, item.oov_types, item.floor) for item in result.coverage] == [
        ("dev", 2, 1, 50.0),
        ("test", 0, 0, 0.0),
    ]
    assert Vocabulary.load(corpus / "v.json") == result.vocabulary


def test_a_threshold_shows_what_train_loses(corpus):
    result = work(data(corpus, min_count=2))
    assert [(item.split, item.oov_tokens) for item in result.coverage] == [("train", 3), ("dev", 3), ("test", 1)]


def test_an_imported_table_is_held_against_the_corpus(corpus):
    np.save(corpus / "g.npy", {"D": [1, 4], "A": [2, 4]})
    result = work(data(corpus), import_=corpus / "g.npy")
    assert {item.split: item.oov_tokens for item in result.coverage} == {"train": 3, "dev": 1, "test": 1}


def test_lookup_answers_both_ways_and_a_number_may_be_both(corpus):
    vocabulary = work(data(corpus)).vocabulary
    assert vocabulary.tokens == (BLANK_TOKEN, "2", "A", "B", "C")
    assert [answer.id for answer in look_up(vocabulary, "A")] == [2]
    assert [(answer.id, answer.gloss) for answer in look_up(vocabulary, "2")] == [(1, "2"), (2, "A")]
    assert look_up(vocabulary, "0")[0].gloss == BLANK_TOKEN
    assert look_up(vocabulary, "99")[0].id is None and look_up(vocabulary, "²")[0].id is None


def test_contradicting_or_missing_options_are_refused(tmp_path):
    for options in ({}, {"show": tmp_path / "v.json", "import_": tmp_path / "g.npy"}):
        with pytest.raises(UsageError):
            work(DataConfig(), **options)


def run(*arguments) -> tuple[int, str, str]:
    from slrcli.cli import app

    result = CliRunner().invoke(app, ["vocab", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_builds_shows_and_looks_up(corpus):
    code, shown, noted = run("--data-dir", corpus, "--out", corpus / "v.json", "--special", "<unk>")
    assert code == 0 and "50.00 %" in shown and "OOV in dev: D 2" in shown and "v.json" in noted
    code, shown, _ = run("--show", corpus / "v.json", "--lookup", "<unk>", "--lookup", "3")
    assert code == 0 and [line.split() for line in shown.splitlines()] == [["1", "<unk>", "0"], ["3", "A", "2"]]
    code, shown, noted = run("--show", corpus / "v.json", "--lookup", "nothing")
    assert code == 1 and not shown and "nothing" in noted


def test_every_option_of_the_command_does_something(corpus):
    described = {}
    for name, options in {
        "plain": (),
        "rarer": ("--min-count", 2),
        "filtered": ("--normaliser", "seed-filter"),
        "special": ("--special", "<unk>"),
        "format": ("--format", "phoenix2014"),
        "table": ("--annotations", corpus / "dev.corpus.csv"),
    }.items():
        code, shown, _ = run("--data-dir", corpus, "--json", *options)
        described[name] = json.loads(shown) if code == 0 else code
    assert described["plain"] == described["format"] and described["plain"]["glosses"] == 4
    assert described["rarer"]["glosses"] == 1 and described["special"]["size"] == 6
    assert described["filtered"]["normaliser"] == "seed-filter@1" and described["filtered"]["glosses"] == 1
    assert described["table"] == 1  # a dev table alone has no train to build from
    assert run("--show", "x.json", "--min-count", 2)[0] == 2 and run()[0] == 2
    assert run("--data-dir", corpus, "--format", "poem")[0] == 2
    np.save(corpus / "g.npy", {"A": [1, 4]})
    assert "Glosses     1;" in run("--import", corpus / "g.npy")[1]


def test_the_published_tables_give_the_published_numbers(real_data):
    result = work(data(real_data / "data" / "phoenix2014", format="phoenix2014"))
    assert (len(result.vocabulary.glosses), result.tokens) == (1231, 65211)
    assert {item.split: (item.utterances, item.tokens, item.oov_tokens) for item in result.coverage} == {
        "dev": (540, 5540, 38),
        "test": (629, 6504, 45),
    }
    other = work(data(real_data / "data" / "phoenix2014", format="phoenix2014t"))
    assert len(other.vocabulary.glosses) == 1085


def test_building_a_vocabulary_loads_neither_torch_nor_pandas(corpus):
    code = (
        "import sys; from slrcli.config import DataConfig; from slrcli.corpus.vocabulary import vocab;"
        f"vocab(DataConfig(data_dir={str(corpus)!r})); sys.exit(sum(n in sys.modules for n in ('torch', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_errors_are_of_the_family_that_the_command_line_understands(tmp_path):
    with pytest.raises(SlrError, match="no such folder"):
        work(data(tmp_path / "missing"))
