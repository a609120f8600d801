"""The page that `slr export --web` writes: what is in it, and that its recogniser says what the checkpoint says."""

import json
import os
import re
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.scripts import NODE, needs_node, rows
from support.talkative import write_talkative
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.config import DecodeConfig, LiveConfig
from slrcli.decoding.calibration import Calibration
from slrcli.features.layout import generic_layout, load_layout
from slrcli.listening import Listening
from slrcli.recognition.export import Graph
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.recognition.load import load_recogniser
from slrcli.recognition.stream import stream_recogniser
from slrcli.web.page import CDN, NEEDED

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

RUNTIME = Path(os.environ.get("SLR_WEB_ASSETS", "/nowhere")) / "onnxruntime-web" / "dist"
needs_runtime = pytest.mark.skipif(
    not RUNTIME.is_dir() or NODE is None, reason="SLR_WEB_ASSETS names no node_modules with onnxruntime-web"
)
GLOSSES = ("HELLO", "YOU", "<B>&", "Ü-1")
FRAMES = 150
LENGTHS = DecodeConfig(sign_frames=20.0, sign_spread=0.3, insertion_bonus=2.0)
LIGHT = {"derivatives": 0, "bones": False}
KINDS = {
    "whole": ("tcn", "mediapipe-258", DecodeConfig(), None),
    "by lengths": ("tcn", "mediapipe-126", LENGTHS, LIGHT),
    "streaming": ("streaming", "mediapipe-258", DecodeConfig(), LIGHT),
}


CALIBRATED = Calibration(1.5, 0.2, "greedy", "", "dev", 50)


def checkpoint(folder: Path, kind: str, **meta: Any) -> Path:
    """A tiny recogniser of a kind, which says much."""
    arch, name, decode, frontend = KINDS[kind]
    layout = load_layout(name) if name != "generic" else generic_layout(9)
    known = {"decode": decode, "calibration": CALIBRATED if kind == "whole" else None, **meta}
    return write_talkative(folder, arch, layout, GLOSSES, frontend, metrics={"wer": 12.3}, **known)


def clip(positions: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    x = (0.5 + rng.normal(0, 0.05, (FRAMES, positions)).cumsum(axis=0)).astype(np.float32)
    x[rng.random(x.shape) < 0.02] = np.nan
    x[40:60, 150:200] = np.nan
    return x


def export(*arguments: object):
    return CliRunner().invoke(app, ["export", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def quick(monkeypatch):
    """The graph itself is left out: making it takes seconds."""
    monkeypatch.setattr("slrcli.web.page.export", lambda recogniser, hashed: Graph(b"a graph", 0.0))


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Kind -> its checkpoint and its page, made when it is first asked for."""

    @cache
    def made(kind: str) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("pages")
        source, page = checkpoint(folder / "run", kind), folder / "page"
        done = export(source, "--web", page)
        assert done.exit_code == 0, done.output
        return source, page

    return made


def test_the_page_is_whole_and_says_what_it_is(tmp_path, quick):
    source, page = checkpoint(tmp_path / "run", "whole"), tmp_path / "page"
    assert export(source, "--web", page).exit_code == 0
    html = (page / "index.html").read_text(encoding="utf-8")
    for name in re.findall(r'(?:src|href)="([^":]+)"', html):
        assert (page / name).is_file(), name
    model = json.loads((page / "model.json").read_text(encoding="utf-8"))
    assert model["glosses"] == ["<blank>", *GLOSSES]
    assert (page / model["graph"]).read_bytes() == b"a graph"
    assert "&lt;B&gt;&amp;" in html and "<B>" not in html
    assert "12.3 %" in html
    assert json.loads((page / "package.json").read_text())["dependencies"].keys() == NEEDED.keys()
    assert str(tmp_path) not in html + json.dumps(model)


@pytest.mark.parametrize(("file", "name"), [("best.safetensors", "mine"), ("other.safetensors", "other")])
def test_the_page_is_called_like_the_run_or_like_a_checkpoint_of_its_own(tmp_path, quick, file, name):
    source = checkpoint(tmp_path / "mine", "whole")
    source = source.rename(source.parent / file)
    assert export(source, "--web", tmp_path / "page").exit_code == 0
    assert f"<title>{name} – " in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")


def test_nothing_but_the_page_s_own_place_is_allowed(tmp_path, quick):
    assert export(checkpoint(tmp_path / "run", "whole"), "--web", tmp_path / "page").exit_code == 0
    html = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy.startswith("default-src &#39;none&#39;") and "http" not in policy
    assert "unsafe-eval&#39;" in policy.replace("wasm-", "") and "&#39;unsafe-eval" not in policy
    assert "<script>" not in html and "style=" not in html and " on" + "click" not in html


@pytest.mark.parametrize(("decoder", "kept"), [("greedy", {"scale": 1.5, "shift": 0.2}), ("beam4", None)])
def test_the_page_calibrates_its_own_decoder_and_no_other(tmp_path, quick, decoder, kept):
    """It decodes by the best path where the recogniser was tuned to a beam search."""
    found = {"tuned": DecodeConfig(beam=4), "calibration": replace(CALIBRATED, decoder=decoder)}
    done = export(checkpoint(tmp_path / "run", "whole", **found), "--web", tmp_path / "page")
    assert done.exit_code == 0 and "beam search" in done.stderr, done.output
    model = json.loads((tmp_path / "page" / "model.json").read_text(encoding="utf-8"))
    assert (model["decoder"], model["calibration"]) == ({"kind": "best-path"}, kept)


def test_libraries_can_come_from_elsewhere(tmp_path, quick):
    done = export(checkpoint(tmp_path / "run", "whole"), "--web", tmp_path / "page", "--cdn", "--json")
    assert json.loads(done.stdout)["assets"] == "cdn"
    places = json.loads((tmp_path / "page" / "model.json").read_text())["assets"]
    assert all(place.startswith(CDN) and "@" in place.removeprefix(CDN) for place in places.values())
    assert "https://cdn.jsdelivr.net" in (tmp_path / "page" / "index.html").read_text()


def test_libraries_are_copied_or_missed_before_anything_is_written(tmp_path, quick):
    source, modules = checkpoint(tmp_path / "run", "whole"), tmp_path / "node_modules"
    done = export(source, "--web", tmp_path / "page", "--assets", modules)
    assert done.exit_code == 2 and "npm ci" in done.stderr and not (tmp_path / "page").exists()
    for name, parts in NEEDED.items():
        for part in parts:
            (modules / name / part).parent.mkdir(parents=True, exist_ok=True)
            (modules / name / part).write_text(part)
    done = export(source, "--web", tmp_path / "page", "--assets", modules)
    assert done.exit_code == 0, done.output
    places = json.loads((tmp_path / "page" / "model.json").read_text())["assets"]
    assert (tmp_path / "page" / places["holistic"] / "holistic.js").read_text() == "holistic.js"
    assert (tmp_path / "page" / places["onnxruntime"] / "ort.wasm.min.mjs").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to write"),
        (["x.onnx", "--web", "page"], "Both"),
        (["--web", "page", "--int8"], "quantised"),
        (["x.onnx", "--cdn"], "for a page"),
        (["x.onnx", "--no-square"], "for a page"),
        (["--web", "page", "--cdn", "--assets", "x"], "exclude each other"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    done = export(checkpoint(tmp_path / "run", "whole"), *arguments)
    assert done.exit_code == 2 and said in done.stderr
    assert not (tmp_path / "page").exists()


def test_a_folder_that_holds_something_stays_as_it_is(tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "mine.txt").write_text("mine")
    done = export(checkpoint(tmp_path / "run", "whole"), "--web", tmp_path / "page")
    assert done.exit_code == 1 and "not empty" in done.stderr
    assert [path.name for path in (tmp_path / "page").iterdir()] == ["mine.txt"]


def test_a_recogniser_of_other_landmarks_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "other", ("tcn", "generic", DecodeConfig(), None))
    done = export(checkpoint(tmp_path / "run", "other"), "--web", tmp_path / "page")
    assert done.exit_code == 1 and "which videos do not give" in done.stderr
    assert not (tmp_path / "page").exists()


def recognised(page: Path, x: np.ndarray, running: bool) -> list[dict]:
    told = {
        "page": page.as_uri(), "runtime": RUNTIME.as_uri(), "clip": rows(x)["rows"], "parts": [1, 7, 64],
        "running": running,
    }  # fmt: skip
    script = Path(__file__).parents[1] / "support" / "recognise.mjs"
    done = subprocess.run([NODE, script], input=json.dumps(told), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_node
@needs_runtime
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_recognises_a_clip_as_the_checkpoint_does(pages, kind):
    source, page = pages(kind)
    recogniser = load_recogniser(source, "cpu")
    assert isinstance(recogniser, Recogniser)
    recogniser.calibration = recogniser.meta.calibration
    x = clip(recogniser.meta.layout.positions)
    expected = recogniser.recognise([recogniser.prepared(x).x])[0]
    found = recognised(page, x, running=False)
    assert len(expected.glosses) > 3
    assert [item["gloss"] for item in found] == list(expected.glosses)
    assert [(item["start"], item["end"]) for item in found] == list(expected.spans)
    np.testing.assert_allclose([item["confidence"] for item in found], expected.confidences, atol=1e-4)


@needs_node
@needs_runtime
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_recognises_a_running_stream_as_the_checkpoint_does(pages, kind):
    source, page = pages(kind)
    recogniser = load_recogniser(source, "cpu")
    recogniser.calibration = recogniser.meta.calibration
    x = clip(recogniser.meta.layout.positions)
    stream = stream_recogniser(Listening(), recogniser, 25.0, LiveConfig())
    expected = stream.push(x) + stream.finish()
    found = recognised(page, x, running=True)
    assert len(expected) > 3
    assert [(item["gloss"], item["start"], item["end"]) for item in found] == [
        (event.gloss, event.start, event.end) for event in expected
    ]
    np.testing.assert_allclose(
        [item["confidence"] for item in found], [event.confidence for event in expected], atol=1e-4
    )
