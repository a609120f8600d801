"""Blocks over `[B, T, C]` do what torch's do over `[B, C, T]`; dropout drops as many as it says."""

import pytest
import torch
from torch import nn

from slrcli.models.layers.frames import Dropout, FrameConv1d, apply_mask, halve


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    "kernel, stride, padding, groups", [(5, 1, 2, 1), (3, 2, 1, 1), (4, 2, 0, 1), (7, 1, 3, 6), (1, 1, 0, 1)]
)
@pytest.mark.parametrize("frames", [7, 8])
def test_convolution_agrees_with_torchs(kernel, stride, padding, groups, frames):
    own = FrameConv1d(6, 12, kernel, stride, padding, groups=groups)
    torchs = nn.Conv1d(6, 12, kernel, stride, padding, groups=groups)
    torchs.load_state_dict(own.state_dict())
    x = torch.randn(3, frames, 6)
    torch.testing.assert_close(own(x), torchs(x.transpose(1, 2)).transpose(1, 2))


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_halving_takes_the_larger_of_each_pair(frames):
    x = torch.randn(2, frames, 3)
    pairs = [x[:, t : t + 2].amax(1) for t in range(0, frames, 2)]
    torch.testing.assert_close(halve(x), torch.stack(pairs, 1))


def test_what_is_kept_is_kept_and_the_rest_is_zero():
    x, valid = torch.randn(2, 3, 4), torch.tensor([[True, True, False], [True, False, False]])
    kept = apply_mask(x, valid)
    assert torch.equal(kept[valid], x[valid]) and not kept[~valid].any()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(share):
    x = torch.ones(401, 503)
    out = Dropout(share)(x)
    assert (out == 0).float().mean().item() == pytest.approx(share, abs=0.005)
    assert out.mean().item() == pytest.approx(1, abs=0.01)
    assert len(out.unique()) == 2
    # neither along rows nor along columns do the dropped ones stand together
    assert (out == 0).float().mean(0).std() < 0.03 and (out == 0).float().mean(1).std() < 0.03


def test_dropout_lets_the_gradient_through_where_it_lets_values_through():
    x = torch.randn(50, 7, requires_grad=True)
    out = Dropout(0.4)(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad * x, out)


def test_dropout_of_nothing_of_everything_and_in_evaluation():
    x = torch.randn(9, 5)
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(1.0)(x), torch.zeros_like(x))
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert Dropout(0.5)(torch.zeros(0, 4)).shape == (0, 4)


def test_dropout_draws_from_the_seed_and_keeps_the_precision():
    x = torch.randn(40, 5, dtype=torch.bfloat16)
    drawn = []
    for number in (1, 1, 2):
        torch.manual_seed(number)
        drawn.append(Dropout(0.5)(x))
    assert drawn[0].dtype == torch.bfloat16
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
