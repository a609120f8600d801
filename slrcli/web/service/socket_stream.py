"""Frames that a client sends over a WebSocket, and the glosses that it is told once they are final."""

import asyncio
import json
from concurrent.futures import Executor
from contextlib import suppress
from typing import Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from slrcli.config import FRAMES_PER_SECOND, LiveConfig
from slrcli.decoding.stream import StreamEvent, StreamRecogniser
from slrcli.errors import DataError, SlrError, UsageError
from slrcli.listening import Listening
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.stream import stream_recogniser
from slrcli.web.service.refusals import TooSlow, parts_of

MOST_MESSAGE = 1 << 20  # bytes
AT_ONCE = 64  # frames that one stream has recognised before it is the others' turn
MOST_FPS = 1000.0
NORMAL, UNFIT, POLICY, DEFECT = 1000, 1007, 1008, 1011  # why a WebSocket is closed, as RFC 6455 numbers it
FORM = 'Send float32 rows in little-endian order, or {"frames": [[0.1, null, ...], ...]}.'


class SocketStream:
    """One client's stream.

    Args:
        socket: not accepted yet.
        recogniser: only ever called by the executor.
        executor: with one thread.
        patience: seconds of silence after which the stream is closed.
    """

    def __init__(self, socket: WebSocket, recogniser: ClipRecogniser, executor: Executor, patience: float):
        self._socket, self._recogniser, self._executor, self._patience = socket, recogniser, executor, patience
        self._fps = 0.0

    async def run(self) -> None:
        """Take frames in until the client ends the stream or goes, or something is wrong with it."""
        await self._socket.accept()
        with suppress(WebSocketDisconnect):
            try:
                await self._recognise()
                await self._socket.close(NORMAL)
            except SlrError as error:
                code = POLICY if isinstance(error, TooSlow) else UNFIT
                await self._close(error, code)
            except WebSocketDisconnect:
                raise
            except Exception as error:
                await self._close(SlrError("An unexpected error occurred, a defect of slr.", "", ""), DEFECT)
                raise error

    async def _close(self, error: SlrError, code: int) -> None:
        """Say what is wrong before the end."""
        await self._socket.send_text(json.dumps({"error": parts_of(error)}))
        await self._socket.close(code)

    async def _recognise(self) -> None:
        self._fps = rate_of(self._socket.query_params.get("fps"), self._recogniser)
        stream = await self._compute(stream_recogniser, Listening(), self._recogniser, self._fps, LiveConfig())
        while (frames := await self._receive()) is not None:
            for start in range(0, len(frames), AT_ONCE):
                await self._tell(await self._compute(_push, stream, frames[start : start + AT_ONCE]))
        await self._tell(await self._compute(stream.finish))

    async def _compute(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    async def _tell(self, events: list[StreamEvent]) -> None:
        for event in events:
            await self._socket.send_text(json.dumps(event.to_dict(self._fps), ensure_ascii=False))

    async def _receive(self) -> np.ndarray | None:
        """The frames of the next message; None at the end.

        Raises:
            SlrError: silence, or a message that holds no frames of the layout.
        """
        try:
            async with asyncio.timeout(self._patience):
                message = await self._socket.receive()
        except TimeoutError as error:
            what = f"Nothing came within {self._patience:g} seconds."
            raise TooSlow(what, "stream", 'Close a stream with {"end": true}.') from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        data, layout = message.get("bytes"), self._recogniser.meta.layout
        if data is not None:
            return binary_frames(data, layout.width)
        found = text_frames(message.get("text") or "")
        if not found:
            return None if found is None else np.zeros((0, layout.width), np.float32)
        with np.errstate(over="ignore"):  # becomes infinite, which is refused
            return self._recogniser.frames(np.array(found, np.float32), "stream")


def _push(stream: StreamRecogniser, frames: np.ndarray) -> list[StreamEvent]:
    if np.isinf(frames).any():
        raise DataError("The frames hold infinite values.", "stream", "Write NaN or null where a value is missing.")
    return stream.push(frames)


def rate_of(told: str | None, recogniser: ClipRecogniser) -> float:
    """Frames per second of a stream: what the client says, else as in training.

    Raises:
        UsageError: no number, or one that no stream has.
    """
    if not told:
        return recogniser.meta.fps or FRAMES_PER_SECOND
    try:
        fps = float(told)
    except ValueError:
        fps = 0.0
    if not 1 <= fps <= MOST_FPS:
        raise UsageError(f"The frame rate must be a number from 1 to {MOST_FPS:g}.", "fps", "Write it as ?fps=25.")
    return fps


def binary_frames(data: bytes, width: int) -> np.ndarray:
    """Rows of little-endian float32; DataError for a part of one."""
    if len(data) % (4 * width):
        what = f"A message of {len(data):,} bytes holds no whole frames of {width} float32 values."
        raise DataError(what, "stream", FORM)
    return np.frombuffer(data, "<f4").reshape(-1, width).astype(np.float32)


def text_frames(text: str) -> list[list[float]] | None:
    """The frames of a JSON message, null as NaN; None where it says that the stream ends.

    Raises:
        DataError: it is something else.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError("The message is not JSON.", "stream", FORM) from error
    if isinstance(told, dict) and told.get("end") is True:
        return None
    frames = told.get("frames") if isinstance(told, dict) else None
    if not isinstance(frames, list) or not all(isinstance(row, list) for row in frames):
        raise DataError("The message has no list of frames.", "stream", FORM)
    if not all(_is_value(value) for row in frames for value in row):
        raise DataError("A frame holds something other than numbers and null.", "stream", FORM)
    if len({len(row) for row in frames}) > 1:
        raise DataError("The frames are not equally wide.", "stream", FORM)
    return [[float("nan") if value is None else float(value) for value in row] for row in frames]


def _is_value(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 1 << 64
    return value is None or isinstance(value, float)
