"""Layouts: the shipped ones against published counts, users' files against every mistake we can think of."""

import json

import pytest
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.errors import DataError, UsageError
from slrcli.features.layout import Layout, generic_layout, guess_layout, layouts_of_width, list_layouts, load_layout

WIDTHS = {
    "coco-wholebody-133": 133 * 3,
    "holistic-178": 178 * 3 + 8,
    "holistic-576": 576 * 3 + 2 * 33,
    "kaggle-543": 543 * 3,
    "kinect-20": 60,
    "mediapipe-126": 126,
    "mediapipe-225": 225,
    "mediapipe-258": 258,
    "mediapipe-1629": 1629,
    "mediapipe-1659": 553 * 3,
    "mediapipe-1662": 1662,
    "mediapipe-6516": 6516,
    "openpose-137": 137 * 3,
}
SHIPPED = list_layouts()[:-1]


def small(**changes) -> dict:
    """A correct layout of two groups, with some keys changed."""
    table = {
        "name": "small",
        "units": "pixels",
        "shoulders": ["body.left", "body.right"],
        "groups": [
            {
                "name": "body",
                "kind": "pose",
                "coordinates": ["x", "y"],
                "points": ["nose", "left", "right"],
                "anchor": ["nose"],
                "keep": ["left", "right"],
                "mirror": [["left", "right"]],
            },
            {"name": "more", "kind": "features", "coordinates": ["value"], "count": 4},
        ],
    }
    return {**table, **changes}


def small_group(**changes) -> dict:
    table = small()
    table["groups"][0].update(changes)
    return table


def test_shipped_layouts_have_the_published_widths():
    assert {name: load_layout(name).width for name in SHIPPED} == WIDTHS
    assert list_layouts()[-1] == "generic"


def test_groups_of_the_forerunners_layout():
    layout = load_layout("mediapipe-6516")
    assert [(g.name, g.kind, g.start, g.width) for g in layout.groups] == [
        ("pose", "pose", 0, 99),
        ("left_hand", "hand", 99, 63),
        ("right_hand", "hand", 162, 63),
        ("face", "face", 225, 1404),
    ]
    assert (layout.positions, layout.stored_derivatives) == (1629, 3)


def test_columns_of_points_in_layouts_with_visibility():
    short, long = load_layout("mediapipe-258"), load_layout("mediapipe-1662")
    assert short.by_name["pose"].column("left_shoulder", "visibility") == 11 * 4 + 3
    assert short.by_name["right_hand"].column("wrist", "x") == 132 + 63
    assert [g.name for g in long.groups] == ["pose", "face", "left_hand", "right_hand"]
    assert long.by_name["right_hand"].column("pinky_tip", "z") == 1661
    assert short.by_name["pose"].axes == ("x", "y", "z")


@pytest.mark.parametrize("name", SHIPPED)
def test_columns_are_covered_once_and_mirroring_is_an_involution(name):
    layout = load_layout(name)
    assert [c for group in layout.groups for c in group.columns] == list(range(layout.positions))
    swapped = {**dict(layout.mirror), **{b: a for a, b in layout.mirror}}
    assert len(swapped) == 2 * len(layout.mirror)
    for a, b in layout.mirror:
        assert layout.find(a)[0].kind == layout.find(b)[0].kind
        assert a.replace("left", "right") == b.replace("left", "right") or a.startswith("face.")


@pytest.mark.parametrize("name", SHIPPED)
def test_kept_points_keep_their_mirror_partners(name):
    layout = load_layout(name)
    kept = {f"{group.name}.{point}" for group in layout.groups for point in group.keep or group.points}
    assert all((a in kept) == (b in kept) for a, b in layout.mirror)


@pytest.mark.parametrize("name", SHIPPED)
def test_limbs_join_points_of_one_body_and_look_the_same_in_a_mirror(name):
    layout = load_layout(name)
    names = layout.point_names
    drawn = {frozenset((names[a], names[b])) for a, b in layout.limbs}
    assert len(drawn) == len(layout.limbs), "a line is drawn twice"
    assert all(len({end.partition(".")[0] for end in line}) == 1 for line in drawn)
    swapped = {**dict(layout.mirror), **{b: a for a, b in layout.mirror}}
    lines = [line for line in drawn if not any(end.startswith("face.") and end not in swapped for end in line)]
    assert all(frozenset(swapped.get(end, end) for end in line) in drawn for line in lines)
    for group in layout.groups:
        ends = {end for line in drawn for end in line if end.startswith(group.name + ".")}
        if group.kind == "hand":
            assert len(ends) == len(group.points)


def test_contours_of_the_face_have_the_points_to_which_mediapipe_reduces_it():
    whole, reduced = load_layout("mediapipe-1629"), load_layout("holistic-178")
    ends = {whole.point_names[end] for limb in whole.limbs for end in limb}
    assert {end for end in ends if end.startswith("face.")} == {f"face.{p}" for p in reduced.by_name["face"].points}
    assert sum(whole.point_names[a].startswith("face.") for a, _ in whole.limbs) == 124  # FACEMESH_CONTOURS
    names = reduced.point_names
    assert {frozenset((names[a], names[b])) for a, b in reduced.limbs if names[a].startswith("face.")} == {
        frozenset((whole.point_names[a], whole.point_names[b]))
        for a, b in whole.limbs
        if whole.point_names[a].startswith("face.")
    }


def test_limbs_are_lines_within_and_between_groups():
    table = small_group(limbs=[["left", "nose", "right"]])
    table["groups"].append({**table["groups"][0], "name": "second", "start": 10, "limbs": []})
    table["limbs"] = [["body.nose", "second.nose"], [0, 9]]
    layout = Layout.from_dict(table)
    names = layout.point_names
    assert names[:3] == ("body.nose", "body.left", "body.right") and names[7] == "second.nose"
    assert layout.limbs == ((1, 0), (0, 2), (0, 7), (0, 9))


def test_limbs_of_numbered_points_go_by_their_names():
    table = {"name": "face", "groups": [{"name": "face", "kind": "face", "points": [7, 0, 3], "limbs": [[0, 7, 3]]}]}
    assert Layout.from_dict(table).limbs == ((1, 0), (0, 2))


def test_limbs_come_along_with_like_unless_the_group_has_its_own():
    hands = {"name": "hands", "like": "mediapipe-1629", "groups": [{"name": "right_hand"}, {"name": "left_hand"}]}
    layout, whole = Layout.from_dict(hands), load_layout("mediapipe-1629")
    assert {(layout.point_names[a], layout.point_names[b]) for a, b in layout.limbs} == {
        (whole.point_names[a], whole.point_names[b]) for a, b in whole.limbs if "hand." in whole.point_names[a]
    }
    hands["groups"][0]["limbs"] = [["wrist", "index_tip"]]
    own = Layout.from_dict(hands)
    assert [(a, b) for a, b in own.limbs if own.point_names[a].startswith("right")] == [(0, 8)]
    assert len(own.limbs) == 1 + len(layout.limbs) // 2


def test_kept_face_points_off_the_middle_all_have_a_partner():
    layout = load_layout("mediapipe-1629")
    partners = {point for pair in layout.mirror for point in pair}
    alone = [point for point in layout.by_name["face"].keep if f"face.{point}" not in partners]
    assert alone == ["0", "13", "14", "17", "1", "152"]  # lips, nose and chin, on the middle line of the mesh


@pytest.mark.parametrize("name", [*SHIPPED, "generic-7"])
def test_a_layout_survives_json(name):
    layout = load_layout(name)
    again = Layout.from_dict(json.loads(json.dumps(layout.to_dict())))
    assert again == layout and again.limbs == layout.limbs


def test_width_decides_and_otherwise_it_is_generic():
    assert all(guess_layout(width).name == name for name, width in WIDTHS.items() if name != "kaggle-543")
    assert [layout.name for layout in layouts_of_width(1629)] == ["mediapipe-1629", "kaggle-543"]
    assert layouts_of_width(22) == []
    layout = guess_layout(22)
    assert layout == generic_layout(22) == load_layout("generic", width=22) == load_layout("generic-22")
    assert layout.width == 22 and not layout.spatial and layout.groups[0].kind == "features"


def test_a_users_file_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'units = "pixels"\n[[groups]]\nname = "body"\nkind = "pose"\ncoordinates = ["x", "y"]\n'
        'points = ["nose", "left", "right"]\nanchor = ["nose"]\nmirror = [["left", "right"]]\n',
        encoding="utf-8",
    )
    layout = load_layout(path)
    assert (layout.name, layout.width, layout.mirror) == ("mine", 6, (("body.left", "body.right"),))


def test_like_takes_over_what_is_not_said():
    layout = Layout.from_dict(
        {"name": "hands", "like": "mediapipe-1629", "groups": [{"name": "right_hand"}, {"name": "left_hand"}]}
    )
    assert [(g.name, g.start, g.anchor) for g in layout.groups] == [
        ("right_hand", 0, ("wrist",)),
        ("left_hand", 63, ("wrist",)),
    ]
    assert layout.shoulders == () and layout.zero_is_missing
    assert set(layout.mirror) == {(f"left_hand.{p}", f"right_hand.{p}") for p in layout.groups[0].points}


def test_like_with_fewer_points_forgets_what_names_the_others():
    layout = Layout.from_dict(
        {
            "name": "few",
            "like": "kinect-20",
            "turn": False,
            "groups": [{"name": "pose", "points": ["head", "left_hand"]}],
        }
    )
    assert layout.groups[0].keep == ("head", "left_hand") and layout.groups[0].anchor == ()
    assert layout.mirror == () and layout.shoulders == ()


def test_groups_of_equal_size_mirror_point_by_point():
    table = small()
    table["groups"][1]["name"] = "left_ring"
    table["groups"].append({"name": "right_ring", "kind": "features", "coordinates": ["value"], "count": 4})
    table["mirror"] = [["left_ring", "right_ring"]]
    layout = Layout.from_dict(table)
    assert layout.mirror[1:] == tuple((f"left_ring.{i}", f"right_ring.{i}") for i in range(4))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (small(units="metre"), "Did you mean 'metres'"),
        (small(turns=True), "Did you mean 'turn'"),
        (small(turn=1), "turn must be of type bool"),
        (small(fps=10**400), "fps is too large a number"),
        (small(turn=True), "turn needs shoulders with x and z"),
        (small(width=11), "The groups have 10 columns, but the key width says 11"),
        (small(stored_derivatives=4), "0 to 3, not 4"),
        (small(shoulders=["body.left"]), "shoulders must name two different points"),
        (small(shoulders=["body.lefd", "body.right"]), "Did you mean 'body.left'"),
        (small(mirror=[["body.nose", "body.left"]]), "'body.left' more than once"),
        (small(mirror=[["body.nose", "more.0"]]), "their coordinates differ"),
        (small(mirror=[["body.nose", "body.nobody"]]), "unknown point 'body.nobody'"),
        (small(mirror=["body"]), "list of pairs"),
        (small(mirror="body"), "mirror must be of type list"),
        (small(groups=[]), "at least one group"),
        (small(like="mine.toml"), "like names no shipped layout"),
        (small(like=["kinect-20"]), "like names no shipped layout"),
        (small(groups=[{"mirror": [["a", "b"]]}]), "needs a name"),
        (small_group(point=["a"]), "Did you mean 'points'"),
        (small_group(anchor=["nosy"]), "Did you mean 'nose'"),
        (small_group(keep=["nosy"]), "keep names an unknown point 'nosy'"),
        (small_group(keep=["nose", "left", "nose"]), "kept point 'nose' is named twice"),
        (small_group(keep="nose"), "keep must be a list of names"),
        (small_group(mirror=[["left", "rigth"]]), "Did you mean 'body.right'"),
        (small_group(kind="torso"), "Use pose, hand, face, features"),
        (small_group(coordinates=["x", "w"]), "A pose cannot have the coordinates x, w"),
        (small_group(points=["nose", "left", "right", "left"]), "point 'left' is named twice"),
        (small_group(count=3), "both points and count"),
        (small_group(name="more"), "Two groups have the same name"),
        (small_group(name="a.b"), "without a dot"),
        (small_group(limbs=[["nose", "lefd"]]), "Did you mean 'left'"),
        (small_group(limbs=[["nose", "nose"]]), "from a point to itself"),
        (small_group(limbs=[["nose"]]), "two or more points"),
        (small_group(limbs="nose"), "limbs must be of type list"),
        (small(limbs=[["body.nose", "body.lefd"]]), "Did you mean 'body.left'"),
        (small(limbs=[[0, 99]]), "unknown point 99"),
        (small_group(start=2), "Columns 0 to 1 are missing between the beginning and 'body'"),
    ],
)
def test_mistakes_are_named(table, message):
    with pytest.raises(DataError) as caught:
        Layout.from_dict(table, "mine.toml")
    assert message in str(caught.value) and "mine.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("start", "message"), [(4, "Columns 4 to 5 overlap"), (9, "Columns 6 to 8 are missing between 'body' and 'more'")]
)
def test_columns_that_overlap_or_are_left_out_are_named(start, message):
    table = small()
    table["groups"][1]["start"] = start
    with pytest.raises(DataError, match=message) as caught:
        Layout.from_dict(table, "mine.toml")
    assert "start = 6" in caught.value.fix


def test_unknown_names_and_unreadable_files_are_the_users_to_mend(tmp_path):
    with pytest.raises(UsageError, match="Did you mean 'mediapipe-1629'"):
        load_layout("mediapipe1629")
    with pytest.raises(UsageError, match="generic-N"):
        load_layout("generic")
    with pytest.raises(UsageError, match=r"none\.toml"):
        load_layout(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("units = \n", encoding="utf-8")
    with pytest.raises(UsageError, match="TOML"):
        load_layout(tmp_path / "bad.toml")


def test_the_drawing_of_a_layout_is_gone_and_its_points_are_listed(tmp_path):
    drawn = CliRunner().invoke(app, ["layout", "kinect-20", "--picture", str(tmp_path / "a.svg")])
    assert drawn.exit_code == 2 and "No such option: --picture" in drawn.stderr and not list(tmp_path.iterdir())
    listed = CliRunner().invoke(app, ["layout", "kinect-20", "--points"])
    assert listed.exit_code == 0 and "pose.right_ankle\tx 51\ty 52\tz 53" in listed.stdout
