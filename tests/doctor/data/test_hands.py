"""`slr check data` on hands without a body: which signer's change slots or share one, in numbers known beforehand."""

import json

import numpy as np
import pytest
from support.calling import slr
from support.planted_corpora import look, noted, said, sound_corpus, warnings
from support.planted_hands import HANDS, signing, swapped

from slrcli.features.measure import Facts, add_array_stats
from slrcli.findings import Level

SIGNERS = {"t1": "ann", "t2": "ann", "t3": "bob", "t4": "bob"}


@pytest.fixture
def corpus(tmp_path):
    """Sound clips of two hands, of two signers in train."""
    root = sound_corpus(tmp_path / "corpus")
    for number, path in enumerate(sorted(root.glob("features/*/*.npy"))):
        np.save(path, signing(50 + number, seed=number))
    table = root / "annotations/manual/train.corpus.csv"
    lines = [line.split("|") for line in table.read_text().splitlines()]
    rows = ["|".join([cells[0], cells[1], SIGNERS.get(cells[0], cells[2]), cells[3]]) for cells in lines]
    table.write_text("\n".join(rows) + "\n")
    return root


def change(corpus, id, function):
    (path,) = corpus.glob(f"features/*/{id}.npy")
    np.save(path, function(np.load(path)))


def in_both(x, frames):
    y = x.copy()
    y[frames, 63:] = y[frames, :63]
    return y


def by_signer(corpus):
    done = slr("check", "data", "--data-dir", corpus, "--only", "D34", "--json")
    return {(row.pop("split"), row.pop("signer")): row for row in json.loads(done.stdout)["hands"]}


def test_hands_that_keep_to_their_slots_are_not_spoken_of(corpus):
    found = look(corpus)
    assert "SLR-D34" not in {finding.code for finding in found.findings}
    assert "SLR-D34" in dict(found.checks)
    rows = by_signer(corpus)
    assert set(rows) == {("train", "ann"), ("train", "bob"), ("dev", "Signer01"), ("test", "Signer01")}
    assert all(row == {"clips": 2, "one_hand": 0.0, "changes": 0.0} for row in rows.values())


def test_numbers_are_by_signer_and_over_frames(corpus):
    frames = {id: len(np.load(next(corpus.glob(f"features/*/{id}.npy")))) for id in SIGNERS}
    change(corpus, "t1", lambda x: in_both(x, slice(10, 12)))
    change(corpus, "t3", lambda x: swapped(x, slice(20, 25)))
    rows = by_signer(corpus)
    assert rows["train", "ann"] == {
        "clips": 2,
        "one_hand": pytest.approx(2 / (frames["t1"] + frames["t2"])),
        "changes": 0.0,
    }
    assert rows["train", "bob"] == {"clips": 2, "one_hand": 0.0, "changes": 1.0}
    found = look(corpus)
    assert "SLR-D34" not in warnings(found) and "both slots hold one hand" in noted(found, "SLR-D34")
    signers, clips = [finding for finding in found.findings if finding.code == "SLR-D34"]
    assert signers.where.startswith("bob (train) 0.0%, 1.0, ann (train) 1.8%, 0.0")
    assert clips.where == f"t3 0.0%, 2, t1 {2 / frames['t1']:.1%}, 0" and "2 clips" in clips.what


@pytest.mark.parametrize(
    "spoil",
    [lambda x: in_both(x, slice(10, 20)), lambda x: swapped(x, [5, 6, 7, 15, 16, 30])],
    ids=["one hand in both", "slots changed"],
)
def test_what_is_common_for_a_signer_is_a_warning_that_says_who_mends_it(corpus, spoil):
    change(corpus, "t3", spoil)
    finding = said(look(corpus), "SLR-D34")
    assert finding.level is Level.WARNING and finding.where.startswith("bob (train)")
    assert "data.assign_hands" in finding.fix and "streaming" in finding.fix
    done = slr("check", "data", "--data-dir", corpus, "--only", "D34")
    assert done.exit_code == 0 and "SLR-D34" in done.stdout


def test_layouts_with_a_body_have_no_such_numbers(tmp_path):
    corpus = sound_corpus(tmp_path)
    done = slr("check", "data", "--data-dir", corpus, "--json")
    assert json.loads(done.stdout)["hands"] == []


def test_speed_and_spread_are_those_of_hands_on_their_tracks():
    x = signing(50)
    whole, mixed = (add_array_stats(Facts(*y.shape), y, HANDS) for y in (x, swapped(x, slice(0, 50, 3))))
    assert mixed.slot_changes > 10 and mixed.speed == whole.speed
    assert np.array_equal(mixed.spread, whole.spread) and np.array_equal(mixed.centre, whole.centre)
