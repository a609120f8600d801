"""Clips read at another frame rate: against the analytic signal, gaps, stored differences, streams."""

from dataclasses import replace

import numpy as np
import pytest

from slrcli.features.augment import derivatives
from slrcli.features.clip import load_at
from slrcli.features.layout import generic_layout, load_layout
from slrcli.features.rate import RunningPace, at_pace, frames_at, pace, usual_rate

SECONDS = 4.0
WAVES = generic_layout(2)


def waves(at: np.ndarray) -> np.ndarray:
    """Two slow sinusoids, `[T, 2]`."""
    return np.stack([np.sin(2 * np.pi * 0.5 * at), 3 * np.cos(2 * np.pi * 0.8 * at)], axis=1).astype(np.float32)


def sampled(fps: float) -> np.ndarray:
    return waves(np.arange(round(SECONDS * fps) + 1) / fps)


@pytest.mark.parametrize("to", [25, 30, 29.97])
@pytest.mark.parametrize("fps", [10, 15, 24, 50, 59.94, 60, 100, 119.88])
def test_a_signal_has_its_own_values_at_another_rate(fps, to):
    found = at_pace(sampled(fps), pace(fps, to), WAVES)
    moments = np.arange(len(found)) / to
    assert len(found) == frames_at(len(sampled(fps)), fps / to) and abs(moments[-1] - SECONDS) < 1 / to + 1e-6
    curve = 3 * (2 * np.pi * 0.8) ** 2  # the greatest second derivative, by which a straight line misses the signal
    assert np.abs(found - waves(moments)).max() <= curve / (8 * fps**2) + 1e-5


def test_every_second_frame_of_twice_the_rate_is_copied():
    x = np.random.default_rng(0).normal(size=(61, 2)).astype(np.float32)
    assert np.array_equal(at_pace(x, pace(60, 30), WAVES), x[::2])


@pytest.mark.parametrize(("one", "other"), [(30, 29.97), (24, 23.976), (0, 30), (30, 0), (29.7, 30)])
def test_rates_that_are_unknown_or_nearly_the_same_change_nothing(one, other):
    assert pace(one, other) == 1


@pytest.mark.parametrize("fps", [15, 60, 100])
def test_what_is_missing_stays_missing_and_nothing_else_is_lost(fps):
    x = sampled(fps)
    x[round(1 * fps) : round(2 * fps), 0] = np.nan
    found = at_pace(x, pace(fps, 30), WAVES)
    moments = np.arange(len(found)) / 30
    inside = (moments > 1 + 0.5 / fps) & (moments < 2 - 1.5 / fps)
    outside = (moments < 1 - 1.5 / fps) | (moments > 2 + 0.5 / fps)
    assert np.isnan(found[inside, 0]).all() and not np.isnan(found[outside]).any() and not np.isnan(found[:, 1]).any()


def test_stored_differences_become_those_of_the_new_rate():
    layout = replace(generic_layout(2), stored_derivatives=2)
    fast, slow = sampled(60), sampled(30)
    found = at_pace(np.hstack([fast, derivatives(fast, 2)]), 2.0, layout)
    expected = np.hstack([slow, derivatives(slow, 2)])
    assert np.abs(found - expected)[3:].max() < 0.06  # differences of neighbours, a frame apart


def test_zeros_that_mean_missing_are_no_values_between_others(tmp_path):
    layout = load_layout("mediapipe-1662")
    x = np.full((21, layout.width), 2.0, np.float32)
    x[10] = 0
    np.savez(tmp_path / "a.npz", features=x, fps=20.0)
    found = load_at(tmp_path / "a.npz", layout, 0.0, 30.0, max_gap=0)
    assert (found.frames, found.fps, len(found.x)) == (21, 20.0, 31)
    assert set(np.unique(found.x[~np.isnan(found.x)])) == {2.0} and np.isnan(found.x).any()


def test_gaps_are_as_long_as_the_recogniser_counts_them(tmp_path):
    x = sampled(60)
    x[40:48] = np.nan  # eight frames, four at half the rate
    np.savez(tmp_path / "a.npz", features=x, fps=60.0)
    assert np.isnan(load_at(tmp_path / "a.npz", WAVES, 0.0, 0.0).x).any()
    assert not np.isnan(load_at(tmp_path / "a.npz", WAVES, 0.0, 30.0).x).any()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("fps", [15, 24, 60, 100])
def test_a_stream_gives_the_rows_of_the_whole_clip(fps, size):
    x = sampled(fps)
    x[20:24] = np.nan
    running = RunningPace(pace(fps, 30), WAVES)
    found = np.concatenate([running.push(x[start : start + size]) for start in range(0, len(x), size)])
    np.testing.assert_array_equal(found, at_pace(x, pace(fps, 30), WAVES))


def test_the_usual_rate_is_one_that_occurs():
    assert usual_rate([30, 60, 0, 30, 60]) == 30 and usual_rate([0, 0]) == 0 == usual_rate([])
