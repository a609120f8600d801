"""`slr convert` and `slr layout` as a user meets them, and corpora of every kind of file."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from slrcli.cli import app
from slrcli.corpus import Utterance, open_corpus
from slrcli.corpus.opening import choose_layout
from slrcli.errors import UsageError
from slrcli.features.clip import load_clip
from slrcli.features.layout import list_layouts, load_layout
from slrcli.features.readers import read_features, read_recording
from slrcli.features.recording import Recording
from slrcli.features.writers import WRITERS, write_recording

LAYOUT = load_layout("mediapipe-258")


def slr(*arguments, code: int = 0):
    """The command line's answer; stdout and stderr apart."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, done.output
    return done


def clip(frames: int = 5, layout=LAYOUT, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).uniform(0.1, 0.9, (frames, layout.width)).astype(np.float32)
    hand = layout.by_name["left_hand"]
    x[1, hand.start : hand.stop] = np.nan
    return x


def needs(suffix: str) -> None:
    library = {".pose": "pose_format", ".parquet": "pyarrow"}.get(suffix)
    if library:
        pytest.importorskip(library, reason=f"{suffix} needs {library}, which is not installed")


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_clip_goes_to_every_kind_of_file_and_back(tmp_path, suffix):
    needs(suffix)
    layout = load_layout("mediapipe-225")
    np.save(tmp_path / "clip.npy", clip(layout=layout))
    done = slr("convert", tmp_path / "clip.npy", tmp_path / f"a{suffix}", "--size", "640x480", "--fps", "30")
    assert "5 x 225, mediapipe-225, 30 frames/s" in done.stdout and "225 columns are read as" in done.stderr
    back = ["--layout", "mediapipe-225"]
    slr("convert", tmp_path / f"a{suffix}", tmp_path / "back.npy", *back)
    np.testing.assert_allclose(np.load(tmp_path / "back.npy"), clip(layout=layout), rtol=1e-6)


def test_a_layout_is_reached_by_name_and_what_is_missing_is_said(tmp_path):
    x = clip(layout=load_layout("mediapipe-1662"))
    np.save(tmp_path / "clip.npy", x)
    slr("convert", tmp_path / "clip.npy", tmp_path / "clip.npz", "--layout", "mediapipe-1662")
    done = slr("convert", tmp_path / "clip.npz", tmp_path / "hands.npz", "--layout", "mediapipe-126")
    assert "points of" not in done.stderr
    done = slr("convert", tmp_path / "hands.npz", tmp_path / "more.npz", "--layout", "mediapipe-258")
    assert "42 of 75 points of mediapipe-258 are in the file; the others are NaN" in done.stderr
    np.testing.assert_array_equal(read_features(tmp_path / "more.npz")[:, 132:], x[:, 132 + 1404 :])


def test_what_pose_cannot_hold_is_named(tmp_path):
    needs(".pose")
    mine = tmp_path / "mine.toml"
    text = 'units = "pixels"\n[[groups]]\nname = "body"\nkind = "pose"\ncoordinates = ["x", "y"]\npoints = ["a", "b"]\n'
    mine.write_text(text + '[[groups]]\nname = "bend"\nkind = "features"\ncoordinates = ["value"]\ncount = 2\n')
    np.save(tmp_path / "clip.npy", np.ones((3, 6)))
    arguments = [tmp_path / "clip.npy", tmp_path / "clip.pose", "--layout", mine, "--size", "64x48"]
    assert "Group bend of layout mine has no x and y" in slr("convert", *arguments, code=1).stderr.replace("\n", " ")
    mine.write_text(text)
    np.save(tmp_path / "clip.npy", np.ones((3, 4)))
    slr("convert", *arguments)
    assert read_recording(tmp_path / "clip.pose").layout.point_names == ("body.a", "body.b")


def test_zeros_that_mean_missing_become_nan(tmp_path):
    x = np.nan_to_num(clip())
    np.save(tmp_path / "clip.npy", x)
    slr("convert", tmp_path / "clip.npy", tmp_path / "clip.npz")
    np.testing.assert_array_equal(read_features(tmp_path / "clip.npz"), clip())
    slr("convert", tmp_path / "clip.npy", tmp_path / "hands.npy", "--layout", "mediapipe-126")
    assert np.isnan(np.load(tmp_path / "hands.npy")[1, :63]).all()


def test_a_folder_is_converted_with_its_failures_listed_at_the_end(tmp_path):
    (tmp_path / "in" / "train").mkdir(parents=True)
    for number in range(3):
        np.save(tmp_path / "in" / "train" / f"c{number}.npy", clip(seed=number))
    (tmp_path / "in" / "train" / "c1.npy").write_bytes(b"broken")
    (tmp_path / "in" / "notes.csv").write_text("id,gloss\n", encoding="utf-8")
    done = slr("convert", tmp_path / "in", tmp_path / "out", "--to", "csv", code=1)
    assert sorted(path.name for path in (tmp_path / "out" / "train").iterdir()) == ["c0.csv", "c2.csv"]
    assert done.stdout.count(" -> ") == 2
    assert "c1.npy" in done.stderr and "1 of 3 clips could not be converted" in done.stderr
    done = slr("convert", tmp_path / "in", tmp_path / "two", "--stop-on-error", code=1)
    assert done.stdout.count(" -> ") == 1 and not (tmp_path / "two" / "train" / "c2.npz").exists()
    done = slr("convert", tmp_path / "in", tmp_path / "three", "--json", code=1)
    answers = json.loads(done.stdout)
    assert [("error" in answer) for answer in answers] == [False, True, False]
    assert answers[0]["layout"] == "mediapipe-258" and answers[0]["frames"] == 5


def test_a_folder_inside_the_target_is_not_converted_again(tmp_path):
    np.save(tmp_path / "c.npy", clip())
    for _ in range(2):
        assert slr("convert", tmp_path, tmp_path / "out").stdout.count(" -> ") == 1


def test_two_files_never_become_one(tmp_path):
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "c.npy", clip())
    np.savez(tmp_path / "in" / "c.npz", clip())
    done = slr("convert", tmp_path / "in", tmp_path / "out", code=1)
    assert "was already written from" in done.stderr and (tmp_path / "out" / "c.npz").exists()


def test_a_file_of_many_clips_goes_into_a_folder(tmp_path):
    needs(".parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "many.parquet"
    pq.write_table(pa.table({"sequence_id": ["a", "a", "../b", "c"], "left_hand_0_x": [0.5, 1.0, 2.0, 3.0]}), path)
    done = slr("convert", path, tmp_path / "out", "--to", "npy", code=1)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a.npy", "c.npy"]
    assert "cannot be a file name" in done.stderr and not (tmp_path / "b.npy").exists()
    assert np.load(tmp_path / "out" / "a.npy")[:, 0].tolist() == [0.5, 1.0]
    assert "Name a folder" in slr("convert", path, tmp_path / "one.npy", code=1).stderr
    assert not (tmp_path / "one.npy").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["clip.npy", "clip.npy"], 1, "would replace itself"),
        (["clip.npy", "out.npz", "--layout", "mediapipe-259"], 2, "Did you mean 'mediapipe-25"),
        (["odd.npy", "out.npz", "--layout", "kinect-20"], 1, "7 columns, but layout kinect-20 expects 60"),
        (["clip.npy", "out.npz", "--layout", "kinect-20"], 1, "units image cannot be converted to metres"),
        (["clip.npy", "out.pose"], 1, "the size of the picture"),
        (["clip.npy", "out.pose", "--size", "big"], 2, "such as 1280x720"),
        (["clip.npy", "out.pose", "--size", "0x10"], 2, "such as 1280x720"),
        (["clip.npy", "out", "--to", "pkl"], 2, "Use .npy"),
        (["clip.npy", "out.npz", "--people", "both"], 2, "largest or error"),
        (["nowhere.npy", "out.npz"], 1, "no such file or folder"),
        (["empty", "out"], 1, "holds no clips"),
        (["full", "out.npz"], 2, "A folder is converted into a folder"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(tmp_path, monkeypatch, arguments, code, message):
    needs(".pose" if "out.pose" in arguments else "")
    monkeypatch.chdir(tmp_path)
    np.save("clip.npy", clip())
    np.save("odd.npy", np.ones((2, 7)))
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    np.save("full/clip.npy", clip())
    done = slr("convert", *arguments, code=code)
    assert message in done.stderr.replace("\n", " ") and "Traceback" not in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.npy", "empty", "full", "odd.npy"]


def test_a_failed_conversion_leaves_the_old_file(tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"no")
    (tmp_path / "out.npz").write_bytes(b"old")
    slr("convert", tmp_path / "bad.npy", tmp_path / "out.npz", code=1)
    assert (tmp_path / "out.npz").read_bytes() == b"old"


def test_layouts_are_listed_and_shown():
    listed = slr("layout").stdout
    assert all(name in listed for name in list_layouts()[:-1])
    rows = json.loads(slr("layout", "--json").stdout)
    assert {row["name"]: row["width"] for row in rows} == {n: load_layout(n).width for n in list_layouts()[:-1]}
    shown = slr("layout", "openpose-137", "--points").stdout
    assert "0\tpose.nose\tx 0\ty 1\tconfidence 2" in shown and "136\tright_hand.pinky_tip" in shown
    assert json.loads(slr("layout", "kinect-20", "--json").stdout)["definition"]["turn"] is True


def test_a_layout_of_the_users_own_is_checked(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[[groups]]\nname = "body"\nkind = "pose"\npoints = ["a", "b"]\n', encoding="utf-8")
    done = slr("layout", path)
    assert "Columns     6" in done.stdout
    for remark in ("No shoulders", "has no anchor", "No mirror", "No limbs"):
        assert remark in done.stderr
    path.write_text('[[groups]]\nname = "body"\nkind = "pos"\npoints = ["a"]\n', encoding="utf-8")
    done = slr("layout", path, code=1)
    assert "Did you mean 'pose'" in done.stderr and "mine.toml, group 'body'" in done.stderr.replace("\n", "")
    path.write_text("[[groups]\n", encoding="utf-8")
    assert "line 1" in slr("layout", path, code=2).stderr
    assert "Did you mean 'openpose-137'" in slr("layout", "openpose-13", code=2).stderr


@pytest.mark.parametrize("arguments", [["layout"], ["layout", "openpose-137"], ["convert", "--help"]])
def test_neither_loads_torch_nor_an_optional_library_for_nothing(arguments):
    code = f"import sys\nfrom slrcli.cli import app\ntry:\n    app({arguments!r})\nexcept SystemExit: pass\n"
    code += "sys.stderr.write('LOADED ' + ' '.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    loaded = {name.partition(".")[0] for name in done.stderr.split("LOADED ")[1].split()}
    assert loaded.isdisjoint({"torch", "pose_format", "pyarrow", "pandas"})


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pose", ".parquet", ".csv", "openpose"])
def test_a_corpus_of_any_kind_of_file_is_found_and_fits_a_recogniser(tmp_path, suffix):
    needs(suffix)
    (tmp_path / "annotations" / "manual").mkdir(parents=True)
    (tmp_path / "features" / "train").mkdir(parents=True)
    table = "id|folder|signer|annotation\nclip1|clip1/*.png|S1|HELLO YOU\nclip2|clip2/*.png|S1|YOU\n"
    (tmp_path / "annotations" / "manual" / "train.corpus.csv").write_text(table, encoding="utf-8")
    layout = load_layout("mediapipe-225")
    for number in (1, 2):
        place = tmp_path / "features" / "train" / f"clip{number}"
        if suffix == "openpose":
            place.mkdir()
            for frame in range(3):
                row = {"hand_left_keypoints_2d": [float(frame + 1)] * 63, "pose_keypoints_2d": [5.0, 7.0, 1.0] * 25}
                name = f"clip{number}_{frame:012d}_keypoints.json"
                (place / name).write_text(json.dumps({"people": [row]}), encoding="utf-8")
        else:
            found = Recording(clip(layout=layout, seed=number), layout, 25.0, (640, 480))
            write_recording(place.with_name(place.name + suffix), found)
    corpus = open_corpus(tmp_path)
    utterances = corpus.require_features("train")
    assert [item.features.stem for item in utterances] == ["clip1", "clip2"]
    guessed = choose_layout("auto", utterances)
    if suffix == "openpose":
        assert guessed.name == "openpose-137" and load_clip(utterances[0].features, guessed).shape == (3, 411)
        return
    assert guessed == read_recording(utterances[0].features).layout
    np.testing.assert_allclose(
        load_clip(utterances[0].features, layout, 0), clip(layout=layout, seed=1), rtol=1e-6, equal_nan=True
    )


def test_a_kind_that_is_only_read_is_no_name_of_a_folder(tmp_path):
    np.save(tmp_path / "clip.npy", clip())
    done = slr("convert", tmp_path / "clip.npy", tmp_path / "clip.json", code=1)
    assert "Files of type .json cannot be written" in done.stderr and not (tmp_path / "clip.json").exists()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_columns_of_a_layout_that_nobody_knows_are_not_guessed(tmp_path, suffix):
    file = tmp_path / f"clip{suffix}"
    layout = replace(load_layout("mediapipe-1662"), name="pose-543")
    write_recording(file, Recording(clip(layout=layout), layout))
    convert = ["convert", file, tmp_path / "b.npz", "--layout", "mediapipe-258"]
    for command, code in ((convert, 1), (["show", file], 2)):
        done = slr(*command, code=code)
        assert "the layout pose-543, which is not shipped" in done.stderr
    with pytest.raises(UsageError, match="pose-543"):
        choose_layout("auto", [Utterance("a", (), features=file)])
    slr("show", file, "--layout", "mediapipe-1662", "--out", tmp_path / "c.html")


@pytest.mark.parametrize("fps", [15, 60, 100])
def test_clips_are_resampled_to_the_rate_that_is_asked_for(tmp_path, fps):
    at = np.arange(2 * fps + 1) / fps
    np.savez(tmp_path / "a.npz", features=np.sin(at)[:, None].repeat(4, axis=1), fps=float(fps))
    done = slr("convert", tmp_path / "a.npz", tmp_path / "b.npz", "--to-fps", 30)
    assert done.exit_code == 0, done.output
    with np.load(tmp_path / "b.npz") as found:
        assert found["fps"] == 30 and len(found["features"]) == 61
        np.testing.assert_allclose(found["features"][:, 2], np.sin(np.arange(61) / 30), atol=1e-3)


def test_a_clip_of_unknown_rate_is_not_resampled_by_a_guess(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((30, 4), np.float32))
    done = slr("convert", tmp_path / "a.npy", tmp_path / "b.npz", "--to-fps", 30, code=1)
    assert done.exit_code == 1 and "does not say its frame rate" in done.stderr and not (tmp_path / "b.npz").exists()
    done = slr("convert", tmp_path / "a.npy", tmp_path / "b.npz", "--to-fps", 30, "--fps", 60)
    assert done.exit_code == 0 and np.load(tmp_path / "b.npz")["features"].shape == (15, 4)
