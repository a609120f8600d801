"""Whether outputs stand where their frames are: a step late and a step early are found, whatever the architecture."""

import pytest
import torch
from support.planted_models import ConvolutionsAlone, PackedLstm, Sound, StepLate, context_of, made
from torch import nn

from slrcli.doctor.model.place import EARLIEST, LATEST, PLACE_CHECKS, coarsest_step, in_place, middle
from slrcli.doctor.model.probe import ModelContext
from slrcli.features.layout import generic_layout
from slrcli.findings import Level
from slrcli.models.registry import build_model

WIDTH, CLASSES = 22, 12


class Moved(nn.Module):
    """A network whose answers are moved by some steps, the first or last repeated."""

    def __init__(self, network, steps):
        super().__init__()
        self.network, self.steps, self.late = network, steps, network.late

    def forward(self, x, lengths):
        log_probs, kept, *_ = self.network(x, lengths)
        count = log_probs.shape[1]
        return log_probs[:, (torch.arange(count) - self.steps).clamp(0, count - 1)], kept


def context(arch, steps=0, seed=1, **options):
    layout = generic_layout(WIDTH)

    def build():
        network = build_model(arch, layout, CLASSES, options=options)
        return Moved(network, steps) if steps else network

    torch.manual_seed(seed)
    return ModelContext(build(), WIDTH, CLASSES, layout, seed=seed, build=build)


def level(context):
    with context.isolated():
        return max((finding.level for finding in in_place(context)), key=lambda level: level is not Level.NOTE)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("arch", ["tcn", "conv-bilstm", "conformer"])
def test_a_step_late_and_a_step_early_are_errors_and_nothing_else_is(arch, seed):
    found = [level(context(arch, steps, seed, width=64)) for steps in (-1, 0, 1)]
    assert found == [Level.ERROR, Level.NOTE, Level.ERROR]


@pytest.mark.parametrize("arch", ["tcn", "conv-bilstm", "conformer", "mobilenetv3"])
def test_outputs_stand_within_a_frame_of_what_moves_them(arch):
    """The times of conformer were two frames late once, and those of mobilenetv3."""
    small = {"width": 0.5} if arch == "mobilenetv3" else {}
    off = []
    for seed in (1, 2):
        at_hand = context(arch, seed=seed, **small)
        assert level(at_hand) is Level.NOTE
        off.append(at_hand.measured["place"]["after"])
    assert abs(sum(off) / len(off)) < 1


def test_what_a_network_says_of_its_lateness_counts():
    at_hand = context("conformer")
    at_hand.model.late = 6
    assert level(at_hand) is Level.ERROR


@pytest.mark.parametrize("lookahead", [0, 8])
def test_a_streaming_network_sees_as_far_ahead_as_it_says_or_fails(lookahead):
    at_hand = context("streaming", lookahead=lookahead)
    assert level(at_hand) is Level.NOTE and at_hand.measured["place"]["ahead"] == lookahead
    at_hand.model.lookahead = lookahead + 4
    assert level(at_hand) is Level.ERROR


def test_a_network_that_looks_back_alone_and_does_not_say_so_is_asked():
    class LooksBack(Sound):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(16, 16, batch_first=True)

        def local(self, x, lengths):
            return super().local(nn.functional.pad(x, (0, 0, 4, 0))[:, :-4], lengths)

        def context(self, local, lengths):
            return self.lstm(local)[0]

    at_hand = context_of(made(LooksBack))
    with at_hand.isolated():
        (finding,) = in_place(at_hand)
    assert finding.level is Level.WARNING and "lookahead" in finding.fix


def test_a_trained_network_of_which_no_other_can_be_made_is_not_judged():
    assert level(context_of(made(StepLate), trained=True, build=None)) is Level.NOTE
    assert level(context_of(made(StepLate), trained=True)) is Level.ERROR
    assert level(context_of(made(StepLate), build=None)) is Level.WARNING


@pytest.mark.parametrize("kind", [Sound, PackedLstm, ConvolutionsAlone])
def test_the_bounds_lie_far_from_sound_networks_of_any_seed(kind):
    for seed in range(3):
        torch.manual_seed(seed)
        at_hand = context_of(kind(), seed=seed)
        assert level(at_hand) is Level.NOTE
        off = at_hand.measured["place"]["after"] / coarsest_step(at_hand, 2.0)
        assert EARLIEST + 0.3 < off < LATEST - 0.2


def test_the_middle_has_half_of_the_energy_before_it():
    energy = torch.tensor([[0.0, 1.0, 1.0, 0.0], [4.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 3.0]])
    torch.testing.assert_close(middle(energy), torch.tensor([2.0, 0.5, 3 + 1 / 3]))


def test_the_check_stands_alone():
    assert [check.code for check in PLACE_CHECKS] == ["SLR-M23"]
