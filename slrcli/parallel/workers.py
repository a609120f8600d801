"""The pool of processes that everything runs on: each may die alone, and none outlives its parent.

The pool of the standard library does neither: one file that brings a C library down ends all work there, and its
processes wait for good where their parent is killed.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import contextmanager, suppress
from multiprocessing import connection, get_context, resource_tracker
from multiprocessing.reduction import ForkingPickler
from queue import Empty, SimpleQueue
from typing import Any

from slrcli.errors import SlrError
from slrcli.parallel.serving import serve

PATIENCE = 10.0  # seconds that a job gets to clean up when it is called off
TICK = 0.5  # seconds between looks at how far jobs have come

_reaping = threading.Lock()  # starting a process reaps those that have ended, and may take an exit code from a lane


class WorkerDied(SlrError):
    """The process that worked on a job was ended: by a crash, for want of memory, from outside."""


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def as_they_end(futures: Iterable[Future], tick: Callable[[], None] = lambda: None) -> Iterator[Future]:
    """Futures in the order in which they end; `tick` is called at least every `TICK` seconds meanwhile."""
    running = set(futures)
    while running:
        ended, running = wait(running, TICK, FIRST_COMPLETED)
        tick()
        yield from ended


class Workers(Executor):
    """An `Executor` of spawned processes; use it in a `with` block, at whose end they go.

    Spawned, not forked: torch and MediaPipe have threads. A process starts with its first job and imports what jobs
    need; torch and BLAS have one thread there unless a job sets another number. Where one dies its job fails with
    `WorkerDied`, and another takes its place.

    An exception that leaves the `with` block calls everything off: waiting jobs are cancelled, and those at work get
    SIGTERM, a KeyboardInterrupt in their main thread unless they handle it. Ctrl-C does not reach them. The same
    befalls them when this process is gone, however it ended; after `patience` seconds they end whatever they do.

    Args:
        max_workers: processes.
        initializer, initargs: called once in each process, before its first job, which fails if this does.
        heard: called with what jobs `tell`, in some thread of this process.
        patience: seconds that a job gets to end in good order when it is called off.
    """

    def __init__(
        self,
        max_workers: int,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple = (),
        *,
        heard: Callable[[Any], None] = lambda message: None,
        patience: float = PATIENCE,
    ):
        self._count, self._heard, self._patience = max_workers, heard, patience
        self._first: tuple | None = (initializer, initargs, {}) if initializer else None
        self._waiting: SimpleQueue[tuple[Future, tuple] | None] = SimpleQueue()
        self._lock = threading.Lock()  # of all below
        self._lanes: list[threading.Thread] = []
        self._workers: set[_Worker] = set()
        self._closed = self._called_off = False

    @property
    def slots(self) -> int:
        """Jobs that can be at work at the same time."""
        return self._count

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """See `Executor`; function, arguments and result are pickled, a function by its name."""
        future: Future = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("no job is taken after shutdown")
            self._waiting.put((future, (fn, args, kwargs)))
            if len(self._lanes) < self._count:
                self._lanes.append(threading.Thread(target=self._run_lane, daemon=True))
                self._lanes[-1].start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `Executor`; an interruption while it waits calls off what is at work."""
        with self._lock:
            first, self._closed = not self._closed, True
            for _ in self._lanes if first else ():
                self._waiting.put(None)
        if cancel_futures:
            self._cancel_waiting()
        if wait:
            try:
                self._join(None)
            except KeyboardInterrupt:
                self.call_off()
                raise

    def call_off(self) -> None:
        """End everything in good order where `patience` allows; a further interruption ends it at once."""
        with self._lock:
            self._called_off = True
            for worker in self._workers:
                worker.call_off()
        self.shutdown(wait=False, cancel_futures=True)
        try:
            self._join(self._patience)
        finally:
            with self._lock:
                for worker in self._workers:
                    worker.process.kill()
            self._join(None)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.shutdown()
        else:
            self.call_off()

    def _cancel_waiting(self) -> None:
        """Cancel the jobs that no lane has taken; what tells lanes to end stays."""
        ends = 0
        with suppress(Empty):
            while True:
                item = self._waiting.get_nowait()
                if item is None:
                    ends += 1
                elif item[0].cancel():
                    item[0].set_running_or_notify_cancel()
        for _ in range(ends):
            self._waiting.put(None)

    def _join(self, limit: float | None) -> None:
        """Wait for the lanes, all in all up to `limit` seconds."""
        end = None if limit is None else time.monotonic() + limit
        for lane in self._lanes:
            lane.join(None if end is None else max(0.0, end - time.monotonic()))

    def _run_lane(self) -> None:
        """A thread that brings jobs to one process, and to the next where it dies."""
        worker: _Worker | None = None
        while (item := self._waiting.get()) is not None:
            future, job = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                worker = worker or self._start()
                future.set_result(worker.do(job, self._heard))
            except BaseException as error:
                future.set_exception(CancelledError() if self._called_off else error)
                if worker is not None and worker.busy:
                    self._end(worker)
                    worker = None
            del item, future, job  # results may be large, and the next job far
        if worker is not None:
            self._end(worker)

    def _start(self) -> "_Worker":
        worker = _Worker(self._patience)
        with self._lock:
            self._workers.add(worker)
            if self._called_off:
                worker.call_off()
        if self._first is not None:
            try:
                worker.do(self._first, self._heard)
            except BaseException:
                self._end(worker)
                raise
        return worker

    def _end(self, worker: "_Worker") -> None:
        worker.end()
        with self._lock:
            self._workers.discard(worker)


class _Worker:
    """One process as its lane sees it; the other side of `serve`.

    Attributes:
        process: that it is.
        busy: whether an answer is due; where one never came, the process is of no more use.
    """

    def __init__(self, patience: float):
        context = get_context("spawn")
        self._jobs, jobs = context.Pipe()
        control, self._control = context.Pipe(duplex=False)
        # Nobody else holds an end of these pipes: without this process they are at their end.
        self.process = context.Process(target=serve, args=(jobs, control, patience), daemon=True)
        with _reaping, _deaf_from_birth():
            self.process.start()
        self.busy = False
        jobs.close()
        control.close()

    def do(self, job: tuple, heard: Callable[[Any], None]) -> Any:
        """Have a job done.

        Raises:
            WorkerDied: the process came to its end.
            Exception: what the job raised.
        """
        sent = ForkingPickler.dumps(job)
        self.busy = True
        with suppress(ConnectionError):  # a process that died meanwhile is noticed where its answer is awaited
            self._jobs.send_bytes(sent)
        while (answer := self._answer())[0] == "told":
            heard(answer[1])
        self.busy = False
        kind, value = answer
        if kind == "failed":
            raise value
        return value

    def _answer(self) -> tuple[str, Any]:
        try:
            answer = self._jobs.recv_bytes()
        except (EOFError, OSError):
            code = self._exit_code()
            ended = f"signal {-code}" if code and code < 0 else f"exit code {code}"
            raise WorkerDied(
                f"The worker process ended unexpectedly ({ended}).",
                fix="The file may be damaged or memory short: try it alone with --jobs 1.",
            ) from None
        return ForkingPickler.loads(answer)

    def call_off(self) -> None:
        """Interrupt the job at work."""
        with suppress(OSError):
            self._control.send_bytes(b"called off")

    def end(self) -> None:
        """Let the process go: an idle one has nothing more to wait for without a pipe."""
        self._jobs.close()
        if self.busy or self._exit_code() is None:
            self.process.kill()
            self._exit_code()
        self._control.close()

    def _exit_code(self) -> int | None:
        """The exit code of a process that ends; None where it does not in `PATIENCE` seconds."""
        if connection.wait([self.process.sentinel], PATIENCE):
            with _reaping:
                self.process.join(PATIENCE)
        return self.process.exitcode


@contextmanager
def _deaf_from_birth() -> Iterator[None]:
    """What is started inside inherits that Ctrl-C is blocked: it would hit a process that is still importing."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which multiprocessing starts at the first process, and unblocks it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
