"""The page in a browser: its captions are what the package says of its landmarks, and nothing leaves the device."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from support.browser import CHROMIUM, visit
from support.photographs import portrait, write_video
from typer.testing import CliRunner

from slrcli.checkpoints.checkpoint import save_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.cli import app
from slrcli.config import Config, LiveConfig, ModelConfig
from slrcli.features.layout import load_layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.listening import Listening
from slrcli.models.registry import build_model
from slrcli.recognition.load import load_recogniser
from slrcli.recognition.stream import stream_recogniser

pytest.importorskip("playwright", reason="playwright is not installed: no browser is driven")
pytest.importorskip("av")
ASSETS = os.environ.get("SLR_WEB_ASSETS", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
    pytest.mark.skipif(not ASSETS, reason="SLR_WEB_ASSETS names no node_modules with the page's libraries"),
]
PICTURES = 3  # MediaPipe takes seconds for each without a graphics card
OUT = Path(os.environ["SLR_ARTEFACTS"]) if "SLR_ARTEFACTS" in os.environ else None  # where pictures are kept


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path]:
    """A talkative recogniser with random weights, and its page."""
    folder = tmp_path_factory.mktemp("browser")
    torch.manual_seed(3)
    layout, vocabulary = load_layout("mediapipe-258"), Vocabulary(("<blank>", "HELLO", "YOU", "Ü-1"), (0, 3, 2, 1))
    options = {"width": 16, "blank_bias": -20.0, "strides": 1, "dilations": [1]}
    model = build_model("tcn", layout, len(vocabulary), options=options)
    model.frontend.set_statistics(torch.zeros(model.frontend.width), torch.full((model.frontend.width,), 0.05))
    meta = Meta(Config(model=ModelConfig(arch="tcn", options=options)), vocabulary, layout, rate=25.0)
    save_checkpoint(folder / "best.safetensors", model, meta)
    done = CliRunner().invoke(
        app, ["export", str(folder / "best.safetensors"), "--web", str(folder / "page"), "--assets", ASSETS]
    )
    assert done.exit_code == 0, done.output
    return folder / "best.safetensors", folder / "page"


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Somebody who moves sideways and back."""
    return [np.roll(portrait(), int(60 * np.sin(t)), axis=1) for t in range(PICTURES)]


def test_a_video_is_captioned_as_the_package_decodes_its_landmarks(made, pictures, tmp_path):
    checkpoint, page = made
    video = write_video(tmp_path / "v.webm", pictures, codec="libvpx")
    with visit(page, viewport={"width": 1280, "height": 900}, color_scheme="light") as seen:
        seen.wait("Ready")
        seen.page.set_input_files("#file", str(video))
        seen.wait("frames in")
        x = np.load(seen.saved("#npy", tmp_path / "x.npy"))
        captions = seen.captions
        subtitles = seen.saved("#srt", tmp_path / "a.srt").read_text(encoding="utf-8")
        _pictures(seen.page)
        assert seen.complaints == []
        assert {urlsplit(url).hostname for url in seen.requests if not url.startswith(("data:", "blob:"))} == {
            "127.0.0.1"
        }
    assert x.shape == (PICTURES, 258) and np.isfinite(x[:, :132]).all()  # the body is seen throughout
    recogniser = load_recogniser(checkpoint, "cpu")
    expected = recogniser.recognise([recogniser.prepared(x).x])[0]
    assert captions == list(expected.glosses) and captions
    assert all(gloss in subtitles for gloss in captions)


def test_a_camera_is_captioned_as_the_package_recognises_its_landmarks(made, pictures, tmp_path):
    checkpoint, page = made
    film = _film(tmp_path / "camera.y4m", pictures)
    with visit(page, film, permissions=["camera"], viewport={"width": 390, "height": 844}, is_mobile=True) as seen:
        seen.wait("Ready")
        seen.page.focus("#camera")
        seen.page.keyboard.press("Enter")
        seen.wait("frames/s", "Nobody")
        seen.page.wait_for_timeout(4000)
        seen.page.click("#stop")
        seen.page.wait_for_selector("#stop[disabled]", state="attached")
        x, captions = np.load(seen.saved("#npy", tmp_path / "x.npy")), seen.captions
        assert seen.page.get_attribute("#captions", "aria-live") == "polite"
        assert seen.complaints == []
    recogniser = load_recogniser(checkpoint, "cpu")
    stream = stream_recogniser(Listening(), recogniser, 25.0, LiveConfig())
    assert captions == [event.gloss for event in stream.push(x) + stream.finish()]


def test_what_goes_wrong_is_said(made, tmp_path):
    page = made[1]
    (tmp_path / "no.webm").write_bytes(b"no video")
    with visit(page, permissions=[]) as seen:
        seen.wait("Ready")
        seen.page.set_input_files("#file", str(tmp_path / "no.webm"))
        assert "cannot be played" in seen.wait("cannot")
        seen.page.select_option("#language", "de")
        assert "nicht abgespielt" in seen.status
        assert seen.page.get_attribute("html", "lang") == "de"


def _film(path: Path, pictures: list[np.ndarray]) -> Path:
    """Pictures as the raw video that Chromium takes for a camera's, over and over."""
    import av

    height, width = pictures[0].shape[:2]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C420jpeg\n".encode())
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            file.write(b"FRAME\n" + frame.to_ndarray(format="yuv420p").tobytes())
    return path


def _pictures(page) -> None:
    """The page at two widths, light and dark; nothing may stick out at either."""
    for width, height in ((1280, 900), (390, 844)):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)
            assert page.locator("html").evaluate("root => root.scrollWidth") <= width
            if OUT:
                OUT.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=str(OUT / f"page-{width}-{scheme}.png"), full_page=True)
