"""Several processes that train or evaluate one model together: who there is, what each takes, how sums are made.

`torchrun` starts them and tells each in the environment who it is. Everything here does what one process alone expects
where there is but one. No object is ever pickled on the way: what is exchanged are tensors and text.
"""

import gc
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from slrcli.errors import EXIT_FAILURE, SlrError, UsageError, reason_of

Found = TypeVar("Found")

LONGEST_WAIT = timedelta(minutes=30)  # for a process that neither answers nor dies; a dead one is noticed at once
LOST = ("connection", "gloo", "nccl", "socket", "timed out", "peer")  # in what torch says of a process that is gone


def expected() -> int:
    """How many processes the environment announces; 1 where nobody started several."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def local_rank() -> int:
    """Which of its machine's processes this is: it takes the GPU of that number."""
    return int(os.environ.get("LOCAL_RANK", "0")) if size() > 1 else 0


def choose_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one, else the CPU; processes that work together take a GPU each.

    Raises:
        SlrError: a device that this machine does not have.
    """
    if name in ("auto", "cuda") and torch.cuda.is_available():
        return torch.device("cuda", local_rank())
    if name == "auto":
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        what = f"The device '{name}' cannot be used: {reason_of(error)}."
        raise UsageError(what, "--device", "Use --device auto.") from error
    return device


def begun_again(folder: str, mark: str) -> bool:
    """Whether torchrun has started these processes anew after others were lost, and their run has a folder by now.

    Args:
        folder: of the run, as the first process sees it; "" where none was named.
        mark: a file that every run has in its folder.
    """
    again = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0  # of its agent: one that came later has 0
    there = bool(folder) and first() and os.path.isfile(os.path.join(folder, mark))
    return anyone(again, torch.device("cpu")) and anyone(there, torch.device("cpu"))


def size() -> int:
    """How many processes work together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if size() > 1 else 0


def first() -> bool:
    """Whether this is the process that writes and speaks."""
    return rank() == 0


@contextmanager
def joined(gpu: bool) -> Iterator[int]:
    """Within it, the processes that torchrun started know each other; gives the rank.

    Args:
        gpu: whether tensors are on GPUs, a process each.

    Raises:
        SlrError: the others cannot be reached.
    """
    if expected() == 1 or size() > 1:
        yield rank()
        return
    # Loaded any later, its functions would hold the group for good: as the default of an argument.
    import torch.distributed.nn.functional

    try:
        if gpu:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=LONGEST_WAIT)
    except (RuntimeError, ValueError) as error:
        fix = "Start it with torchrun; on a single machine GLOO_SOCKET_IFNAME=lo avoids problems with the network."
        raise SlrError(f"The other processes cannot be reached: {reason_of(error)}.", "torchrun", fix) from error
    try:
        yield dist.get_rank()
    finally:
        dist.destroy_process_group()
        # What stands in a circle of references may hold the group too. Left to the end of the interpreter, Gloo's
        # threads would let go of the last tensors when it is no longer there, and abort.
        gc.collect()


def share(items: Sequence[int]) -> tuple[list[int], float]:
    """This process's part of a batch, and how much its mean counts among those of all processes.

    Clips are dealt out in turn, so that parts of a batch in order of length are of like length. Where there are fewer
    clips than processes all take all, so that nobody stands aside.

    Returns:
        The part, and its share of all clips that are taken times the number of processes: the weight under which
        the processes' average is the mean over the batch.
    """
    if size() == 1 or len(items) < size():
        return list(items), 1.0
    own = list(items[rank() :: size()])
    return own, len(own) * size() / len(items)


def totals(values: Sequence[float], device: torch.device) -> list[float]:
    """The sum of each value over all processes."""
    if size() == 1:
        return list(values)
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(tensor)
    return tensor.tolist()


def anyone(told: bool, device: torch.device) -> bool:
    """Whether any of the processes was told."""
    return totals([float(told)], device)[0] > 0


def summed(tensor: Tensor) -> Tensor:
    """The sum of a tensor over all processes, through which gradients go back to all of them."""
    return _Sum.apply(tensor) if size() > 1 else tensor


class _Sum(torch.autograd.Function):
    """What every process gets depends on what each gave: so do the gradients."""

    @staticmethod
    def forward(context, tensor: Tensor) -> Tensor:
        total = tensor.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def portion(count: Tensor, clips: int) -> Tensor:
    """What to divide a sum over `count` items of `clips` clips by, so that the weights of `share` make it the mean over
    all processes' items; the count itself where there is one process."""
    if size() == 1:
        return count
    both = torch.stack([count.double(), torch.full_like(count, clips, dtype=torch.float64)])
    dist.all_reduce(both)
    return (both[0] * clips / both[1]).float()


def gathered(text: str) -> list[str]:
    """What each process says, in the order of their ranks."""
    if size() == 1:
        return [text]
    own = torch.frombuffer(bytearray(text.encode("utf-8") + b"\n"), dtype=torch.uint8)
    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(size())]
    dist.all_gather(lengths, torch.tensor([len(own)]))
    parts = [torch.zeros(int(max(lengths)), dtype=torch.uint8) for _ in lengths]
    dist.all_gather(parts, torch.nn.functional.pad(own, (0, len(parts[0]) - len(own))))
    return [
        bytes(part[: int(length) - 1].tolist()).decode("utf-8") for part, length in zip(parts, lengths, strict=True)
    ]


def agreed(work: Callable[[], Found]) -> Found:
    """The result of `work`, once it has succeeded in all processes.

    Raises:
        SlrError: the failure of the first process that failed, in process 0; the others exit silently.
    """
    if size() == 1:
        return work()
    said = ""
    try:
        found = work()
    except SlrError as error:
        said = json.dumps([error.what, error.where, error.fix, error.exit_code])
    failures = [(number, text) for number, text in enumerate(gathered(said)) if text]
    if not failures:
        return found
    if not first():
        raise SystemExit(EXIT_FAILURE)
    number, text = failures[0]
    what, where, fix, code = json.loads(text)
    if number:
        where = f"process {number}{': ' if where else ''}{where}"
    raise (UsageError if code == UsageError.exit_code else SlrError)(what, where, fix)


def lost(error: BaseException) -> bool:
    """Whether an error says that another process is gone."""
    text = str(error).lower()
    return size() > 1 and isinstance(error, RuntimeError) and any(word in text for word in LOST)
