"""What keeps a long run in good order: signals to stop, want of memory, and a precision that can be had."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from slrcli.errors import SlrError
from slrcli.parallel import distributed

MEMORY_HELP = "Use --batch-size 1 or 2, --max-frames N, --gradient-checkpointing, or --precision bf16."


def require_precision(model: nn.Module, precision: str) -> None:
    """SlrError where a model with LSTMs is to learn in bf16 on a processor whose kernels have none; asked by trying."""
    lstm = next((part for part in model.modules() if isinstance(part, nn.LSTM)), None)
    if precision != "bf16" or lstm is None or next(model.parameters()).device.type != "cpu":
        return
    try:
        with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16):
            probe = nn.LSTM(lstm.input_size, lstm.hidden_size, batch_first=True)
            probe(torch.ones(1, 2, lstm.input_size))[0].float().sum().backward()
    except RuntimeError as error:
        fix = "use --precision fp32, or an architecture without them: --arch tcn"
        raise SlrError("This processor computes no LSTM in bf16.", "--precision bf16", fix) from error


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C (or the signal to end) stop the run after its step, and the second one end everything.

    Where several processes work together their launcher sends signals after the terminal's: those are one. It also
    tells those to end that outlive another; they stay deaf to it to their end, or their last word would be lost.
    """
    pressed = False

    def press(*_: object) -> None:
        nonlocal pressed
        if pressed and distributed.size() == 1:
            raise KeyboardInterrupt
        pressed = True

    try:
        before = {kind: signal.signal(kind, press) for kind in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: whoever runs us there handles interruptions
        yield lambda: False
        return
    try:
        yield lambda: pressed
    finally:
        if distributed.size() == 1:
            for kind, handler in before.items():
                signal.signal(kind, handler)


@contextmanager
def memory_advice() -> Iterator[None]:
    """Turn running out of memory into advice."""
    try:
        yield
    except (MemoryError, torch.cuda.OutOfMemoryError) as error:
        raise SlrError("There is not enough memory.", "", MEMORY_HELP) from error
    except RuntimeError as error:
        if "allocate memory" in str(error) or "out of memory" in str(error):
            raise SlrError("There is not enough memory.", "", MEMORY_HELP) from error
        raise
