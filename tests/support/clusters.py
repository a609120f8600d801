"""A cluster of Dask on this machine: a scheduler and workers, each a process that tests may kill."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.worker_jobs import LIMIT


class Local:
    """A scheduler with its workers.

    Attributes:
        address: of the scheduler.
        workers: the processes.
    """

    def __init__(self, folder: Path):
        self.folder, self._file = folder, folder / "scheduler.json"
        self._scheduler = self._start("scheduler", "--port", "0", "--no-show")
        end = time.monotonic() + LIMIT
        while not self._file.is_file() or not self._file.read_text():
            assert time.monotonic() < end and self._scheduler.poll() is None
            time.sleep(0.05)
        self.address = json.loads(self._file.read_text())["address"]
        self.workers: list[subprocess.Popen] = []

    def add(self, threads: int = 1) -> subprocess.Popen:
        """One more worker."""
        options = ("--nthreads", str(threads), "--no-nanny", "--local-directory", str(self.folder))
        self.workers.append(self._start("worker", *options))
        return self.workers[-1]

    def end(self) -> None:
        """End all processes."""
        for process in (*self.workers, self._scheduler):
            process.kill()
            process.wait()

    def _start(self, kind: str, *options: str) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(item for item in sys.path if item)}
        command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(self._file)]
        command += ["--host", "127.0.0.1", "--no-dashboard", *options]
        with (self.folder / f"{kind}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=self.folder)


@contextmanager
def local_cluster(folder: Path, workers: int) -> Iterator[Local]:
    """A cluster on the loopback interface, without its dashboard."""
    cluster = Local(folder)
    try:
        for _ in range(workers):
            cluster.add()
        yield cluster
    finally:
        cluster.end()
