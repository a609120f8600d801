"""`slr show`: what is drawn, over time, on a page and in an animation."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import slrcli
from slrcli.cli import app
from slrcli.features.layout import generic_layout, list_layouts, load_layout
from slrcli.features.recording import Recording
from slrcli.features.speed import speed
from slrcli.features.writers import write_recording
from slrcli.report.clip.gif import COLOURS as GIF_COLOURS
from slrcli.report.clip.html import GRID, MISSING, MOST_BYTES, stride_for
from slrcli.report.clip.skeleton import drawing_order, skeleton, square
from slrcli.report.clip.timeline import binned, timeline

KINECT, HOLISTIC = load_layout("kinect-20"), load_layout("mediapipe-258")


def slr(*arguments):
    return CliRunner().invoke(app, ["show", *(str(item) for item in arguments)])


def body(frames: int = 40) -> np.ndarray:
    """A kinect-20 clip: shoulders 0.4 m apart, the right hand going round."""
    x = np.zeros((frames, 20, 3), np.float32)
    x[:, :, 1] = np.linspace(1, -1, 20)
    x[:, 2, :2], x[:, 3, :2] = (-0.2, 0.9), (0.2, 0.9)
    turn = np.arange(frames) / 5
    x[:, 9, 0], x[:, 9, 1] = 0.5 + 0.2 * np.cos(turn), 0.2 * np.sin(turn)
    return x.reshape(frames, 60)


@pytest.fixture
def clip(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "clip.npy", body())
    return tmp_path / "clip.npy"


class Page(HTMLParser):
    """What a page refers to, and its pieces."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.inside: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = f"{tag}#{dict(attrs).get('id') or ''}"

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        self.inside[self._open] = self.inside.get(self._open, "") + data


# The skeleton


@pytest.mark.parametrize("name", [name for name in list_layouts() if name != "generic"])
def test_every_shipped_layout_has_arms_and_fingers_to_draw(name):
    layout = load_layout(name)
    names = [f"{group.name}.{point}" for group in layout.groups for point in group.points]
    drawn = {frozenset((names[a], names[b])) for a, b in drawing_order(layout)}
    bare = {frozenset(end.split(".")[-1] for end in pair) for pair in drawn}
    if "pose" in layout.by_name and "left_elbow" in layout.by_name["pose"].points:
        assert frozenset({"left_elbow", "left_wrist"}) in bare and frozenset({"left_shoulder", "left_elbow"}) in bare
    if "left_hand" in layout.by_name and len(layout.by_name["left_hand"].points) == 21:
        assert sum(any("left_hand" in end for end in pair) for pair in drawn) >= 20


def test_a_layout_that_says_what_is_joined_is_followed_and_names_help_where_it_does_not():
    assert drawing_order(replace(KINECT, limbs=((0, 5), (5, 7)))) == [(0, 5), (5, 7)]
    guessed = drawing_order(replace(KINECT, limbs=()))
    pose = KINECT.groups[0].points
    assert (pose.index("left_elbow"), pose.index("left_wrist")) in [tuple(sorted(pair)) for pair in guessed]


def test_points_lie_in_the_picture_the_right_way_up():
    drawn = skeleton(body(), KINECT)
    kept = range(len(KINECT.groups[0].points))  # limbs join them all
    head, hand = (KINECT.groups[0].points.index(name) for name in ("head", "right_hand"))
    assert drawn.points.shape == (40, len(kept), 2) and max(drawn.size) == 1
    assert (drawn.points >= -0.01).all() and (drawn.points <= np.array(drawn.size) + 0.01).all()
    assert drawn.points[0, head, 1] < drawn.points[0, hand, 1]  # metres point up, pictures down
    assert all(a < len(kept) and b < len(kept) for a, b in drawn.limbs)


def test_the_width_of_a_picture_is_minded_where_positions_are_shares_of_it():
    x = np.full((5, 258), np.nan, np.float32)
    pose = HOLISTIC.by_name["pose"]
    for name, place in (("nose", (0.5, 0.2)), ("left_shoulder", (0.6, 0.4)), ("right_shoulder", (0.4, 0.6))):
        for axis, value in zip("xy", place, strict=True):
            x[:, pose.column(name, axis)] = value
    plain, wide = skeleton(x, HOLISTIC), skeleton(square(x, HOLISTIC, 2), HOLISTIC)
    assert plain.size[0] < plain.size[1] == 1 or plain.size == (1, 1)
    assert wide.size[0] / wide.size[1] > plain.size[0] / plain.size[1]
    assert np.isnan(plain.points).sum() == 5 * (plain.points.shape[1] - 3) * 2
    assert square(x, KINECT, 2) is x  # metres count alike in any picture


def test_what_has_no_place_or_is_never_seen_is_not_drawn():
    assert skeleton(np.zeros((4, 9), np.float32), generic_layout(9)) is None
    assert skeleton(np.full((4, 60), np.nan, np.float32), KINECT) is None


# Kinds of files


def signed(frames: int = 12) -> Recording:
    """A mediapipe-258 clip in shares of a picture twice as wide as high: the right wrist goes across."""
    x = np.full((frames, 258), np.nan, np.float32)
    pose = HOLISTIC.by_name["pose"]
    places = {"nose": (0.5, 0.2), "left_shoulder": (0.6, 0.4), "right_shoulder": (0.4, 0.4)}
    for name, place in places.items():
        x[:, [pose.column(name, axis) for axis in pose.coordinates]] = (*place, 0, 1)
    x[:, [pose.column("right_wrist", axis) for axis in pose.coordinates]] = (0, 0.7, 0, 1)
    x[:, pose.column("right_wrist", "x")] = np.linspace(0.3, 0.5, frames)
    return Recording(x, HOLISTIC, 20.0, (400, 200))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".csv", ".pose", ".parquet"])
def test_every_kind_of_file_is_drawn_as_it_says_it_is(tmp_path, monkeypatch, suffix):
    if suffix in (".pose", ".parquet"):
        library = {".pose": "pose_format", ".parquet": "pyarrow"}[suffix]
        pytest.importorskip(library, reason=f"{library} is not installed")
    monkeypatch.chdir(tmp_path)
    write_recording(tmp_path / f"clip{suffix}", signed())
    told = json.loads(slr(f"clip{suffix}", "--json", *(["--layout", HOLISTIC.name] if suffix == ".csv" else [])).stdout)
    _, page = read_page(tmp_path / "clip.html")
    assert told["frames"] == 12 and {part["name"] for part in told["parts"]} >= {"pose", "left_hand"}
    wide = suffix in (".npz", ".safetensors", ".pose")  # these say how large the picture is, and the rate
    assert told["fps"] == (20 if wide else None)
    drawn = skeleton(square(signed().values, HOLISTIC, 2 if wide else 1), HOLISTIC)
    assert page["size"] == pytest.approx(drawn.size, rel=0.02)


def test_a_folder_of_openposes_frames_is_drawn_and_named_like_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "take.1").mkdir()
    for frame in range(3):
        points = np.arange(75, dtype=float) + frame
        person = {"pose_keypoints_2d": points.tolist()}
        file = tmp_path / "take.1" / f"take_{frame:012}_keypoints.json"
        file.write_text(json.dumps({"people": [person]}))
    told = json.loads(slr("take.1", "--json").stdout)
    assert told["layout"] == "openpose-137" and told["frames"] == 3 and Path("take.1.html").is_file()


def test_one_clip_of_several_in_a_file_is_chosen_by_its_id(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.chdir(tmp_path)
    columns = {"sequence_id": [7, 7, 9, 9, 9], "frame": [0, 1, 0, 1, 2], "x_pose_0": [0.1] * 5, "y_pose_0": [0.2] * 5}
    parquet.write_table(pyarrow.table(columns), "two.parquet")
    chosen = ["--layout", "mediapipe-225"]
    refused = slr("two.parquet", *chosen)
    assert refused.exit_code == 2 and "such as 7 and 9" in refused.stderr and "--clip 7" in refused.stderr
    told = json.loads(slr("two.parquet", *chosen, "--clip", "9", "--json").stdout)
    assert (told["clip"], told["frames"]) == ("9", 3) and "two.parquet, 9" in Path("9.html").read_text()
    assert slr("two.parquet", *chosen, "--clip", "8").exit_code == 2 and not Path("8.html").exists()


def test_what_a_file_says_goes_before_what_its_width_suggests(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recording(tmp_path / "clip.npz", signed())
    result = slr("clip.npz", "--layout", "mediapipe-225", "--json")
    told = json.loads(result.stdout)
    assert told["layout"] == "mediapipe-225" and "are in the file" not in result.stderr
    np.savez(tmp_path / "clip.npz", features=body())
    assert json.loads(slr("clip.npz", "--json").stdout)["layout"] == "kinect-20"


# Over time


def test_presence_and_speed_are_those_of_the_clip():
    x = body(30)
    x[10:20] = np.nan
    (strip,) = timeline(x, KINECT, 25)
    assert strip.presence == pytest.approx(2 / 3) and strip.unit == "shoulder widths per second"
    assert np.isnan(strip.speed[[0, *range(10, 21)]]).all() and np.isfinite(strip.speed[[1, 9, 21, 29]]).all()
    step = 2 * 0.2 * np.sin(0.1) / len(KINECT.groups[0].keep)  # one of the points that are looked at moves on a circle
    assert strip.speed[5] == pytest.approx(step / 0.4 * 25, rel=1e-3)
    assert speed(body(30), KINECT)[5] == pytest.approx(step, rel=1e-3)


def test_bins_are_means_of_what_is_known():
    values = np.array([1.0, 3.0, np.nan, 5.0, np.nan, np.nan])
    np.testing.assert_array_equal(binned(values, 3), [2.0, 5.0, np.nan])
    assert binned(values, 10).shape == (6,)


# The page


def read_page(path: Path) -> tuple[Page, dict]:
    page = Page(path.read_text(encoding="utf-8"))
    return page, json.loads(page.inside["script#clip"])


def test_the_page_loads_nothing_and_runs_its_own_script_alone(clip):
    assert slr(clip).exit_code == 0
    page, _ = read_page(clip.with_suffix(".html"))
    assert not any({"src", "href", "srcset", "onclick"} & set(attributes) for _, attributes in page.tags)
    assert not any(tag in ("link", "iframe", "img", "object") for tag, _ in page.tags)
    policy = next(attributes["content"] for _, attributes in page.tags if "http-equiv" in attributes)
    digest = base64.b64encode(hashlib.sha256(page.inside["script#"].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and policy.startswith("default-src 'none'")
    assert "fetch(" not in page.inside["script#"] and "innerHTML" not in page.inside["script#"]


def test_positions_in_the_page_are_those_of_the_clip(clip):
    x = body()
    x[7] = np.nan
    np.save(clip, x)
    slr(clip)
    _, told = read_page(clip.with_suffix(".html"))
    grid = np.frombuffer(base64.b64decode(told["positions"]), "<u2").reshape(told["frames"], told["points"], 2)
    drawn = skeleton(x, KINECT)
    assert (grid[7] == MISSING).all() and told["fps"] == 30 and told["limbs"] == [list(pair) for pair in drawn.limbs]
    known = np.delete(np.arange(40), 7)
    np.testing.assert_allclose(grid[known] / GRID - 1, drawn.points[known], atol=1 / GRID)


def test_long_clips_give_a_page_of_reasonable_size_that_says_what_was_left_out(clip):
    rng = np.random.default_rng(0)
    np.save(clip, rng.normal(size=(10_000, 1629)).astype(np.float32))
    result = slr(clip, "--json")
    told = json.loads(result.stdout)
    page = clip.with_suffix(".html").read_text(encoding="utf-8")
    assert told["every"] > 1 and told["bytes"] < 1.5 * MOST_BYTES + 200_000
    assert f"one of {told['every']} frames is drawn" in page and "shows all 10,000" in page
    assert f"one of {told['every']} frames drawn" in result.stderr
    assert stride_for(100, 100) == 1


def test_names_cannot_break_out_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layout = 'units = "none"\n[[groups]]\nname = "</script><b>"\nkind = "pose"\ncoordinates = ["x", "y"]\ncount = 3\n'
    (tmp_path / "own.toml").write_text(layout)
    np.save(tmp_path / "a<img onerror=x>.npy", np.random.default_rng(0).normal(size=(9, 6)).astype(np.float32))
    assert slr("a<img onerror=x>.npy", "--layout", "own.toml", "--out", "x.html").exit_code == 0
    page, _ = read_page(tmp_path / "x.html")
    assert not any(tag in ("img", "b") and "onerror" in str(attributes) for tag, attributes in page.tags)
    assert "</script><b>" not in (tmp_path / "x.html").read_text()


def test_features_without_places_get_their_strips(clip):
    np.save(clip, np.random.default_rng(0).normal(size=(30, 22)).astype(np.float32))
    assert "standard deviations per frame" in slr(clip).stdout
    page, told = read_page(clip.with_suffix(".html"))
    assert "positions" not in told and not any(tag == "canvas" for tag, _ in page.tags)
    assert any(attributes.get("class") == "pace" for _, attributes in page.tags)


def test_the_terminal_tells_length_presence_and_speed(clip):
    text = slr(clip, "--fps", "20", "--out", "other.html").stdout
    assert "40 frames, 2.00 s, kinect-20" in text and "seen in 100.0 % of the frames" in text
    assert re.search(r"mean speed [\d.]+ shoulder widths per second", text) and Path("other.html").is_file()


# The animation


def test_an_animation_plays_at_the_pace_of_the_clip(clip, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow, the extra pictures, is not installed")
    np.save(clip, body(90))
    assert slr(clip, "--out", "clip.gif").exit_code == 0
    with image.open(tmp_path / "clip.gif") as moving:
        assert moving.format == "GIF" and moving.is_animated
        frames = moving.n_frames
        duration = 0
        for number in range(frames):
            moving.seek(number)
            duration += moving.info["duration"]
    assert 40 <= frames <= 90 and duration == pytest.approx(3000, rel=0.15)
    assert json.loads(slr(clip, "--out", "clip.gif", "--json").stdout)["bytes"] < 500_000


def test_colours_of_the_parts_are_the_same_on_the_page_and_in_the_animation():
    style = (Path(slrcli.__file__).parent / "report" / "clip" / "player.css").read_text()
    light = re.findall(r":root \{([^}]*)\}", style)[0]
    assert re.findall(r"#[0-9a-f]{6}", light) == ["#" + bytes(colour).hex() for colour in GIF_COLOURS]


def test_without_pillow_an_animation_says_what_to_install(clip, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    result = slr(clip, "--out", "clip.gif")
    assert result.exit_code == 1 and "slrcli[pictures]" in result.stderr and not Path("clip.gif").exists()


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--out", "clip.mp4"], 2, "neither a page nor an animation"),
        (["--layout", "mediapipe-258"], 1, "The clip has 60 columns, but the layout mediapipe-258 has 258"),
        (["--layout", "kinect"], 2, "no layout 'kinect'"),
        (["--layout", "generic", "--out", "x.gif"], 1, "Nothing of the layout generic-60 can be drawn"),
    ],
)
def test_what_cannot_be_drawn_is_told_and_nothing_written(clip, tmp_path, flags, code, said):
    result = slr(clip, *flags)
    assert result.exit_code == code and said in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["clip.npy"]


def test_a_damaged_clip_is_named(clip):
    clip.write_bytes(clip.read_bytes()[:300])
    result = slr(clip)
    assert result.exit_code == 1 and "damaged or cut short" in result.stderr and "clip.npy" in result.stderr


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, -1e30])
def test_numbers_that_no_body_has_are_drawn_or_refused(tmp_path, value):
    """A clip with odd values in all points, and in one of them."""
    for name, where in (("all", slice(None)), ("one", (slice(None), slice(0, 3)))):
        x = np.random.default_rng(0).normal(size=(8, 60)).astype(np.float32)
        x[where] = value
        np.save(tmp_path / f"{name}.npy", x)
        for suffix in ("gif", "html"):
            result = slr(str(tmp_path / f"{name}.npy"), "--out", str(tmp_path / f"a.{suffix}"))
            assert result.exit_code in (0, 1) and "defect" not in result.stderr
