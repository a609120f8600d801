"""Threads that compute a training step together, each a part of the batch on a core of its own.

A small network cannot keep several cores busy in any other way: its operations are too short to be divided, and the
threads that OpenMP divides them among wait for one another in a loop. Beside one busy process two of these took four
times as long as one; the threads of a crew meet once or twice a step.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

Found = TypeVar("Found")


class _Here(threading.local):
    """What a thread knows of the work it is at."""

    meeting: "Meeting | None" = None
    place = 0
    chance: torch.Generator | None = None


_here = _Here()


class Meeting:
    """The threads of one piece of work; all of them come to the same sums in the same order."""

    def __init__(self, size: int):
        self.size = size
        self._barrier = threading.Barrier(size)
        self._given: list[Tensor] = [torch.empty(0)] * size

    def total(self, tensor: Tensor) -> Tensor:
        """The sum of what all threads give, in the order of their places.

        Raises:
            threading.BrokenBarrierError: another thread has failed.
        """
        self._given[_here.place] = tensor
        self._barrier.wait()
        total = torch.stack(self._given).sum(dim=0)
        self._barrier.wait()  # nobody gives the next one before all have read this one
        return total

    def leave(self) -> None:
        """Let nobody wait for this thread."""
        self._barrier.abort()


def meeting() -> Meeting | None:
    """The work that the calling thread does together with others, if it does."""
    return _here.meeting


def chance() -> torch.Generator | None:
    """Where the calling thread's random numbers come from; None: torch's own generator, as everywhere else."""
    return _here.chance


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in the calling thread alone for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Crew:
    """Threads for parts of a batch, the calling one among them.

    Args:
        size: how many at most, 1 or more.
    """

    def __init__(self, size: int):
        self.size = size
        self._pool = ThreadPoolExecutor(max(size - 1, 1), "crew")

    def each(
        self, work: Callable[[int], Found], count: int, seeds: Callable[[int], int] = lambda place: 0
    ) -> list[Found]:
        """`work(place)` of the places 0 to `count - 1` at the same time, and their results in this order.

        Args:
            work: what a thread does; place 0 is the caller's own.
            count: at most `size`.
            seeds: of the random numbers of every place but the first, which draws from torch's own generator.

        Raises:
            Exception: what failed, of the first place that did by itself.
        """
        together = Meeting(count) if count > 1 else None

        def member(place: int) -> Found:
            _here.meeting, _here.place = together, place
            _here.chance = torch.Generator().manual_seed(seeds(place)) if place else None
            try:
                with one_thread():
                    return work(place)
            except BaseException:
                if together:
                    together.leave()
                raise
            finally:
                _here.meeting, _here.place, _here.chance = None, 0, None

        others = [self._pool.submit(member, place) for place in range(1, count)]
        found: list[Found | BaseException] = []
        try:
            found.append(member(0))
        except BaseException as error:
            found.append(error)
        found += [item.exception() or item.result() for item in others]
        failures = [item for item in found if isinstance(item, BaseException)]
        if failures:
            raise next((item for item in failures if not isinstance(item, threading.BrokenBarrierError)), failures[0])
        return [item for item in found if not isinstance(item, BaseException)]
