"""The EMA of the weights, against its definition."""

import torch
from torch import nn

from slrcli.training.loop import EMA, SOON


def test_the_average_is_the_weighted_sum_of_what_was_seen():
    torch.manual_seed(1)
    model = nn.Linear(3, 2)
    ema = EMA(model, 0.7)
    expected = model.weight.detach().clone()
    for step in range(1, 9):
        with torch.no_grad():
            model.weight.add_(torch.randn_like(model.weight))
        ema.update(model)
        decay = min(0.7, step / (step + SOON))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    torch.testing.assert_close(ema.model.weight.detach(), expected)
    assert not torch.equal(ema.model.weight, model.weight)


def test_running_statistics_are_taken_over_as_they_are():
    model = nn.BatchNorm1d(4)
    ema = EMA(model, 0.99)
    model(torch.randn(16, 4))
    ema.update(model)
    assert torch.equal(ema.model.running_mean, model.running_mean) and int(ema.model.num_batches_tracked) == 1


def test_restored_averages_go_on_as_if_nothing_had_happened():
    torch.manual_seed(2)
    model = nn.Linear(3, 2)
    first = EMA(model, 0.9)
    for _ in range(3):
        with torch.no_grad():
            model.weight.mul_(1.1)
        first.update(model)
    second = EMA(nn.Linear(3, 2), 0.9)
    second.restore({name: tensor.clone() for name, tensor in first.state().items()})
    for ema in (first, second):
        ema.update(model)
    assert torch.equal(first.model.weight, second.model.weight) and first.steps == second.steps == 4
