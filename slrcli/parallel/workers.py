"""Jobs handed to a few processes, one at a time each; a process that dies takes one job with it and is replaced.

That is what a pool of the standard library does not do: there, one file that brings a C library down ends all work.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from slrcli.errors import SlrError

PATIENCE = 10.0  # seconds that a process gets to clean up when all is called off

Work = Callable[[Any, Callable[[Any], None]], Any]


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    job: int


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    work: Work, jobs: Sequence[Any], count: int, heard: Callable[[Any], None] = lambda message: None
) -> Iterator[tuple[int, Any]]:
    """Do `work(job, tell)` for every job, in spawned processes; what it tells on the way comes to `heard`.

    Args:
        work: a function of a module, so that a new process finds it; an SlrError that it raises is its result.
        jobs: values that can be sent to another process.
        count: how many processes at most.
        heard: called with each `tell(message)`, in this process.

    Yields:
        Place in `jobs` and result (or the SlrError that stood in its way), as they are done.
    """
    waiting = list(reversed(range(len(jobs))))
    busy: list[_Worker] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < count:
                busy.append(_start(work, jobs, waiting.pop()))
            ready = wait([item.connection for item in busy])
            for worker in [item for item in busy if item.connection in ready]:
                kind, value = _message(worker)
                if kind == "told":
                    heard(value)
                    continue
                done = worker.job
                if kind == "died" or not waiting:
                    busy.remove(worker)
                    _end(worker)
                else:
                    worker.job = waiting.pop()
                    _send(worker.connection, jobs[worker.job])
                yield done, value
    finally:
        for worker in busy:
            worker.process.terminate()
        for worker in busy:
            _end(worker)


def _start(work: Work, jobs: Sequence[Any], job: int) -> _Worker:
    context = get_context("spawn")  # not forked: torch and MediaPipe have threads
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(work, theirs), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is the end of the pipe
    _send(ours, jobs[job])
    return _Worker(process, ours, job)


def _send(connection: Connection, job: Any) -> None:
    with suppress(ConnectionError):  # a process that died meanwhile is noticed where its answer is awaited
        connection.send(job)


def _message(worker: _Worker) -> tuple[str, Any]:
    try:
        return worker.connection.recv()
    except (EOFError, ConnectionError):
        worker.process.join(PATIENCE)
        code = worker.process.exitcode
        ended = f"signal {-code}" if code and code < 0 else f"exit code {code}"
        return "died", SlrError(
            f"the process that worked on it came to an end ({ended})",
            fix="the file may be damaged, or memory short: try it alone, with --jobs 1",
        )


def _end(worker: _Worker) -> None:
    """Let a process go: without a pipe it has nothing more to wait for."""
    worker.connection.close()
    worker.process.join(PATIENCE)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()


def _serve(work: Work, connection: Connection) -> None:
    """The life of a process: jobs, one after the other, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interruption is answered by the parent
    signal.signal(signal.SIGTERM, _leave)
    try:
        while True:
            connection.send(_outcome(work, connection.recv(), connection))
    except (EOFError, ConnectionError):
        pass  # nobody listens any more


def _outcome(work: Work, job: Any, connection: Connection) -> tuple[str, Any]:
    try:
        return "done", work(job, lambda message: connection.send(("told", message)))
    except SlrError as error:
        return "done", error
    except ConnectionError:
        raise
    except Exception as error:
        return "done", SlrError(f"something went wrong that should not: {type(error).__name__}: {error}")


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)  # so that what is half-written is removed
