"""The service answers what the command line prints, whoever else asks at the same time."""

import asyncio
import json
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.forked import program
from support.services import COLUMNS, DEADLINE, serving, walk, write_checkpoint
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.config import LiveConfig
from slrcli.errors import SlrError
from slrcli.features.clip import Clip
from slrcli.listening import Listening
from slrcli.recognition.load import open_recogniser
from slrcli.recognition.stream import stream_recogniser

httpx = pytest.importorskip("httpx")
pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
websockets = pytest.importorskip("websockets.sync.client")

from slrcli.web.service.batches import MOST_TOGETHER, Batches, together  # noqa: E402 (of the extra)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def place(checkpoint):
    with serving(checkpoint) as place:
        yield place


@pytest.fixture(scope="module")
def client(place):
    with httpx.Client(base_url=f"http://{place}", timeout=DEADLINE, trust_env=False) as client:
        yield client


def decoded(checkpoint: Path, *files: Path) -> list[dict]:
    done = CliRunner().invoke(app, ["decode", *map(str, files), "--model", str(checkpoint), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def sent(client, path: Path, **query):
    return client.post("/recognise", params={"name": path.name, **query}, content=path.read_bytes())


def same(found: dict, expected: dict) -> bool:
    """Whether two answers agree, but for what the order of a sum costs."""
    return {**found, "log_probability": 0} == {**expected, "log_probability": 0, "file": found["file"]} and np.isclose(
        found["log_probability"], expected["log_probability"], rtol=1e-5
    )


def test_a_clip_is_answered_as_the_command_line_prints_it(client, checkpoint, tmp_path):
    x = walk(150)
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "b.npz", x=x[:80])
    np.savetxt(tmp_path / "ü c.csv", x[:60], delimiter=",")
    files = [tmp_path / name for name in ("a.npy", "b.npz", "ü c.csv")]
    for path, expected in zip(files, decoded(checkpoint, *files), strict=True):
        answer = sent(client, path)
        assert answer.status_code == 200, answer.text
        assert answer.json()["file"] == path.name and same(answer.json(), expected)
    assert len(decoded(checkpoint, files[0])[0]["glosses"]) > 3


def test_the_page_s_python_says_what_the_command_line_prints(place, checkpoint, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[3] / "examples" / "web.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    np.save("clip.npy", walk(150))
    (expected,) = decoded(checkpoint, tmp_path / "clip.npy")
    for block in blocks:
        exec(block.replace("127.0.0.1:8000", place), {})
    posted, *streamed = capsys.readouterr().out.splitlines()
    assert len(blocks) == 2 and posted == str([item["gloss"] for item in expected["glosses"]])
    stream = stream_recogniser(Listening(), open_recogniser(Listening(), checkpoint, "cpu"), 25.0, LiveConfig())
    events = stream.push(walk(150)) + stream.finish()
    assert [json.loads(line)["gloss"] for line in streamed] == [event.gloss for event in events] and events


def test_an_answer_has_what_the_description_says_and_no_more(client, tmp_path):
    np.save(tmp_path / "a.npy", walk(90))
    document = client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    answer = sent(client, tmp_path / "a.npy").json()
    pairs = [(schemas["Clip"], answer), (schemas["Gloss"], answer["glosses"][0])]
    pairs += [(schemas["Health"], client.get("/health").json()), (schemas["Refusal"], client.get("/nothing").json())]
    for schema, value in pairs:
        assert {*schema["required"]} <= value.keys() <= schema["properties"].keys()
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            status = str(client.request(method, path).status_code)
            assert status in told["responses"], (path, status)


def test_many_clients_get_what_each_would_get_alone(client, checkpoint, tmp_path):
    files = [tmp_path / f"{number}.npy" for number in range(24)]
    for number, path in enumerate(files):
        np.save(path, walk(40 + 13 * number, number))
    expected = decoded(checkpoint, *files)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda path: sent(client, path).json(), files))
    assert all(map(same, answers, expected))


def test_clips_that_wait_are_recognised_together_and_not_those_that_differ_much(checkpoint):
    recogniser, sizes = open_recogniser(Listening(), checkpoint, "cpu"), []
    lengths = [60, 64, 58, 200, 61, 63]
    clips = [recogniser.prepared(walk(length, length)) for length in lengths]
    inner = recogniser.recognise
    recogniser.recognise = lambda xs, names=None: sizes.append(len(xs)) or inner(xs, names)

    async def ask():
        with ThreadPoolExecutor(1) as executor:
            batches = Batches(recogniser, 4, executor)
            waiting = [
                asyncio.ensure_future(batches.recognise(Path(f"{number}"), clip)) for number, clip in enumerate(clips)
            ]
            await asyncio.sleep(0)
            work = asyncio.create_task(batches.run())
            found = await asyncio.gather(*waiting)
            work.cancel()
            return found

    found = asyncio.run(ask())
    assert sizes == [4, 1, 1]
    for clip, item in zip(clips, found, strict=True):
        assert item.found.spans == inner([clip.x])[0].spans


def test_clips_that_wait_are_bounded(checkpoint, monkeypatch):
    monkeypatch.setattr("slrcli.web.service.batches.MOST_WAITING", 9_000)

    async def ask():
        batches = Batches(open_recogniser(Listening(), checkpoint, "cpu"), 4, None)
        first = asyncio.ensure_future(batches.recognise(Path("a"), Clip(walk(9_000), 9_000)))
        await asyncio.sleep(0)
        with pytest.raises(SlrError, match="Too many long clips"):
            await batches.recognise(Path("b"), Clip(walk(5), 5))
        first.cancel()

    asyncio.run(ask())


def test_a_batch_is_bounded():
    class Item:
        def __init__(self, frames):
            self.clip = Clip(np.zeros((frames, 1), np.float32), frames)

    assert len(together([Item(MOST_TOGETHER)] * 3, 16)) == 1
    assert len(together([Item(MOST_TOGETHER // 4)] * 9, 16)) == 4
    assert len(together([Item(10 * MOST_TOGETHER), Item(5)], 16)) == 1


def streamed(place, messages, fps=25) -> list[dict]:
    with websockets.connect(f"ws://{place}/stream?fps={fps}", open_timeout=DEADLINE, proxy=None) as socket:
        for message in messages:
            socket.send(message)
        socket.send('{"end": true}')
        return [json.loads(text) for text in socket]


def expected_events(checkpoint, x, fps=25.0) -> list[dict]:
    stream = stream_recogniser(Listening(), open_recogniser(Listening(), checkpoint, "cpu"), fps, LiveConfig())
    return [event.to_dict(fps) for event in [*stream.push(x), *stream.finish()]]


def without_latency(events) -> list[dict]:
    """When something is told depends on how the frames were divided."""
    return [{key: value for key, value in event.items() if key not in ("latency", "confidence")} for event in events]


@pytest.mark.parametrize("fps", [25, 50])
def test_a_stream_gives_what_the_library_gives(place, checkpoint, fps):
    x = walk(240)
    x[30:40, 2:5] = np.nan
    rows = [[None if np.isnan(value) else float(value) for value in row] for row in x[100:140]]
    messages = [
        x[:1].tobytes(),
        x[1:100].tobytes(),
        json.dumps({"frames": rows}),
        b"",
        '{"frames": []}',
        x[140:].tobytes(),
    ]
    found, expected = streamed(place, messages, fps), expected_events(checkpoint, x, float(fps))
    assert len(expected) > 3
    assert without_latency(found) == without_latency(expected)
    np.testing.assert_allclose([a["confidence"] for a in found], [a["confidence"] for a in expected], atol=2e-4)


def test_a_streaming_network_tells_glosses_before_the_end(tmp_path):
    x = walk(240)
    checkpoint = write_checkpoint(tmp_path, "streaming")
    expected = expected_events(checkpoint, x)
    with serving(checkpoint) as place:
        with websockets.connect(f"ws://{place}/stream", open_timeout=DEADLINE, proxy=None) as socket:
            socket.send(x.tobytes())
            assert json.loads(socket.recv(DEADLINE))["gloss"] == expected[0]["gloss"]
        assert without_latency(streamed(place, [x[:77].tobytes(), x[77:].tobytes()])) == without_latency(expected)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"12345", "no whole frames"),
        ("nothing", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"frames": 3}', "no list of frames"),
        ('{"frames": [[1, "2"]]}', "other than numbers"),
        ('{"frames": [[true]]}', "other than numbers"),
        ('{"frames": [[1e999999, 1]]}', "columns"),
        ('{"frames": [[1], [1, 2]]}', "equally wide"),
        (json.dumps({"frames": [[10**400] * COLUMNS]}), "other than numbers"),
        (json.dumps({"frames": [[1e300] * COLUMNS]}), "infinite"),
        (np.full((1, COLUMNS), np.inf, np.float32).tobytes(), "infinite"),
    ],
)
def test_what_is_no_frame_ends_its_stream_with_a_reason(place, message, said):
    with websockets.connect(f"ws://{place}/stream", open_timeout=DEADLINE, proxy=None) as socket:
        socket.send(message)
        error = json.loads(socket.recv(DEADLINE))["error"]
        assert said in error["what"] and error["fix"]
        with pytest.raises(Exception, match="1007"):
            socket.recv(DEADLINE)


@pytest.mark.parametrize(
    ("query", "body", "status", "said"),
    [
        ({"name": "a.npy"}, b"garbage", 422, "damaged"),
        ({"name": "a.npy"}, b"", 415, "no clip"),
        ({}, b"x", 415, "no name"),
        ({"name": "a.exe"}, b"x", 415, "not known"),
        ({"name": "../../etc/passwd.npy"}, b"x", 422, "damaged"),
        ({"name": "a.npy", "fps": "many"}, b"x", 422, "frame rate must be"),
        ({"name": "a.mp4"}, b"x", 422, "layout generic-9"),
        ({"name": "a.npz"}, b"PK\x03\x04" + b"\0" * 99, 422, "damaged"),
    ],
)
def test_what_cannot_be_recognised_is_said_without_a_place_of_this_machine(client, query, body, status, said):
    answer = client.post("/recognise", params=query, content=body)
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"what", "where", "fix"}
    assert said in answer.json()["what"]
    assert "/tmp" not in answer.text and "Traceback" not in answer.text and "slr-" not in answer.text


def test_a_clip_of_other_columns_is_named_as_the_client_names_it(client, tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((5, 4), np.float32))
    answer = sent(client, tmp_path / "wide.npy")
    assert answer.status_code == 422 and answer.json()["where"] == "wide.npy" and "4 columns" in answer.json()["what"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_service_in_good_order(checkpoint, tmp_path, kind):
    np.save(tmp_path / "a.npy", walk(60))
    command = [*program("slrcli"), "serve", str(checkpoint), "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url, timeout=DEADLINE, trust_env=False) as client:
            assert sent(client, tmp_path / "a.npy").status_code == 200
            process.send_signal(kind)
            _, error = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
    assert process.returncode == 128 + kind and "Traceback" not in error
    assert "POST /recognise 200" in error and "a.npy" not in error
