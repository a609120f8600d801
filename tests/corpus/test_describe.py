"""`slr corpus`: what it counts, and splits that share no signer or no sentence."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.calling import slr

from slrcli.config import DataConfig
from slrcli.corpus import FORMATS, Utterance, open_corpus
from slrcli.corpus.division import KINDS, divide
from slrcli.corpus.write import write_table
from slrcli.errors import DataError, UsageError

HEADER = "id|folder|signer|annotation\n"
ROWS = {
    "train": "a|x|ann|RED GREEN\nb|x|ann|RED\nc|x|bob|BLUE BLUE\n",
    "dev": "d|x|ann|RED GREEN\ne|x|eve|PINK\n",
    "test": "f|x|fay|\ng|x|bob|RED\n",
}


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Seven utterances of kinect-20, of 10, 20, ... frames, in the last of which nothing is seen in half the frames."""
    root = tmp_path / "corpus"
    (root / "annotations").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, id in enumerate("abcdefg"):
        split = next(name for name, rows in ROWS.items() if f"{id}|x" in rows)
        (root / "features" / split).mkdir(parents=True, exist_ok=True)
        x = rng.normal(size=(10 * (number + 1), 60)).astype(np.float32)
        if id == "g":
            x[::2] = np.nan
        np.save(root / f"features/{split}/{id}.npy", x)
    for split, rows in ROWS.items():
        (root / f"annotations/{split}.corpus.csv").write_text(HEADER + rows)
    return root


def summary(*arguments) -> dict:
    result = slr("corpus", *arguments, "--json", "--quiet")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# The summary


def test_files_that_say_their_frame_rate_are_believed(corpus):
    for path in corpus.rglob("*.npy"):
        np.savez(path.with_suffix(".npz"), features=np.load(path), fps=12.5)
        path.unlink()
    told = summary(corpus)
    assert (told["fps"], told["fps_known"]) == (12.5, True)
    assert summary(corpus, "--fps", 10)["fps"] == 10
    first = next(corpus.rglob("*.npz"))
    np.savez(first, features=np.load(first)["features"], fps=50.0)
    assert summary(corpus)["fps"] == 30  # they do not agree: the layout's


def test_counts_lengths_hours_and_presence_are_those_of_the_corpus(corpus):
    told = summary(corpus)
    whole, splits = told["all"], {item["split"]: item for item in told["splits"]}
    assert [whole[key] for key in ("utterances", "empty", "signers", "glosses", "types", "singletons")] == [
        7,
        1,
        4,
        9,
        4,
        1,
    ]
    assert [whole[key] for key in ("clips", "frames", "lengths")] == [7, 280, [10, 40.0, 70]]
    assert told["layout"] == "kinect-20" and (told["fps"], told["fps_known"]) == (30, True)
    assert whole["hours"] == pytest.approx(280 / 30 / 3600)
    assert (
        splits["test"]["presence"]["pose"] == pytest.approx((60 + 35) / 130)
        and splits["train"]["presence"]["pose"] == 1
    )
    assert splits["train"]["lengths"] == [10, 20.0, 30] and splits["dev"]["types"] == 3
    people = {(item["split"], item["signer"]): item["utterances"] for item in told["signers"]}
    assert people == {
        ("train", "ann"): 2,
        ("train", "bob"): 1,
        ("dev", "ann"): 1,
        ("dev", "eve"): 1,
        ("test", "bob"): 1,
        ("test", "fay"): 1,
    }


def test_what_splits_share_is_counted(corpus):
    overlaps = {(item["first"], item["second"]): item for item in summary(corpus)["overlaps"]}
    assert overlaps["train", "dev"] == {
        "first": "train", "second": "dev", "ids": 0, "signers": 1, "sentences": 1, "new_types": 1, "new_glosses": 1,
    }  # fmt: skip
    assert [overlaps["train", "test"][key] for key in ("signers", "sentences", "new_types")] == [1, 1, 0]


def test_people_get_tables_histograms_and_hours(corpus):
    text = slr("corpus", corpus, "--fps", "10").stdout
    assert "7, 1 of them without glosses" in text and "9 running, 4 different, 1 of them once" in text
    assert (
        "0.01 h at 10 frames per second\n" in text
        and "frames per clip, from" in text
        and "glosses per utterance" in text
    )
    assert "dev and train: 0 ids and 1 of 2 signers in both; 1 of 2 sentences of dev stand in train" in text
    assert "bob" in text and "73.1 %" in text


def test_the_frame_rate_is_called_a_guess_where_nobody_said_it(corpus):
    text = slr("corpus", corpus, "--layout", "generic").stdout
    assert "at 25 frames per second, which is a guess (--fps)" in text and "generic-60" in text


def test_a_corpus_without_features_is_summed_up_from_its_tables(corpus, tmp_path):
    (tmp_path / "empty").mkdir()
    result = slr("corpus", corpus, "--features", tmp_path / "empty")
    assert result.exit_code == 0 and "Features    none found" in result.stdout
    assert "7 of 7 utterances have no feature file" in result.stderr


def test_files_that_cannot_be_read_are_counted_with_their_reason(corpus):
    broken = corpus / "features/train/a.npy"
    broken.write_bytes(broken.read_bytes()[:200])
    (corpus / "features/dev/d.npy").write_bytes(b"")
    result = slr("corpus", corpus)
    assert result.exit_code == 1 and "2 feature files cannot be read" in result.stderr
    assert f"{broken}: The feature file is damaged or cut short" in result.stderr.replace("\n", " ")
    assert summary_of(corpus)["all"]["clips"] == 5


def summary_of(corpus: Path) -> dict:
    return json.loads(slr("corpus", corpus, "--json", "--quiet").stdout)


def test_every_format_is_named_in_the_help():
    words = slr("corpus", "--help").stdout.replace("│", " ")
    help_text = "".join(words.split())
    assert all(name in help_text for name in FORMATS)


def test_the_published_corpus_has_its_published_size(real_data):
    told = summary(real_data / "data/phoenix2014", "--format", "phoenix2014")
    splits = {item["split"]: (item["utterances"], item["glosses"], item["signers"]) for item in told["splits"]}
    assert splits == {"train": (5671, 65211, 9), "dev": (540, 5540, 9), "test": (629, 6504, 9)}
    assert told["splits"][0]["types"] == 1231 and told["all"]["types"] == 1295
    assert {item["second"]: item["new_glosses"] for item in told["overlaps"] if item["first"] == "train"} == {
        "dev": 38,
        "test": 45,
    }


# Splits anew


SENTENCES = [(a, b)[:length] for a in "XYZ" for b in "XYZ" for length in (1, 2)]
UTTERANCES = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(SENTENCES)), min_size=1, max_size=40)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=UTTERANCES,
    by=st.sampled_from(["signer", "sentence"]),
    dev=st.sampled_from([0, 0.1, 0.3]),
    test=st.sampled_from([0, 0.2]),
    seed=st.integers(0, 99),
    order=st.integers(0, 9),
)
def test_splits_share_nothing_lose_nothing_and_follow_the_seed_alone(rows, by, dev, test, seed, order):
    items = [Utterance(f"u{number}", tuple(glosses), None, signer) for number, (signer, glosses) in enumerate(rows)]
    groups = {KINDS[by](item) for item in items}
    wanted = 1 + (dev > 0) + (test > 0)
    if len(groups) < wanted:
        with pytest.raises(DataError, match="cannot be divided"):
            divide(items, by, dev, test, seed)
        return
    splits = divide(items, by, dev, test, seed)
    assert list(splits) == [name for name, share in (("train", 1), ("dev", dev), ("test", test)) if share]
    assert all(members for members in splits.values())
    assert sorted(item.id for members in splits.values() for item in members) == sorted(item.id for item in items)
    seen = [{KINDS[by](item) for item in members} for members in splits.values()]
    assert sum(map(len, seen)) == len(set().union(*seen)) == len(groups)
    assert all(item.split == name for name, members in splits.items() for item in members)
    shuffled = items.copy()
    random.Random(order).shuffle(shuffled)
    again = divide(shuffled, by, dev, test, seed)
    assert {name: {item.id for item in members} for name, members in again.items()} == {
        name: {item.id for item in members} for name, members in splits.items()
    }


def test_shares_are_met_where_groups_are_small():
    items = [Utterance(f"u{number}", (f"G{number}",), None, "s") for number in range(1000)]
    sizes = {name: len(members) for name, members in divide(items, "sentence", 0.1, 0.2, 1).items()}
    assert sizes == {"train": 700, "dev": 100, "test": 200}
    assert divide(items, "sentence", 0.1, 0.2, 1) != divide(items, "sentence", 0.1, 0.2, 2)


def test_one_large_signer_does_not_swallow_a_small_split():
    items = [
        Utterance(f"u{number}", ("A",), None, "much" if number < 80 else f"s{number % 4}") for number in range(100)
    ]
    for seed in range(10):
        sizes = {name: len(members) for name, members in divide(items, "signer", 0.05, 0.05, seed).items()}
        assert sizes == {"train": 90, "dev": 5, "test": 5}


def test_what_cannot_be_divided_is_told():
    items = [Utterance("a", ("A",), None, "s"), Utterance("a", ("B",), None, "t"), Utterance("b", ("C",))]
    with pytest.raises(DataError, match="1 ids occur more than once: a"):
        divide(items, "sentence", 0.1, 0, 1)
    with pytest.raises(DataError, match="no known signer: b"):
        divide(items[1:], "signer", 0.1, 0, 1)
    with pytest.raises(DataError, match="no known signer: a"):
        divide([replace(items[0], signer="Unknown "), replace(items[1], id="c")], "signer", 0.5, 0, 1)
    with pytest.raises(UsageError, match="Did you mean 'signer'"):
        divide(items, "signers", 0.1, 0.1, 1)
    with pytest.raises(UsageError, match="leave no train split"):
        divide(items, "signer", 0.5, 0.5, 1)


def test_new_tables_reference_the_features_where_they_lie(corpus, tmp_path):
    out = tmp_path / "new"
    result = slr("corpus", corpus, "--split-by", "signer", "--dev", "0.2", "--test", "0.2", "--out", out)
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {"annotations", "corpus.toml"}
    before = {item.id: item for items in open_corpus(corpus).splits.values() for item in items}
    divided = open_corpus(out)
    after = [item for name in divided.splits for item in divided.require_features(name)]
    assert {item.id for item in after} == set(before) and len(after) == 7
    for item in after:
        old = before[item.id]
        assert (item.glosses, item.signer, item.features.resolve()) == (old.glosses, old.signer, old.features.resolve())
    people = [{item.signer for item in items} for items in divided.splits.values()]
    assert not (people[0] & people[1] or people[0] & people[2] or people[1] & people[2])
    assert slr("check", "data", "--data-dir", out, "--only", "D02,D03,D11").exit_code == 0
    again = slr("corpus", corpus, "--split-by", "signer", "--out", out)
    assert again.exit_code == 1 and "already holds a corpus" in again.stderr


def test_a_stray_file_of_the_same_name_is_not_taken_for_the_clip(corpus, tmp_path):
    np.save(corpus / "features/test/a.npy", np.ones((3, 60), np.float32))  # named in no table
    for seed in range(4):
        out = tmp_path / f"new{seed}"
        slr("corpus", corpus, "--split-by", "sentence", "--dev", "0.2", "--test", "0.3", "--seed", seed, "--out", out)
        found = {item.id: item.features for items in open_corpus(out).splits.values() for item in items}
        assert found["a"].parent.name == "train"


@pytest.mark.parametrize("place", ["features", "features/train", "."])
def test_features_are_found_again_wherever_they_lie(tmp_path, place):
    root = tmp_path / "corpus"
    (root / "annotations").mkdir(parents=True)
    (root / place).mkdir(parents=True, exist_ok=True)
    for number in range(4):
        np.save(root / place / f"u{number}.npy", np.zeros((2, 3), np.float32))
    rows = "".join(f"u{number}|x|s{number}|A\n" for number in range(4))
    (root / "annotations/train.corpus.csv").write_text(HEADER + rows)
    slr("corpus", root, "--split-by", "signer", "--dev", "0.25", "--test", "0.25", "--out", tmp_path / "new")
    divided = open_corpus(tmp_path / "new")
    assert {name: len(divided.require_features(name)) for name in divided.splits} == {"train": 2, "dev": 1, "test": 1}


def test_a_table_of_ones_own_becomes_the_usual_layout(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/all.tsv").write_text("Clip\tSigns\tWho\tPart\nc1\tHELLO YOU\tann\ttrain\nc2\tWHAT\tbob\tval\n")
    columns = [
        f"--column={key}={name}"
        for key, name in (("id", "Clip"), ("glosses", "Signs"), ("signer", "Who"), ("split", "Part"))
    ]
    assert slr("corpus", tmp_path / "mine").exit_code == 1
    result = slr("corpus", tmp_path / "mine", *columns, "--out", tmp_path / "usual")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "usual/annotations/dev.corpus.csv").read_text() == f"{HEADER}c2|c2|bob|WHAT\n"
    assert summary(tmp_path / "usual")["all"]["glosses"] == 3
    assert slr("vocab", "--data-dir", tmp_path / "usual").exit_code == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--split-by", "signer"], "Name it with --out"),
        (["--dev", "0.2", "--out", "x"], "Use --split-by"),
        (["--column", "id"], "does not name a column"),
        (["--column", "idd=Clip"], "Did you mean 'id'"),
        (["--split-by", "colour", "--out", "x"], "A corpus cannot be split by 'colour'"),
    ],
)
def test_contradictions_are_usage_errors(corpus, tmp_path, monkeypatch, flags, said):
    monkeypatch.chdir(tmp_path)
    result = slr("corpus", corpus, *flags)
    assert result.exit_code == 2 and said in result.stderr and not (tmp_path / "x").exists()


def test_a_gloss_that_a_table_cannot_hold_is_refused(tmp_path):
    with pytest.raises(DataError, match="separated by"):
        write_table(tmp_path, "train", [("a", "a", "s", ["A|B"])])
    assert not (tmp_path / "annotations").exists()
    assert DataConfig().columns == {}


def test_each_clip_lasts_as_long_as_its_own_rate_says(corpus):
    seconds = 0.0
    for number, path in enumerate(sorted(corpus.rglob("*.npy"))):
        x, rate = np.load(path), (30.0, 60.0, 15.0)[number % 3]
        seconds += len(x) / rate
        np.savez(path.with_suffix(".npz"), features=x, fps=rate)
        path.unlink()
    told = summary(corpus)
    assert told["all"]["hours"] == pytest.approx(seconds / 3600) and told["rates"] == {"15": 2, "30": 3, "60": 2}
    assert sum(item["hours"] for item in told["splits"]) == pytest.approx(seconds / 3600)
    text = " ".join(slr("corpus", corpus).stdout.split())
    assert "15 (2 clips), 30 (3 clips), 60 (2 clips) frames per second" in text
    assert summary(corpus, "--fps", 10)["all"]["hours"] == pytest.approx(28 / 3600)  # given for all of them
