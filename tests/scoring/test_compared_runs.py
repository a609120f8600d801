"""`slr eval` with several recognisers: the same utterances, paired tests."""

import csv
import json

import pytest
from support.calling import slr
from support.quick_corpus import QUICK, write_corpus

from slrcli.corpus import open_corpus
from slrcli.scoring.protocols import get_protocols
from slrcli.scoring.stats import compare


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A corpus, a run that has learnt it, and one that has not."""
    root = tmp_path_factory.mktemp("compared")
    corpus = write_corpus(root / "corpus")
    for name, epochs in (("long", "15"), ("short", "2")):
        done = slr("train", "--data-dir", corpus, "--output-dir", root / name, *QUICK, "--epochs", epochs)
        assert done.exit_code == 0, done.output
    return corpus, root / "long", root / "short"


def alone(run, corpus):
    return json.loads(slr("eval", run, "--data-dir", corpus, "--json").stdout)


def test_each_is_scored_as_it_is_alone_and_compared_with_the_first(runs):
    corpus, long, short = runs
    found = json.loads(slr("eval", long, short, "--data-dir", corpus, "--json").stdout)
    assert [item["system"] for item in found["systems"]] == ["long", "short"]
    single = [alone(run, corpus) for run in (long, short)]
    assert [item["wer"] for item in found["systems"]] == [item["wer"] for item in single]
    assert found["systems"][1]["difference"] == pytest.approx(single[1]["wer"] - single[0]["wer"])
    [plain] = get_protocols("plain")
    refs = {item.id: list(item.glosses) for item in open_corpus(corpus).split("test")}
    sides = [{id: text.split() for id, text in item["hypotheses"].items()} for item in single]
    expected = compare(plain.score(refs, sides[0]), plain.score(refs, sides[1]), seed=1)
    assert found["systems"][1]["p_matched"] == expected.p_matched


def test_a_table_for_people_and_one_for_programs(runs, tmp_path):
    corpus, long, short = runs
    done = slr("eval", long, short, "--data-dir", corpus, "--table", tmp_path / "t.csv")
    assert done.exit_code == 0 and "long" in done.output and "short" in done.output
    with open(tmp_path / "t.csv", encoding="utf-8") as file:
        assert [row["system"] for row in csv.DictReader(file)] == ["long", "short"]


@pytest.mark.parametrize("option", ["--tune", "--calibrate"])
def test_what_fits_one_recogniser_is_refused(runs, option):
    corpus, long, short = runs
    done = slr("eval", long, short, "--data-dir", corpus, option)
    assert done.exit_code == 2 and "single recogniser" in done.output


def test_recognisers_of_other_normalisers_have_other_references(runs, tmp_path):
    corpus, long, _ = runs
    done = slr("train", "--data-dir", corpus, "--output-dir", tmp_path / "folded", *QUICK, "--epochs", "1",
               "--normaliser", "casefold")  # fmt: skip
    assert done.exit_code == 0, done.output
    done = slr("eval", long, tmp_path / "folded", "--data-dir", corpus)
    assert done.exit_code == 1 and "normalisers none@1 and casefold@1" in " ".join(done.output.split())
