"""Workers on other machines: an `Executor` over a cluster of Dask, with what the pool of this machine promises.

Jobs are functions of this package, by name, with plain arguments; what they write lies where all machines see it. Dask
starts a job again where its worker is lost. Whoever reaches the scheduler can run code on all workers: Dask trusts the
network, unless it is set up with TLS.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from contextlib import chdir, suppress
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import ModuleType
from typing import Any

from slrcli import __version__
from slrcli.errors import DependencyError, SlrError, reason_of, with_extra
from slrcli.parallel.serving import outcome, telling
from slrcli.parallel.workers import PATIENCE, TICK, WorkerDied, Workers

FLAG = "--cluster"
LONGEST_CALL = 20.0  # seconds for the scheduler to answer, and for a first worker to be there
START = "Start one with dask scheduler --no-dashboard, and with dask worker ADDRESS --nthreads 1 on each machine."


def pool(
    cluster: str,
    processes: int,
    folder: Path,
    *,
    heard: Callable[[Any], None] = lambda message: None,
    patience: float = PATIENCE,
) -> "Workers | Cluster":
    """Processes of this machine, or of the cluster of that address; use either in a `with` block.

    Args:
        cluster: see `Cluster`; "" for this machine.
        processes: of this machine; a cluster has as many as it has.
        folder: that the jobs write to.
        heard: called with what jobs `tell`, in some thread.
        patience: seconds that a job of this machine gets to end in good order.
    """
    return Cluster(cluster, folder, heard=heard) if cluster else Workers(processes, heard=heard, patience=patience)


def need_distributed() -> ModuleType:
    """The library `distributed`; DependencyError where it is not installed."""
    try:
        import distributed
    except ImportError as error:
        what = "A cluster needs the library distributed, which is not installed."
        raise DependencyError(what, FLAG, with_extra("cluster")) from error
    return distributed


class Cluster(Executor):
    """An `Executor` of the workers of a Dask scheduler; use it in a `with` block.

    A job whose worker is lost runs again on another one, from where its files stand. Workers may come and go. An
    exception that leaves the `with` block calls everything off: jobs at work get a KeyboardInterrupt, as they do where
    this process is gone.

    Args:
        address: of the scheduler, `tcp://HOST:8786`, or the path of its scheduler file (`.json`).
        folder: that the jobs write to; every worker must see it, and the working directory of this process, where
            jobs are done.
        heard: called with what jobs `tell`, in some thread of this process.

    Raises:
        DependencyError: the library is missing.
        SlrError: there is no scheduler at that address, or it has no worker.
    """

    def __init__(self, address: str, folder: Path, *, heard: Callable[[Any], None] = lambda message: None):
        self._library = need_distributed()
        self._address, self._folders = address, (os.getcwd(), str(folder.resolve()))
        self._client = self._connected(address)
        self._topic = f"slr-{self._client.id}"
        self._futures: set[Any] = set()
        self._closed = False
        self._client.subscribe_topic(self._topic, lambda event: heard(ForkingPickler.loads(event[1]["told"])))

    @property
    def slots(self) -> int:
        """Jobs that can be at work at the same time now."""
        return max(1, len(self._client.nthreads()))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """See `Executor`; function, arguments and result are pickled, a function by its name."""
        if self._closed:
            raise RuntimeError("no job is taken after shutdown")
        job = bytes(ForkingPickler.dumps((fn, args, kwargs)))
        sent = self._client.submit(_work, __version__, self._folders, self._topic, job, pure=False)
        future: Future = Future()
        self._futures.add(sent)
        future.add_done_callback(lambda ended: sent.cancel() if ended.cancelled() else None)
        sent.add_done_callback(lambda ended: self._settle(ended, future))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `Executor`."""
        self._closed = True
        if cancel_futures:
            self._client.cancel(list(self._futures), force=True)
        if wait:
            with suppress(Exception):  # how jobs ended is said elsewhere
                self._library.wait(list(self._futures))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.shutdown(cancel_futures=kind is not None, wait=kind is None)
        finally:
            self._client.close()

    def _connected(self, address: str) -> Any:
        """A client of the scheduler that has a worker."""
        given = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
        try:
            if "scheduler_file" in given and not Path(address).is_file():
                raise FileNotFoundError("there is no such file")
            client = self._library.Client(**given, timeout=LONGEST_CALL, set_as_default=False)
        except (OSError, ValueError, TypeError, TimeoutError) as error:
            what = f"The cluster does not answer: {reason_of(error)}."
            raise SlrError(what, f"{FLAG} {address}", START) from error
        try:
            client.wait_for_workers(1, timeout=LONGEST_CALL)
        except TimeoutError as error:
            client.close()
            raise SlrError("The cluster has no workers.", f"{FLAG} {address}", START) from error
        return client

    def _settle(self, sent: Any, future: Future) -> None:
        """Hand what a job came to over, once Dask says it."""
        self._futures.discard(sent)
        if future.cancelled():
            return
        error = sent.exception() if sent.status == "error" else None
        with suppress(Exception):  # cancelled at this moment
            if sent.status == "finished":
                future.set_result(sent.result())
            elif isinstance(error, self._library.KilledWorker):
                fix = "The file may be damaged or memory short: try it alone, without --cluster."
                future.set_exception(WorkerDied("Every worker that took this job has ended unexpectedly.", fix=fix))
            elif error is not None:
                future.set_exception(error)
            elif self._closed:
                future.set_exception(CancelledError())
            else:
                what = "The connection to the cluster is lost."
                future.set_exception(SlrError(what, f"{FLAG} {self._address}", "Start it again, and this command."))


def _work(version: str, folders: tuple[str, str], topic: str, job: bytes) -> Any:
    """Do a job in a worker of Dask; what it raises is raised."""
    worker = need_distributed().get_worker()
    _require_alike(worker, version, folders)
    ended = threading.Event()
    watched = (worker, worker.get_current_task(), threading.get_ident(), ended)
    threading.Thread(target=_heed, args=watched, daemon=True).start()
    try:
        with (
            chdir(folders[0]),
            telling(lambda message: worker.log_event(topic, {"told": bytes(ForkingPickler.dumps(message))})),
        ):
            kind, value = outcome(job)
    except KeyboardInterrupt:  # called off: nobody listens, and Dask would end the worker
        return None
    finally:
        ended.set()
    if kind == "failed":
        raise value
    return value


def _require_alike(worker: Any, version: str, folders: tuple[str, str]) -> None:
    """SlrError for a worker that cannot do what the pool of this machine would do."""
    if version != __version__:
        what = f"The worker has slrcli {__version__}, and this is {version}."
        raise SlrError(what, worker.address, "Install the same version everywhere.")
    if worker.state.nthreads != 1:
        what = f"The worker has {worker.state.nthreads} threads, and jobs need a process each."
        raise SlrError(what, worker.address, "Start workers with --nthreads 1, several on a machine with --nworkers N.")
    for folder in folders:
        if os.path.isdir(folder):
            continue
        what = f"The worker does not see the folder {folder}."
        raise SlrError(what, worker.address, "Use a folder on a file system that all machines share.")


def _heed(worker: Any, key: Any, job: int, ended: threading.Event) -> None:
    """Interrupt the thread of a job once nobody awaits its result: it was called off, or its client is gone."""
    while not ended.wait(TICK):
        task = worker.state.tasks.get(key)
        if task is None or task.state != "executing":
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(job), ctypes.py_object(KeyboardInterrupt))
            return
