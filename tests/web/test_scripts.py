"""What the page's scripts compute is what the package computes."""

import re

import numpy as np
import pytest
from support.scripts import SITE, call, clip, needs_node, rows

from slrcli.config import LiveConfig
from slrcli.decoding.calibration import Calibration
from slrcli.decoding.greedy import greedy
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.decoding.segments import Lengths, SegmentSearch
from slrcli.features.augment import derivatives
from slrcli.features.layout import load_layout
from slrcli.features.recording import prepare
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.recognition.sliding import JITTER, SlidingWindow
from slrcli.video.holistic import Columns, in_square
from slrcli.video.timing import Evenly
from slrcli.web.page import describe_hands

pytestmark = needs_node
VOCABULARY = Vocabulary(("<blank>", "A", "B", "C"), (0, 3, 2, 1))


def described(layout, max_gap=5):
    return {
        "positions": layout.positions, "width": layout.width, "storedDerivatives": layout.stored_derivatives,
        "groups": [{"start": g.start, "stop": g.stop, "step": len(g.coordinates)} for g in layout.groups],
        "zeroIsMissing": layout.zero_is_missing, "hands": describe_hands(layout), "maxGap": max_gap,
    }  # fmt: skip


def holey(layout, frames, seed, share=0.05):
    """Two hands that wander, with points and whole hands missing, and some points at zero."""
    rng = np.random.default_rng(seed)
    x = (0.5 + rng.normal(0, 0.02, (frames, layout.positions)).cumsum(axis=0)).astype(np.float32)
    x[rng.random(x.shape) < share] = np.nan
    for group in layout.groups:
        for start in rng.integers(0, frames, 3):
            x[start : start + rng.integers(1, 9), group.start : group.stop] = np.nan if start % 2 else 0
    if layout.stored_derivatives:
        x = np.hstack([x, derivatives(x, layout.stored_derivatives)])
    return x


@pytest.mark.parametrize("name", ["mediapipe-126", "mediapipe-258", "kinect-20"])
@pytest.mark.parametrize("max_gap", [0, 5])
def test_a_clip_is_prepared_as_in_python(name, max_gap):
    layout = load_layout(name)
    x = holey(layout, 60, 1)
    (found,) = call("prepare.js", ["prepare", rows(x), described(layout, max_gap)])
    np.testing.assert_allclose(clip(found), prepare(x, layout, max_gap, hands=True), atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_hands_that_change_slots_are_assigned_as_in_python(seed):
    layout, rng = load_layout("mediapipe-126"), np.random.default_rng(seed)
    x = holey(layout, 80, seed, share=0.02)
    half = layout.positions // 2
    for t in np.flatnonzero(rng.random(80) < 0.3):
        x[t] = np.roll(x[t], half) if t % 3 else np.tile(x[t, :half], 2)
    (found,) = call("prepare.js", ["prepare", rows(x), described(layout)])
    expected = prepare(x, layout, hands=True)
    assert not np.array_equal(expected, prepare(x, layout), equal_nan=True)
    np.testing.assert_allclose(clip(found), expected, atol=1e-6)


def test_differences_are_stored_as_in_python():
    x = holey(load_layout("kinect-20"), 12, 3)
    (found,) = call("prepare.js", ["complete", rows(x), {"positions": x.shape[1], "storedDerivatives": 2}])
    np.testing.assert_allclose(clip(found), np.hstack([x, derivatives(x, 2)]), atol=1e-6)


def test_frames_that_come_in_parts_are_prepared_like_a_whole_clip():
    layout = load_layout("mediapipe-258")
    x = holey(layout, 50, 7)
    parts = np.split(x, [1, 2, 9, 30])
    steps = [["new StreamingGaps", described(layout)], *([".push", rows(part)] for part in parts), [".finish"]]
    found = [row for part in call("prepare.js", *steps) for row in part]
    np.testing.assert_allclose(clip(found), prepare(x, layout), atol=1e-6)


def test_uneven_frames_become_even_as_in_python():
    rng = np.random.default_rng(2)
    times = np.cumsum(rng.choice([0.02, 0.033, 0.05, 0.7], 40)).tolist()
    x = rng.normal(size=(40, 3)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    even = Evenly(25.0)
    expected = np.concatenate([even.push(time, row) for time, row in zip(times, x, strict=True)])
    steps = [[".push", time, {"row": rows(x[i : i + 1])["rows"][0]}] for i, time in enumerate(times)]
    found = [row for part in call("prepare.js", ["new Evenly", 25.0], *steps) for row in part]
    np.testing.assert_allclose(clip(found), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(640, 480), (360, 640), (300, 300)])
def test_points_lie_in_the_square_and_in_the_columns_as_in_python(size):
    points = np.random.default_rng(4).random((543, 4)).astype(np.float32)
    points[40:60] = np.nan
    (found,) = call("landmarks.js", ["inSquare", {"row": rows(points.reshape(1, -1))["rows"][0]}, *size])
    placed = in_square(points, size)
    np.testing.assert_allclose(clip([found]).reshape(543, 4), placed, atol=1e-6)
    columns = Columns.of(load_layout("mediapipe-258"))
    told = {"point": columns.point.tolist(), "coordinate": columns.coordinate.tolist()}
    (found,) = call("landmarks.js", ["columnsOf", {"row": rows(placed.reshape(1, -1))["rows"][0]}, told])
    np.testing.assert_array_equal(clip([found]), columns.positions(placed[None]))


def spoken(frames, seed, sharpness=3.0):
    """Log-probabilities in which glosses last a while."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(frames // 5 + 1, 4)).repeat(5, axis=0)[:frames] * sharpness + rng.normal(size=(frames, 4))
    return (scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))).astype(np.float32)


def same(found, expected: Hypothesis):
    assert [item["id"] for item in found] == list(expected.ids)
    assert [(item["start"], item["end"]) for item in found] == list(expected.spans)
    assert [item["peak"] for item in found] == list(expected.peaks)
    np.testing.assert_allclose([item["confidence"] for item in found], expected.confidences, atol=1e-6)


@pytest.mark.parametrize(("stride", "length"), [(4.0, 157), (1.0, 40), (2.5, 100)])
def test_the_best_path_is_that_of_python(stride, length):
    table = spoken(40, 4)
    (found,) = call("decode.js", ["bestPath", rows(table), stride, length])
    expected = greedy(table, stride, VOCABULARY, length)
    assert len(expected.ids) > 4
    same(found, expected)


@pytest.mark.parametrize("seed", range(4))
def test_signs_by_their_lengths_are_those_of_python(seed):
    table = spoken(60, seed)
    (found,) = call(
        "decode.js",
        ["segments", rows(table), 4.0, 238, {"frames": 30.0, "spread": 0.3, "weight": 0.5, "bonus": -2.0}],
    )
    search = SegmentSearch(VOCABULARY, Lengths(30.0, 0.3), 0.5, -2.0)
    expected = search(table[None], [60], 4.0, [238])[0]
    assert expected.ids
    same(found, expected)


def test_late_times_and_confidences_are_put_right_as_in_python():
    table = spoken(40, 4)
    own = greedy(table, 4.0, VOCABULARY, 157)
    plain = [
        {"id": i, "start": start, "end": end, "peak": peak, "confidence": 0.5}
        for i, (start, end), peak in zip(own.ids, own.spans, own.peaks, strict=True)
    ]
    (found,) = call("decode.js", ["earlier", plain, 6])
    expected = own.earlier(6)
    assert [(item["start"], item["end"], item["peak"]) for item in found] == [
        (*span, peak) for span, peak in zip(expected.spans, expected.peaks, strict=True)
    ]
    calibration = Calibration(1.7, -0.4, "greedy", "", "dev", 100)
    values = [0.0, 0.2, 0.5, 0.97, 1.0]
    found = call("decode.js", *(["calibrated", value, {"scale": 1.7, "shift": -0.4}] for value in values))
    np.testing.assert_allclose(found, [calibration.of(value) for value in values], atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_running_stream_has_the_glosses_that_python_finds(seed):
    table, live = spoken(400, seed, 1.5), LiveConfig()
    window = SlidingWindow(lambda x: greedy(x, 1.0, VOCABULARY, len(x)), 25.0, live, 1)
    parts = np.split(table, [3, 90, 91, 250])
    expected = [event for part in parts for event in window.push(part)] + window.finish()
    options = {"window": live.window, "hop": live.hop, "settle": live.settle, "jitter": JITTER}
    steps = [["new SlidingWindow", {"function": "bestPath"}, 25.0, options, 1]]
    steps += [[".push", rows(part)] for part in parts]
    found = [item for part in call("windows.js", *steps, [".finish"]) for item in part]
    assert len(expected) > 20
    assert [(VOCABULARY.tokens[item["id"]], item["start"], item["end"], item["told"]) for item in found] == [
        (event.gloss, event.start, event.end, event.told) for event in expected
    ]


@pytest.mark.parametrize("value", [0.5, 1.5, 2.5, -0.5, 2.4, 2.6, 7.0])
def test_halves_are_rounded_as_in_python(value):
    assert call("prepare.js", ["round", value]) == [round(value)]


FOUND = [
    {"gloss": "HELLO", "start": 0, "end": 12},
    {"gloss": "<i>A & B</i>\u202e\x1b", "start": 30, "end": 100_000},
]


def test_subtitles_are_read_by_the_libraries_of_the_field(tmp_path):
    import srt
    import webvtt

    text, web = call("transcript.js", ["srt", FOUND, 25], ["vtt", FOUND, 25])
    cues = list(srt.parse(text))
    assert [cue.content for cue in cues] == ["HELLO", "<i>A & B</i>\ufffd\ufffd"]
    assert [cue.end.total_seconds() for cue in cues] == [0.48, 4000.0]
    (tmp_path / "a.vtt").write_text(web, encoding="utf-8")
    captions = list(webvtt.read(str(tmp_path / "a.vtt")))
    assert [caption.start for caption in captions] == ["00:00:00.000", "00:00:01.200"]
    assert "&lt;i&gt;A &amp; B&lt;/i&gt;" in web


def test_elan_reads_the_annotations(tmp_path):
    import pympi

    (tmp_path / "a.eaf").write_text(call("transcript.js", ["eaf", FOUND, 25])[0], encoding="utf-8")
    marks = pympi.Elan.Eaf(str(tmp_path / "a.eaf")).get_annotation_data_for_tier("gloss")
    assert [mark[:3] for mark in marks] == [(0, 480, "HELLO"), (1200, 4000000, "<i>A & B</i>\ufffd\ufffd")]


def test_numpy_reads_the_landmarks(tmp_path):
    x = np.random.default_rng(1).normal(size=(5, 258)).astype(np.float32)
    x[2, 7] = np.nan
    (tmp_path / "a.npy").write_bytes(bytes(call("transcript.js", ["npy", rows(x)])[0]))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), x)


def test_every_language_has_every_word_that_the_page_uses():
    (words,) = call("words.js", ["WORDS"])
    used = set(re.findall(r'data-word="(\w+)"', (SITE / "index.html.j2").read_text(encoding="utf-8")))
    used |= set(re.findall(r'(?:tell\(|say\(\w+\.?\w*, )"(\w+)"', (SITE / "app.js").read_text(encoding="utf-8")))
    assert len(used) > 20
    for language, own in words.items():
        assert used <= set(own), language
        assert set(own) == set(words["en"]), language
        for word, text in own.items():
            assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", words["en"][word]), (language, word)


def test_a_preferred_language_is_found_and_english_is_the_rest():
    assert call("words.js", ["preferred", ["de-AT", "en"]], ["preferred", ["xx", "fr"]], ["preferred", []]) == [
        "de", "fr", "en",
    ]  # fmt: skip
