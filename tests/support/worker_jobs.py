"""Jobs that tests have worker processes do, and a parent of such workers that is to be ended."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from slrcli.errors import DataError
from slrcli.parallel.serving import tell

LIMIT = 120.0  # seconds that a test waits for what should come at once

_kept: list = []  # by this process

PARENT = """
import sys
from support.worker_jobs import {job}
from slrcli.parallel.workers import Workers
with Workers(2, patience={patience}) as pool:
    jobs = [pool.submit({job}, sys.argv[1]) for _ in range(2)]
    for job in jobs:
        job.result()
    sys.stdin.read()
"""


def square(number):
    tell(number)
    return number * number


def refuse(where):
    raise DataError("refused", where, "do otherwise")


def stumble(place):
    return [][place]


class Unsendable(Exception):
    """Pickled, it cannot be unpickled."""

    def __init__(self, one, other):
        super().__init__(f"{one} and {other}")


def raise_unsendable():
    raise Unsendable("this", "that")


def unsendable():
    return lambda: None


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def keep(value):
    _kept.append(value)


def kept():
    return _kept


def threads():
    import torch

    return torch.get_num_threads(), os.environ["OPENBLAS_NUM_THREADS"]


def wait_for(path, value=None):
    """`value`, once the file is there."""
    end = time.monotonic() + LIMIT
    while not Path(path).exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    return value


def call_and_wait_for(port, path):
    _connected(port)
    return wait_for(path, "done")


def touch(path, value=None):
    Path(path).touch()
    return value


def call(function, *arguments):
    return function(*arguments)


def interrupt_oneself():
    """A Ctrl-C that a handler of the job would hear."""
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)
    return heard


def _connected(port):
    """A connection to the test that ends with this process, and not before."""
    _kept.append(socket.create_connection(("127.0.0.1", int(port))))
    _kept[-1].sendall(b"at work\n")
    return _kept[-1]


def idle(port):
    _connected(port)


def sleep(port):
    _connected(port)
    time.sleep(10 * LIMIT)


def compute(port):
    _connected(port)
    while True:
        pass


def clean_up(port):
    try:  # from before the word that the test waits for
        _connected(port)
        time.sleep(10 * LIMIT)
    finally:
        _kept[-1].sendall(b"cleaned up")


def end_in_good_order(port):
    """A job that hears the interruption itself and has a result all the same."""
    pressed = []
    signal.signal(signal.SIGTERM, lambda *_: pressed.append(1))
    _connected(port)
    while not pressed:
        time.sleep(0.01)
    return "saved"


def hear_and_go_on(port):
    signal.signal(signal.SIGTERM, lambda *_: _kept[-1].sendall(b"heard"))  # before the test may send one
    _connected(port)
    while True:
        time.sleep(LIMIT)


def hear_nothing(port):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _connected(port)
    time.sleep(10 * LIMIT)


class Meeting:
    """Where processes of a test call in: a connection each, which ends with its process."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(LIMIT)
        self.port = self._server.getsockname()[1]
        self.guests: list[socket.socket] = []

    def __enter__(self) -> "Meeting":
        return self

    def __exit__(self, *_: object) -> None:
        for item in (self._server, *self.guests):
            item.close()

    def meet(self, count: int) -> None:
        """Wait until so many processes are at work."""
        for _ in range(count):
            guest = self._server.accept()[0]
            guest.settimeout(LIMIT)
            self.guests.append(guest)
            assert guest.recv(8) == b"at work\n"

    def words(self) -> list[bytes]:
        """The next that each says."""
        return [guest.recv(100) for guest in self.guests]

    def last_words(self) -> list[bytes]:
        """What each says until it comes to its end; TimeoutError where one does not."""
        return [b"".join(iter(partial(_heard, guest), b"")) for guest in self.guests]


def _heard(guest: socket.socket) -> bytes:
    try:
        return guest.recv(100)
    except ConnectionError:
        return b""


@contextmanager
def parent_of(job, port: int, patience: float = 1.0) -> Iterator[subprocess.Popen]:
    """A process, in a group of its own, that has two workers do a job; it lives until its stdin is closed.

    It is killed where the test fails: its patience may be long.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(item for item in sys.path if item)}
    command = [sys.executable, "-c", PARENT.format(job=job.__name__, patience=patience), str(port)]
    pipe = subprocess.PIPE
    options = {"stdin": pipe, "stderr": pipe, "text": True, "env": environment, "start_new_session": True}
    with subprocess.Popen(command, **options) as parent:
        try:
            yield parent
        except BaseException:
            parent.kill()
            raise


def die_the_first_time(path, number):
    """The square, where nobody has died at it before."""
    if not Path(path).exists():
        Path(path).touch()
        die()
    return number * number


def leave_word(started, ended):
    """A job without end; where it is interrupted it leaves a file."""
    Path(started).touch()
    try:
        while True:
            time.sleep(0.05)
    finally:
        Path(ended).touch()
