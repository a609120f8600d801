"""Variants of clips: what must not change does not, and every setting changes what it says."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slrcli.config import NO_VARIATION, AugmentConfig
from slrcli.features.augment import augment, derivatives, mirror, resample
from slrcli.features.layout import Layout, generic_layout, guess_layout, list_layouts, load_layout

OFF = AugmentConfig(**NO_VARIATION)
NAMES = [*list_layouts()[:-1], "generic-7"]
LAYOUTS = [load_layout(name) for name in list_layouts()[:-1]]
SPATIAL = [layout.name for layout in LAYOUTS if layout.shoulders and all(group.spatial for group in layout.groups)]
SETTINGS = {
    "resample": {"resample": (0.5, 0.5)},
    "warp": {"warp": 1.0, "warp_frames": 4},
    "time_masks": {"time_masks": 5, "time_mask_share": 0.3},
    "rotate": {"rotate": 30.0},
    "scale": {"scale": 0.3},
    "shear": {"shear": 0.3},
    "hand_rotate": {"hand_rotate": 30.0},
    "hand_scale": {"hand_scale": 0.3},
    "point_drop": {"point_drop": 0.3},
    "mirror": {"mirror": 1.0},
}
PLACES = ("rotate", "scale", "shear", "mirror")


def clip(layout: Layout, frames: int = 20, seed: int = 0, missing: float = 0.1) -> np.ndarray:
    """A random clip with its derivatives, whose points go missing one by one (never those that place the body)."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.2, 0.8, (frames, layout.positions)).astype(np.float32)
    placing = {group.column(point, "x") for group, point in map(layout.find, layout.shoulders)}
    for group in layout.groups:
        for i in range(0, group.width, len(group.coordinates)):
            if group.start + i not in placing:
                x[rng.random(frames) < missing, group.start + i : group.start + i + len(group.coordinates)] = np.nan
    return np.hstack([x, derivatives(x, layout.stored_derivatives)]) if layout.stored_derivatives else x


def varied(layout: Layout, seed: int = 0, **options) -> tuple[np.ndarray, np.ndarray]:
    x = clip(layout)
    return x, augment(x, layout, replace(OFF, **options), np.random.default_rng(seed))


def points(x: np.ndarray, layout: Layout, group: str) -> np.ndarray:
    own = layout.by_name[group]
    return x[:, own.start : own.stop].reshape(len(x), len(own.points), -1)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_happens_with_everything_off(name):
    x, y = varied(load_layout(name))
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_changes_clips_where_it_applies(name, setting):
    layout = load_layout(name)
    hands = any(group.kind == "hand" and group.anchor for group in layout.groups)
    applies = hands if setting.startswith("hand") else layout.spatial or setting not in PLACES
    changed = []
    for seed in range(4):
        x, y = varied(layout, seed, **SETTINGS[setting])
        changed.append(x.shape != y.shape or not np.array_equal(x, y, equal_nan=True))
        assert y.dtype == np.float32 and y.shape[1] == layout.width
    assert any(changed) == applies


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_and_the_clip_is_left_alone(name):
    layout = load_layout(name)
    x = clip(layout)
    before = x.copy()
    everything = AugmentConfig(point_drop=0.1, mirror=0.5)
    first, again, other = (augment(x, layout, everything, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(x, before)
    assert first.shape != other.shape or not np.array_equal(first, other, equal_nan=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 60), st.integers(0, 5))
def test_resampling_keeps_both_ends_and_stays_between(frames, wanted, seed):
    x = clip(generic_layout(3), frames, seed, missing=0.2)
    y = resample(x, wanted)
    assert y.shape == (wanted, 3)
    np.testing.assert_array_equal(y[0], x[0])
    if wanted > 1:
        np.testing.assert_array_equal(y[-1], x[-1])
    for column in range(3):
        seen = x[~np.isnan(x[:, column]), column]
        out = y[~np.isnan(y[:, column]), column]
        assert not out.size or (out.min() >= seen.min() - 1e-6 and out.max() <= seen.max() + 1e-6)


def test_resampling_is_numpys_interpolation_where_nothing_is_missing():
    x = clip(generic_layout(2), 13, missing=0)
    at = np.linspace(0, 12, 29)
    expected = np.stack([np.interp(at, np.arange(13), x[:, i]) for i in range(2)], axis=1)
    np.testing.assert_allclose(resample(x, 29), expected, atol=1e-6)


def test_resampling_loses_and_invents_no_points():
    x = np.array([[0], [np.nan], [np.nan], [3], [4]], np.float32)
    np.testing.assert_array_equal(resample(x, 9)[:, 0], [0, np.nan, np.nan, np.nan, np.nan, 3, 3, 3.5, 4])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_playing_faster_leaves_enough_frames(frames, minimum, seed):
    layout = generic_layout(2)
    options = replace(OFF, resample=(0.01, 0.2))
    y = augment(clip(layout, frames), layout, options, np.random.default_rng(seed), minimum)
    assert len(y) >= max(1, min(frames, minimum))


def test_durations_are_spread_between_the_limits():
    layout = generic_layout(1)
    rng = np.random.default_rng(0)
    options = replace(OFF, resample=(0.5, 2.0))
    factors = [len(augment(np.ones((1000, 1), np.float32), layout, options, rng)) / 1000 for _ in range(300)]
    assert min(factors) >= 0.5 and max(factors) <= 2.0
    assert abs(np.log(factors).mean()) < 0.1  # as often slower as faster


@pytest.mark.parametrize("name", NAMES)
def test_mirroring_twice_changes_nothing(name):
    layout = load_layout(name)
    x = clip(layout)[:, : layout.positions]
    np.testing.assert_allclose(mirror(mirror(x, layout), layout), x, atol=1e-5)


@pytest.mark.parametrize("name", SPATIAL)
def test_mirroring_swaps_the_sides_and_turns_x_over(name):
    layout = load_layout(name)
    x = clip(layout, missing=0)[:, : layout.positions]
    y = mirror(x, layout)
    sums = []
    for a, b in [*layout.mirror, *(pair[::-1] for pair in layout.mirror)]:
        (group, point), (other, partner) = layout.find(a), layout.find(b)
        sums.append(x[:, group.column(point, "x")] + y[:, other.column(partner, "x")])
        for coordinate in group.coordinates[1:]:
            np.testing.assert_array_equal(
                x[:, group.column(point, coordinate)], y[:, other.column(partner, coordinate)]
            )
    assert np.ptp(sums) < 1e-4  # all about one vertical line


@pytest.mark.parametrize("name", NAMES)
def test_every_left_has_its_right_in_the_mirror(name):
    layout = load_layout(name)
    partner = {**dict(layout.mirror), **{b: a for a, b in layout.mirror}}
    other = {"left": "right", "right": "left"}
    for point in (name for name in layout.point_names if re.search("left|right", name)):
        expected = re.sub("left|right", lambda side: other[side[0]], point)
        numberless = [re.sub(r"\d+$", "", name) for name in (partner.get(point, ""), expected)]  # brows count from left
        assert numberless[0] == numberless[1], point


def test_a_pose_about_an_origin_of_its_own_is_mirrored_with_the_signer():
    layout = load_layout("holistic-576")
    x = clip(layout, missing=0)[:, : layout.positions]
    before, after = points(x, layout, "pose_world"), points(mirror(x, layout), layout, "pose_world")
    names = layout.by_name["pose_world"].points
    for name, partner in (("nose", "nose"), ("left_wrist", "right_wrist"), ("right_wrist", "left_wrist")):
        own, found = before[:, names.index(name)], after[:, names.index(partner)]
        np.testing.assert_array_equal(found, own * np.float32([-1, 1, 1, 1]))


@pytest.mark.parametrize("name", SPATIAL)
def test_turning_keeps_distances_in_the_picture_and_the_middle_of_the_shoulders(name):
    layout = load_layout(name)
    x, y = varied(layout, rotate=40.0)
    body = layout.find(layout.shoulders[0])[0]
    group = body.name
    before, after = (points(z, layout, group)[..., :2].astype(np.float64) for z in (x, y))
    np.testing.assert_allclose(
        np.linalg.norm(before[:, 1:] - before[:, :-1], axis=2),
        np.linalg.norm(after[:, 1:] - after[:, :-1], axis=2),
        atol=1e-5,
    )
    rows = [body.index(layout.find(shoulder)[1]) for shoulder in layout.shoulders]
    np.testing.assert_allclose(before[:, rows].mean(axis=(0, 1)), after[:, rows].mean(axis=(0, 1)), atol=1e-5)
    np.testing.assert_array_equal(points(x, layout, group)[..., 2:], points(y, layout, group)[..., 2:])


def test_angles_reach_to_the_limit_in_both_directions():
    layout = load_layout("kinect-20")
    x = clip(layout, missing=0)
    rng = np.random.default_rng(0)
    angles = []
    for _ in range(200):
        y = augment(x, layout, replace(OFF, rotate=20.0), rng)
        (a, b), (c, d) = (points(z, layout, "pose")[0, [2, 3], :2] for z in (x, y))
        turned = np.angle(complex(*(d - c)) / complex(*(b - a)), deg=True)
        angles.append(turned)
    assert -20.01 <= min(angles) < -15 and 15 < max(angles) <= 20.01


@pytest.mark.parametrize("name", ["mediapipe-1629", "mediapipe-126"])
def test_each_hand_turns_about_its_own_wrist_and_nothing_else_moves(name):
    layout = load_layout(name)
    angles = {"left_hand": [], "right_hand": []}
    for seed in range(40):
        x, y = varied(layout, seed, hand_rotate=15.0)
        for group in layout.groups:
            before, after = points(x, layout, group.name), points(y, layout, group.name)
            if group.name not in angles:
                np.testing.assert_array_equal(before, after)
                continue
            seen = np.isfinite(before[:, :2]).all(axis=(1, 2))
            ways = [z[seen][:, 1, :2] - z[seen][:, 0, :2] for z in (before, after)]
            turned = [complex(*b) / complex(*a) for a, b in zip(*ways, strict=True)]
            np.testing.assert_allclose(turned, turned[0], atol=1e-4)
            assert abs(turned[0]) == pytest.approx(1, abs=1e-4)
            angles[group.name].append(np.angle(turned[0], deg=True))
            np.testing.assert_allclose(after[:, 0], before[:, 0], atol=1e-6)
            np.testing.assert_array_equal(before[..., 2], after[..., 2])
    left, right = angles.values()
    assert max(map(abs, left + right)) <= 15.01 and max(map(abs, left)) > 10
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.5


@pytest.mark.parametrize("name", SPATIAL)
def test_what_is_missing_stays_missing_and_visibility_stays(name):
    layout = load_layout(name)
    x, y = varied(layout, rotate=20.0, scale=0.2, shear=0.2, hand_rotate=15.0, hand_scale=0.15)
    np.testing.assert_array_equal(np.isnan(x), np.isnan(y))
    if "visibility" in layout.groups[0].coordinates:
        np.testing.assert_array_equal(points(x, layout, "pose")[..., 3], points(y, layout, "pose")[..., 3])


def test_masks_stay_within_their_share():
    layout = generic_layout(2)
    x = np.ones((100, 2), np.float32)
    rng = np.random.default_rng(0)
    masked = [
        int(np.isnan(augment(x, layout, replace(OFF, time_masks=3, time_mask_share=0.1), rng)).all(axis=1).sum())
        for _ in range(300)
    ]
    assert max(masked) <= 30 and max(masked) > 15 and min(masked) == 0


def test_points_that_place_the_body_are_never_dropped():
    layout = load_layout("mediapipe-258")
    x = clip(layout, missing=0)
    y = augment(x, layout, replace(OFF, point_drop=1.0), np.random.default_rng(0))
    seen = {
        point for i, point in enumerate(layout.groups[0].points) if np.isfinite(points(y, layout, "pose")[:, i]).all()
    }
    assert seen == {"left_shoulder", "right_shoulder"}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_off_draws_nothing(name):
    layout = load_layout(name)
    rng = np.random.default_rng(5)
    augment(clip(layout), layout, OFF, rng)
    assert rng.bit_generator.state == np.random.default_rng(5).bit_generator.state


@pytest.mark.parametrize("setting", SETTINGS)
def test_stored_derivatives_follow_the_positions(setting):
    layout = load_layout("mediapipe-6516")
    for seed in range(3):
        _, y = varied(layout, seed, **SETTINGS[setting])
        seen = ~np.isnan(y[:, : layout.positions]).all(axis=1)  # masked frames are masked throughout
        assert np.isnan(y[~seen]).all()
        if seen.all():
            np.testing.assert_array_equal(y[:, 1629:], derivatives(y[:, :1629], 3))


def test_derivatives_are_differences_of_differences():
    x = clip(generic_layout(3), 9, missing=0)
    v, a, j = np.split(derivatives(x, 3), 3, axis=1)
    for block, order in ((v, 1), (a, 2), (j, 3)):
        np.testing.assert_allclose(block[order:], np.diff(x, n=order, axis=0), atol=1e-6)
        assert (block[:order] == 0).all()
    assert derivatives(x[:1], 3).shape == (1, 9) and (derivatives(x[:1], 3) == 0).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frames", [1, 2])
def test_clips_of_a_frame_or_of_nothing_seen_survive(name, frames):
    layout = load_layout(name)
    everything = AugmentConfig(
        resample=(0.3, 3.0), warp=1.0, time_masks=3, time_mask_share=0.5, rotate=30.0, scale=0.2, shear=0.2,
        hand_rotate=15.0, hand_scale=0.15, point_drop=0.3, mirror=1.0,
    )  # fmt: skip
    for x in (clip(layout, frames), np.full((frames, layout.width), np.nan, np.float32)):
        for seed in range(5):
            y = augment(x, layout, everything, np.random.default_rng(seed))
            assert len(y) >= 1 and y.shape[1] == layout.width


def test_real_clips_keep_their_meaning(real_data):
    with np.load(real_data / "data" / "isl30" / "clips.npz", allow_pickle=False) as pack:
        x = pack["x"][: int(pack["length"][0])].astype(np.float32)
    layout = guess_layout(x.shape[1])
    y = augment(x, layout, AugmentConfig(mirror=1.0, time_masks=0), np.random.default_rng(3))
    height = [points(z, layout, "pose")[..., 1].mean(axis=0) for z in (x, y)]
    hand = [np.argmax(h) for h in height]
    assert hand == [9, 8]  # the raised hand is the other one, and still above the head
    assert np.isfinite(y).all()


# Pace


def test_warping_keeps_ends_order_and_duration():
    layout = generic_layout(1)
    ramp = np.arange(100, dtype=np.float32)[:, None]
    only = AugmentConfig(**{**NO_VARIATION, "warp": 0.5, "warp_frames": 10})
    paces = []
    for seed in range(20):
        y = augment(ramp, layout, only, np.random.default_rng(seed))[:, 0]
        assert len(y) == 100 and y[0] == 0 and abs(y[-1] - 99) < 1e-3
        assert (np.diff(y) > 0).all()
        paces.append(np.diff(y))
    ratio = np.max(paces) / np.min(paces)
    assert 1.8 < ratio <= 1.5**4 + 1e-3  # from 1/1.5 to 1.5 times, then scaled to keep the duration
    assert max(pace.max() / pace.min() for pace in paces) <= 1.5**2 + 1e-3
