"""`slr check data`: every planted fault is found under its own code and no other; a sound corpus gives no error."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.planted_corpora import (
    FAULTS,
    SENTENCES,
    D,
    another_width,
    clip,
    errors,
    features,
    file_missing,
    file_of_text,
    id_twice,
    infinite_value,
    look,
    no_gloss,
    noted,
    said,
    sound_corpus,
    vocabulary_of,
    warnings,
    write_table,
)

from slrcli.corpus import facts as corpus_facts
from slrcli.corpus import open_corpus
from slrcli.corpus.facts import mean_over_frames, read_facts
from slrcli.doctor.data.checks import DATA_CHECKS
from slrcli.doctor.data.context import DataContext
from slrcli.doctor.data.motion import SHIPPED_STRIDE, too_short
from slrcli.doctor.run import examine
from slrcli.features.layout import load_layout
from slrcli.features.measure import read_stats
from slrcli.findings import Level
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.layers import halved


@pytest.fixture
def corpus(tmp_path):
    return sound_corpus(tmp_path)


def test_a_sound_corpus_gives_notes_alone(corpus):
    found = look(corpus)
    assert not errors(found) and not warnings(found)
    assert noted(found, "SLR-D01") == "utterances: train 4, dev 2, test 2; train holds 10 glosses of 5 types"
    assert noted(found, "SLR-D02") == "8 of 8 utterances have a feature file"
    assert "generic-22" in noted(found, "SLR-D04")
    assert noted(found, "SLR-D08") == "0.0% of the values are missing"


@pytest.mark.parametrize("pair", [(file_missing, infinite_value), (id_twice, another_width), (no_gloss, file_of_text)])
def test_several_faults_are_all_found(corpus, pair):
    for spoil in pair:
        spoil(corpus)
    assert errors(look(corpus)) == {FAULTS[spoil][0] for spoil in pair}


# What findings say


def test_one_file_under_two_ids_is_one_clip(tmp_path):
    for number in range(3):
        np.save(tmp_path / f"f{number}.npy", clip(seed=number))
    rows = ["t0,f0.npy,RAIN SUN,train", "t1,f1.npy,SUN,train", "t2,f1.npy,SUN RAIN,train", "d0,f0.npy,RAIN SUN,dev"]
    (tmp_path / "all.csv").write_text("\n".join(["id,path,glosses,split", *rows]) + "\n")
    found = [item for item in look(tmp_path).findings if item.code == "SLR-D19"]
    assert [item.level for item in found] == [Level.ERROR, Level.WARNING]
    assert found[0].where == "t0 (train) = d0 (dev)" and found[1].where == "t1 = t2"


def test_missing_features_are_counted_with_the_first_ids_and_the_paths_tried(corpus):
    for id in SENTENCES["train"]:
        features(corpus, id).unlink()
    finding = said(look(corpus), "SLR-D02")
    assert "4 of 4 utterances of train" in finding.what and "t1, t2, t3, t4" in finding.what
    assert str(corpus / "features" / "train") in finding.where and "t1.npy" in finding.where


def test_the_first_five_unreadable_files_are_named_and_the_others_counted(corpus):
    write_table(corpus, "train", [(f"t{i}", "SUN") for i in range(9)])
    for i in range(9):
        features(corpus, f"t{i}", clip()[0])
    finding = said(look(corpus), "SLR-D03")
    assert finding.what.startswith("9 feature files cannot be used")
    assert finding.where.endswith("and 4 more") and "t4.npy" in finding.where and "t5.npy" not in finding.where


def test_the_width_is_held_against_the_layout_that_was_named(corpus):
    found = look(corpus, layout="kinect-20")
    assert errors(found) == {"SLR-D04"}
    assert said(found, "SLR-D04").what == "8 clips have 22 columns, the layout kinect-20 has 60"


@pytest.mark.parametrize("kind", ["float64", "float16", "int16"])
def test_another_type_than_float32_is_a_warning(corpus, kind):
    features(corpus, "t1", clip().astype(kind))
    found = look(corpus)
    assert not errors(found) and warnings(found) == {"SLR-D04"}
    assert f"1 clip is stored as {kind}" in said(found, "SLR-D04").what
    assert said(found, "SLR-D04").where == "t1"


@pytest.mark.parametrize("keys", [["features"], ["other", "feature"], ["whatever"]])
def test_the_stored_type_is_read_from_archives_too(tmp_path, keys):
    for save in (np.savez, np.savez_compressed):
        arrays = {key: clip().astype("float16" if key == keys[-1] else "float64") for key in keys}
        save(tmp_path / "clip.npz", **arrays)
        facts = read_stats(tmp_path / "clip.npz", None, fully=True)
        assert (facts.frames, facts.columns, facts.stored_as, facts.problem) == (40, D, "float16", None)


def test_missing_points_are_measured_by_group_and_zeros_count_where_the_layout_says_so(corpus):
    layout = load_layout("mediapipe-258")
    for number, id in enumerate(id for sentences in SENTENCES.values() for id in sentences):
        x = clip(columns=layout.width, seed=number) / 4 + 2
        left = layout.by_name["left_hand"]
        x[:30, left.start : left.stop] = 0
        features(corpus, id, x)
    found = look(corpus)
    assert not errors(found) and warnings(found) == {"SLR-D08"}
    assert said(found, "SLR-D08").what == "75% of the points of left_hand are missing"
    rates = {item.what: item.where for item in found.findings if item.code == "SLR-D08" and item.level is Level.NOTE}
    assert "Signer01 (train) 75.0%" in rates["frames without left_hand, by signer"]
    assert "Signer01 (train) 0.0%" in rates["frames without right_hand, by signer"]
    assert f"{0.75 * 63 / 258:.1%} of the values" in noted(found, "SLR-D08")


def test_shares_count_frames_not_clips():
    assert mean_over_frames([(0.0, 30), (1.0, 10)]) == 0.25
    assert mean_over_frames([]) == 0.0


def test_without_a_dev_split_it_is_said_that_a_tenth_of_train_is_held_back(corpus):
    (corpus / "annotations/manual/dev.corpus.csv").unlink()
    found = look(corpus)
    assert not errors(found) and "tenth of train" in noted(found, "SLR-D01")


def test_glosses_unseen_in_train_are_a_warning_with_the_floor(corpus):
    write_table(corpus, "dev", [("d1", "RAIN SNOW SNOW"), ("d2", "HAIL")])
    found = look(corpus)
    assert not errors(found) and warnings(found) == {"SLR-D13"}
    finding = said(found, "SLR-D13")
    assert finding.what.startswith("3 of 4 tokens of dev (2 types)") and "75.00 %" in finding.what
    assert finding.where == "SNOW (2), HAIL (1)"
    assert noted(found, "SLR-D13") == "the vocabulary has every gloss of test"


def test_faults_outside_train_warn_where_only_a_score_suffers(corpus):
    write_table(corpus, "test", [("e1", "TODAY"), ("e2", "")])
    features(corpus, "d1", clip(frames=4))
    found = look(corpus)
    assert not errors(found) and warnings(found) == {"SLR-D09", "SLR-D10"}
    assert said(found, "SLR-D09").where == "e2 (test.corpus.csv line 3)"
    assert said(found, "SLR-D10").where == "d1 (4 frames, 2 glosses)"
    features(corpus, "d1", clip(frames=1))
    assert not errors(look(corpus)) and "even if all are" in said(look(corpus), "SLR-D10").what


def test_the_normaliser_acts_before_anything_is_counted(corpus):
    write_table(corpus, "train", [*SENTENCES["train"].items(), ("t5", "__ON__ IX")])
    features(corpus, "t5", clip())
    assert not errors(look(corpus))
    found = look(corpus, normaliser="seed-filter")
    assert errors(found) == {"SLR-D09"} and "t5" in said(found, "SLR-D09").where


# Length against glosses


def test_the_longest_stride_that_is_warned_of_is_that_of_the_default_architecture():
    assert all(halved(halved(frames)) == -(-frames // SHIPPED_STRIDE) for frames in range(1, 200))


def test_clips_too_short_are_counted_by_split_and_stride(corpus):
    features(corpus, "t2", clip(frames=10))  # three glosses: 10, 5, 3 and 2 output frames
    features(corpus, "t3", clip(frames=7))  # four needed: 7, 4, 2, 1
    found = look(corpus)
    assert "clips of train too short for their glosses, by stride: 1: 0, 2: 0, 4: 1, 8: 2" in noted(found, "SLR-D10")
    assert said(found, "SLR-D10").where == "t3 (7 frames, 3 glosses that need 4)"
    assert "3: 1" in noted(look(corpus, stride=3), "SLR-D10")
    assert errors(look(corpus, stride=8)) == {"SLR-D10"}


def test_lengths_at_the_limit():
    pair = (("A", "A", "B"), 16)  # four output frames: A, blank, A, B
    assert too_short([pair], 4) == []
    assert too_short([(pair[0], 12)], 4) == [0]
    assert too_short([(pair[0], 13)], 4) == []  # rounded up
    assert too_short([((), 1)], 8) == []


def test_phoenix_2014_has_the_published_number_of_infeasible_clips(real_data):
    """148 of 5,671 training clips at a stride of 8, rounded up; none or one at 4. The tables hold no features."""
    tables = real_data / "data" / "phoenix2014"
    corpus = open_corpus(tables, "phoenix2014")
    rows = (tables / "phoenix2014.train.num_frames.tsv").read_text().split("\n")
    frames = {id: int(count) for id, _, count in (row.partition("\t") for row in rows if row)}
    pairs = [(item.glosses, frames[item.id]) for item in corpus.split("train")]
    assert len(pairs) == 5671
    assert len(too_short(pairs, 8)) == 148
    assert len(too_short(pairs, 4)) <= 1


def test_phoenix_2014_has_the_published_number_of_unseen_glosses(real_data):
    corpus = open_corpus(real_data / "data" / "phoenix2014", "phoenix2014")
    found = examine("", DataContext(corpus, {}), DATA_CHECKS)
    unseen = [f.what for f in found.findings if f.code == "SLR-D13"]
    assert [what.partition(" ")[0] for what in unseen] == ["38", "45"]
    assert "1,231 types" in noted(found, "SLR-D01")
    assert errors(found) == {"SLR-D02"}  # there are none


# A vocabulary that was given


def test_a_vocabulary_with_every_gloss_passes(corpus):
    found = look(corpus, vocabulary=vocabulary_of(*SENTENCES["train"].values()))
    assert found.passed and not warnings(found) and "every gloss of train" in noted(found, "SLR-D13")


def test_glosses_outside_the_vocabulary_are_errors_in_train_and_warnings_elsewhere(corpus):
    found = look(corpus, vocabulary=vocabulary_of("RAIN TODAY SUN TOMORROW"))
    assert errors(found) == {"SLR-D13"}
    assert said(found, "SLR-D13").what.startswith("2 of 10 tokens of train (1 type)")
    levels = [f.level.value for f in found.findings if f.code == "SLR-D13"]
    assert levels == ["error", "warning", "warning"]


def test_another_normaliser_than_the_vocabularys_is_an_error(corpus):
    sentences = [sentence.split() for sentence in SENTENCES["train"].values()]
    vocabulary = Vocabulary.build(sentences, normaliser="phoenix2014")
    found = look(corpus, vocabulary=vocabulary)
    assert errors(found) == {"SLR-V01"} and "--normaliser phoenix2014" in said(found, "SLR-V01").fix


# The pass over the files


def test_of_many_files_the_headers_and_a_seeded_sample_are_read(corpus, monkeypatch):
    monkeypatch.setattr(corpus_facts, "READ_BYTES", 3 * 40 * D * 4)
    monkeypatch.setattr(corpus_facts, "READ_CLIPS", 0)
    monkeypatch.setattr(corpus_facts, "AT_LEAST", 1)
    opened = open_corpus(corpus)
    first, again = read_facts(opened), read_facts(opened)
    others = [read_facts(opened, seed=seed) for seed in (2, 3, 4)]
    chosen = [{path for path, facts in files.items() if facts.read_fully} for files in (first, again, *others)]
    assert len(chosen[0]) == 3 and chosen[0] == chosen[1] and any(one != chosen[0] for one in chosen[2:])
    assert {path.parent.name for path in chosen[0]} == {"train", "dev", "test"}  # every split has its turn
    assert all(facts.frames == 40 and facts.stored_as == "float32" for facts in first.values())
    assert "3 of them read through (a sample" in noted(look(corpus), "SLR-D03")
    assert "8 of them read through" in noted(look(corpus, full=True), "SLR-D03")


def test_what_is_cut_short_is_found_without_reading_it_through(corpus, monkeypatch):
    monkeypatch.setattr(corpus_facts, "READ_BYTES", 0)
    monkeypatch.setattr(corpus_facts, "READ_CLIPS", 0)
    monkeypatch.setattr(corpus_facts, "AT_LEAST", 0)
    path = features(corpus, "t2")
    path.write_bytes(path.read_bytes()[:-100])
    found = look(corpus)
    assert errors(found) == {"SLR-D03"} and "0 of them read through" in noted(found, "SLR-D03")


def test_equal_arrays_are_found_among_those_that_no_sample_holds(corpus, monkeypatch):
    monkeypatch.setattr(corpus_facts, "READ_BYTES", 0)
    monkeypatch.setattr(corpus_facts, "READ_CLIPS", 0)
    monkeypatch.setattr(corpus_facts, "AT_LEAST", 0)
    features(corpus, "e2", np.load(features(corpus, "t3")))
    assert said(look(corpus), "SLR-D19").where == "t3 (train) = e2 (test)"


def test_arrays_that_only_begin_alike_are_not_equal(corpus):
    x = np.load(features(corpus, "t3"))
    x[20] += 1
    features(corpus, "e2", x)
    assert not errors(look(corpus))


def test_the_number_of_processes_changes_nothing(corpus, monkeypatch):
    monkeypatch.setattr(corpus_facts, "CHUNK", 2)
    monkeypatch.setattr(corpus_facts, "WORTH_A_PROCESS", 0)
    infinite_value(corpus)
    alone, together = (look(corpus, full=True, jobs=jobs) for jobs in (1, 3))
    assert alone == together and errors(alone) == {"SLR-D06"}
    seen = []
    facts = read_facts(open_corpus(corpus), full=True, jobs=2, step=seen.append)
    assert sum(seen) == 2 * len(facts) == 16


def test_a_file_that_two_utterances_name_is_read_once(corpus):
    opened = open_corpus(corpus)
    train = opened.split("train")
    shared = [replace(item, features=train[0].features) for item in train]
    assert list(read_facts(replace(opened, splits={"train": shared}))) == [train[0].features]


def test_what_is_known_of_a_clip_with_holes(tmp_path):
    x = clip(frames=10, columns=4)
    x[:5, 0] = np.nan
    x[0, 1] = np.inf
    np.save(tmp_path / "x.npy", x)
    facts = read_stats(tmp_path / "x.npy", None, fully=True)
    assert (facts.frames, facts.columns, facts.infinite) == (10, 4, 1)
    assert facts.missing == pytest.approx(6 / 40)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["boston104", "auslan"])
def test_real_corpora_give_no_error(real_data, tmp_path, name):
    build = real_data / "benchmarks" / "build.py"
    subprocess.run([sys.executable, build, name, tmp_path / name], check=True, capture_output=True)
    found = look(tmp_path / name)
    assert not errors(found), found.findings
