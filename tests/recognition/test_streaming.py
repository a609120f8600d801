"""A clip that comes in parts: normalised, filled, recognised and decoded as it would be as a whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planted_streams import VOCABULARY, clip, parts_of, recogniser

from slrcli.config import DecodeConfig, LiveConfig
from slrcli.console import Console
from slrcli.decoding.calibration import Calibration
from slrcli.decoding.decoder import make_decoder
from slrcli.decoding.greedy import greedy
from slrcli.decoding.stream import BestPathStream, StreamEvent
from slrcli.errors import SlrError
from slrcli.features.gaps import StreamingGaps
from slrcli.features.layout import generic_layout, list_layouts, load_layout
from slrcli.features.recording import prepare
from slrcli.models.frontend import Cache, Frontend, FrontendOptions
from slrcli.models.registry import build_model
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.recognition.sliding import SlidingWindow
from slrcli.recognition.stream import stream_recogniser
from slrcli.recognition.streaming import StreamingRecogniser

SPATIAL = [name for name in list_layouts()[:-1] if name != "mediapipe-6516"]
FEW = ["kinect-20", "mediapipe-225", "generic-5"]  # metres, turned; shares of the picture; numbers without a place
CAUSAL = FrontendOptions(causal=True, centre=True)


cuts = st.lists(st.integers(0, 10_000), max_size=12)


@torch.no_grad()
@pytest.mark.parametrize("name", [*SPATIAL, "generic-5"])
def test_a_causal_frame_is_the_last_of_a_whole_clip_that_ends_with_it(name):
    """The frontend of whole clips is the oracle: its window of 13 frames about the last holds 7 that have come."""
    layout, x = load_layout(name), torch.from_numpy(clip(name, 24))[None]
    causal = Frontend(layout, FrontendOptions(causal=True, centre=True, turn_frames=7, derivatives=0))
    whole = Frontend(layout, FrontendOptions(centre=True, turn_frames=13, derivatives=0))
    found = causal(x, torch.tensor([24]))[0]
    for last in range(24):
        expected = whole(x[:, : last + 1], torch.tensor([last + 1]))[0, last]
        torch.testing.assert_close(found[last], expected, atol=2e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("name", FEW)
def test_what_comes_later_changes_nothing(name):
    layout, x = load_layout(name), torch.from_numpy(clip(name, 40))[None]
    other = x.clone()
    other[:, 23:] = torch.from_numpy(clip(name, 40, seed=5))[23:]
    lengths, causal, whole = torch.tensor([40]), Frontend(layout, CAUSAL), Frontend(layout)
    torch.testing.assert_close(causal(x, lengths)[:, :23], causal(other, lengths)[:, :23], atol=0, rtol=0)
    if layout.spatial:
        assert not torch.equal(whole(x, lengths)[:, :23], whole(other, lengths)[:, :23])


@torch.no_grad()
@pytest.mark.parametrize("name", FEW)
@settings(max_examples=15, deadline=None)
@given(cuts=cuts, frames=st.integers(1, 70), seed=st.integers(0, 99), derivatives=st.integers(0, 3))
def test_a_clip_normalised_in_parts_is_the_clip_normalised_at_once(name, cuts, frames, seed, derivatives):
    frontend = Frontend(load_layout(name), replace(CAUSAL, derivatives=derivatives))
    x, past = torch.from_numpy(clip(name, frames, seed)), Cache()
    at_once = frontend(x[None], torch.tensor([frames]))[0]
    parts = [frontend.step(part, past) for part in parts_of(x, cuts) if len(part)]
    torch.testing.assert_close(torch.cat(parts), at_once, atol=1e-5, rtol=1e-5)
    assert past.frames == frames


@torch.no_grad()
def test_a_signer_who_comes_nearer_is_measured_anew(monkeypatch):
    monkeypatch.setattr("slrcli.models.frontend.MEMORY", 20)
    layout = load_layout("kinect-20")
    x = torch.from_numpy(clip("kinect-20", 30, missing=0.0))
    still = torch.cat([x[:1].expand(40, -1), x[:1].expand(40, -1) * 2])[None]
    frontend = Frontend(layout, FrontendOptions(causal=True, derivatives=0, standardise=False))
    found = frontend(still, torch.tensor([80]))[0]
    torch.testing.assert_close(found[79], found[39], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(found[45], found[39], atol=1e-2)


@torch.no_grad()
def test_one_absurd_frame_is_forgotten_and_nothing_becomes_infinite():
    layout = load_layout("kinect-20")
    x = torch.from_numpy(clip("kinect-20", 600, missing=0.1))
    x[100] = 1e30
    found = Frontend(layout, CAUSAL)(x[None], torch.tensor([600]))
    assert found.isfinite().all()
    clean = x.clone()
    clean[100] = np.nan
    expected = Frontend(layout, CAUSAL)(clean[None], torch.tensor([600]))
    torch.testing.assert_close(found[:, 380:], expected[:, 380:], atol=1e-3, rtol=1e-3)


def test_a_frontend_of_whole_clips_takes_no_parts():
    with pytest.raises(ValueError, match="whole clips"):
        Frontend(load_layout("kinect-20")).step(torch.zeros(1, 60), Cache())
    assert Frontend(generic_layout(5)).runs and not Frontend(load_layout("kinect-20")).runs


@settings(max_examples=150, deadline=None)
@given(
    cuts=cuts, frames=st.integers(1, 60), seed=st.integers(0, 10**6), max_gap=st.integers(0, 6), share=st.floats(0, 0.9)
)
def test_gaps_are_filled_in_parts_as_in_the_whole_clip(cuts, frames, seed, max_gap, share):
    layout, rng = generic_layout(3), np.random.default_rng(seed)
    x = rng.normal(size=(frames, 3)).astype(np.float32)
    x[rng.random(x.shape) < share] = np.nan
    x[rng.random(x.shape) < 0.02] = np.inf
    gaps = StreamingGaps(layout, max_gap)
    found = np.concatenate([*(gaps.push(part) for part in parts_of(x, cuts)), gaps.finish()])
    np.testing.assert_array_equal(found, prepare(x, layout, max_gap))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), max_gap=st.integers(0, 6))
def test_no_frame_waits_for_longer_than_a_gap_may_be(seed, max_gap):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(80, 2)).astype(np.float32)
    x[np.repeat(rng.random(20) < 0.5, 4)] = np.nan
    gaps, out = StreamingGaps(generic_layout(2), max_gap), 0
    for came, row in enumerate(x, 1):
        out += len(gaps.push(row[None]))
        assert came - max_gap <= out <= came
    assert (
        StreamingGaps(generic_layout(2), max_gap).push(x[~np.isnan(x).any(axis=1)]).shape[0]
        == (~np.isnan(x[:, 0])).sum()
    )


def test_frames_in_which_a_point_stays_missing_do_not_wait():
    x = np.full((30, 2), np.nan, np.float32)
    x[:, 0] = 1
    gaps = StreamingGaps(generic_layout(2), 5)
    assert [len(gaps.push(row[None])) for row in x] == [1] * 30  # never seen: nothing to begin a line at
    x[3, 1] = 1
    gaps = StreamingGaps(generic_layout(2), 5)
    assert [len(gaps.push(row[None])) for row in x[:12]] == [1, 1, 1, 1, 0, 0, 0, 0, 0, 6, 1, 1]


@settings(max_examples=150, deadline=None)
@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=40), cuts=cuts, seed=st.integers(0, 99),
    stride=st.sampled_from([1.0, 4.0, 2.5]), beyond=st.integers(0, 3),
)  # fmt: skip
def test_the_best_path_in_parts_is_the_best_path(labels, cuts, seed, stride, beyond):
    scores = np.random.default_rng(seed).normal(size=(len(labels), 6))
    scores[np.arange(len(labels)), labels] += 4
    log_probs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    length = max(1, int(len(labels) * stride) - min(beyond, int(stride) - 1))
    whole = greedy(log_probs, stride, VOCABULARY, length)
    stream = BestPathStream(VOCABULARY, stride)
    found = [item for part in parts_of(log_probs, cuts) for item in stream.push(part, length, length)]
    found += stream.finish(length)
    assert [(item.gloss, (item.start, item.end), item.peak) for item in found] == list(
        zip(whole.glosses, whole.spans, whole.peaks, strict=True)
    )
    np.testing.assert_allclose([item.confidence for item in found], whole.confidences, rtol=1e-9)


def test_a_gloss_is_certain_when_its_run_has_ended():
    log_probs = np.log(np.full((6, 6), 0.02) + 0.88 * np.eye(6)[[0, 2, 2, 0, 3, 4]])
    stream = BestPathStream(VOCABULARY, 4.0)
    told = [stream.push(row[None], 4 * (step + 1)) for step, row in enumerate(log_probs)]
    assert [[item.gloss for item in items] for items in told] == [[], [], [], ["B"], [], ["C"]]
    assert told[3] == [StreamEvent("B", 4, 12, pytest.approx(0.9), 6, 16)] and told[3][0].latency == 4
    assert [item.gloss for item in stream.finish(24)] == ["D"]


def test_a_model_that_gives_nan_is_no_gloss():
    with pytest.raises(SlrError, match="NaN"):
        BestPathStream(VOCABULARY, 4.0).push(np.full((1, 6), np.nan), 4)


def streamed(recogniser: Recogniser, parts) -> list[StreamEvent]:
    stream = recogniser.running()
    return [item for part in parts for item in stream.push(part)] + stream.finish()


def said(items) -> list:
    return [(item.gloss, (item.start, item.end), item.peak) for item in items]


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("lookahead", [0, 8])
@settings(max_examples=12, deadline=None)
@given(cuts=cuts, frames=st.integers(1, 120), seed=st.integers(0, 10**6), max_gap=st.sampled_from([0, 5]))
def test_a_stream_gives_the_glosses_of_the_whole_clip(name, lookahead, cuts, frames, seed, max_gap):
    model = recogniser(name, lookahead, max_gap)
    raw = clip(name, frames, seed)
    whole = model.recognise([prepare(raw, model.meta.layout, max_gap)])[0]
    found = streamed(model, parts_of(raw, cuts))
    assert said(found) == list(zip(whole.glosses, whole.spans, whole.peaks, strict=True))
    np.testing.assert_allclose([item.confidence for item in found], whole.confidences, atol=1e-4)


def test_the_networks_of_these_tests_say_something():
    found = streamed(recogniser("kinect-20"), [clip("kinect-20", 120)])
    assert len({item.gloss for item in found}) > 1 and len(found) > 5


@pytest.mark.parametrize("lookahead", [0, 8])
def test_frame_by_frame_no_gloss_is_told_later_than_promised(lookahead):
    model = recogniser("kinect-20", lookahead)
    for missing, waits in ((0.0, 0), (0.5, 5)):
        found = streamed(model, list(clip("kinect-20", 200, missing=missing)[:, None]))
        latencies = [item.latency for item in found if item.told < 200]
        assert len(latencies) > 5
        assert min(latencies) >= 4 + lookahead and max(latencies) <= 4 + lookahead + waits


def test_confidences_of_a_stream_are_calibrated():
    model, x = recogniser("kinect-20"), clip("kinect-20", 90)
    plain = streamed(model, [x])
    model.calibration = Calibration(0.5, -1.0, "greedy", "", "dev", 99)
    assert [item.confidence for item in streamed(model, [x])] == [
        model.calibration.of(item.confidence) for item in plain
    ]


def test_what_needs_whole_clips_does_not_run():
    assert recogniser("kinect-20", causal=False).running() is None
    other = build_model("conv-bilstm", load_layout("kinect-20"), len(VOCABULARY), options={"width": 8})
    assert Recogniser(other, VOCABULARY, recogniser("kinect-20").meta).running() is None


def test_a_stream_of_no_frames_says_nothing():
    assert streamed(recogniser("kinect-20"), []) == []
    assert streamed(recogniser("kinect-20"), [np.zeros((0, 60), np.float32)]) == []


def test_stored_derivatives_may_be_left_out():
    model, x = recogniser("mediapipe-6516"), clip("mediapipe-6516", 60)
    positions = x[:, : model.meta.layout.positions]
    found = streamed(model, parts_of(positions, [7, 30]))
    assert found and found == streamed(model, parts_of(x, [7, 30]))


def test_a_search_and_networks_of_whole_clips_get_windows(capsys):
    console, options = Console(), LiveConfig()
    model = recogniser("kinect-20")
    assert isinstance(stream_recogniser(console, model, 30.0, options), StreamingRecogniser)
    model.decoder = make_decoder(DecodeConfig(beam=5), VOCABULARY)
    assert isinstance(stream_recogniser(console, model, 30.0, options), SlidingWindow)
    whole = recogniser("kinect-20", causal=False)
    assert isinstance(stream_recogniser(console, whole, 30.0, options), SlidingWindow)
    told = capsys.readouterr().err.splitlines()
    assert "as it arrives" in told[0] and "a beam search needs windows" in told[1] and "whole clips" in told[2]
