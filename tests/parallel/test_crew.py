"""A step computed by several threads is the step that one thread computes."""

import threading

import pytest
import torch
from support.small_trainers import stopped_and_resumed, trainer_on, weights, write_corpus
from torch import nn

from slrcli.parallel.crew import Crew, chance, meeting, one_thread
from slrcli.parallel.distributed import portion, summed
from slrcli.training.loop import Step


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), 18)  # the last batch of four has two clips


@pytest.fixture
def threads():
    """Lets torch have as many threads as asked, for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def still(trainer):
    """Without dropout, whose draws depend on how the batch is divided."""
    for part in trainer.model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return trainer


def trained(utterances, change=lambda trainer: trainer):
    trainer = change(trainer_on(utterances, epochs=2, ema=0.9))
    losses = [event.loss for event in trainer.run() if isinstance(event, Step)]
    return weights(trainer), losses, trainer


@pytest.mark.parametrize("count", [2, 3, 4])
def test_several_threads_learn_what_one_does(utterances, threads, count):
    threads(1)
    alone, losses, _ = trained(utterances, still)
    threads(count)
    divided, others, trainer = trained(utterances, still)
    assert trainer.crew.size == count
    assert losses == pytest.approx(others, rel=2e-3)
    assert losses != others  # they were divided: sums in another order
    for name, item in alone.items():
        assert torch.allclose(divided[name].double(), item.double(), atol=2e-3), name


def test_the_same_number_of_threads_gives_the_same_bits(utterances, threads):
    threads(3)
    first, losses, _ = trained(utterances)
    again, others, _ = trained(utterances)
    assert losses == others
    for name, item in first.items():
        assert torch.equal(again[name], item), name


def test_a_run_resumed_in_the_middle_of_an_epoch_draws_what_its_threads_would_have_drawn(utterances, threads, tmp_path):
    threads(2)
    whole = trainer_on(utterances)
    list(whole.run())
    resumed = stopped_and_resumed(lambda: trainer_on(utterances), 3, tmp_path)
    for name, item in weights(whole).items():
        assert torch.equal(weights(resumed)[name], item), name


def test_the_frontend_of_the_loading_thread_changes_no_bit(utterances):
    early, losses, trainer = trained(utterances)
    assert trainer.batches.frontend is trainer.model.frontend

    def at_the_step(trainer):
        trainer.batches.frontend = None
        return trainer

    late, others, _ = trained(utterances, at_the_step)
    assert losses == others
    for name, item in early.items():
        assert torch.equal(late[name], item), name


def test_sums_and_shares_are_those_of_all_threads():
    values = torch.tensor([[1.0, 2.0], [3.0, 5.0], [10.0, 20.0]], requires_grad=True)

    def work(place):
        (total := summed(values[place])).square().sum().backward()
        return total.tolist(), float(portion(torch.tensor(place + 1), 2))

    found = Crew(3).each(work, 3, lambda place: place)
    assert found == [([14.0, 27.0], 2.0)] * 3  # 6 items of 6 clips, 2 of which each has
    assert values.grad.tolist() == [[3 * 28.0, 3 * 54.0]] * 3  # every total depends on every value
    assert meeting() is None and chance() is None


def test_threads_draw_by_their_seeds_and_the_first_one_as_ever():
    def work(place):
        return float(torch.rand(1, generator=chance()))

    torch.manual_seed(1)
    first = float(torch.rand(1))
    torch.manual_seed(1)
    drawn = Crew(3).each(work, 3, lambda place: 7 + place)
    assert drawn == [first, *(float(torch.rand(1, generator=torch.Generator().manual_seed(7 + i))) for i in (1, 2))]


@pytest.mark.parametrize("place", [0, 1])
def test_a_thread_that_fails_lets_nobody_wait_and_its_own_error_is_raised(place):
    def work(own):
        if own == place:
            raise MemoryError("no more")
        return summed(torch.ones(1))

    before = torch.get_num_threads()
    with pytest.raises(MemoryError, match="no more"):
        Crew(2).each(work, 2, lambda place: 0)
    assert torch.get_num_threads() == before and meeting() is None


def test_torch_computes_alone_in_the_thread_that_asked_for_it(threads):
    threads(3)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
    assert Crew(2).each(lambda place: torch.get_num_threads(), 2, lambda place: 0) == [1, 1]
    assert threading.active_count() < 20
