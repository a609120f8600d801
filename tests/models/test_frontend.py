"""The frontend: what is made of positions, checked against a plain numpy version and against what must not matter."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slrcli.features.augment import derivatives
from slrcli.features.layout import Layout, guess_layout, list_layouts, load_layout
from slrcli.models.frontend import Frontend, FrontendOptions, nearest

NAMES = [*list_layouts()[:-1], "generic-7"]
LAYOUTS = [load_layout(name) for name in list_layouts()[:-1]]
SPATIAL = [layout.name for layout in LAYOUTS if layout.shoulders and all(group.spatial for group in layout.groups)]
AS_STORED = FrontendOptions(body=False, keep=False, hands=False, bones=False, derivatives=3, presence=False)
PLAIN = {"bones": False, "turn_frames": 1}  # positions alone, each frame turned by itself
NAN = float("nan")


def clips(layout: Layout, count: int = 3, frames: int = 12, missing: float = 0.1, seed: int = 0) -> torch.Tensor:
    """Random clips `[count, frames, D]` in which whole points are missing here and there."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.2, 0.8, (count, frames, layout.width)).astype(np.float32)
    for group in layout.groups:
        for i in range(group.start, group.stop, len(group.coordinates)):
            x[rng.random((count, frames)) < missing, i : i + len(group.coordinates)] = np.nan
    return torch.from_numpy(x)


def full(x: torch.Tensor) -> torch.Tensor:
    return torch.full((x.shape[0],), x.shape[1])


def output(layout: Layout, x: torch.Tensor, **options) -> torch.Tensor:
    """What comes out unstandardised, without directions of bones, for clips without padding."""
    return Frontend(layout, FrontendOptions(**{"standardise": False, **PLAIN, **options}))(x, full(x))


def shift(x: torch.Tensor, layout: Layout, by: tuple[float, ...]) -> torch.Tensor:
    """All points of all clips moved by the same."""
    return positions_changed(x, layout, lambda points: points + torch.tensor(by)[: points.shape[-1]])


def positions_changed(x: torch.Tensor, layout: Layout, change) -> torch.Tensor:
    """`change([B, T, P, axes]) -> the same shape` applied to the positions of every group."""
    x = x.clone()
    for group in layout.groups:
        points = x[..., group.start : group.stop].unflatten(2, (len(group.points), -1)).clone()
        points[..., : len(group.axes)] = change(points[..., : len(group.axes)])
        x[..., group.start : group.stop] = points.flatten(2)
    return x


def yaw(degrees: float) -> torch.Tensor:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return torch.tensor([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]], dtype=torch.float32)


def columns(layout: Layout, options: FrontendOptions, block: str) -> slice:
    groups = Frontend(layout, options).groups
    start = sum(list(groups.values())[: list(groups).index(block)])
    return slice(start, start + groups[block])


# What comes out, and in which order


@pytest.mark.parametrize("name", ["mediapipe-1629", "mediapipe-6516"])
def test_blocks_of_the_forerunners_network(name):
    frontend = Frontend(load_layout(name), AS_STORED)
    assert dict(frontend.groups) == {"pose": 99, "hand": 126, "face": 1404, "temporal": 4887}
    assert frontend.width == 6516


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("generic-22", {"features": 22, "temporal": 66}),
        ("kinect-20", {"pose": 60, "temporal": 180}),
        ("mediapipe-258", {"pose": 132, "hand": 126, "temporal": 675}),
        ("mediapipe-1662", {"pose": 132, "face": 1404, "hand": 126, "temporal": 4887}),
    ],
)
def test_blocks_of_other_layouts_with_everything_shown(name, groups):
    assert dict(Frontend(load_layout(name), AS_STORED).groups) == groups


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("body", [True, False])
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_widths_are_what_comes_out(name, body, keep, count):
    layout = load_layout(name)
    frontend = Frontend(layout, FrontendOptions(body=body, keep=keep, derivatives=count, presence=keep))
    x = clips(layout, 2, 4)
    assert frontend(x, full(x)).shape == (2, 4, frontend.width)
    assert frontend.width == sum(frontend.groups.values())
    assert ("temporal" in frontend.groups) == (count > 0) and ("presence" in frontend.groups) == keep


def test_stored_columns_pass_unchanged():
    layout = load_layout("mediapipe-6516")
    x = clips(layout, missing=0)
    assert torch.equal(output(layout, x, **vars_of(AS_STORED)), x)


def vars_of(options: FrontendOptions) -> dict:
    names = ("body", "keep", "hands", "bones", "derivatives", "presence")
    return {name: getattr(options, name) for name in names}


def test_derived_and_stored_derivatives_agree():
    short, long = load_layout("mediapipe-1629"), load_layout("mediapipe-6516")
    x = clips(short)
    stored = torch.from_numpy(np.stack([np.hstack([clip, derivatives(clip, 3)]) for clip in x.numpy()]))
    for count in (1, 2, 3):
        options = {**vars_of(AS_STORED), "derivatives": count}
        torch.testing.assert_close(output(short, x, **options), output(long, stored, **options))


def test_derivatives_follow_the_normalised_positions_and_not_what_is_stored():
    short, long = load_layout("mediapipe-1629"), load_layout("mediapipe-6516")
    x = clips(short)
    rubbish = torch.cat([x, torch.randn(3, 12, 4887)], dim=2)
    for options in ({}, {"keep": False}, {"body": False}):
        assert torch.equal(output(short, x, **options), output(long, rubbish, **options))


def test_derivatives_are_differences_of_what_stands_before_them():
    layout, options = load_layout("kinect-20"), FrontendOptions(derivatives=3, standardise=False, **PLAIN)
    x = clips(layout, missing=0)
    y = output(layout, x, derivatives=3)
    pose = y[..., columns(layout, options, "pose")].numpy()
    expected = np.stack([derivatives(clip, 3) for clip in pose])
    np.testing.assert_allclose(y[..., columns(layout, options, "temporal")], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["mediapipe-258", "mediapipe-1662"])
def test_visibility_stands_beside_its_group_as_it_is(name):
    layout, options = load_layout(name), FrontendOptions(standardise=False, **PLAIN)
    x = clips(layout, missing=0)
    pose = layout.by_name["pose"]
    kept = [pose.column(point, "visibility") for point in pose.keep]
    assert torch.equal(output(layout, x)[..., columns(layout, options, "pose")][..., -len(kept) :], x[..., kept])


def test_kept_points_alone_come_out_in_their_order():
    layout = load_layout("kinect-20")
    x = clips(layout, missing=0)
    pose = layout.by_name["pose"]
    kept = [pose.column(point, axis) for point in pose.keep for axis in "xyz"]
    y = output(layout, x, body=False, derivatives=0, presence=False)
    assert torch.equal(y, x[..., kept])


def test_presence_is_the_share_of_points_that_are_there():
    layout, options = load_layout("mediapipe-258"), FrontendOptions(keep=False, **PLAIN)
    x = clips(layout, 1, 3, missing=0)
    x[0, 1, 132:195] = NAN
    x[0, 2, 195 : 195 + 30] = NAN
    y = Frontend(layout, options)(x, full(x))[0, :, columns(layout, options, "presence")]
    torch.testing.assert_close(y, torch.tensor([[1, 1, 1], [1, 0, 1], [1, 1, 11 / 21]]))


# The body's own coordinates


def normalised_slowly(clip: np.ndarray, layout: Layout) -> dict[str, np.ndarray]:
    """Positions of one clip `[T, D]` without missing points, centred, scaled and turned frame by frame."""
    positions = {}
    for group in layout.groups:
        points = clip[:, group.start : group.stop].reshape(len(clip), len(group.points), -1)
        positions[group.name] = points[..., : len(group.axes)].astype(np.float64)
    ends = [positions[g.name][:, g.index(point)] for g, point in map(layout.find, layout.shoulders)]
    across = ends[1] - ends[0]
    distance = 3 if layout.units == "metres" else 2
    scale = np.mean([np.linalg.norm(vector[:distance]) for vector in across])
    for group in layout.groups:
        size = palm_slowly(positions[group.name][..., :distance], group, layout) or scale
        for t, points in enumerate(positions[group.name]):
            points -= np.mean([points[group.index(name)] for name in group.anchor], axis=0)
            if layout.turn:
                angle = np.arctan2(across[t, 2], across[t, 0])
                points[:] = points @ yaw(np.rad2deg(angle)).numpy().T
            points /= size
    return positions


def palm_slowly(points: np.ndarray, group, layout: Layout) -> float:
    """Mean distance over the clip from a hand's anchor to the middle of the points that a limb joins to it; else 0."""
    if group.kind != "hand":
        return 0.0
    anchor, palm = f"{group.name}.{group.anchor[0]}", []
    for a, b in layout.limbs:
        ends = {layout.point_names[a], layout.point_names[b]}
        if anchor in ends:
            palm.append(group.index((ends - {anchor}).pop().partition(".")[2]))
    middle = np.mean([points[:, point] for point in sorted(set(palm))], axis=0)
    return float(np.mean([np.linalg.norm(frame) for frame in middle - points[:, group.index(group.anchor[0])]]))


@pytest.mark.parametrize("name", SPATIAL)
def test_normalising_agrees_with_the_plain_version(name):
    layout = load_layout(name)
    x = clips(layout, 2, missing=0)
    y = output(layout, x, keep=False, hands=False, derivatives=0, presence=False)
    for clip, result in zip(x.numpy(), y.numpy(), strict=True):
        expected = {"pose": [], "face": [], "hand": []}
        for group in layout.groups:
            expected[group.kind].append(normalised_slowly(clip, layout)[group.name].reshape(len(clip), -1))
        start = 0
        for kind in dict.fromkeys(group.kind for group in layout.groups):
            block = np.hstack(expected[kind])
            np.testing.assert_allclose(result[:, start : start + block.shape[1]], block, atol=2e-4)
            beside = [len(g.points) * (len(g.coordinates) - len(g.axes)) for g in layout.groups if g.kind == kind]
            start += block.shape[1] + sum(beside)


@pytest.mark.parametrize("name", SPATIAL)
def test_place_and_size_do_not_matter(name):
    layout = load_layout(name)
    x = clips(layout)
    y = output(layout, x)
    torch.testing.assert_close(output(layout, shift(x, layout, (0.3, -0.2, 0.5))), y, atol=2e-4, rtol=1e-4)
    bigger = positions_changed(x, layout, lambda points: 2.5 * points)
    torch.testing.assert_close(output(layout, bigger), y, atol=2e-4, rtol=1e-4)


def test_a_sensors_calibration_does_not_matter_once_features_are_centred():
    layout = load_layout("generic-7")
    x = clips(layout)
    moved = x + torch.linspace(-3, 3, 7)
    for count in (0, 2):
        found = [output(layout, each, centre=True, derivatives=count) for each in (x, moved)]
        torch.testing.assert_close(*found, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(output(layout, x), output(layout, moved), atol=0.1)
    values, known = Frontend(layout, FrontendOptions(centre=True, derivatives=0)).raw(x, full(x))
    assert known[..., :7].equal(x.isfinite())  # what is missing stays missing
    torch.testing.assert_close(values[..., :7].nanmean(dim=1), torch.zeros(3, 7), atol=1e-6, rtol=0)


def test_place_matters_without_body():
    layout = load_layout("mediapipe-258")
    x = clips(layout)
    assert not torch.allclose(output(layout, shift(x, layout, (0.3, 0, 0)), body=False), output(layout, x, body=False))


@pytest.mark.parametrize("degrees", [35.0, -80.0, 170.0])
def test_facing_does_not_matter_where_depth_is_measured(degrees):
    layout = load_layout("kinect-20")
    x = clips(layout)
    turned = positions_changed(x, layout, lambda points: points @ yaw(degrees).T)
    torch.testing.assert_close(output(layout, turned), output(layout, x), atol=1e-3, rtol=1e-3)
    assert not torch.allclose(output(replace(layout, turn=False), turned), output(replace(layout, turn=False), x))


def test_shoulders_lie_along_x_after_turning():
    layout, options = load_layout("kinect-20"), FrontendOptions(keep=False, standardise=False, **PLAIN)
    x = clips(layout, missing=0)
    pose = output(layout, x, keep=False)[..., columns(layout, options, "pose")].unflatten(2, (20, 3))
    across = pose[:, :, 3] - pose[:, :, 2]
    assert (across[..., 0] > 0).all() and across[..., 2].abs().max() < 1e-5
    torch.testing.assert_close(across.norm(dim=2).mean(dim=1), torch.ones(3))


def test_signer_turning_within_a_clip_is_followed_frame_by_frame():
    layout = load_layout("kinect-20")
    still = clips(layout, 1, 1, missing=0).expand(1, 8, 60).clone()
    turning = still.clone()
    for t in range(8):
        points = turning[:, t : t + 1].unflatten(2, (20, 3)) @ yaw(10.0 * t).T
        turning[:, t : t + 1] = points.flatten(2)
    torch.testing.assert_close(output(layout, turning), output(layout, still), atol=1e-4, rtol=1e-4)


def test_hands_are_shaped_about_the_wrist_and_placed_against_the_body():
    layout, options = load_layout("mediapipe-258"), FrontendOptions(standardise=False, **PLAIN)
    x = clips(layout, 1, missing=0)
    y = output(layout, x)[..., columns(layout, options, "hand")]
    pose, left = layout.by_name["pose"], layout.by_name["left_hand"]
    ends = [x[..., [pose.column(side, axis) for axis in "xy"]] for side in ("left_shoulder", "right_shoulder")]
    size = (ends[1] - ends[0]).norm(dim=2).mean()
    wrist = x[..., [left.column("wrist", axis) for axis in "xy"]]
    torch.testing.assert_close(y[..., 63:65], (wrist - (ends[0] + ends[1]) / 2) / size)
    tip = x[..., [left.column("index_tip", axis) for axis in "xyz"]]
    root = x[..., [left.column("wrist", axis) for axis in "xyz"]]
    joined = [x[..., [left.column(point, axis) for axis in "xy"]] for point in ("thumb_cmc", "index_mcp", "pinky_mcp")]
    palm = (sum(joined) / 3 - wrist).norm(dim=2).mean()
    torch.testing.assert_close(y[..., 24:27], (tip - root) / palm)
    assert y.shape[2] == 2 * (63 + 2) and (y[..., :3] == 0).all()
    assert output(layout, x, hands=False).shape[2] == output(layout, x).shape[2] - 2 * 2 * 2


def test_a_missing_hand_does_not_move_the_rest():
    layout, options = load_layout("mediapipe-258"), FrontendOptions(standardise=False, **PLAIN)
    x = clips(layout, 1, missing=0)
    gone = x.clone()
    gone[:, 4:7, 132:195] = NAN
    before, after = output(layout, x), output(layout, gone)
    hand = columns(layout, options, "hand")
    assert (after[:, 4:7, hand][..., :65] == 0).all()
    assert torch.equal(after[:, 4:7, hand][..., 65:], before[:, 4:7, hand][..., 65:])
    assert torch.equal(after[..., columns(layout, options, "pose")], before[..., columns(layout, options, "pose")])


# What is missing


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=4))
def test_the_nearest_known_frame_is_found(known):
    values = torch.arange(7.0).view(1, 7, 1).expand(len(known), 7, 1)
    found = nearest(values, torch.tensor(known)).squeeze(2)
    for row, frames in zip(found.tolist(), known, strict=True):
        seen = [t for t in range(7) if frames[t]]
        if seen:
            assert row == [min(seen, key=lambda s: (abs(s - t), s)) for t in range(7)]


@pytest.mark.parametrize("name", SPATIAL)
def test_shoulders_missing_for_some_frames_are_taken_from_the_nearest(name):
    layout = load_layout(name)
    x = clips(layout, 1, 1, missing=0).expand(1, 9, layout.width).clone()  # a signer who stands still
    if layout.stored_derivatives:
        x[..., layout.positions :] = 0
    hidden = x.clone()
    for shoulder in layout.shoulders + tuple(f"pose.{point}" for point in layout.by_name["pose"].anchor):
        group, point = layout.find(shoulder)
        at = group.column(point, "x")
        hidden[:, 2:6, at : at + len(group.coordinates)] = NAN
    y, z = (Frontend(layout, FrontendOptions(presence=False)).raw(part, full(part)) for part in (x, hidden))
    both = y[1] & z[1]
    assert both[:, 2:6].any(dim=2).all()
    torch.testing.assert_close(y[0][both], z[0][both], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", SPATIAL)
def test_clips_without_shoulders_are_still_placed_and_scaled(name):
    layout = load_layout(name)
    x = clips(layout, missing=0)
    for shoulder in layout.shoulders:
        group, point = layout.find(shoulder)
        at = group.column(point, "x")
        x[..., at : at + len(group.coordinates)] = NAN
    y = output(layout, x)
    assert y.isfinite().all() and y.abs().max() < 100
    moved = positions_changed(x, layout, lambda points: 3 * points + 0.25)
    torch.testing.assert_close(output(layout, moved), y, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_everything_missing_is_all_zero(name):
    layout = load_layout(name)
    x = torch.full((2, 5, layout.width), NAN)
    assert (Frontend(layout)(x, torch.tensor([5, 2])) == 0).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [float("inf"), -float("inf"), 3e38, -3e38, 1e30, 1e-38, 0.0])
def test_absurd_values_stay_finite_and_bounded(name, value):
    layout = load_layout(name)
    x = clips(layout, 2)
    x[0, ::2] = value
    x[1, :, ::3] = value
    for frontend in (Frontend(layout), Frontend(layout, AS_STORED)):
        y = frontend(x, full(x))
        assert y.isfinite().all() and y.abs().max() <= 10
    assert output(layout, x).isfinite().all()


def test_half_a_point_is_none_once_bodies_are_normalised():
    layout = load_layout("kinect-20")
    x = clips(layout, 1, missing=0)
    at = layout.by_name["pose"].column("right_hand", "y")
    x[0, 3, at] = NAN
    _, known = Frontend(layout, FrontendOptions(keep=False, **PLAIN, derivatives=0, presence=False)).raw(x, full(x))
    assert (~known).nonzero().tolist() == [[0, 3, at - 1], [0, 3, at], [0, 3, at + 1]]


# Padding


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [FrontendOptions(), AS_STORED, FrontendOptions(keep=False, derivatives=2)])
def test_a_clip_is_the_same_in_any_batch(name, options):
    layout = load_layout(name)
    x = clips(layout, 3, 12)
    lengths = torch.tensor([12, 5, 1])
    frontend = Frontend(layout, options)
    together = frontend(x, lengths)
    for filler in (0.0, NAN, 7.0):
        for i, length in enumerate(lengths):
            x[i, length:] = filler
        torch.testing.assert_close(frontend(x, lengths), together, atol=1e-6, rtol=0)
    for i, length in enumerate(lengths):
        alone = frontend(x[i : i + 1, :length], lengths[i : i + 1])
        torch.testing.assert_close(together[i : i + 1, :length], alone, atol=1e-6, rtol=1e-6)
        assert (together[i, length:] == 0).all()


# Statistics


def test_statistics_bring_training_data_to_mean_0_and_deviation_1():
    layout = load_layout("mediapipe-258")
    frontend = Frontend(layout)
    x, lengths = clips(layout, 8, 30), torch.tensor([30, 30, 25, 20, 30, 11, 30, 5])
    raw, known = frontend.raw(x, lengths)
    assert torch.equal(raw.isnan(), ~known)
    assert not known[7, 5:].any() and known[0].any()
    flat = raw.flatten(0, 1).double().numpy()
    frontend.set_statistics(np.nanmean(flat, axis=0), np.nanstd(flat, axis=0))
    y = frontend(x, lengths)
    own = slice(0, frontend.width - frontend.groups["presence"])
    for column in range(own.stop):
        values = y[..., column][known[..., column]]
        assert abs(values.mean()) < 1e-3
        assert abs(values.std(unbiased=False) - 1) < 1e-2 or values.abs().max() < 1e-3  # the wrist against itself
    assert torch.equal(y[~known], torch.zeros_like(y[~known]))


def test_presence_and_constant_columns_are_not_blown_up():
    layout = load_layout("generic-7")
    frontend = Frontend(layout, FrontendOptions(derivatives=0))
    frontend.set_statistics(torch.full((8,), 1000.0), torch.full((8,), 1e-4))
    assert frontend.std.tolist() == [1.0] * 8 and frontend.mean[7] == 0
    x = torch.full((1, 2, 7), 1000.0)
    x[0, 1, 0] = 1003.0
    assert frontend(x, full(x))[0].tolist() == [[0.0] * 7 + [1.0], [3.0] + [0.0] * 6 + [1.0]]


def test_statistics_travel_with_the_weights():
    layout = load_layout("kinect-20")
    first, second = Frontend(layout), Frontend(layout)
    first.set_statistics(torch.randn(first.width), torch.rand(first.width) + 0.5)
    second.load_state_dict(first.state_dict())
    x = clips(layout)
    assert torch.equal(first(x, full(x)), second(x, full(x)))
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_statistics_without_a_meaning_are_refused():
    frontend = Frontend(load_layout("generic-7"))
    with pytest.raises(ValueError, match="not finite"):
        frontend.set_statistics(torch.zeros(15), torch.full((15,), NAN))
    with pytest.raises(ValueError, match="derivatives must be 0 to 3"):
        FrontendOptions(derivatives=4)


def test_without_standardising_the_statistics_do_nothing():
    layout = load_layout("generic-7")
    frontend = Frontend(layout, FrontendOptions(standardise=False, derivatives=0, presence=False))
    frontend.set_statistics(torch.full((7,), 5.0), torch.full((7,), 3.0))
    x = clips(layout, missing=0) * 100
    assert torch.equal(frontend(x, full(x)), x)


# Export and gradients


def test_shapes_may_change_after_tracing():
    """Of the layout with the most to it; those of others are traced with the networks that are exported."""
    layout = load_layout("mediapipe-258")
    frontend = Frontend(layout)
    batch, frames = torch.export.Dim("batch", min=2, max=64), torch.export.Dim("frames", min=2, max=4096)
    x = clips(layout, 2, 9)
    shapes = {"x": {0: batch, 1: frames}, "lengths": {0: batch}}
    program = torch.export.export(frontend, (x, torch.tensor([9, 4])), dynamic_shapes=shapes)
    other = clips(layout, 4, 17, seed=1)
    lengths = torch.tensor([17, 3, 1, 9])
    torch.testing.assert_close(program.module()(other, lengths), frontend(other, lengths))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_the_positions_and_are_finite(name):
    layout = load_layout(name)
    x = clips(layout).requires_grad_()
    Frontend(layout)(x, full(x)).square().sum().backward()
    assert x.grad.isfinite().all() and (x.grad != 0).any()


def test_signers_at_different_angles_look_alike_after_turning(real_data):
    with np.load(real_data / "data" / "isl30" / "clips.npz", allow_pickle=False) as pack:
        n = int(pack["length"][0])
        clip = torch.from_numpy(pack["x"][:n].astype(np.float32)).unsqueeze(0)
    layout = guess_layout(clip.shape[2])
    turned = positions_changed(clip, layout, lambda points: points @ yaw(50.0).T + torch.tensor([0.4, 0.1, 1.0]))
    torch.testing.assert_close(output(layout, turned), output(layout, clip), atol=1e-3, rtol=1e-3)


# Directions of bones


def test_bones_point_from_joint_to_joint_with_length_one():
    layout, options = load_layout("kinect-20"), {"derivatives": 0, "presence": False, "turn_frames": 1}
    x = clips(layout, 2, missing=0)
    turned = output(layout, x, keep=False, **options)  # every point, moved and turned alike
    y = output(layout, x, bones=True, **options)
    pose = layout.by_name["pose"]
    expected = []
    for first, second in layout.limbs:
        ends = [pose.points[first], pose.points[second]]
        usable = {*pose.keep, *pose.anchor, "left_shoulder", "right_shoulder"}
        if set(ends) <= usable and set(ends) & set(pose.keep):
            a, b = (turned[..., 3 * pose.index(end) : 3 * pose.index(end) + 3] for end in ends)
            expected.append((b - a) / (b - a).norm(dim=2, keepdim=True))
    assert len(expected) == 7  # head, and three in each arm
    torch.testing.assert_close(y[..., 3 * len(pose.keep) :], torch.cat(expected, dim=2), atol=1e-4, rtol=1e-4)


def test_bones_do_not_know_how_long_an_arm_is():
    layout = load_layout("kinect-20")
    x = clips(layout, 1, missing=0)
    longer = x.clone().unflatten(2, (20, 3))
    longer[:, :, 6] = longer[:, :, 4] + 1.5 * (longer[:, :, 6] - longer[:, :, 4])  # a longer forearm ...
    longer[:, :, 8] += longer[:, :, 6] - x.unflatten(2, (20, 3))[:, :, 6]  # ... carries the hand along
    bones = [
        output(layout, clip, bones=True, derivatives=0, presence=False)[..., 21:] for clip in (x, longer.flatten(2))
    ]
    torch.testing.assert_close(*bones, atol=1e-4, rtol=1e-4)


def test_a_bone_without_an_end_is_unknown_and_one_without_length_too():
    layout = load_layout("kinect-20")
    x = clips(layout, 1, missing=0).unflatten(2, (20, 3))
    x[:, 2, 6] = NAN  # a wrist: two bones
    x[:, 3, 8] = x[:, 3, 6]  # a hand on its wrist: one
    x = x.flatten(2)
    frontend = Frontend(layout, FrontendOptions(derivatives=0, presence=False))
    known = frontend.raw(x, full(x))[1][0, :, 21:].unflatten(1, (-1, 3))
    assert (~known).all(dim=2).sum(dim=1).tolist()[:5] == [0, 0, 2, 1, 0]


def test_hands_have_the_bones_of_their_fingers():
    frontend = Frontend(load_layout("mediapipe-258"), FrontendOptions(derivatives=0))
    bare = Frontend(load_layout("mediapipe-258"), FrontendOptions(derivatives=0, bones=False))
    # of each hand 21 along fingers and palm, and from the wrist to five tips and to two knuckles that no limb joins
    assert frontend.groups["hand"] - bare.groups["hand"] == 2 * 3 * (21 + 5 + 2)
    assert frontend.groups["pose"] > bare.groups["pose"]


# Turning


def test_noise_in_the_depth_of_a_shoulder_turns_the_body_less():
    layout = load_layout("kinect-20")
    still = clips(layout, 1, 1, missing=0).expand(1, 60, 60).clone()
    noisy = still.clone()
    noisy[..., 8] += 0.05 * torch.from_numpy(np.random.default_rng(1).standard_normal(60).astype(np.float32))
    hand = slice(18, 21)  # the last kept point
    plain, steady = (
        (output(layout, noisy, turn_frames=frames) - output(layout, still, turn_frames=frames))[0, 8:-8, hand].norm(
            dim=1
        )
        for frames in (1, 15)
    )
    assert steady.mean() < 0.5 * plain.mean()


def test_turning_goes_by_the_frames_around_each():
    layout = load_layout("kinect-20")
    x = clips(layout, 1, 40, missing=0)
    ends = x.unflatten(2, (20, 3))[0]
    across = (ends[:, 3] - ends[:, 2]).numpy()
    y = output(layout, x, keep=False, turn_frames=5, derivatives=0, presence=False)[0].unflatten(1, (20, 3)).numpy()
    for t in (0, 1, 20, 39):
        mean = across[max(0, t - 2) : t + 3].mean(axis=0)
        own = (ends[t, 8] - ends[t, 1]).numpy() @ yaw(np.rad2deg(np.arctan2(mean[2], mean[0]))).numpy().T
        np.testing.assert_allclose(y[t, 8] * np.linalg.norm(across, axis=1).mean(), own, atol=1e-4)
