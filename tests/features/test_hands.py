"""Each hand in a slot of its own: against every assignment there is, and slots that were swapped put back."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from support.planted_hands import FLAT, HANDS, signing, swapped

from slrcli.features.hands import (
    APPEARS,
    ARMS_CROSSED,
    CHANGE,
    FARTHEST,
    Sight,
    assign_hands,
    cheapest,
    free_hands,
    hand_tracks,
)
from slrcli.features.layout import Layout, generic_layout, list_layouts, load_layout
from slrcli.features.recording import prepare


def slots(x):
    return np.split(x, 2, axis=1)


# The search


def plain_cost(sights, crossed):
    """What an assignment costs, written down from its description."""
    total = 0.0
    last = [None, None]
    for t, sight in enumerate(sights):
        if sight.together:
            now = [None, sight.slots[0]] if crossed[t] else [sight.slots[0], None]
        else:
            now = list(reversed(sight.slots)) if crossed[t] else list(sight.slots)
        if t and crossed[t] != crossed[t - 1] and not sight.together and not sights[t - 1].together:
            total += CHANGE
        for track in (0, 1):
            if now[track] is None:
                continue
            if last[track] is not None:
                total += min(math.dist(now[track], last[track]), FARTHEST)
            elif now[1 - track] is None and last[1 - track] is not None:
                total += APPEARS
        if None not in now and now[0][0] < now[1][0]:
            total += ARMS_CROSSED
        last = [place or before for place, before in zip(now, last, strict=True)]
    return total


def random_sights(rng, frames, lost, together):
    found = []
    hands = rng.normal(scale=2, size=(2, 2))
    for _ in range(frames):
        hands += rng.normal(scale=rng.choice([0.1, 0.5, 2.0]), size=(2, 2))
        places = [tuple(place) for place in hands[:: rng.choice([1, -1])].tolist()]
        if rng.random() < together:
            found.append(Sight((places[0], places[0]), True))
        else:
            found.append(Sight(tuple(place if rng.random() >= lost else None for place in places)))
    return found


@pytest.mark.parametrize(("lost", "together"), [(0, 0), (0.3, 0), (0, 0.4), (0.3, 0.3), (0.6, 0.3), (0, 1), (1, 0)])
def test_the_assignment_is_the_cheapest_of_all_there_are(lost, together):
    rng = np.random.default_rng([int(10 * lost), int(10 * together)])
    for frames in (1, 2, 3, 5, 7, 8):
        for _ in range(6):
            sights = random_sights(rng, frames, lost, together)
            every = [plain_cost(sights, way) for way in itertools.product((False, True), repeat=frames)]
            cost, crossed = cheapest(sights)
            assert cost == pytest.approx(min(every))
            assert plain_cost(sights, crossed) == pytest.approx(cost)


def test_the_place_where_a_lost_hand_was_last_is_not_forgotten():
    """The cheapest way up to the loss of a hand is not the beginning of the cheapest way beyond it."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        sights = random_sights(rng, 2, 0, 0) + random_sights(rng, 4, 0.5, 0.5) + random_sights(rng, 2, 0, 0)
        every = [plain_cost(sights, way) for way in itertools.product((False, True), repeat=8)]
        assert cheapest(sights)[0] == pytest.approx(min(every))


# Slots put right


@pytest.mark.parametrize("layout", [HANDS, FLAT], ids=["with depth", "flat"])
@pytest.mark.parametrize("seed", range(4))
def test_slots_swapped_in_some_frames_are_put_back_exactly(layout, seed):
    x = signing(layout=layout, seed=seed)
    frames = np.random.default_rng(seed).random(len(x)) < 0.4
    assert np.array_equal(assign_hands(swapped(x, frames), layout), x)


def test_a_clip_without_a_change_is_handed_on_as_it_is():
    x = signing()
    assert assign_hands(x, HANDS) is x


def test_the_hand_that_is_mostly_on_the_right_comes_first():
    x = signing()
    assert np.array_equal(assign_hands(swapped(x), HANDS), x)


def test_arms_may_cross_for_a_while():
    x = signing(100)
    there = np.zeros((100, 1), np.float32)
    there[40:60, 0] = np.sin(np.linspace(0, np.pi, 20))
    x[:, 0:63:3] -= 0.5 * there
    x[:, 63::3] += 0.5 * there
    x[:, 1:63:3] -= 0.8 * there  # one above the other
    assert (x[:, 0] < x[:, 63]).sum() > 10
    assert assign_hands(x, HANDS) is x


@pytest.mark.parametrize("seed", range(4))
def test_swapping_the_slots_of_the_whole_clip_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    x = signing(seed=seed)
    for _ in range(4):
        frames, (first, second) = rng.random(len(x)) < 0.3, np.sort(rng.choice(len(x), 2))
        y = swapped(x, frames)
        y[first:second, :63] = y[first:second, 63:] + rng.normal(scale=1e-3, size=(second - first, 63))
        y[rng.random(len(x)) < 0.1, 63:] = np.nan
        assert np.array_equal(assign_hands(y, HANDS), assign_hands(swapped(y), HANDS), equal_nan=True)


@pytest.mark.parametrize("slot", [0, 1])
def test_a_hand_in_both_slots_is_one_and_the_other_is_missing(slot):
    x = signing()
    left, right = slots(x)
    y = x.copy()
    y[30:33] = np.tile(slots(x)[slot][30:33], 2)
    y[50:58] = np.tile(slots(x)[slot][50:58], 2)
    found = slots(assign_hands(y, HANDS))
    assert np.array_equal(found[slot], (left, right)[slot])
    gone = np.isnan(found[1 - slot]).all(axis=1)
    assert np.flatnonzero(gone).tolist() == [30, 31, 32, *range(50, 58)]
    assert np.array_equal(found[1 - slot][~gone], (left, right)[1 - slot][~gone])
    filled = slots(prepare(y, HANDS, max_gap=5, hands=True))[1 - slot]
    assert np.isnan(filled[50:58]).all(), "too long to be on a straight line"
    line = np.linspace(filled[29], filled[33], 5)
    assert np.allclose(filled[29:34], line, atol=1e-6)


def test_two_detections_of_one_hand_become_their_mean():
    x = signing()
    y = x.copy()
    nudge = np.random.default_rng(1).normal(scale=2e-3, size=(3, 63)).astype(np.float32)
    y[30:33, 63:] = x[30:33, :63] + nudge
    y[31, 63 + 12] = np.nan
    found = assign_hands(y, HANDS)
    expected = x[30:33, :63] + nudge / 2
    expected[1, 12] = x[31, 12]
    assert np.allclose(found[30:33, :63], expected, atol=1e-6)
    assert np.isnan(found[30:33, 63:]).all()


def test_missing_hands_stay_missing_and_the_others_find_their_track():
    x = signing()
    y = x.copy()
    y[5:20, 63:] = np.nan
    y[10:12] = np.nan
    y[40:44, :63] = np.nan
    frames = np.random.default_rng(2).random(len(x)) < 0.5
    assert np.array_equal(assign_hands(swapped(y, frames), HANDS), y, equal_nan=True)


def test_points_of_which_one_coordinate_is_missing_or_infinite_do_not_lead_astray():
    x = signing()
    y = x.copy()
    y[10:30, 0:60:3] = np.nan  # of the first hand only y and z are known, but for one point
    y[35, 66] = np.inf
    frames = np.random.default_rng(4).random(len(x)) < 0.4
    assert np.array_equal(assign_hands(swapped(y, frames), HANDS), y, equal_nan=True)


@pytest.mark.parametrize("slot", [0, 1])
def test_a_hand_that_is_alone_stays_one_hand_in_its_slot_however_fast_it_is(slot):
    x = signing()
    x[30:, :] += np.float32(0.1)  # a hand and more from one frame to the next
    x[:, 63 * (1 - slot) : 63 * (2 - slot)] = np.nan
    assert assign_hands(x, HANDS) is x
    both = np.tile(slots(x)[slot], 2)
    found = slots(assign_hands(both, HANDS))
    assert np.array_equal(found[0], slots(x)[slot]) and np.isnan(found[1]).all()


def test_stored_derivatives_go_with_their_hand():
    layout = replace(HANDS, stored_derivatives=2)
    x = signing()
    step = np.gradient(x, axis=0)
    whole = np.concatenate([x, step, np.gradient(step, axis=0)], axis=1)
    frames = np.random.default_rng(2).random(len(x)) < 0.4
    mixed = np.concatenate([swapped(part, frames) for part in np.split(whole, 3, axis=1)], axis=1)
    assert np.array_equal(assign_hands(mixed, layout), whole)
    one = whole.copy()
    for part in np.split(one, 3, axis=1):  # views
        part[20:23, 63:] = part[20:23, :63]
    found = np.split(assign_hands(one, layout), 6, axis=1)
    assert [bool(np.isnan(part[20:23]).all()) for part in found] == [False, True] * 3


def test_columns_of_something_else_are_left_alone():
    table = {
        "name": "boxes",
        "like": "mediapipe-126",
        "groups": [
            {"name": "box", "kind": "features", "count": 3, "coordinates": ["x"]},
            {"name": "left_hand"},
            {"name": "right_hand"},
        ],
    }
    layout = Layout.from_dict(table)
    x = np.concatenate([np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32), signing()], axis=1)
    y = x.copy()
    y[::3, 3:] = swapped(x[:, 3:])[::3]
    assert np.array_equal(assign_hands(y, layout), x)


@pytest.mark.parametrize("value", [3e38, 1e30, -2e20])
def test_points_that_no_picture_holds_are_not_seen_and_cost_no_time(value):
    x = signing()
    x[::2, :63] = x[1::3, 63:] = value
    tracks = hand_tracks(x, HANDS)
    seen = np.where(np.abs(x) < 1e9, x, np.nan)
    assert all(map(np.array_equal, tracks, hand_tracks(seen, HANDS))) and not tracks.crossed.any()


# Nothing to do


@pytest.mark.parametrize("frames", [1, 2, 30])
def test_a_clip_that_shows_no_hand_comes_back(frames):
    x = np.full((frames, 126), np.nan, np.float32)
    assert assign_hands(x, HANDS) is x


def test_clips_of_one_frame():
    x = signing(frames=1)
    assert assign_hands(x, HANDS) is x
    assert np.array_equal(assign_hands(swapped(x), HANDS), x)
    both = np.tile(x[:, :63], 2)
    found = slots(assign_hands(both, HANDS))
    assert np.array_equal(found[0], x[:, :63]) and np.isnan(found[1]).all()


def test_layouts_with_a_body_and_without_two_like_hands_are_left_alone():
    kept = [load_layout(name) for name in list_layouts()[:-1] if name != "mediapipe-126"]
    groups = [{"name": "left_hand"}], [{"name": "left_hand"}, {"name": "right_hand", "points": ["wrist", "thumb_tip"]}]
    own = [Layout.from_dict({"name": "own", "like": "mediapipe-126", "groups": rows}) for rows in groups]
    for layout in [*kept, generic_layout(126), *own]:
        x = np.random.default_rng(1).normal(size=(4, layout.width)).astype(np.float32)
        assert free_hands(layout) is None
        assert hand_tracks(x, layout) is None
        assert assign_hands(x, layout) is x


def test_what_comes_in_is_not_changed_and_prepare_asks_only_when_told():
    x = signing()
    y = swapped(x, np.arange(0, 60, 7))
    before = y.copy()
    assert np.array_equal(prepare(y, HANDS, hands=True), x)
    assert np.array_equal(y, before)
    assert np.array_equal(prepare(y, HANDS), y)


# Counting


def test_changes_and_frames_of_one_hand_are_counted():
    x = signing()
    y = swapped(x, slice(10, 20))
    y[40:44, 63:] = y[40:44, :63]
    y[50:52] = np.nan
    y[55, 63:] = np.nan
    tracks = hand_tracks(y, HANDS)
    assert tracks.changes == 2
    assert np.flatnonzero(tracks.together).tolist() == [40, 41, 42, 43]
    assert np.flatnonzero(tracks.empty).tolist() == [50, 51]


def test_a_change_of_slots_counts_where_only_one_hand_is_seen():
    x = signing()
    y = x.copy()
    y[20:30, :63] = np.nan
    assert hand_tracks(y, HANDS).changes == 0
    assert hand_tracks(swapped(y, slice(24, 30)), HANDS).changes == 2
