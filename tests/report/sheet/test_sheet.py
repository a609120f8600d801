"""The drawing of a layout: what is drawn where, for layouts that come along and for those that nobody has heard of."""

import io
import json
import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import slrcli
from slrcli.cli import app
from slrcli.features.layout import Layout, list_layouts, load_layout
from slrcli.report.clip.skeleton import drawing_order
from slrcli.report.palette import DARK, LIGHT, as_hex
from slrcli.report.sheet.panels import LETTER, PANEL, SMALL, Text, sheet
from slrcli.report.sheet.rest import at_rest
from slrcli.report.sheet.spread import places
from slrcli.report.sheet.svg import svg

SHIPPED = [name for name in list_layouts() if name != "generic"]
SVG = "{http://www.w3.org/2000/svg}"


def own(*groups: dict, **table) -> Layout:
    """A user's layout of groups of points in the plane."""
    rows = [{"kind": "pose", "coordinates": ["x", "y"], **group} for group in groups]
    return Layout.from_dict({"name": "own", "groups": rows, **table})


def slr(*arguments):
    return CliRunner().invoke(app, ["layout", *map(str, arguments)])


# Where points lie at rest


@pytest.mark.parametrize("name", SHIPPED)
def test_points_that_mirror_each_other_lie_on_both_sides_of_the_middle(name):
    layout = load_layout(name)
    rest = {}
    for group in layout.groups:
        if group.spatial:
            rest |= {f"{group.name}.{group.points[n]}": place for n, place in at_rest(group, layout).items()}
    pairs = [(a, b) for a, b in layout.mirror if a in rest and b in rest]
    assert len(pairs) >= 8
    for a, b in pairs:
        assert rest[a] == pytest.approx((-rest[b][0], rest[b][1]), abs=1e-9), (a, b)


@pytest.mark.parametrize("name", SHIPPED)
def test_all_that_limbs_join_in_a_shipped_layout_has_a_place_of_its_own(name):
    layout = load_layout(name)
    starts = np.cumsum([0, *(len(group.points) for group in layout.groups)])
    for group, start in zip(layout.groups, starts, strict=False):
        if not group.spatial:
            continue
        rest = at_rest(group, layout)
        joined = {end - start for limb in drawing_order(layout) for end in limb if 0 <= end - start < len(group.points)}
        assert joined <= rest.keys() and {group.index(point) for point in group.keep} <= rest.keys()
        apart = [np.hypot(rest[a][0] - rest[b][0], rest[a][1] - rest[b][1]) for a, b in combinations(sorted(joined), 2)]
        assert min(apart) > 0.005


def test_the_signers_left_is_at_the_right_of_the_picture_unless_the_sensor_says_otherwise():
    for name, side in (("mediapipe-258", 1), ("coco-wholebody-133", 1), ("kinect-20", -1)):
        layout = load_layout(name)
        pose = layout.by_name["pose"]
        assert np.sign(at_rest(pose, layout)[pose.index("left_wrist")][0]) == side


# Points that nobody has heard of


def test_what_hangs_together_is_spread_by_its_distances():
    found = places(5, [(0, 1), (1, 2), (2, 3), (3, 4)], {})
    gaps = np.linalg.norm(found[:, None] - found[None], axis=2)
    np.testing.assert_allclose(gaps, np.abs(np.subtract.outer(range(5), range(5))), atol=0.02)
    ring = places(6, [(n, (n + 1) % 6) for n in range(6)], {})
    sides = np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1)
    assert sides.max() / sides.min() < 1.02 and np.linalg.norm(ring[0] - ring[3]) > 1.6 * sides.mean()


def test_a_tree_is_drawn_without_crossings():
    limbs = [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6), (3, 7), (3, 8), (4, 9), (4, 10)]
    found = places(11, limbs, {})

    def side(a, b, c):
        return np.sign(np.cross(np.append(b - a, 0), np.append(c - a, 0))[2])

    for (a, b), (c, d) in combinations(limbs, 2):
        if not {a, b} & {c, d}:
            p, q, r, s = found[[a, b, c, d]]
            assert side(p, q, r) == side(p, q, s) or side(r, s, p) == side(r, s, q), (a, b, c, d)


def test_unknown_points_hang_on_known_ones_and_pieces_stand_apart():
    found = places(6, [(0, 1), (1, 2), (3, 4)], {0: (0.0, 0.0), 1: (0.0, 1.0)})
    np.testing.assert_allclose(found[:2], [[0, 0], [0, 1]])
    assert found[2, 1] > 1.1 and abs(found[2, 0]) < 1e-6  # on, away from where it comes from
    assert found[[3, 4], 0].min() > 0.5 and np.isnan(found[5]).all()


def test_a_layout_of_points_without_names_or_lines_stands_in_rows():
    drawn = sheet(own({"name": "dots", "count": 40}))
    spots = {dot.place for dot in drawn.dots if dot.part >= 0}
    assert len(spots) == 40 and len({y for _, y in spots}) == 3
    gaps = [np.hypot(a[0] - b[0], a[1] - b[1]) for a, b in combinations(spots, 2)]
    assert min(gaps) > 15


# The sheet


@pytest.mark.parametrize("name", SHIPPED)
def test_every_point_is_drawn_once_full_if_it_is_looked_at(name):
    layout = load_layout(name)
    drawn = sheet(layout)
    spatial = [group for group in layout.groups if group.spatial]
    for part, group in enumerate(spatial):
        dots = [dot for dot in drawn.dots if dot.part == part]
        placed = len(at_rest(group, layout)) if group.kind == "face" else len(group.points)
        assert len(dots) == placed and sum(dot.full for dot in dots) == len(group.keep or dots)
        assert sum(dot.ring for dot in dots) == len(group.anchor)
    within = [(a, b) for a, b in named_limbs(layout) if a.partition(".")[0] == b.partition(".")[0]]
    assert len(drawn.lines) == len(within)
    told = " ".join(text.text for text in drawn.texts)
    assert ("without a place" in told) == any(g.kind == "face" and len(g.points) > 200 for g in spatial)


def named_limbs(layout: Layout) -> list[tuple[str, str]]:
    spatial = {group.name for group in layout.groups if group.spatial}
    named = [(layout.point_names[a], layout.point_names[b]) for a, b in drawing_order(layout)]
    return [(a, b) for a, b in named if a.partition(".")[0] in spatial]


@pytest.mark.parametrize("name", ["mediapipe-1629", "coco-wholebody-133", "kinect-20", "openpose-137"])
def test_numbers_lie_on_no_other_number_and_on_no_dot(name):
    drawn = sheet(load_layout(name))
    labels = [text for text in drawn.texts if text.middle]
    boxes = [box(text) for text in labels]
    assert not [pair for pair in combinations(boxes, 2) if meet(*pair)]
    dots = [(x - 3, y - 3, x + 3, y + 3) for x, y in (dot.place for dot in drawn.dots)]
    on_dots = sum(any(meet(box, dot) for dot in dots) for box in boxes)
    assert on_dots <= len(boxes) // 20 and all(b[0] > 0 and b[2] < drawn.width for b in boxes)


def box(text: Text) -> tuple[float, float, float, float]:
    wide = LETTER * SMALL * len(text.text)
    x, y = text.place
    return x - wide / 2, y - 0.75 * SMALL, x + wide / 2, y


def meet(a, b) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def test_every_name_stands_in_the_key_with_its_number():
    texts = {text.text for text in sheet(load_layout("mediapipe-258")).texts}
    pose = load_layout("mediapipe-258").by_name["pose"].points
    assert {f"{number} {name}" for number, name in enumerate(pose)} <= texts
    faint = {text.text for text in sheet(load_layout("mediapipe-258")).texts if text.faint}
    assert "27 left_ankle" in faint and "15 left_wrist" not in faint


def test_lines_between_groups_and_numbers_without_a_place_are_told():
    groups = ({"name": "arm", "points": ["left_wrist", "left_elbow"]}, {"name": "hand", "points": ["root", "tip"]})
    features = {"name": "emg", "kind": "features", "coordinates": ["value"], "count": 3}
    drawn = sheet(own(*groups, features, limbs=[["arm.left_wrist", "hand.root"]]))
    told = " ".join(text.text for text in drawn.texts)
    assert "arm.left_wrist to hand.root" in told and "Numbers without a place: emg" in told


def test_a_layout_of_very_many_points_is_drawn_in_part_and_says_so():
    drawn = sheet(own({"name": "many", "count": 5000}))
    assert len([dot for dot in drawn.dots if dot.part >= 0]) == 1200
    assert any("3,800 without a place" in text.text for text in drawn.texts) and drawn.width == PANEL + 48


# The files


def test_the_svg_is_well_formed_escapes_names_and_loads_nothing():
    hostile = '<script>&"\x1b\u202e\ud7ff'
    layout = own({"name": hostile, "points": [hostile, "]]>", "c"]}, description="</style><image href='http://x'/>")
    text = svg(sheet(layout)).decode()
    root = ElementTree.fromstring(text)
    assert {element.tag for element in root.iter()} <= {
        SVG + tag for tag in ("svg", "title", "style", "rect", "line", "circle", "text")
    }
    assert not any("href" in key or key.startswith("on") for element in root.iter() for key in element.attrib)
    assert "\x1b" not in text and "\u202e" not in text and "url(" not in text
    assert any("<script>" in (element.text or "") for element in root.iter(SVG + "text"))


def test_the_svg_holds_what_the_sheet_holds():
    drawn = sheet(load_layout("kinect-20"))
    root = ElementTree.fromstring(svg(drawn))
    count = {tag: len(root.findall(f"{SVG}{tag}")) for tag in ("line", "circle", "text")}
    rings = sum(dot.ring for dot in drawn.dots)
    assert count == {"line": len(drawn.lines), "circle": len(drawn.dots) + rings, "text": len(drawn.texts)}
    assert root.get("viewBox") == f"0 0 {drawn.width:.0f} {drawn.height:.0f}"


def test_colours_of_the_parts_are_the_same_in_every_picture():
    style = (Path(slrcli.__file__).parent / "report" / "clip" / "player.css").read_text()
    light, dark = re.findall(r":root \{([^}]*)\}", style)[:2]
    assert re.findall(r"#[0-9a-f]{6}", light) == [as_hex(colour) for colour in LIGHT]
    assert re.findall(r"#[0-9a-f]{6}", dark) == [as_hex(colour) for colour in DARK]


def test_a_png_is_a_picture_in_the_colours_of_the_groups(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow, the extra pictures, is not installed")
    result = slr("mediapipe-126", "--picture", tmp_path / "hands.png")
    assert result.exit_code == 0 and "Written:" in result.stderr
    with image.open(io.BytesIO((tmp_path / "hands.png").read_bytes())) as picture:
        drawn = sheet(load_layout("mediapipe-126"))
        assert picture.format == "PNG" and picture.size == (round(2 * drawn.width), round(2 * drawn.height))
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
        near = [min(sum(abs(a - b) for a, b in zip(c, wanted, strict=True)) for c in colours) for wanted in LIGHT[:2]]
        assert max(near) < 12


def test_without_pillow_a_png_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    result = slr("kinect-20", "--picture", tmp_path / "a.png")
    assert result.exit_code == 1 and "slrcli[pictures]" in result.stderr and not list(tmp_path.iterdir())
    assert slr("kinect-20", "--picture", tmp_path / "a.svg").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["kinect-20", "--picture", "a.jpg"], 2, "end it in .svg or .png"),
        (["generic-4", "--picture", "a.svg"], 1, "none of its points has a place"),
        (["--picture", "a.svg"], 2, "which layout to draw"),
        (["kinect-20", "--picture", "."], 2, "no picture that can be drawn"),
    ],
)
def test_what_cannot_be_drawn_is_told_and_nothing_written(tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    result = slr(*arguments)
    assert result.exit_code == code and said in result.stderr and not list(tmp_path.iterdir())


def test_a_users_own_file_is_drawn_beside_its_json(tmp_path):
    (tmp_path / "own.toml").write_text(
        'units = "none"\n[[groups]]\nname = "stick"\nkind = "pose"\ncoordinates = ["x", "y"]\n'
        'points = ["a", "b", "c"]\nlimbs = [["a", "b", "c"]]\n'
    )
    result = slr(tmp_path / "own.toml", "--picture", tmp_path / "own.svg", "--json")
    assert json.loads(result.stdout)["points"] == 3
    assert len(ElementTree.parse(tmp_path / "own.svg").getroot().findall(f"{SVG}line")) == 2
