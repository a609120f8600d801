"""A service in a thread of this process, with a tiny recogniser."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from slrcli.config import ServeConfig
from slrcli.features.layout import generic_layout
from slrcli.listening import Listening
from slrcli.recognition.load import open_recogniser
from support.talkative import write_talkative

COLUMNS = 9
DEADLINE = 60.0  # seconds; a machine may be busy


def write_checkpoint(folder: Path, arch: str = "tcn") -> Path:
    """A talkative recogniser of `COLUMNS` columns."""
    return write_talkative(folder, arch, generic_layout(COLUMNS), ("HELLO", "YOU", "Ü-1"))


def walk(frames: int, seed: int = 5) -> np.ndarray:
    """Points that wander."""
    rng = np.random.default_rng(seed)
    return (0.5 + rng.normal(0, 0.05, (frames, COLUMNS)).cumsum(axis=0)).astype(np.float32)


class Heard(Listening):
    """A console that remembers errors: what the service says there are defects."""

    def __init__(self):
        super().__init__()
        self.errors = []

    def error(self, error):
        self.errors.append(str(error))


@contextmanager
def serving(
    checkpoint: Path, options: ServeConfig | None = None, page: Path | None = None, token: str = ""
) -> Iterator[str]:
    """Serve until the block ends, without a defect; gives `HOST:PORT`."""
    from slrcli.web.service.app import Service
    from slrcli.web.service.serve import listening
    from slrcli.web.service.server import Server

    options = options or ServeConfig()
    listener = listening("127.0.0.1", 0)
    place = f"127.0.0.1:{listener.getsockname()[1]}"
    recogniser = open_recogniser(Listening(), checkpoint, "cpu")
    console = Heard()
    server = Server(console, Service(recogniser, options, page), token)
    thread = threading.Thread(target=server.serve_until_signalled, args=(listener,))
    thread.start()
    try:
        deadline = time.monotonic() + DEADLINE
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        yield place
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        assert not thread.is_alive() and console.errors == []
