"""Corpora of pickles that hold the glosses of their clips."""

import gzip
import pickle

import numpy as np
import pytest
from support.calling import slr

from slrcli.corpus import open_corpus
from slrcli.features.readers import read_features

RNG = np.random.default_rng(3)
SENTENCES = {"train": ["RAIN NORTH", "SUN"], "dev": ["NORTH SUN"], "test": ["RAIN"]}


def mska(split, sentences):
    """As MSKA and TwoStreamNetwork pickle a split: id -> entry."""
    return {
        f"{split}/{n}": {"name": f"{split}/{n}", "signer": f"S{n}", "gloss": gloss, "text": "Regen.",
                         "num_frames": 9, "keypoint": RNG.uniform(0.5, 1, (9, 133, 3)).astype(np.float32)}
        for n, gloss in enumerate(sentences)
    }  # fmt: skip


def slt(split, sentences):
    """As slt pickles a split: a list of entries."""
    return [{"sign": item.pop("keypoint").reshape(9, -1), **item} for item in mska(split, sentences).values()]


def listed(split, sentences):
    """Glosses as lists, and numbers for signers."""
    found = mska(split, sentences)
    return {id: {**item, "gloss": item["gloss"].split(), "signer": n} for n, (id, item) in enumerate(found.items())}


def dumped(path, value, zipped=False):
    data = pickle.dumps(value, 4)
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


@pytest.mark.parametrize("kind", [mska, slt, listed])
@pytest.mark.parametrize(
    ("name", "zipped"),
    [("Phoenix-2014T.{}", False), ("phoenix14t.pami0.{}", True), ("{}.pkl", False), ("x_{}.gz", True)],
)
def test_the_pickles_of_the_splits_make_a_corpus_without_a_table(tmp_path, kind, name, zipped):
    files = [dumped(tmp_path / name.format(split), kind(split, SENTENCES[split]), zipped) for split in SENTENCES]
    done = slr("corpus", *files, "--out", tmp_path / "corpus")
    assert done.exit_code == 0, done.output
    corpus = open_corpus(tmp_path / "corpus")
    for split, sentences in SENTENCES.items():
        found = corpus.require_features(split)
        assert [" ".join(item.glosses) for item in found] == sentences
        assert [item.id for item in found] == [f"{split}/{n}" for n in range(len(sentences))]
        assert all(item.signer for item in found)
    held = pickle.loads(gzip.decompress(files[1].read_bytes()) if zipped else files[1].read_bytes())
    entry = held[0] if kind is slt else held["dev/0"]
    stored = entry["sign"] if kind is slt else entry["keypoint"].reshape(9, -1)
    np.testing.assert_array_equal(read_features(corpus.split("dev")[0].features), stored)


def test_names_of_other_splits_are_understood_and_new_splits_can_be_drawn(tmp_path):
    files = [dumped(tmp_path / f"csl-{name}.pkl", mska(name, ["A B", "B", "C A"])) for name in ("training", "val")]
    assert slr("corpus", *files, "--out", tmp_path / "as-they-are").exit_code == 0
    assert {k: len(v) for k, v in open_corpus(tmp_path / "as-they-are").splits.items()} == {"train": 3, "dev": 3}
    said = ("--split-by", "signer", "--dev", 0.3, "--test", 0.3, "--out", tmp_path / "new")
    assert slr("corpus", *files, *said).exit_code == 0
    signers = [{item.signer for item in found} for found in open_corpus(tmp_path / "new").splits.values()]
    assert len(signers) == 3 and not signers[0] & signers[1] | signers[1] & signers[2]


def test_clips_without_a_gloss_are_left_out_and_counted(tmp_path):
    file = dumped(tmp_path / "poses.pkl", mska("x", ["A", "", "B"]))
    done = slr("corpus", file, "--out", tmp_path / "corpus")
    said = " ".join(done.stderr.split())
    assert "1 of 3 clips of poses.pkl have no gloss and are left out" in said
    assert "All utterances are taken as train" in said
    assert [item.id for item in open_corpus(tmp_path / "corpus").split("train")] == ["x/0", "x/2"]


@pytest.mark.parametrize(
    ("names", "value", "said"),
    [
        (["poses.pkl"], mska("x", ["", ""]), "No clip of these files has a gloss"),
        (["train-test.pkl"], mska("x", ["A"]), "says several splits"),
        (["train.pkl", "rest.pkl"], mska("x", ["A"]), "does not say its split"),
    ],
)
def test_what_makes_no_corpus_is_an_error_that_leaves_nothing(tmp_path, names, value, said):
    files = [dumped(tmp_path / name, value) for name in names]
    done = slr("corpus", *files, "--out", tmp_path / "corpus")
    assert done.exit_code == 1 and said in " ".join(done.stderr.split())
    assert not (tmp_path / "corpus").exists()


def test_options_of_tables_are_refused(tmp_path):
    file = dumped(tmp_path / "train.pkl", mska("x", ["A"]))
    assert slr("corpus", file).exit_code == 2
    assert slr("corpus", file, "--column", "id=x", "--out", tmp_path / "corpus").exit_code == 2
    assert slr("corpus", file, tmp_path, "--out", tmp_path / "corpus").exit_code == 2


def test_a_folder_of_pickles_alone_says_how_to_make_a_corpus_of_them(tmp_path):
    dumped(tmp_path / "train.pkl", mska("x", ["A"]))
    done = slr("corpus", tmp_path)
    assert done.exit_code == 1 and "slr corpus train.pkl --out DIR" in " ".join(done.stderr.split())


def test_an_excluded_clip_is_left_out(tmp_path):
    file = dumped(tmp_path / "train.pkl", mska("x", ["A", "B"]))
    (tmp_path / "bad.txt").write_text("x/1\tSLR-D25\n")
    done = slr("corpus", file, "--exclude", tmp_path / "bad.txt", "--out", tmp_path / "corpus")
    assert done.exit_code == 0, done.output
    assert [item.id for item in open_corpus(tmp_path / "corpus").split("train")] == ["x/0"]
