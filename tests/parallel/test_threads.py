"""Torch computes with as many threads as it is told, for as long as it is told so."""

import threading

import pytest
import torch

from slrcli.parallel.threads import cores_left, torch_threads


@pytest.fixture
def three():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_the_number_comes_back_even_after_a_failure(three):
    with pytest.raises(KeyError), torch_threads(1):
        assert torch.get_num_threads() == 1
        raise KeyError
    assert torch.get_num_threads() == 3


def test_another_thread_keeps_its_own_number(three):
    def work():
        with torch_threads(1):
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert torch.get_num_threads() == 3


def test_a_core_is_left_to_others_as_long_as_there_is_another(three):
    assert [cores_left(taken) for taken in range(4)] == [3, 2, 1, 1]
