"""Utterances that a list leaves out: in reading, training, scoring, tables and checks."""

import json
import tomllib

import pytest
from support.calling import slr
from support.quick_corpus import QUICK, write_corpus

from slrcli.config import DataConfig
from slrcli.corpus import open_corpus
from slrcli.corpus.opening import open_data
from slrcli.errors import DataError


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("data") / "corpus")


@pytest.fixture
def listed(tmp_path):
    """A list of three ids, with a remark, an empty line and line ends of another system."""
    (tmp_path / "bad.txt").write_bytes(b"train3\r\n\r\ndev1\tSLR-D06 is infinite\r\ntest0")
    return tmp_path / "bad.txt"


def ids(corpus):
    return [item.id for utterances in corpus.splits.values() for item in utterances]


def test_the_listed_utterances_are_left_out_and_counted(corpus, listed):
    found = open_data(DataConfig(data_dir=str(corpus), exclude=str(listed)))
    assert ids(found) == [id for id in ids(open_corpus(corpus)) if id not in ("train3", "dev1", "test0")]
    assert [item.id for item in found.excluded] == ["train3", "dev1", "test0"]
    assert f"3 utterances are left out, as {listed} says (train 1, dev 1, test 1)." in found.notes


def test_ids_are_compared_in_composed_form(tmp_path):
    (tmp_path / "train.csv").write_text("id,glosses\nu\u0308ben,A\nb,B\n", encoding="utf-8")
    (tmp_path / "bad.txt").write_text("\u00fcben\n", encoding="utf-8")
    found = open_data(DataConfig(data_dir=str(tmp_path), annotations="", exclude=str(tmp_path / "bad.txt")))
    assert ids(found) == ["b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("train3\nnobody\n", "1 of the 2 excluded ids are not in the corpus: nobody"), (None, "cannot be read")],
)
def test_lists_that_do_not_fit_are_refused(corpus, tmp_path, text, said):
    if text:
        (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(DataError, match=said):
        open_data(DataConfig(data_dir=str(corpus), exclude=str(tmp_path / "bad.txt")))


def test_a_list_that_leaves_nothing_is_refused(corpus, tmp_path):
    (tmp_path / "bad.txt").write_text("\n".join(ids(open_corpus(corpus))))
    with pytest.raises(DataError, match="All utterances"):
        open_data(DataConfig(data_dir=str(corpus), exclude=str(tmp_path / "bad.txt")))


def test_tables_are_written_without_them(corpus, listed, tmp_path):
    done = slr("corpus", corpus, "--exclude", listed, "--out", tmp_path / "sound")
    assert done.exit_code == 0, done.output
    assert ids(open_corpus(tmp_path / "sound")) == [
        id for id in ids(open_corpus(corpus)) if id not in ("train3", "dev1", "test0")
    ]


def test_a_language_model_and_a_vocabulary_do_not_learn_from_them(corpus, tmp_path):
    train = open_corpus(corpus).split("train")
    (tmp_path / "bad.txt").write_text("\n".join(item.id for item in train if "STOP" in item.glosses))
    said = ("--data-dir", corpus, "--exclude", tmp_path / "bad.txt", "--out")
    for command, name in (("lm", "lm.arpa"), ("vocab", "vocab.json")):
        done = slr(command, *said, tmp_path / name)
        assert done.exit_code == 0, done.output
        text = (tmp_path / name).read_text()
        assert "LEFT" in text and "STOP" not in text


def test_a_check_does_not_take_their_files_for_forgotten_ones(corpus, listed):
    done = slr("check", "data", "--data-dir", corpus, "--exclude", listed, "--only", "D23", "--json")
    assert json.loads(done.stdout)["findings"] == [], done.output


def test_a_run_records_the_list_and_folds_keep_to_it(corpus, listed, tmp_path, monkeypatch):
    monkeypatch.chdir(listed.parent)
    given = ("--data-dir", corpus, "--exclude", "bad.txt", *QUICK, "--epochs", 1, "--set", "model.options.width=16")
    done = slr("train", *given, "--output-dir", tmp_path / "run")
    assert done.exit_code == 0 and "3 utterances are left out" in " ".join(done.stderr.split()), done.output
    written = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert written["data"]["exclude"] == str(listed)
    scored = slr("eval", tmp_path / "run", "--data-dir", corpus, "--exclude", listed, "--json")
    assert {item["id"] for item in json.loads(scored.stdout)["per_utterance"]} == {f"test{i}" for i in range(1, 6)}
    folds = slr("train", *given, "--folds", "signer", "--dry-run")
    assert folds.exit_code == 0, folds.output
    assert "fold ann: 15 training utterances, 13 held out" in folds.stderr
