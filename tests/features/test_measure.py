"""What one file tells, and how the files of a corpus are distributed: numbers that are known beforehand."""

import numpy as np
import pytest
from support.planted_signing import LAYOUT, with_differences

from slrcli.corpus import Utterance
from slrcli.corpus.distributions import BINS, distribution
from slrcli.doctor.data.motion import rate_factors
from slrcli.doctor.data.splits import shifts
from slrcli.doctor.data.tables import longest_run, plain
from slrcli.features.handedness import hand_side, shoulder_side, shoulder_width
from slrcli.features.layout import Layout, generic_layout, load_layout
from slrcli.features.measure import Facts, add_array_stats, cosine, differences, frozen_frames, moments, share_of
from slrcli.report.text.histograms import BLOCKS, PLAIN, bars, draw


def moved(x, layout=None):
    return add_array_stats(Facts(*x.shape, "float32"), x.astype(np.float32), layout)


def test_moments_are_those_of_what_is_seen():
    x = np.random.default_rng(1).normal(3, 2, (50, 4)).astype(np.float32)
    x[10:20, 1] = np.nan
    x[:, 2] = np.nan
    x[:, 3] = 7.3
    centre, spread = moments(x, ~np.isnan(x))
    assert centre[:2] == pytest.approx(np.nanmean(x[:, :2], axis=0), rel=1e-5)
    assert spread[:2] == pytest.approx(np.nanstd(x[:, :2], axis=0), rel=1e-5)
    assert np.isnan(centre[2]) and np.isnan(spread[2]) and spread[3] == 0


@pytest.mark.parametrize("name", ["kinect-20", "mediapipe-258", "openpose-137"])
@pytest.mark.parametrize("size", [1e20, 3e38, np.inf])
@pytest.mark.parametrize("share", [0.02, 1.0])
def test_numbers_that_no_body_has_are_measured_without_warnings(name, size, share):
    layout = load_layout(name)
    chance = np.random.default_rng(3)
    x = chance.uniform(0.1, 0.9, (12, layout.width))
    x[chance.random(x.shape) < share] *= size
    with np.errstate(all="warn"):
        facts = moved(x, layout)
    assert facts.read_fully and facts.infinite == np.isinf(x).sum()


def test_runs_of_equal_frames():
    x = np.arange(8, dtype=np.float32)[:, None]
    x[2:5] = x[2]
    x[6] = np.nan
    assert frozen_frames(x, np.ones(8, bool)) == (2 / 7, 3)
    assert frozen_frames(np.full((5, 2), np.nan, np.float32), np.zeros(5, bool)) == (
        0.0,
        1,
    )  # nothing is seen: not still
    assert frozen_frames(x[:1], np.ones(1, bool)) == (0.0, 1)


def test_a_clip_of_one_frame_is_not_still():
    assert not moved(np.ones((1, 3))).still and moved(np.ones((2, 3))).still


def test_points_at_one_number():
    layout = load_layout("kinect-20")
    x = np.random.default_rng(0).normal(size=(10, 60)).astype(np.float32)
    x[:, 3:6] = 0
    x[:5, 6] = 0  # one coordinate alone says nothing
    assert share_of(x, layout, (0.0,)) == pytest.approx(1 / 20)
    assert share_of(x, generic_layout(60), (0.0,)) == 0.0
    x[0] = 0
    assert share_of(x, generic_layout(60), (0.0,)) == pytest.approx(1 / 10)


def test_the_speed_doubles_when_every_other_frame_is_left_out():
    t = np.linspace(0, 12, 400)[:, None]
    x = np.concatenate([np.sin(t), np.cos(2 * t)], axis=1)
    assert moved(x[::2]).speed == pytest.approx(2 * moved(x).speed, rel=0.03)
    assert np.isnan(moved(np.ones((9, 2))).speed)


def body(frames=40):
    """Someone who faces the camera, the left side at the larger x, as in a picture that is not mirrored."""
    x = np.random.default_rng(0).normal(0, 0.002, (frames, LAYOUT.width))
    for side, place in (("left", 0.65), ("right", 0.35)):
        for point, offset in (("shoulder", 0.0), ("wrist", 0.1)):
            x[:, LAYOUT.by_name["pose"].column(f"{side}_{point}", "x")] += place + (
                offset if side == "left" else -offset
            )
        hand = LAYOUT.by_name[f"{side}_hand"]
        x[:, hand.start : hand.stop : 3] += place + (0.1 if side == "left" else -0.1)
    return x.astype(np.float32)


def test_sides_of_a_body_its_mirror_image_and_swapped_hands():
    x = body()
    width = shoulder_width(x, LAYOUT)
    assert width == pytest.approx(0.3, abs=0.01)
    assert (shoulder_side(x, LAYOUT), hand_side(x, LAYOUT, width)) == (-1, 1)
    mirrored = x.copy()
    for group in LAYOUT.groups:
        mirrored[:, group.start : group.stop : len(group.coordinates)] *= -1
    assert (shoulder_side(mirrored, LAYOUT), hand_side(mirrored, LAYOUT, width)) == (1, 1)
    left, right = (list(LAYOUT.by_name[name].columns) for name in ("left_hand", "right_hand"))
    x[:, left], x[:, right] = x[:, right].copy(), x[:, left].copy()
    assert (shoulder_side(x, LAYOUT), hand_side(x, LAYOUT, width)) == (-1, -1)
    x[:, left + right] = np.nan
    assert np.isnan(hand_side(x, LAYOUT, width))
    assert np.isnan(hand_side(x, generic_layout(258), 1.0)) and np.isnan(shoulder_side(x, generic_layout(258)))


@pytest.mark.parametrize("scale", [1.0, 25.0])
@pytest.mark.parametrize("kind", ["before", "after", "between"])
def test_differences_of_every_convention_are_known(kind, scale):
    layout = Layout("stored", LAYOUT.groups, stored_derivatives=2)
    x = np.cumsum(np.random.default_rng(3).normal(size=(60, 258)), axis=0)
    take = {
        "before": lambda y: np.diff(y, axis=0, prepend=y[:1]),
        "after": lambda y: np.diff(y, axis=0, append=y[-1:]),
        "between": lambda y: np.gradient(y, axis=0),
    }[kind]
    velocity = scale * take(x)
    stored = np.concatenate([x, velocity, scale * take(velocity)], axis=1)
    assert differences(stored, layout) == pytest.approx([1, 1], abs=1e-6)
    stored[:, 258:516] = np.random.default_rng(4).normal(size=x.shape)
    assert max(differences(stored, layout)) < 0.2
    assert differences(x, LAYOUT) == []


def test_differences_next_to_missing_points_are_left_out():
    layout = Layout("stored", LAYOUT.groups, stored_derivatives=2)
    x = np.cumsum(np.random.default_rng(3).normal(size=(60, 258)), axis=0)
    stored = with_differences(x)
    x_lost = stored.copy()
    x_lost[20:30, :258] = np.nan
    x_lost[20:31, 258:516] = 1000  # as programs that put zeros where they saw nothing have it
    assert differences(x_lost, layout)[0] > 0.99


def test_a_cosine_needs_something_to_compare_with():
    assert np.isnan(cosine(np.zeros(4), np.ones(4))) and cosine(np.ones(4), np.zeros(4)) == 0
    assert cosine(np.array([3.0, 4.0, np.nan]), np.array([4.0, 3.0, 9.0])) == pytest.approx(24 / 25)


def test_shifts_are_in_deviations_of_train():
    chance = np.random.default_rng(5)
    train = [moved(chance.normal(0, 2, (200, 3))) for _ in range(30)]
    dev = [moved(chance.normal((0, 4, 20), 2, (200, 3))) for _ in range(30)]
    assert shifts(train, dev) == pytest.approx([0, 2, 10], abs=0.3)


def test_frame_rates_are_told_by_speed_and_length_together():
    def pair(frames, speed):
        return Utterance("x", ("A",)), Facts(frames=frames, speed=speed)

    known = [pair(40, 0.1)] * 9 + [pair(20, 0.2), pair(20, 0.1), pair(80, 0.05), pair(80, 0.2)]
    assert rate_factors(known)[9:] == pytest.approx([2, 1, 0.5, 1])


def test_glosses_that_look_alike():
    assert plain("Straße") == plain("STRASSE") and plain("A\u200bB\u00ad") == "ab" and plain("ﬁ") == plain("FI")
    assert plain("IX1") != plain("IX2")
    assert longest_run(["A", "B", "B", "B", "B", "C"]) == [("B", 4)] and longest_run(["A", "A", "A", "B", "A"]) == []
    assert longest_run([]) == []


def test_bins_count_every_clip_once_and_the_tails_in_the_outer_ones():
    values = {"train": [*range(100), 1000], "dev": [50, -7]}
    (item,) = distribution("x", values, (0.0, 96.0))
    counts = item.spreads[0].counts
    expected = [sum(4 * i <= value < 4 * i + 4 for value in values["train"]) for i in range(BINS)]
    assert counts == (*expected[:-1], 4 + 4 + 1) and sum(item.spreads[1].counts) == 2 and item.spreads[1].counts[0] == 1
    assert (item.spreads[0].least, item.spreads[0].median, item.spreads[0].most) == (0, 50, 1000)
    assert list(distribution("x", {})) == []
    (few,) = distribution("x", {"train": [0, 1, 3]})
    assert (few.low, few.high) == (0, 3)  # values that there are, not places between them
    (same,) = distribution("x", {"train": [5, 5]})
    assert same.spreads[0].counts[0] == 2


def test_bars_are_as_high_as_bins_are_full():
    assert bars([0, 1, 4, 8]) == " ▁▄█" and bars([1, 1000]) == "▁█" and bars([]) == "" and bars([0, 0]) == "  "
    assert bars([0, 1, 4, 8], PLAIN) == " .=@"


def test_without_blocks_the_histogram_is_plain_ascii():
    (item,) = distribution("frames", {"train": [1, 2, 3], "a-split-of-a-long-name": [2]})
    plain_lines, blocks = list(draw([item], str.isascii)), list(draw([item], lambda text: True))
    assert all(map(str.isascii, plain_lines)) and BLOCKS[-1] in "".join(blocks)
    assert "a-split-of-~" in plain_lines[3] and plain_lines[2].startswith("  train        |")
