"""What each layer holds of time: axes that nobody named, effective rank, and the place where time is lost."""

import math

import pytest
import torch
from support.planted_faults import AdaptivePooling
from support.planted_models import (
    COLUMNS,
    Attention,
    ConvolutionAsClassifier,
    FramesFirstGru,
    PackedLstm,
    Sound,
    context_of,
    made,
)
from torch import nn

from slrcli.doctor.model.layers import (
    CLIPS,
    FRAMES,
    OTHER_CLIPS,
    OTHER_FRAMES,
    Layer,
    effective_rank,
    find_axes,
    find_loss,
)


@pytest.mark.parametrize(
    "shape, clips, frames",
    [(("B", "T", 16), 0, 1), (("B", 16, "T"), 0, 2), (("T", "B", 16), 1, 0), (("B", 5, "T", 3), 0, 2),
     (("B", 16), 0, -1), (("B", 16, 1), 0, -1)],
)  # fmt: skip
def test_axes_are_told_by_their_sizes(shape, clips, frames):
    def sized(b, t):
        return tuple({"B": b, "T": t}.get(size, size) for size in shape)

    found = find_axes(sized(CLIPS, FRAMES // 2), sized(OTHER_CLIPS, OTHER_FRAMES // 2))
    assert (found.clips, found.frames, found.together) == (clips, frames, False)


def test_an_axis_of_clips_and_frames_together_and_one_of_clips_and_points_are_told_apart():
    assert find_axes((CLIPS * FRAMES, 8), (OTHER_CLIPS * OTHER_FRAMES, 8)).together
    points = find_axes((CLIPS * 7, 8, FRAMES), (OTHER_CLIPS * 7, 8, OTHER_FRAMES))
    assert (points.clips, points.frames, points.together) == (0, 2, False)
    assert find_axes((16, 16), (16, 16)) is None
    assert find_axes((CLIPS, 3), (OTHER_CLIPS, 3, 1)) is None


def test_the_effective_rank_counts_directions():
    assert effective_rank(torch.ones(20, 4)) == 0
    line = torch.arange(20.0).unsqueeze(1) * torch.tensor([[1.0, -2.0, 0.5]])
    assert effective_rank(line) == pytest.approx(1)
    time = torch.arange(64) * 2 * math.pi / 64
    circle = torch.stack([time.cos(), time.sin(), (3 * time).cos()], dim=1)  # three waves of equal strength
    assert effective_rank(circle) == pytest.approx(3, rel=1e-4)


def layer(name, leaving, contrast, steps=96):
    return Layer(name, "Kind", leaving, (5, steps, 16), steps, 1.0, 2.0, contrast, 1.0)


def test_time_is_lost_at_the_first_dead_door_behind_the_last_that_lives():
    alive, gate, dead = layer("a", True, 50), layer("gate", True, 0, steps=0), layer("pool", True, 1)
    back = layer("b", True, 40)
    assert find_loss([alive, gate, back], 0.05, 10) is None
    assert find_loss([alive, gate, back, dead, dead], 0.05, 10).where == "pool (Kind)"
    entering = layer("lstm", False, 1)
    assert find_loss([alive, entering], 0.05, 10).where == "between a (Kind) and lstm (Kind)"
    assert find_loss([entering], 0.05, 10).where == "between the input and lstm (Kind)"
    assert find_loss([], 0.05, 10) is None


@pytest.mark.parametrize("kind", [Sound, PackedLstm, FramesFirstGru, Attention, ConvolutionAsClassifier])
def test_every_layer_of_a_sound_model_keeps_time_whichever_way_its_axes_lie(kind):
    layers = context_of(made(kind)).layers
    assert layers[-1].name == "" and layers[-1].leaving and layers[-1].steps == FRAMES // 2
    names = {found.name for found in layers if found.leaving}
    assert {"conv", "head"} <= names
    # inside an encoder, fresh attention weighs all steps nearly alike, and what goes round it keeps time
    through = [found for found in layers if found.leaving and found.steps and "." not in found.name]
    assert all(found.keeps(0.05, 2) for found in through)


def test_a_module_that_is_called_once_a_frame_is_not_blamed_for_seeing_no_time():
    class Stepwise(Sound):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRUCell(16, 16)

        def context(self, local, lengths):
            state, states = local.new_zeros(len(local), 16), []
            for step in local.unbind(1):
                state = self.cell(step, state)
                states.append(state)
            return torch.stack(states, 1)

    layers = context_of(made(Stepwise)).layers
    assert "cell" not in {found.name for found in layers}
    assert layers[-1].keeps(0.05, 10)


def test_layers_that_work_in_place_are_seen_as_they_were():
    class InPlace(Sound):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU(inplace=True)

        def local(self, x, lengths):
            return self.act(self.conv(self.clean(x, lengths).transpose(1, 2))).transpose(1, 2)

    conv, act = (found for found in context_of(made(InPlace)).layers if found.leaving and found.name in ("conv", "act"))
    assert conv.rank != act.rank


def test_the_profile_is_kept_as_plain_values():
    context = context_of(made(AdaptivePooling))
    assert context.measured == {}
    assert context.layers is context.layers
    rows = {layer.name: layer.to_dict() for layer in context.measured["profile"]}
    assert rows["conv"]["steps"] == FRAMES // 2 and rows["conv"]["shape"] == [CLIPS, 16, FRAMES // 2]
    assert "pool" not in rows  # no axis of time is left
    assert rows["conv"]["contrast"] > 100 > 2 > rows["lstm"]["contrast"]
    assert COLUMNS == 6  # as many columns as other tests have clips: axes must not be mixed up
