"""Commands that torchrun may start in several processes at once: one speaks and writes for all."""

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

from slrcli.console import Console

Found = TypeVar("Found")


def several() -> bool:
    """Whether torchrun started more than this process; asks the environment alone."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def in_each(work: Callable[[], Found]) -> Found:
    """What `work` gives, done in each of the processes that torchrun started; a failure is told once."""
    if not several():
        return work()
    from slrcli.parallel.distributed import agreed

    return agreed(work)


def among_processes(function: Callable[..., int]) -> Callable[..., int]:
    """The command `function(console, ..., device=...)`, among the processes that torchrun started, if it did."""

    @functools.wraps(function)
    def run(console: Console, **values: Any) -> int:
        if not several():
            return function(console, **values)
        import torch

        from slrcli.parallel.distributed import joined

        gpu = torch.cuda.is_available() and (values.get("device") or "auto") != "cpu"
        with joined(gpu) as rank:
            if rank:
                console.follow(f"process {rank}")
            return function(console, **values)

    return run
