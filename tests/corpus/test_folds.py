"""Folds: what is held out together, and what several runs come to."""

import math
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calling import slr

from slrcli.corpus import Utterance, open_corpus
from slrcli.corpus.folds import (
    leave_one_signer_out,
    read_kind,
    sentence_folds,
    table_text,
    utterance_folds,
    write_folds,
)
from slrcli.corpus.settings import write_settings
from slrcli.errors import DataError, UsageError
from slrcli.files import folder_names
from slrcli.scoring.spread import spread, summarise
from slrcli.scoring.wer import score

SIGNERS = st.sampled_from(["ann", "bob", "Cy", "d/e"])
SENTENCES = st.lists(st.sampled_from("ABC"), max_size=3).map(tuple)
UTTERANCES = st.lists(st.tuples(SIGNERS, SENTENCES), min_size=1, max_size=30).map(
    lambda rows: [Utterance(f"u{number}", glosses, None, signer) for number, (signer, glosses) in enumerate(rows)]
)


def require_partition(folds, utterances):
    """Every utterance is held out once; train and what is held out are disjoint and all there is, in order."""
    held = Counter(item.id for fold in folds for item in fold.held_out)
    assert held == Counter(item.id for item in utterances)
    for fold in folds:
        out = {item.id for item in fold.held_out}
        assert out.isdisjoint(item.id for item in fold.train)
        assert [item for item in utterances if item.id in out] == list(fold.held_out)
        assert [item for item in utterances if item.id not in out] == list(fold.train)


@settings(deadline=None, max_examples=60)
@given(UTTERANCES)
def test_no_signer_is_both_learnt_and_held_out(utterances):
    signers = {item.signer for item in utterances}
    if len(signers) < 2:
        with pytest.raises(DataError, match="one signer"):
            leave_one_signer_out(utterances)
        return
    folds = leave_one_signer_out(utterances)
    require_partition(folds, utterances)
    assert [fold.name for fold in folds] == sorted(signers)
    for fold in folds:
        assert {item.signer for item in fold.held_out} == {fold.name}
        assert fold.name not in {item.signer for item in fold.train}


@settings(deadline=None, max_examples=60)
@given(UTTERANCES, st.integers(2, 5), st.integers(0, 3))
def test_no_sentence_is_both_learnt_and_held_out(utterances, k, seed):
    distinct = {item.glosses for item in utterances}
    if len(distinct) < k:
        with pytest.raises(
            DataError, match=f"{k} folds need at least {k} distinct sentences, and there are {len(distinct)}"
        ):
            sentence_folds(utterances, k, seed)
        return
    folds = sentence_folds(utterances, k, seed)
    require_partition(folds, utterances)
    assert [fold.name for fold in folds] == [str(number + 1) for number in range(k)]
    for fold in folds:
        assert {item.glosses for item in fold.held_out}.isdisjoint(item.glosses for item in fold.train)
    # Even as far as whole sentences allow: the fullest fold was the emptiest before its last sentence came.
    sizes = [len(fold.held_out) for fold in folds]
    assert max(sizes) - min(sizes) <= max(Counter(item.glosses for item in utterances).values())


@settings(deadline=None, max_examples=30)
@given(UTTERANCES, st.integers(2, 3), st.randoms(use_true_random=False))
def test_sentence_folds_depend_on_the_seed_and_not_on_the_order(utterances, k, random):
    if len({item.glosses for item in utterances}) < k:
        return

    def segment(some, seed):
        return {frozenset(item.glosses for item in fold.held_out) for fold in sentence_folds(some, k, seed)}

    shuffled = random.sample(utterances, len(utterances))
    assert segment(utterances, 1) == segment(shuffled, 1)


def test_another_seed_draws_other_sentences():
    utterances = [Utterance(f"u{number}", (f"G{number}",)) for number in range(20)]
    drawn = {tuple(item.id for item in sentence_folds(utterances, 2, seed)[0].held_out) for seed in range(4)}
    assert len(drawn) == 4


def test_sentences_that_are_one_to_the_reader_stay_together():
    utterances = [Utterance("a", ("HI",)), Utterance("b", ("hi",)), Utterance("c", ("GO",))]
    folds = sentence_folds(utterances, 2, 1, lambda item: tuple(gloss.upper() for gloss in item.glosses))
    assert {frozenset(item.id for item in fold.held_out) for fold in folds} == {frozenset("ab"), frozenset("c")}


@pytest.mark.parametrize("name", ["", "unknown", " Unknown"])
def test_signers_that_nobody_knows_are_refused_by_id(name):
    utterances = [Utterance("a", ("HI",), None, "ann"), Utterance("b", ("HI",), None, name)]
    with pytest.raises(DataError, match="1 of 2 utterances have no known signer") as caught:
        leave_one_signer_out([*utterances, Utterance("c", ("HI",), None, "bob")][:2])
    assert caught.value.where == "b" and "--folds sentence:5" in caught.value.fix


@pytest.mark.parametrize(
    ("text", "kind"), [("signer", ("signer", 0)), (" Signer", ("signer", 0)), ("5", ("sentence", 5)),
                       ("sentence:3", ("sentence", 3)), ("Utterance:4", ("utterance", 4))]
)  # fmt: skip
def test_kinds_of_folds(text, kind):
    assert read_kind(text) == kind


@pytest.mark.parametrize(
    "text", ["signers", "sentence", "sentence:", "-3", "2.5", "1", "0", "sentence:1", "utterance:", "utterance:1", "²"]
)
def test_folds_that_are_none_are_refused(text):
    with pytest.raises(UsageError):
        read_kind(text)


@settings(deadline=None, max_examples=60)
@given(UTTERANCES, st.integers(2, 6), st.integers(0, 3))
def test_folds_of_utterances_are_even_whatever_their_sentences(utterances, k, seed):
    if len(utterances) < k:
        with pytest.raises(DataError, match=f"at least {k} utterances"):
            utterance_folds(utterances, k, seed)
        return
    folds = utterance_folds(utterances, k, seed)
    require_partition(folds, utterances)
    sizes = [len(fold.held_out) for fold in folds]
    assert len(folds) == k and max(sizes) - min(sizes) <= 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(max_size=5), max_size=8, unique=True))
def test_folders_of_folds_stay_inside_and_apart_whatever_signers_are_called(names):
    found = folder_names(names)
    assert len({name.lower() for name in found}) == len(names)
    for name in found:
        assert name.isascii() and name not in ("", ".", "..") and not set(name) & set('/\\:*?"<>|\n')


def test_folders_of_folds_are_valid_on_windows():
    assert folder_names(["con", "LPT1.x", "a.", f"{'x' * 59}.y", "console"]) == [
        "_con", "_LPT1.x", "a", "x" * 59, "console",
    ]  # fmt: skip


def small_corpus(root: Path) -> Path:
    """Two splits in which the same take lies under its own split; one id holds a comma, one gloss a quote."""
    rows = {
        "train": [("a", "ann", 'HI "X"'), ("b,b", "bob", "HI"), ("c", "bob", "GO,ON")],
        "dev": [("d", "ann", "HI THERE")],
    }
    (root / "annotations").mkdir(parents=True)
    for number, (split, items) in enumerate(rows.items()):
        (root / "features" / split).mkdir(parents=True)
        for id, _, _ in items:
            np.save(root / "features" / split / f"{id}.npy", np.full((4, 2), number, np.float32))
        lines = ["id|folder|signer|annotation", *(f"{id}|{id}|{signer}|{text}" for id, signer, text in items)]
        (root / "annotations" / f"{split}.corpus.csv").write_text("\n".join(lines) + "\n")
    np.save(root / "features" / "train" / "d.npy", np.full((4, 2), 9, np.float32))  # no utterance's: to lead astray
    return root


def test_tables_of_folds_lead_to_the_features_of_the_split_they_came_from(tmp_path):
    corpus = open_corpus(small_corpus(tmp_path / "c"))
    utterances = [*corpus.split("train"), *corpus.split("dev")]
    folds = leave_one_signer_out(utterances)
    places = write_folds(folds, tmp_path / "folds", corpus, None)
    assert [place.name for place in places] == ["ann", "bob"]
    again = open_corpus(corpus.root, "table", places[1])
    found = {item.id: (item.signer, item.glosses, item.features) for item in again.split("train")}
    assert found == {
        "a": ("ann", ("HI", '"X"'), corpus.root / "features" / "train" / "a.npy"),
        "d": ("ann", ("HI", "THERE"), corpus.root / "features" / "dev" / "d.npy"),
    }
    assert {item.id for item in again.split("dev")} == {"b,b", "c"}


def test_a_fold_whose_table_would_lead_elsewhere_is_refused(tmp_path):
    corpus = open_corpus(small_corpus(tmp_path / "c"))
    utterances = [*corpus.split("train"), *corpus.split("dev")]
    np.save(corpus.root / "features" / "x.npy", np.zeros((4, 2), np.float32))
    astray = [replace(item, features=corpus.root / "features" / "lost.npy") for item in utterances]
    with pytest.raises(DataError, match="leads to other data"):
        write_folds(leave_one_signer_out(astray), tmp_path / "folds", corpus, None)


def test_tables_name_features_from_the_corpus_on(tmp_path):
    items = [Utterance("a", ("HI", "YOU"), tmp_path / "features" / "train" / "a.npy", "ann")]
    assert table_text(items, tmp_path) == "id,path,signer,glosses\na,features/train/a.npy,ann,HI YOU\n"


def outside(root: Path, place: Path, features: str, **told) -> Path:
    """`small_corpus` with its features moved to `place`, and a `corpus.toml` that names them `features`."""
    small_corpus(root)
    (root / "features").rename(place)
    write_settings(root, **({"features": features} if features else {}), **told)
    return root


@pytest.mark.parametrize("start", [".", "c", None], ids=["in the corpus", "relative", "absolute"])
@pytest.mark.parametrize("where", ["relative", "absolute", "option", "relative option"])
def test_features_outside_of_the_corpus_are_found_by_the_tables_of_folds(tmp_path, monkeypatch, start, where):
    place = tmp_path / "kept" / "landmarks"
    place.parent.mkdir()
    outside(tmp_path / "c", place, {"relative": "../kept/landmarks", "absolute": str(place)}.get(where, ""))
    monkeypatch.chdir(tmp_path / ("c" if start == "." else ""))
    root = Path(start) if start else tmp_path / "c"
    named = {"option": place, "relative option": Path(os.path.relpath(place))}.get(where)
    corpus = open_corpus(root, features=named)
    utterances = [*corpus.split("train"), *corpus.split("dev")]
    write_folds(leave_one_signer_out(utterances), tmp_path / "folds", corpus, named)
    again = open_corpus(root, "table", tmp_path / "folds" / "bob", named)
    found = {item.id: item.features.resolve() for split in ("train", "dev") for item in again.split(split)}
    assert found == {
        "a": place / "train" / "a.npy", "b,b": place / "train" / "b,b.npy", "c": place / "train" / "c.npy",
        "d": place / "dev" / "d.npy",
    }  # fmt: skip


def test_features_packed_outside_of_the_corpus_are_found_by_the_tables_of_folds(tmp_path):
    place = tmp_path / "packed"
    done = slr("pack", "--data-dir", small_corpus(tmp_path / "whole"), "--out", place, "--layout", "generic")
    assert done.exit_code == 0, done.output
    root = small_corpus(tmp_path / "c")
    shutil.rmtree(root / "features")
    stores = next(place.rglob("train.slrpack")).parent
    write_settings(root, features=os.path.relpath(stores, root))
    corpus = open_corpus(root)
    utterances = [*corpus.split("train"), *corpus.split("dev")]
    write_folds(leave_one_signer_out(utterances), tmp_path / "folds", corpus, None)
    again = open_corpus(root, "table", tmp_path / "folds" / "bob")
    found = {
        item.id: os.path.relpath(item.features, stores) for split in ("train", "dev") for item in again.split(split)
    }
    assert found == {"a": "train.slrpack/a", "b,b": "train.slrpack/b,b", "c": "train.slrpack/c", "d": "dev.slrpack/d"}


@pytest.mark.parametrize(
    "columns",
    [{"id": "Clip"}, {"id": "Clip", "glosses": "Signs", "signer": "Who", "path": "Where", "split": "Part"}],
    ids=lambda columns: " ".join(columns),
)
@pytest.mark.parametrize("by", ["corpus.toml", "option"])
def test_tables_of_folds_have_the_columns_that_the_corpus_names(tmp_path, columns, by):
    names = {key: columns.get(key, key) for key in ("id", "glosses", "signer", "path", "split")}
    small_corpus(tmp_path / "c")
    for table in (tmp_path / "c" / "annotations").iterdir():
        table.unlink()
    rows = ["\t".join(names.values()), "a\tHI\tann\ttrain/a\ttrain", "c\tGO\tbob\ttrain/c\ttrain"]
    (tmp_path / "c" / "all.tsv").write_text("\n".join(rows) + "\n")
    write_settings(tmp_path / "c", annotations="all.tsv", **({"columns": columns} if by == "corpus.toml" else {}))
    named = columns if by == "option" else None
    corpus = open_corpus(tmp_path / "c", columns=named)
    (place, _) = write_folds(leave_one_signer_out(corpus.split("train")), tmp_path / "folds", corpus, None, named)
    again = open_corpus(tmp_path / "c", "table", place, columns=named)
    assert [(item.id, item.glosses, item.signer) for item in again.split("dev")] == [("a", ("HI",), "ann")]
    assert [(item.id, item.glosses, item.signer) for item in again.split("train")] == [("c", ("GO",), "bob")]


def test_spread_is_the_sample_s():
    found = spread([20.0, 22.0, 27.0])
    assert (found.mean, found.low, found.high, found.count) == (23.0, 20.0, 27.0, 3)
    assert found.deviation == pytest.approx(math.sqrt((9 + 1 + 16) / 2))
    assert math.isnan(spread([20.0]).deviation) and math.isnan(spread([]).mean)


def scored(**pairs):
    """A score from `id="REFERENCE > HYPOTHESIS"`."""
    sides = {id: [side.split() for side in pair.split(">")] for id, pair in pairs.items()}
    return score({id: ref for id, (ref, _) in sides.items()}, {id: hyp for id, (_, hyp) in sides.items()})


def test_a_summary_worked_out_by_hand():
    summary = summarise(
        {
            ("ann", 1): scored(u="A B C D > A B C X", v="A B > A B"),  # 1 of 6
            ("bob", 1): scored(w="A B > B"),  # 1 of 2
            ("ann", 2): scored(u="A B C D > A B C D", v="A B > A X Y"),  # 2 of 6
            ("bob", 2): scored(w="A B > A B"),  # 0 of 2
        }
    )
    assert summary.by_fold["ann"].mean == pytest.approx(25.0) and summary.by_fold["bob"].mean == pytest.approx(25.0)
    assert summary.by_fold["bob"].deviation == pytest.approx(50 / math.sqrt(2))
    assert summary.over_folds.mean == pytest.approx(25.0) and summary.over_folds.deviation == pytest.approx(0.0)
    assert summary.by_seed[1].mean == pytest.approx((100 / 6 + 50) / 2)
    assert summary.by_seed[2].mean == pytest.approx((200 / 6 + 0) / 2)
    assert summary.over_seeds.mean == pytest.approx(25.0)
    assert summary.over_seeds.deviation == pytest.approx((100 / 6 + 50 - 200 / 6) / 2 / math.sqrt(2))
    assert (summary.errors, summary.tokens) == (4, 16) and summary.pooled == 25.0
    assert summary.interval.units == 3  # u, v and w, each with the errors of both seeds on it


def test_the_interval_draws_an_utterance_with_all_its_seeds_and_a_signer_with_all_that_they_sign():
    bad, good = {f"u{number}": "A > B" for number in range(6)}, {f"v{number}": "A > A" for number in range(6)}
    scores = {(fold, seed): scored(**pairs) for seed in (1, 2) for fold, pairs in (("ann", bad), ("bob", good))}
    single = {run: item for run, item in scores.items() if run[1] == 1}
    drawn = summarise(scores).interval
    assert drawn.units == 12 and drawn == summarise(single).interval  # a further seed alike makes it no surer
    whole = summarise(scores, whole_folds=True).interval
    assert (whole.low, whole.high, whole.units) == (0.0, 100.0, 2)  # ann alone, or bob alone
