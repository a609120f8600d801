"""uvicorn as the service needs it: with limits, without a log of its own, ended by the signals that end any command."""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from slrcli.console import Console
from slrcli.errors import Ended, ending_signals
from slrcli.web.service.app import MEGABYTE, Service
from slrcli.web.service.connections import Connections
from slrcli.web.service.guard import Guard
from slrcli.web.service.socket_stream import MOST_MESSAGE

GRACE = 10  # seconds that what is under way has to end
AT_ONCE = 64  # connections that are accepted before the others are looked at again, at most
QUEUE = 1024  # connections that the system keeps until they are accepted
DISCARDED = 16 * MEGABYTE  # per megabyte that a clip may have: of a request that was refused before it was whole
SPARE = 512  # files that are open beside connections, at most
SAID_EVERY = 60.0  # seconds


class Server(uvicorn.Server):
    """The server of one service.

    Args:
        console: for the log.
        service: what it answers with.
        token: see `Guard`.
    """

    def __init__(self, console: Console, service: Service, token: str = ""):
        _silence()
        options = service.options
        self._console, self._signal, self._said = console, 0, -SAID_EVERY
        discarded = int(max(1.0, options.most_mb) * DISCARDED)
        self.open = Connections(allowed(options.connections), options.timeout, discarded)
        http, sockets = self.open.protocols()
        super().__init__(
            uvicorn.Config(
                Guard(service.app(), console, token), http=http, ws=sockets, loop="asyncio", lifespan="on",
                log_config=None, access_log=False, proxy_headers=False, server_header=False,
                backlog=min(AT_ONCE, max(1, self.open.most // 4)),
                ws_max_size=MOST_MESSAGE, ws_per_message_deflate=False, timeout_graceful_shutdown=GRACE,
            )
        )  # fmt: skip

    def serve_until_signalled(self, listener: socket.socket) -> None:
        """Answer whoever connects, until a signal comes or `should_exit` is set.

        Raises:
            KeyboardInterrupt: a signal came, and what was under way has ended.
        """
        asyncio.run(self.serve([listener]))
        if self._signal:
            raise KeyboardInterrupt if self._signal == signal.SIGINT else Ended(self._signal)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        asyncio.get_running_loop().set_exception_handler(self._hear)
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`; its backlog says as well how many connections are accepted at once, ours does not."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(QUEUE)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let the first signal begin the end, and a further Ctrl-C hasten it."""
        try:
            before = {kind: signal.signal(kind, self.handle_exit) for kind in ending_signals()}
        except ValueError:  # not the main thread
            before = {}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """See `capture_signals`."""
        self._signal = self._signal or sig
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    def _hear(self, loop: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
        """What goes wrong beside all requests, such as too many open files; said once a minute."""
        if time.monotonic() - self._said >= SAID_EVERY:
            self._said = time.monotonic()
            self._console.warn(f"The service goes on after an error: {told.get('exception') or told.get('message')}.")


def allowed(connections: int) -> int:
    """So many connections, or as many as files may be open; that limit is raised where the system lets us."""
    if sys.platform == "win32":
        return connections
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(4, min(connections, soft - SPARE if soft > 2 * SPARE else soft // 2))
    return connections


def _silence() -> None:
    """Keep what uvicorn says off the terminal: the guard tells of every request, and clients of what they did wrong."""
    log = logging.getLogger("uvicorn")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())
