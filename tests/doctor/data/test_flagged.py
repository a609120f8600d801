"""The list of clips that `slr check data --flagged` writes, which `--exclude` reads."""

import json
import shutil

import numpy as np
import pytest
from support import planted_corpora as planted
from support.calling import slr
from support.planted_corpora import clip, features, look, sound_corpus
from support.planted_signing import LAYOUT, files, signing_corpus

from slrcli.corpus import open_corpus
from slrcli.corpus.opening import read_exclusion
from slrcli.features.augment import mirror

ABOUT_CLIPS = {
    planted.file_missing: {"t2": "SLR-D02: no feature file"},
    planted.file_of_text: {"d1": "SLR-D03: unusable file"},
    planted.another_width: {"t3": "SLR-D04: 23 columns instead of 22"},
    planted.infinite_value: {"d2": "SLR-D06: infinite values"},
    planted.nothing_seen: {"t4": "SLR-D08: nothing is detected"},
    planted.frames_mostly_blind: {"t4": "SLR-D08: nothing in most frames (75%)"},
    planted.no_gloss: {"t4": "SLR-D09: no gloss (train.corpus.csv line 5)"},
    planted.too_few_frames: {"t2": "SLR-D10: too short at a stride of 1 (2 frames, 3 glosses)"},
    planted.line_copied_wrongly: {"t9": "SLR-D18: a gloss many times in a row (RAIN x 5, train.corpus.csv line 6)"},
    planted.clip_of_train_in_test: {"t3": "SLR-D19: the same as e2 of test"},
    planted.clip_twice_in_train: {"t4": "SLR-D19: the same as t3 of train"},
    planted.placeholders_for_missing: {"t1": "SLR-D24: points that are exactly one and the same round number"},
    planted.frames_all_the_same: {"t3": "SLR-D25: all frames are the same"},
    planted.frames_padded_at_the_end: {"t3": "SLR-D25: still (28 of 40 frames)"},
    planted.other_unit: {"t3": "SLR-D30: another unit"},
}
ABOUT_TABLES = [
    planted.id_twice,
    planted.another_case,
    planted.signer_left_empty,
    planted.half_precision,
    planted.unknown_gloss,
    planted.file_without_annotation,
    planted.column_that_never_changes,
]


@pytest.fixture
def corpus(tmp_path):
    return sound_corpus(tmp_path / "corpus")


def flagged(corpus, path, *said):
    """What the command writes, id -> remark, and how it ended."""
    done = slr("check", "data", "--data-dir", corpus, "--flagged", path, *said)
    return read_exclusion(path), done


@pytest.mark.parametrize("spoil", ABOUT_CLIPS, ids=lambda spoil: spoil.__name__)
def test_a_clip_is_flagged_with_code_and_reason_and_the_corpus_without_it_is_sound(corpus, tmp_path, spoil):
    spoil(corpus)
    found, _ = flagged(corpus, tmp_path / "bad.txt")
    assert found.keys() == ABOUT_CLIPS[spoil].keys()
    assert all(found[id].startswith(reason) for id, reason in ABOUT_CLIPS[spoil].items()), found
    again, done = flagged(corpus, tmp_path / "rest.txt", "--exclude", tmp_path / "bad.txt")
    assert again == found  # kept, and nothing else is flagged
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("spoil", ABOUT_TABLES, ids=lambda spoil: spoil.__name__)
def test_what_concerns_the_table_flags_no_clip(corpus, tmp_path, spoil):
    spoil(corpus)
    assert flagged(corpus, tmp_path / "bad.txt")[0] == {}


def test_a_clip_with_several_faults_is_one_line(corpus, tmp_path):
    x = np.repeat(clip(frames=1), 40, axis=0)
    x[3:8] = np.inf
    features(corpus, "t3", x)
    features(corpus, "t1", np.zeros((2, 3)))
    found, done = flagged(corpus, tmp_path / "bad.txt")
    assert set(found) == {"t1", "t3"} and done.exit_code == 1
    assert len((tmp_path / "bad.txt").read_text().splitlines()) == 2
    assert "(2 clips)" in " ".join(done.stderr.split())


def test_the_list_goes_from_the_check_to_training_data_and_json_is_what_it_was(corpus, tmp_path):
    planted.infinite_value(corpus)
    planted.frames_padded_at_the_end(corpus)
    plain = slr("check", "data", "--data-dir", corpus, "--json").stdout
    found, done = flagged(corpus, tmp_path / "new" / "bad.txt", "--json")
    assert json.loads(done.stdout) == json.loads(plain) and set(found) == {"d2", "t3"}
    assert slr("corpus", corpus, "--exclude", tmp_path / "new" / "bad.txt", "--out", tmp_path / "sound").exit_code == 0
    left = [item.id for utterances in open_corpus(tmp_path / "sound").splits.values() for item in utterances]
    assert left == ["t1", "t2", "t4", "d1", "e1", "e2"]


def test_the_list_may_be_written_over_the_one_that_is_excluded(corpus, tmp_path):
    (tmp_path / "bad.txt").write_text("t1\twatched it: wrong person\n")
    planted.infinite_value(corpus)
    found, _ = flagged(corpus, tmp_path / "bad.txt", "--exclude", tmp_path / "bad.txt")
    assert found == {"t1": "watched it: wrong person", "d2": "SLR-D06: infinite values"}


def test_checks_that_are_not_wanted_flag_nothing(corpus, tmp_path):
    planted.frames_padded_at_the_end(corpus)
    assert flagged(corpus, tmp_path / "bad.txt", "--skip", "D25")[0] == {}


def test_a_place_that_cannot_be_written_is_refused_before_the_check(corpus, tmp_path):
    (tmp_path / "file").write_text("")
    done = slr("check", "data", "--data-dir", corpus, "--flagged", tmp_path / "file" / "bad.txt")
    assert done.exit_code == 1 and "not a folder" in done.stderr and "checks ran" not in done.stderr


def test_a_sample_says_that_it_is_one(corpus, tmp_path, monkeypatch):
    for name, value in {"READ_CLIPS": 2, "AT_LEAST": 2, "READ_BYTES": 0}.items():
        monkeypatch.setattr(f"slrcli.corpus.facts.{name}", value)
    _, done = flagged(corpus, tmp_path / "bad.txt")
    assert "were not read through: --full reads all" in " ".join(done.stderr.split())


# Clips of one signer, some of them mirrored


@pytest.fixture(scope="module")
def signing(tmp_path_factory):
    return signing_corpus(tmp_path_factory.mktemp("signing") / "corpus")


def dominance(corpus):
    """The clips that D29 names because their other hand moves more."""
    found = [item for item in look(corpus).findings if item.code == "SLR-D29" and "of the same signer" in item.what]
    return set(found[0].where.clips) if found else set()


@pytest.mark.parametrize("every", [10, 4, 3])
@pytest.mark.parametrize("side", ["right", "left"])
def test_mirrored_clips_of_one_signer_are_named(signing, tmp_path, every, side):
    corpus = shutil.copytree(signing, tmp_path / "corpus")
    signer = open_corpus(corpus).split("train")[0].signer
    own = files(corpus, "train", signer)
    chosen = own[::every] if side == "right" else [path for path in own if path not in own[::every]]
    assert not dominance(corpus)
    for path in chosen:
        np.save(path, mirror(np.load(path), LAYOUT))
    named = dominance(corpus)
    assert named <= {path.stem for path in own[::every]}  # the minority, whichever hand it is
    assert len(named) >= 0.6 * len(own[::every])  # signs of both hands do not tell
    found, _ = flagged(corpus, tmp_path / "bad.txt", "--only", "D29")
    assert named <= set(found) and all("the other hand moves more" in found[id] for id in named)
