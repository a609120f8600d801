"""The service keeps to itself and keeps answering: tokens, foreign pages, files outside its page, bad clients."""

import json
import os
import socket
import struct
import tempfile
import threading
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import numpy as np
import pytest
from support.services import COLUMNS, DEADLINE, serving, walk, write_checkpoint
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.config import ServeConfig

httpx = pytest.importorskip("httpx")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
websockets = pytest.importorskip("websockets.sync.client")

TOKEN = "a-secret-of-the-test"
CONNECTIONS, PATIENCE = 40, 3.0


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def small(checkpoint):
    """A service with narrow limits."""
    options = ServeConfig(most_mb=0.5, most_frames=1000, connections=CONNECTIONS, timeout=PATIENCE)
    with serving(checkpoint, options) as place:
        yield place


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page, and beside it what is none of it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "secret.txt").write_text("secret")
    (folder / "page-2").mkdir()
    (folder / "page-2" / "secret.txt").write_text("secret")
    page = folder / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<p>the page</p>")
    for name in ("app.js", "ort.mjs", "ort.wasm", "model.json", "style.css", "assets/points.data", ".hidden"):
        (page / name).write_text("{}")
    (page / "link.txt").symlink_to(folder / "secret.txt")
    (page / "up").symlink_to(folder)
    return page


@pytest.fixture(scope="module")
def closed(checkpoint, page):
    """A service with a token and a page."""
    with serving(checkpoint, page=page, token=TOKEN) as place:
        yield place


def client(place, **options):
    return httpx.Client(base_url=f"http://{place}", timeout=DEADLINE, trust_env=False, **options)


def status(place, path="/health", **options) -> int:
    with client(place) as asking:
        return asking.get(path, **options).status_code


@pytest.mark.parametrize("token", [None, "", "Bearer", "Basic x", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN,
                                   "Bearer \u00fc"])  # fmt: skip
def test_without_the_token_nothing_but_health_is_answered(closed, token):
    headers = {} if token is None else {"Authorization": token.encode("latin-1")}
    with client(closed, headers=headers) as asking:
        assert asking.get("/health").status_code == 200
        for answer in (asking.get("/"), asking.get("/openapi.json"), asking.get("/app.js"), asking.get("/nothing"),
                       asking.post("/recognise?name=a.npy", content=b"x"), asking.get("/?token=wrong")):  # fmt: skip
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in answer.text


def test_with_the_token_clips_and_streams_are_answered(closed, tmp_path):
    np.save(tmp_path / "a.npy", walk(60))
    body = (tmp_path / "a.npy").read_bytes()
    with client(closed, headers={"Authorization": f"Bearer {TOKEN}"}) as asking:
        assert asking.post("/recognise?name=a.npy", content=body).status_code == 200
    with websockets.connect(f"ws://{closed}/stream?token={TOKEN}", open_timeout=DEADLINE, proxy=None) as stream:
        stream.send('{"end": true}')
        assert list(stream) == []
    with pytest.raises(Exception, match="401"):
        websockets.connect(f"ws://{closed}/stream?token=wrong", open_timeout=DEADLINE, proxy=None)


def test_a_browser_brings_the_token_once_and_keeps_no_more_than_a_cookie(closed):
    with client(closed, follow_redirects=True) as browser:
        answer = browser.get(f"/?token={TOKEN}")
        assert answer.text == "<p>the page</p>" and answer.url.query == b""
        (cookie,) = answer.history[0].headers.get_list("set-cookie")
        assert TOKEN not in cookie and "HttpOnly" in cookie and "SameSite=strict" in cookie
        assert browser.get("/app.js").status_code == 200
        assert browser.post("/recognise?name=a.npy", content=b"x").status_code == 401  # a cookie is for reading alone


def test_the_page_is_served_with_types_that_browsers_run(closed):
    with client(closed, headers={"Authorization": f"Bearer {TOKEN}"}) as asking:
        kinds = {name: asking.get(name).headers["content-type"].partition(";")[0] for name in (
            "/", "/app.js", "/ort.mjs", "/ort.wasm", "/model.json", "/style.css", "/assets/points.data",
        )}  # fmt: skip
        assert [*kinds.values()] == ["text/html", "text/javascript", "text/javascript", "application/wasm",
                                     "application/json", "text/css", "application/octet-stream"]  # fmt: skip
        assert asking.get("/").headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/assets/../../secret.txt", "/link.txt",
        "/up/secret.txt", "/up/page-2/secret.txt", "/../page-2/secret.txt", "//etc/passwd", "/%2fetc/passwd",
        "/..%5csecret.txt", "/%00", "/secret.txt%00.js", "/.hidden", "/" + "a" * 5000, "/assets", "/\u00fc",
    ],
)  # fmt: skip
def test_nothing_outside_of_the_page_is_served(closed, path):
    request = f"GET {path} HTTP/1.1\r\nHost: {closed}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    answer = exchanged(closed, request.encode("utf-8"))
    assert answer.split()[1] in (b"404", b"400", b"403") and b"secret" not in answer and b"root:" not in answer


def exchanged(place: str, data: bytes) -> bytes:
    """What a connection gives for some bytes, until it ends."""
    with closing(connected(place)) as wire:
        wire.sendall(data)
        found = b""
        with suppress(ConnectionError):
            while part := wire.recv(1 << 16):
                found += part
        return found


def connected(place: str) -> socket.socket:
    host, _, port = place.partition(":")
    return socket.create_connection((host, int(port)), timeout=DEADLINE)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "", "[::2]", "10.0.0.1"]
)
def test_a_name_that_was_given_this_address_is_not_answered(small, host):
    assert status(small, headers={"Host": host}) == 403


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:80", "[::1]"])
def test_names_of_this_machine_are_answered(small, host):
    assert status(small, headers={"Host": host}) == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
def test_pages_from_elsewhere_are_not_answered(small, origin):
    assert status(small, headers={"Origin": origin}) == 403
    with pytest.raises(Exception, match="403"):
        websockets.connect(f"ws://{small}/stream", origin=origin, open_timeout=DEADLINE, proxy=None)
    assert status(small, headers={"Origin": f"http://{small}"}) == 200


def test_no_page_from_elsewhere_is_invited(small):
    with client(small) as asking:
        headers = asking.options("/recognise", headers={"Origin": f"http://{small}"}).headers
    assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--host", "0.0.0.0"], 2, "there is no token"),
        (["--host", "::"], 2, "there is no token"),
        (["--host", "example.org"], 2, "there is no token"),
        (["--host", "nowhere.invalid", "--token", TOKEN], 1, "no address"),
        (["--token", "two words"], 2, "printable ASCII"),
        (["--page", "nothing"], 2, "holds no page"),
        (["--port", "70000"], 2, "port"),
        (["--connections", "0"], 2, "connections"),
    ],
)
def test_what_cannot_be_served_is_said_before_anything_is_loaded(tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    done = CliRunner().invoke(app, ["serve", "runs", *arguments])
    assert done.exit_code == code and said in done.stderr, done.stderr


def test_a_port_that_is_taken_is_said(small, checkpoint):
    done = CliRunner().invoke(app, ["serve", str(checkpoint), "--port", small.partition(":")[2]])
    assert done.exit_code == 1 and "is in use" in done.stderr and "--port 0" in done.stderr


def test_clips_that_are_too_large_or_too_long_are_refused(small, tmp_path):
    np.savez_compressed(tmp_path / "long.npz", x=np.zeros((100_000, COLUMNS), np.float32) + 0.5)
    large = b"x" * (1 << 20)
    with client(small) as asking:
        found = [
            asking.post("/recognise?name=a.npy", content=large),
            asking.post("/recognise?name=a.npy", content=iter([large[:100_000]] * 20)),  # of a length nobody told
            asking.post("/recognise?name=a.npz", content=(tmp_path / "long.npz").read_bytes()),
        ]
        packed = asking.post("/recognise?name=a.npy", content=b"x", headers={"Content-Encoding": "gzip"})
    assert [answer.status_code for answer in found] == [413, 413, 413] and packed.status_code == 415
    assert "100,000 frames" in found[2].json()["what"]


def test_a_message_that_is_too_large_ends_its_stream(small):
    with (
        websockets.connect(f"ws://{small}/stream", open_timeout=DEADLINE, proxy=None) as stream,
        pytest.raises(Exception, match="1009"),
    ):
        stream.send(b"\0" * (2 << 20))
        stream.recv(DEADLINE)


def test_a_silent_stream_is_ended(small):
    with websockets.connect(f"ws://{small}/stream", open_timeout=DEADLINE, proxy=None) as stream:
        assert "Nothing came" in json.loads(stream.recv(DEADLINE))["error"]["what"]


def test_streams_leave_room_for_others(small):
    with ExitStack() as stack:
        for _ in range(CONNECTIONS // 4):
            stack.enter_context(websockets.connect(f"ws://{small}/stream", open_timeout=DEADLINE, proxy=None))
        with pytest.raises(Exception, match="503"):
            websockets.connect(f"ws://{small}/stream", open_timeout=DEADLINE, proxy=None)
        assert status(small) == 200


HEAD = b"POST /recognise?name=a.npy HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 400000\r\n\r\n"
CLIENTS = {
    "nothing": b"",
    "a part of a head": b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
    "a part of a body": HEAD + b"\x93NUMPY",
    "garbage": bytes(range(256)) * 40,
    "a head without an end": b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000,
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "a part of a handshake": b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n",
}


@pytest.mark.parametrize("data", CLIENTS.values(), ids=CLIENTS.keys())
def test_clients_that_never_finish_do_not_keep_others_out(small, data):
    with ExitStack() as stack:
        for _ in range(5 * CONNECTIONS):
            wire = stack.enter_context(closing(connected(small)))
            with suppress(ConnectionError):
                wire.sendall(data)
        assert status(small) == 200


def test_clients_that_never_finish_are_let_go(small):
    with closing(connected(small)) as idle, closing(connected(small)) as slow:
        slow.sendall(HEAD)
        begin = time.monotonic()
        for wire in (idle, slow):
            with suppress(ConnectionError):
                assert wire.recv(1) == b""
        assert time.monotonic() - begin < DEADLINE / 2


def test_thousands_of_connections_leave_the_service_as_it_was(small):
    for number in range(2000):
        wire = connected(small)
        if number % 2:  # gone without a goodbye
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()
    assert status(small) == 200
    if os.path.isdir("/proc/self/fd"):
        assert len(os.listdir("/proc/self/fd")) < 500


def test_a_client_that_takes_no_answer_is_let_go(checkpoint, tmp_path):
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / "large.data").write_bytes(b"\0" * (16 << 20))
    with serving(checkpoint, ServeConfig(timeout=0.5, connections=8), page=tmp_path) as place, ExitStack() as stack:
        for _ in range(16):
            wire = stack.enter_context(closing(connected(place)))
            wire.sendall(b"GET /large.data HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        begin = time.monotonic()
        while True:  # all are busy at first: those that come are refused until the first is let go
            with suppress(httpx.HTTPError):
                if status(place) == 200:
                    break
            assert time.monotonic() - begin < DEADLINE
            time.sleep(0.1)


def test_whoever_goes_leaves_nothing_to_do(small, tmp_path):
    np.save(tmp_path / "a.npy", walk(900))
    body = (tmp_path / "a.npy").read_bytes()
    head = b"POST /recognise?name=a.npy HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    for number in range(20):
        with closing(connected(small)) as wire:
            wire.sendall(head + body[: len(body) // (1 + number % 2)])
    deadline = time.monotonic() + DEADLINE
    with client(small) as asking:
        while asking.get("/health").json()["clips"] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert asking.get("/health").json()["clips"] == 0


def test_good_clients_are_served_amid_bad_ones(small, tmp_path):
    np.save(tmp_path / "a.npy", walk(60))
    body, over = (tmp_path / "a.npy").read_bytes(), threading.Event()

    def bother():
        while not over.is_set():
            for data in CLIENTS.values():
                with suppress(OSError), closing(connected(small)) as wire:
                    wire.sendall(data)

    threads = [threading.Thread(target=bother) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        with client(small) as asking:
            found = [asking.post("/recognise?name=a.npy", content=body).status_code for _ in range(10)]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert found == [200] * 10


def test_nothing_of_a_clip_is_kept(small, tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", walk(60))
    with client(small) as asking:
        asking.post("/recognise?name=a.npy", content=(tmp_path / "a.npy").read_bytes())
        asking.post("/recognise?name=a.npy", content=b"garbage")
    left = [path for path in Path(tempfile.gettempdir()).glob(f"slr-*-{os.getpid()}-*/*") if path.is_dir()]
    assert left == []
