"""What the service answers: its routes, and the way of a clip from a client's bytes to what is recognised in it."""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from slrcli import __version__
from slrcli.config import ExtractConfig, ServeConfig
from slrcli.errors import SlrError, UsageError
from slrcli.features.readers import SUFFIXES
from slrcli.files import temporary_folder, written
from slrcli.parallel.workers import usable_cores
from slrcli.recognition.decode import Decoded
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.video.sources import VIDEOS
from slrcli.web.service.answers import json_response, refusal
from slrcli.web.service.batches import Batches
from slrcli.web.service.lanes import Lanes
from slrcli.web.service.reading import begin, read_clip, require_short, said_of
from slrcli.web.service.refusals import Busy, Gone, NoClip, TooLarge
from slrcli.web.service.site_files import SiteFiles
from slrcli.web.service.socket_stream import MOST_FPS, SocketStream

READERS = 2  # processes that read feature files, at most
MEGABYTE = 1 << 20
SPOOLED = 8  # clips of the largest size that may lie on the disk at a time
BUSY_FIX = "Try again in a moment."
ABOUT = """slr {version}: {glosses} glosses, layout {layout}.

POST /recognise?name=clip.npy   a feature file or a video; the answer is JSON
GET  /stream                    a WebSocket: frames in, glosses out
GET  /health                    whether the service runs
GET  /openapi.json              all of this for programs
"""


@dataclass
class Service:
    """A recogniser that clients share.

    Attributes:
        recogniser: with its decoder and its calibration.
        options: limits.
        page: a folder that is served as well.
    """

    recogniser: ClipRecogniser
    options: ServeConfig = field(default_factory=ServeConfig)
    page: Path | None = None

    def __post_init__(self) -> None:
        self._clips = self._streams = self._spooled = 0
        self._thread = ThreadPoolExecutor(1, "recogniser")

    def app(self) -> Starlette:
        """The application; it holds processes and a folder from its startup to its shutdown."""
        routes: list[BaseRoute] = [
            Route("/health", self.health),
            Route("/openapi.json", self.describe),
            Route("/recognise", self.recognise, methods=["POST"]),
            WebSocketRoute("/stream", self.stream),
        ]
        routes.append(Mount("/", SiteFiles(directory=self.page, html=True)) if self.page else Route("/", self.about))
        handlers: dict[Any, Any] = {SlrError: _refuse, HTTPException: _refuse_http}
        return Starlette(routes=routes, lifespan=self._life, exception_handlers=handlers)

    @asynccontextmanager
    async def _life(self, app: Starlette) -> AsyncIterator[None]:
        with temporary_folder() as self._folder, self._thread:
            self._reading = Lanes(min(READERS, usable_cores()), self.options.work, begin, (self.recogniser.meta,))
            self._videos = Lanes(1, self.options.work)
            self._batches = Batches(self.recogniser, self.options.batch, self._thread)
            work = asyncio.gather(self._batches.run(), self._reading.warm())
            try:
                yield
            finally:
                work.cancel()
                with suppress(asyncio.CancelledError):
                    await work
                await self._reading.close()
                await self._videos.close()

    async def about(self, request: Request) -> Response:
        """What there is, for people."""
        meta = self.recogniser.meta
        glosses = len(meta.vocabulary.tokens) - 1
        return PlainTextResponse(ABOUT.format(version=__version__, glosses=glosses, layout=meta.layout.name))

    async def health(self, request: Request) -> Response:
        """That the service runs, and how much it has to do."""
        return json_response({"status": "ok", "clips": self._clips, "streams": self._streams})

    async def describe(self, request: Request) -> Response:
        """The description for programs."""
        document = json.loads(files("slrcli.web.service").joinpath("openapi.json").read_text(encoding="utf-8"))
        document["info"]["version"] = __version__
        return json_response(document)

    async def recognise(self, request: Request) -> Response:
        """A clip in the body, what `slr decode --json` prints of it in the answer."""
        name, fps = named(request.query_params.get("name", "")), rate(request.query_params.get("fps", ""))
        self._require_room(request)
        self._clips += 1
        try:
            with TemporaryDirectory(dir=self._folder) as folder:
                path = Path(folder) / f"clip{PurePath(name).suffix.lower()}"
                try:
                    with written(path):
                        size = await self._receive(request, path)
                    try:
                        found = await unless_gone(request, self._decoded(path, fps))
                    finally:
                        self._spooled -= size
                except SlrError as error:
                    raise said_of(error, Path(folder), path, name) from error
            return json_response(replace(found, path=Path(name)).to_dict())
        finally:
            self._clips -= 1

    def _require_room(self, request: Request) -> None:
        """Refuse a clip before its bytes come.

        Raises:
            Refused: it is too large or compressed, or too many are under way.
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise NoClip("A compressed body is not read.", "Content-Encoding", "Send the file as it is.")
        announced = request.headers.get("content-length", "0")
        self._require_size(int(announced) if announced.isdigit() else 0)
        if self._clips >= self.options.connections // 2:
            raise Busy("Too many clips are being recognised.", "", BUSY_FIX)

    def _require_size(self, size: int) -> None:
        if size > self.options.most_mb * MEGABYTE:
            what = f"The clip is larger than {self.options.most_mb:g} MB."
            raise TooLarge(what, "", "Send a shorter one, or start the service with a larger --most-mb.")

    async def _receive(self, request: Request, path: Path) -> int:
        """Write the body to a file; its size, which counts as spooled until the file is gone."""
        size = 0
        try:
            with path.open("xb") as file:
                async for part in request.stream():
                    size += len(part)
                    self._spooled += len(part)
                    self._require_size(size)
                    if self._spooled > SPOOLED * self.options.most_mb * MEGABYTE:
                        raise Busy("Too many large clips are under way.", "", BUSY_FIX)
                    file.write(part)
            if not size:
                raise NoClip("The request holds no clip.", "", "Send the file: curl --data-binary @clip.npy.")
        except BaseException as error:
            self._spooled -= size
            if isinstance(error, ClientDisconnect):
                raise Gone("The client is gone.") from error
            raise
        return size

    async def _decoded(self, path: Path, fps: float) -> Decoded:
        """What is recognised in a file."""
        most, made = self.options.most_frames, None
        if path.suffix in VIDEOS:
            made = path.with_name("landmarks.npz")
            facts = await self._landmarks(path, made, fps)
            require_short(facts["frames_looked_at"], most, path)
        clip = await self._reading.do(read_clip, made or path, 0.0 if made else fps, most)
        return await self._batches.recognise(path, clip, made)

    async def _landmarks(self, video: Path, made: Path, fps: float) -> dict[str, Any]:
        """Find the landmarks of a video, as `slr decode` does; facts of the clip."""
        from slrcli.video.job import Job, run_job
        from slrcli.video.landmarks import check_layout
        from slrcli.video.library import need_all

        meta = self.recogniser.meta
        check_layout(meta.layout)
        need_all()
        return await self._videos.do(run_job, Job(video, made, meta.layout, ExtractConfig(fps=fps or meta.fps)))

    async def stream(self, socket: WebSocket) -> None:
        """Frames in, glosses out."""
        if self._streams >= self.options.connections // 4:
            await socket.send_denial_response(refusal(Busy("Too many streams are under way.", "", BUSY_FIX)))
            return
        self._streams += 1
        try:
            await SocketStream(socket, self.recogniser, self._thread, self.options.timeout).run()
        finally:
            self._streams -= 1


def named(name: str) -> str:
    """The name of a clip, without folders, whose suffix says its format.

    Raises:
        NoClip: there is none, or no format has that suffix.
    """
    last = PurePath(name.replace("\\", "/")).name
    if PurePath(last).suffix.lower() not in {f".{each.rpartition('.')[2]}" for each in (*SUFFIXES, *VIDEOS)}:
        what = "The format of the clip is not known." if last else "The clip has no name."
        raise NoClip(what, last, "Name it with its suffix, such as ?name=clip.npy or ?name=clip.mp4.")
    return last


def rate(told: str) -> float:
    """Frames per second that a client says; 0 where it says nothing.

    Raises:
        UsageError: no such number.
    """
    try:
        fps = float(told or 0)
    except ValueError:
        fps = -1.0
    if not 0 <= fps <= MOST_FPS:
        raise UsageError(f"The frame rate must be a number from 0 to {MOST_FPS:g}.", "fps", "Write it as &fps=25.")
    return fps


async def unless_gone(request: Request, work: Any) -> Any:
    """What work comes to; it is cancelled where the client does not wait for it.

    Raises:
        Gone: the client is.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone("The client is gone.")
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, SlrError)
    return refusal(error)


async def _refuse_http(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: a path or a method that there is not."""
    assert isinstance(error, HTTPException)
    what = "There is no such page." if error.status_code == 404 else f"{error.detail.rstrip('.')}."
    parts = {"what": what, "where": "", "fix": "GET /openapi.json tells what there is."}
    return json_response(parts, error.status_code, dict(error.headers or {}))
