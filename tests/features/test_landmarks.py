"""Missing points: found, kept apart from zeros, and filled only where a line is believable."""

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from slrcli.features.layout import generic_layout, load_layout
from slrcli.features.recording import fill_gaps, missing_share, prepare

LAYOUT = load_layout("mediapipe-258")
NAN = np.nan


def clip(frames: int = 12, width: int = 258) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 1, (frames, width)).astype(np.float32)


def filled_slowly(x: np.ndarray, max_gap: int) -> np.ndarray:
    """The same as `fill_gaps`, one number after the other."""
    y = x.copy()
    for column in range(x.shape[1]):
        seen = [t for t in range(len(x)) if not np.isnan(x[t, column])]
        for start, stop in pairwise(seen):
            if 1 < stop - start <= max_gap + 1:
                line = np.interp(range(start + 1, stop), [start, stop], x[[start, stop], column])
                y[start + 1 : stop, column] = line
    return y


@settings(max_examples=100, deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 20), st.integers(1, 3)), elements=st.sampled_from([0, 1, 4, NAN])),
    st.integers(1, 6),
)
def test_gaps_are_filled_like_number_by_number(x, max_gap):
    np.testing.assert_allclose(fill_gaps(x, max_gap), filled_slowly(x, max_gap), rtol=1e-6)


def test_only_short_gaps_with_both_ends_are_filled():
    x = np.array([[NAN, 0, 0], [1, NAN, NAN], [2, NAN, NAN], [3, 6, NAN], [NAN, 7, 8]], np.float32)
    expected = np.array([[NAN, 0, 0], [1, 2, NAN], [2, 4, NAN], [3, 6, NAN], [NAN, 7, 8]], np.float32)
    np.testing.assert_array_equal(prepare(x, generic_layout(3), max_gap=2), expected)


def test_max_gap_zero_fills_nothing():
    x = np.array([[0], [NAN], [2]], np.float32)
    np.testing.assert_array_equal(prepare(x, generic_layout(1), max_gap=0), x)


def test_points_at_zero_are_missing_where_the_layout_says_so():
    x = clip()
    hand = LAYOUT.by_name["left_hand"]
    x[3:, hand.start : hand.stop] = 0
    x[5, 4:7] = 0  # a point of the pose, whose visibility is not zero
    y = prepare(x, LAYOUT)
    assert np.isnan(y[3:, hand.start : hand.stop]).all()
    assert np.isnan(y).sum() == 9 * hand.width
    assert missing_share(y, hand) == pytest.approx(9 / 12) and missing_share(y, LAYOUT.by_name["pose"]) == 0


def test_zeros_stay_zeros_where_they_mean_something():
    x = np.zeros((4, 60), np.float32)
    assert prepare(x, load_layout("kinect-20")) is x


def test_a_hand_lost_for_a_moment_comes_back_on_a_line():
    x = clip()
    hand = LAYOUT.by_name["right_hand"]
    x[4:6, hand.start : hand.stop] = 0
    y = prepare(x, LAYOUT)
    np.testing.assert_allclose(
        y[4, hand.start], x[3, hand.start] + (x[6, hand.start] - x[3, hand.start]) / 3, rtol=1e-6
    )
    assert np.isfinite(y).all()


def test_the_clip_itself_is_never_changed():
    x = clip()
    x[4, 132:195] = 0
    x[6, 3] = np.inf
    before = x.copy()
    prepare(x, LAYOUT)
    np.testing.assert_array_equal(x, before)


def test_infinite_numbers_count_as_missing():
    x = np.array([[1], [np.inf], [-np.inf], [4]], np.float32)
    np.testing.assert_allclose(prepare(x, generic_layout(1)), [[1], [2], [3], [4]])


def test_stored_derivatives_are_left_alone():
    layout = load_layout("mediapipe-6516")
    x = clip(8, 6516)
    x[3, 0] = x[3, 1629] = NAN
    y = prepare(x, layout)
    assert np.isfinite(y[3, 0]) and np.isnan(y[3, 1629])


def test_wrong_widths_are_a_programmers_mistake():
    with pytest.raises(ValueError, match="do not fit layout generic-3"):
        prepare(np.zeros((4, 2), np.float32), generic_layout(3))


def test_a_whole_clip_costs_next_to_nothing():
    layout, x = load_layout("mediapipe-1629"), clip(150, 1629)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        assert prepare(x, layout) is x
        times.append(time.perf_counter() - start)
    assert min(times) < 3e-3


def test_missing_hands_of_real_clips(real_data):
    with np.load(real_data / "data" / "traduttore" / "clips.npz", allow_pickle=False) as pack:
        x = pack["x"][:4000].astype(np.float32)
    for name in ("left_hand", "right_hand"):
        hand = LAYOUT.by_name[name]
        absent = (x[:, hand.start : hand.stop] == 0).all(axis=1)
        y = prepare(x, LAYOUT, max_gap=0)
        assert 0 < absent.mean() < 1
        assert missing_share(y, hand) == pytest.approx(absent.mean(), abs=1e-9)
