"""Bringing a recording into another layout: points by name, units by the size of the picture, and never in silence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slrcli.errors import DataError
from slrcli.features.layout import Layout, generic_layout, list_layouts, load_layout
from slrcli.features.recording import Recording, fit

RNG = np.random.default_rng(0)


def recording(name: str, frames: int = 4, **known) -> Recording:
    layout = load_layout(name)
    return Recording(RNG.random((frames, layout.width), dtype=np.float32), layout, **known)


def column(layout: Layout, point: str, coordinate: str) -> int:
    group, name = layout.find(point)
    return group.column(name, coordinate)


def test_kaggles_order_becomes_ours_column_by_column():
    found = fit(recording("kaggle-543"), load_layout("mediapipe-1629"))
    again = fit(found, load_layout("kaggle-543"))
    source = recording("kaggle-543")
    target = fit(source, load_layout("mediapipe-1629"))
    # As asl-signs documents it: rows 0-467 face, 468-488 left hand, 489-521 pose, 522-542 right hand.
    rows = source.values.reshape(4, 543, 3)
    ours = np.concatenate([rows[:, 489:522], rows[:, 468:489], rows[:, 522:543], rows[:, :468]], axis=1)
    np.testing.assert_array_equal(target.values, ours.reshape(4, -1))
    assert again.layout.name == "kaggle-543" and found.notes == ()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list_layouts()[:-1]), st.sampled_from(list_layouts()[:-1]))
def test_every_point_that_both_have_goes_over_and_no_other(one, other):
    source, target = recording(one, size=(640, 480)), load_layout(other)
    shared = set(source.layout.point_names) & set(target.point_names)
    try:
        found = fit(source, target)
    except DataError as error:
        assert not shared or "metres" in str(error)
        return
    seen = np.isfinite(found.values[:, : target.positions]).any(axis=0)
    for name in target.point_names:
        group, _ = target.find(name)
        assert all(seen[column(target, name, axis)] == (name in shared) for axis in ("x", "y") if axis in group.axes)
    assert bool(found.notes) == (len(shared) < len(target.point_names))


def test_pixels_become_shares_of_width_and_height_and_depth_stays():
    source = recording("holistic-178", size=(640, 480))
    found = fit(source, load_layout("mediapipe-258"))
    for axis, extent in (("x", 640), ("y", 480), ("z", 1)):
        own = source.values[:, column(source.layout, "left_hand.index_tip", axis)]
        np.testing.assert_allclose(
            found.values[:, column(found.layout, "left_hand.index_tip", axis)], own / extent, 1e-6
        )
    confidence = source.values[:, column(source.layout, "pose.left_wrist", "confidence")]
    np.testing.assert_array_equal(found.values[:, column(found.layout, "pose.left_wrist", "visibility")], confidence)
    back = fit(Recording(found.values, found.layout, size=(640, 480)), load_layout("holistic-178"))
    places = [column(back.layout, f"right_hand.{point}", axis) for point in ("wrist", "thumb_tip") for axis in "xyz"]
    np.testing.assert_allclose(back.values[:, places], source.values[:, places], 1e-6)


def test_units_need_the_size_of_the_picture():
    with pytest.raises(DataError, match="the picture size is needed") as caught:
        fit(recording("openpose-137"), load_layout("mediapipe-258"), "clip.json")
    assert caught.value.where == "clip.json" and "--size" in caught.value.fix
    with pytest.raises(DataError, match="units metres cannot be converted to image"):
        fit(recording("kinect-20", size=(640, 480)), load_layout("mediapipe-258"))


def test_confidence_that_is_not_given_is_one_where_a_point_was_seen():
    source = recording("mediapipe-225")
    source.values[1, :] = np.nan
    found = fit(source, load_layout("mediapipe-258"))
    visibility = found.values[:, column(found.layout, "pose.nose", "visibility")]
    np.testing.assert_array_equal(visibility, [1, np.nan, 1, 1])


def test_derivatives_are_computed_where_the_layout_stores_them():
    source = recording("mediapipe-1629")
    found = fit(source, load_layout("mediapipe-6516"))
    np.testing.assert_array_equal(found.values[:, :1629], source.values)
    np.testing.assert_allclose(found.values[1:, 1629:3258], np.diff(source.values, axis=0), atol=1e-6)


def test_layouts_without_a_point_in_common_are_refused():
    own = Layout.from_dict(
        {"name": "mine", "groups": [{"name": "tail", "kind": "pose", "coordinates": ["x", "y"], "points": ["a", "b"]}]}
    )
    with pytest.raises(DataError, match=r"the points of kinect-20, and none of layout mine"):
        fit(recording("kinect-20"), own)


def test_plain_numbers_and_generic_layouts_pass_unchanged():
    plain = Recording(RNG.random((3, 7), dtype=np.float32))
    assert fit(plain, generic_layout(7)).values is plain.values
    source = recording("kinect-20")
    assert fit(source, generic_layout(60)).values is source.values
