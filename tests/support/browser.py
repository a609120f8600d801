"""A page in headless Chromium, handed out by a server on loopback."""

import functools
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

CHROMIUM = os.environ.get("SLR_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
# MediaPipe's browser build draws with WebGL, which a machine without a graphics card has from SwiftShader.
FLAGS = (
    "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
)  # fmt: skip
PATIENCE = 600  # seconds for anything: graphics in software are slow


class Quiet(SimpleHTTPRequestHandler):
    """Files with the types that browsers insist on, and no log."""

    extensions_map: ClassVar = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def handed_out(folder: Path) -> Iterator[str]:
    """The address of a server of a folder's files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


@dataclass
class Visit:
    """A page that is open, and what it has asked for and complained of."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.page.text_content("#status")

    def wait(self, *words: str) -> str:
        """Its status, once one of the words is in it."""
        end = time.monotonic() + PATIENCE
        while not any(word in self.status for word in words):
            assert time.monotonic() < end, f"{self.status}; {self.complaints}"
            self.page.wait_for_timeout(100)
        return self.status

    @property
    def captions(self) -> list[str]:
        """The glosses in the transcript."""
        return self.page.locator("#found td:nth-child(2)").all_text_contents()

    def saved(self, button: str, path: Path) -> Path:
        """What a button lets the visitor save."""
        with self.page.expect_download() as download:
            self.page.click(button)
        download.value.save_as(path)
        return path


@contextmanager
def visit(folder: Path, camera: Path | None = None, **context: Any) -> Iterator[Visit]:
    """Open a page; `camera` is a .mjpeg or .y4m video that stands in for one."""
    from playwright.sync_api import sync_playwright

    flags = [*FLAGS, *([f"--use-file-for-fake-video-capture={camera}"] if camera else [])]
    with sync_playwright() as player, handed_out(folder) as address:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=flags)
        opened = browser.new_context(accept_downloads=True, **context)
        opened.set_default_timeout(1000 * PATIENCE)
        page = opened.new_page()
        found = Visit(page)
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("requestfailed", lambda request: found.complaints.append(request.url))
        page.on("console", lambda said: found.complaints.append(said.text) if said.type == "error" else None)
        page.goto(address)
        try:
            yield found
        finally:
            browser.close()
