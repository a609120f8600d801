"""Connections of the service: none is waited for without end, and those that only wait give way to others.

uvicorn waits for the first request of a connection as long as its client likes, and so for the rest of one, and for a
client that takes nothing of what it is sent.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

STRANGE, IDLE, SENDS, WORKS = range(4)  # without any request yet; between two; amid one; answered


class Connections:
    """All connections at a time, the oldest first.

    Args:
        most: at a time; beyond, the oldest is dropped of those that have sent no whole request yet, else of those
            between two requests, else of those amid one; where all are at work, the new one.
        patience: seconds in which a request must have arrived, or something of an answer been taken.
        discarded: bytes of a request that was answered already before its connection is dropped.
    """

    def __init__(self, most: int, patience: float, discarded: int):
        self.most, self.patience, self.discarded = most, patience, discarded
        self._open: dict[_Watched, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: "_Watched") -> None:
        """A new connection, for which another may have to go."""
        self._open[connection] = None
        if len(self._open) > self.most:
            others = (each for each in self._open if each is not connection)
            least = min(others, key=lambda each: each.stage, default=connection)  # the oldest of them
            (connection if least.stage == WORKS else least).drop()

    def remove(self, connection: "_Watched") -> None:
        """A connection that is gone, or that has become another."""
        self._open.pop(connection, None)

    def protocols(self) -> tuple[type[asyncio.Protocol], type[asyncio.Protocol]]:
        """What uvicorn makes of connections: for HTTP, and for those that become WebSockets."""
        return type("Http", (_Http,), {"all": self}), type("Socket", (_Socket,), {"all": self})


class _Watched:
    """What both kinds of connection share: two deadlines."""

    all: Connections
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _taken: asyncio.TimerHandle | None = None  # ends a connection whose client takes nothing

    @property
    def stage(self) -> int:
        """What the connection waits for."""
        raise NotImplementedError

    def drop(self) -> None:
        """End it at once."""
        self.all.remove(self)
        self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[misc]  # of the protocol that this is mixed into
        self._taken = self.loop.call_later(self.all.patience, self.drop)

    def resume_writing(self) -> None:
        super().resume_writing()  # type: ignore[misc]
        self._forget_taken()

    def _forget_taken(self) -> None:
        if self._taken is not None:
            self._taken.cancel()
            self._taken = None


class _Http(_Watched, H11Protocol):
    """A connection of HTTP whose requests must arrive in time."""

    _arrived: asyncio.TimerHandle | None = None  # ends a connection whose request does not arrive
    _between = STRANGE  # its stage while no request is under way
    _unread = 0  # bytes that came after the answer

    @property
    def stage(self) -> int:
        if self.transport.is_closing():
            return STRANGE
        return {h11.IDLE: self._between, h11.SEND_BODY: SENDS}.get(self.conn.their_state, WORKS)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.all.add(self)
        self._look()

    def data_received(self, data: bytes) -> None:
        answered = self.conn.our_state is h11.DONE
        super().data_received(data)
        self._unread = self._unread + len(data) if answered and self.stage == SENDS else 0
        if self._unread > self.all.discarded:
            self.drop()
        self._look()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._forget()
        self.all.remove(self)
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self.all.remove(self)
        super().connection_lost(exc)

    def _look(self) -> None:
        """Start or stop the clock; between two requests it is uvicorn's that runs."""
        if self.transport.get_protocol() is not self or self.stage == WORKS:
            self._forget_arrived()
            self._between = IDLE
        elif self._arrived is None:
            self._arrived = self.loop.call_later(self.all.patience, self.drop)

    def _forget_arrived(self) -> None:
        if self._arrived is not None:
            self._arrived.cancel()
            self._arrived = None

    def _forget(self) -> None:
        self._forget_arrived()
        self._forget_taken()


class _Socket(_Watched, WebSocketsSansIOProtocol):
    """A WebSocket; that something is received in time is seen to where it is read."""

    @property
    def stage(self) -> int:
        return STRANGE if self.transport.is_closing() or not self.handshake_complete else WORKS

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_taken()
        self.all.remove(self)
        super().connection_lost(exc)
