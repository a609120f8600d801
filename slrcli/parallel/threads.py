"""With how many threads torch computes.

OpenMP's threads wait for one another in a loop. Where one of their cores is busy with something else, two of them take
four times as long as one, and a small network gains little from them at the best of times.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Let torch compute with so many threads for a while, as far as the calling thread is concerned."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores_left(taken: int) -> int:
    """The threads that torch may use without those cores that other threads of this process keep busy; 1 at least."""
    return max(1, torch.get_num_threads() - taken)
