"""`slr show` marks where two hands without a body change their slots, and where both slots hold one hand."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from support.calling import slr
from support.planted_hands import FLAT, HANDS, signing, swapped

from slrcli.features.layout import load_layout
from slrcli.features.measure import Facts, add_array_stats
from slrcli.features.recording import Recording
from slrcli.features.writers import write_recording
from slrcli.report.clip.gif import CHANGED, ONE_HAND
from slrcli.report.clip.timeline import slots


def planted(frames=60, layout=HANDS):
    """Hands that change slots at frames 20 and 30 (from 0), and share one in frames 40 to 44."""
    x = swapped(signing(frames, layout), slice(20, 30))
    half = x.shape[1] // 2
    x[40:45, half:] = x[40:45, :half]
    return x


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recording(tmp_path / "clip.npz", Recording(planted(), load_layout("mediapipe-126"), 25.0))
    return tmp_path / "clip.npz"


@pytest.mark.parametrize("layout", [HANDS, FLAT])
def test_changes_and_shared_slots_are_where_they_were_planted(layout):
    found = slots(planted(layout=layout), layout)
    assert found.changes == (20, 30) and found.spans == [(40, 45)]


@pytest.mark.parametrize(
    ("change", "changes"),
    [(slice(0, 60), ()), (slice(10, 60), (10,)), (slice(0, 10), (10,)), (slice(25, 26), (25, 26))],
)
def test_only_changes_count_and_not_which_slot_is_whose(change, changes):
    found = slots(swapped(signing(), change), HANDS)
    assert (found.changes if found else ()) == changes


def test_hands_that_keep_to_their_slots_and_bodies_have_no_mark():
    assert slots(signing(), HANDS) is None
    body = load_layout("mediapipe-258")
    assert slots(np.zeros((30, body.positions), np.float32), body) is None


def test_the_marks_are_those_that_the_check_counts():
    facts = add_array_stats(Facts(), planted(), HANDS)
    found = slots(planted(), HANDS)
    assert len(found.changes) == facts.slot_changes and found.one_hand.mean() == pytest.approx(facts.one_hand)


def test_the_terminal_and_json_say_where(clip):
    done = slr("show", clip)
    (line,) = [line for line in done.stdout.splitlines() if "hand slots" in line]
    marks = re.search(r"\|(.*)\|", line)[1]
    assert [place for place, mark in enumerate(marks) if mark == "x"] == [20 * 48 // 60, 30 * 48 // 60]
    assert [place for place, mark in enumerate(marks) if mark == "="] == sorted({f * 48 // 60 for f in range(40, 45)})
    assert "2 changes of slots (frames 21, 31); both hold one hand in 8.3 % of the frames" in line
    told = json.loads(slr("show", clip, "--json").stdout)
    assert told["slots"] == {"changes": [20, 30], "one_hand": [[40, 45]]}


def test_the_page_draws_the_marks_along_its_strips(clip):
    slr("show", clip, "--out", "clip.html")
    text = (clip.parent / "clip.html").read_text(encoding="utf-8")
    assert [float(x) for x in re.findall(r'<line x1="([\d.]+)"', text)] == [200.0, 300.0]  # of 600
    (place, width) = re.search(
        r'<rect x="([\d.]+)" y="30" width="([\d.]+)" height="30" class="one-hand"', text
    ).groups()
    assert (float(place), float(width)) == (400.0, 50.0)


def test_the_animation_draws_the_marks_along_its_lower_edge(clip):
    slr("show", clip, "--out", "clip.gif")
    picture = np.asarray(Image.open(io.BytesIO((clip.parent / "clip.gif").read_bytes())).convert("RGB")).astype(int)

    def columns(row, colour):
        near = np.abs(picture[row] - colour).sum(axis=1) < 60
        return np.flatnonzero(near) / picture.shape[1]

    ticks = columns(-10, CHANGED)
    assert set(np.round(ticks * 60)) == {20, 30}
    shared = columns(-1, ONE_HAND)
    assert shared.min() == pytest.approx(40 / 60, abs=0.01) and shared.max() == pytest.approx(45 / 60, abs=0.01)


def test_a_clip_without_marks_says_nothing_of_slots(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recording(tmp_path / "clip.npz", Recording(signing(), load_layout("mediapipe-126"), 25.0))
    done = slr("show", tmp_path / "clip.npz", "--json")
    assert json.loads(done.stdout)["slots"] is None
    assert "hand slots" not in (tmp_path / "clip.html").read_text(encoding="utf-8")
