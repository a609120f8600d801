"""Tasks side by side in processes, each with a fixed number of threads, that can all be stopped in good order."""

import _thread
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Event
from typing import Any

import torch

from slrcli.errors import SlrError

TICK = 1.0  # seconds between looks at how far the processes have come
_stop: Event | None = None  # in a process of ours: set when it is to end
_idle = threading.Event()  # in a process of ours: set while it has no task


def side_by_side(
    work: Callable[..., Any],
    tasks: Sequence[tuple],
    jobs: int,
    threads: int,
    done: Callable[[tuple, Any], None],
    tick: Callable[[], None],
) -> None:
    """Call `work(*task)` for every task, `jobs` at a time, each in a process of its own.

    Args:
        work: a function that a fresh process can import; its SIGINT handler is what a stop reaches.
        tasks: arguments that can be pickled.
        jobs: processes.
        threads: of torch, in each.
        done: called here with a task and what became of it, as they end; None of a task that was stopped.
        tick: called here about once a second.

    Raises:
        KeyboardInterrupt: an interruption; the tasks at work have been told, and have ended in good order.
        Exception: what a task raised; the others have been stopped like that, too.
    """
    context = multiprocessing.get_context("spawn")  # not forked: torch has threads
    stop, others = context.Event(), set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), context, _begin, (stop, threads))
    ahead = iter(tasks)
    running: dict[Future, tuple] = {}

    def start() -> None:  # no more than can run: what the pool holds in its own queue could not be called back
        task = next(ahead, None)
        if task is not None:
            running[pool.submit(_obey, work, task)] = task

    try:
        for _ in range(jobs):
            start()
        while running:
            for future in wait(running, TICK, FIRST_COMPLETED).done:
                task = running.pop(future)
                done(task, future.result())
                start()
            tick()
    except BrokenProcessPool as error:
        raise SlrError(
            "A process was ended from outside.", "--jobs", "Use fewer jobs, which need less memory."
        ) from error
    finally:
        stop.set()
        _end(pool, others)


def _end(pool: ProcessPoolExecutor, others: set) -> None:
    """Wait for the processes; a further interruption does not."""
    try:
        pool.shutdown(cancel_futures=True)
    except KeyboardInterrupt:
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        raise


def _begin(stop: Event, threads: int) -> None:
    """Make a process of ours deaf to the terminal, whose interruptions are the parent's to pass on."""
    global _stop
    _stop = stop
    _idle.set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    torch.set_num_threads(threads)
    threading.Thread(target=_listen, args=(stop,), daemon=True).start()


def _listen(stop: Event) -> None:
    """Interrupt the work when it is to stop, or when the parent is no more; then nobody else would end the process."""
    parent = multiprocessing.parent_process()
    while parent is None or parent.is_alive():
        if stop.wait(TICK):
            _thread.interrupt_main()
            return
    stop.set()
    _thread.interrupt_main()
    _idle.wait()
    os._exit(1)


def _obey(work: Callable[..., Any], task: tuple) -> Any:
    """Work that an interruption reaches; idle processes it does not."""
    assert _stop is not None
    _idle.clear()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return None if _stop.is_set() else work(*task)
    except KeyboardInterrupt:
        return None
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _idle.set()
