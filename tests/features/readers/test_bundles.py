"""Files of several clips: pickles as the field's code writes them, and lines of numbers."""

import gzip
import os
import pickle

import numpy as np
import pytest
import torch
from support.calling import slr

from slrcli.corpus import open_corpus
from slrcli.errors import DataError
from slrcli.features.readers import (
    clips_below,
    feature_header,
    feature_shape,
    own_layout,
    read_clips,
    read_features,
    read_recording,
)

RNG = np.random.default_rng(0)
IDS = ("11August_2010_Wednesday_tagesschau-1", "12May_2010_Wednesday_tagesschau-7")
LENGTHS = (6, 9)


def keypoints(frames: int) -> np.ndarray:
    """Key points of COCO-WholeBody in pixels, with confidences; one is not seen."""
    found = RNG.uniform(1, 200, (frames, 133, 3)).astype(np.float32)
    found[..., 2] = RNG.uniform(0.1, 1, (frames, 133))
    found[2, 7] = (50, 50, 0)
    return found


CLIPS = {id: keypoints(frames) for id, frames in zip(IDS, LENGTHS, strict=True)}


def mska(split: str) -> dict:
    """The dictionary of a split as MSKA and TwoStreamNetwork pickle it."""
    return {
        f"{split}/{id}": {
            "name": f"{split}/{id}",
            "signer": f"Signer0{number}",
            "gloss": "MORGEN REGEN NORD",
            "text": "morgen regnet es im norden .",
            "num_frames": len(clip),
            "keypoint": torch.tensor(clip),
        }
        for number, (id, clip) in enumerate(CLIPS.items())
    }


def isharah() -> dict:
    return {f"0{n}_000{n}": {"keypoints": RNG.uniform(0, 1, (5 + n, 86, 2)).astype(np.float32)} for n in range(3)}


def dumped(path, value, protocol=4, zipped=False):
    data = pickle.dumps(value, protocol)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if zipped else data)
    return path


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", ["Phoenix-2014T.train", "train.pkl", "train.gz", "phoenix14t.gzip", "a.pickle"])
@pytest.mark.parametrize("zipped", [True, False])
def test_the_pickles_of_mska_hold_the_clips_that_torch_and_pickle_put_in(tmp_path, name, zipped, protocol):
    path = dumped(tmp_path / name, mska("train"), protocol, zipped)
    found = dict(read_clips(path))
    assert list(found) == [f"train/{id}" for id in IDS]
    for id, clip in CLIPS.items():
        wanted = np.where(clip[..., 2:] > 0, clip, np.nan).reshape(len(clip), -1)
        np.testing.assert_array_equal(found[f"train/{id}"].values, wanted)
        assert found[f"train/{id}"].layout.name == "coco-wholebody-133"
        np.testing.assert_array_equal(read_features(path / id), wanted)
        assert feature_shape(path / "train" / id) == wanted.shape
        assert own_layout(path / id).name == "coco-wholebody-133"
        assert feature_header(path / id).stored_as == "float32"
    assert [clip.name for clip in clips_below(path)] == list(IDS)


@pytest.mark.parametrize("kind", [np.asarray, torch.tensor, lambda x: x.astype(np.float64), lambda x: x.tolist(), list])
def test_the_pickles_of_isharah_hold_the_clips_that_were_put_in(tmp_path, kind):
    given = isharah()
    path = dumped(tmp_path / "pose.pkl", {id: {"keypoints": kind(item["keypoints"])} for id, item in given.items()})
    for id, item in given.items():
        found = read_recording(path / id)
        np.testing.assert_array_equal(found.values, item["keypoints"].reshape(len(item["keypoints"]), 172))
        assert found.layout is None


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ([{"name": "a", "sign": torch.ones(4, 9)}, {"name": "b", "sign": torch.ones(4, 9)}], ["a", "b"]),
        ([{"frame_dir": "a", "keypoint": np.ones((1, 4, 3, 3)), "total_frames": 4}], ["a"]),
        ({"a": np.ones((4, 9)), 7: np.ones((4, 9))}, ["a", "7"]),
        ({"a": np.ones((1, 4, 9))}, ["a"]),
        ({"a": {"x": np.ones((4, 9)), "label": np.ones(4), "words": "A"}}, ["a"]),
        ({"keypoints": np.ones((4, 3, 3)), "fps": 30}, [""]),
        (np.ones((4, 9)), [""]),
        (torch.ones(4, 9), [""]),
    ],
)
def test_other_forms_of_such_pickles_are_read(tmp_path, value, ids):
    path = dumped(tmp_path / "x.pkl", value)
    found = dict(read_clips(path))
    assert list(found) == ids
    assert all(recording.values.shape == (4, 9) and (recording.values == 1).all() for recording in found.values())
    assert feature_shape(path / ids[0] if ids[0] else path) == (4, 9)


def test_a_clip_alone_keeps_its_frame_rate(tmp_path):
    found = read_recording(dumped(tmp_path / "x.pkl", {"keypoints": np.ones((4, 3, 3)), "fps": 30}))
    assert found.fps == 30


def test_another_number_of_frames_than_the_file_says_is_noted(tmp_path):
    path = dumped(tmp_path / "x.pkl", {"a": {"keypoint": torch.ones(4, 9), "num_frames": 5}})
    assert "has 5 frames; its array has 4" in read_recording(path / "a").notes[0]


class Acting:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda place: {"a": Acting(place)}, "does not need"),
        (lambda place: {"a": {"keypoint": torch.ones(4, 9), "gloss": Acting(place)}}, "does not need"),
        (lambda place: {"../a": np.ones((4, 9))}, "cannot be a file name"),
        (lambda place: {"/a": np.ones((4, 9))}, "cannot be a file name"),
        (lambda place: {None: np.ones((4, 9))}, "does not need"),
        (lambda place: {"a": {"x": np.ones((4, 9)), "y": np.ones((4, 9))}}, "several arrays: x, y"),
        (lambda place: {"a": {"gloss": "A"}}, "no array among gloss"),
        (lambda place: {"a": 5}, "no array of numbers"),
        (lambda place: {"a": [[1, 2], [3]]}, "damaged"),
        (lambda place: {}, "no clip"),
        (lambda place: 5, "holds a int"),
        (lambda place: [{"keypoint": np.ones((4, 9))}], "no id"),
        (lambda place: [{"id": "a", "sign": np.ones((4, 9))}] * 2, "Two clips"),
    ],
)
def test_pickles_that_hold_no_clips_are_errors_of_ours(tmp_path, value, message):
    path = dumped(tmp_path / "x.pkl", value(tmp_path / "made"))
    with pytest.raises(DataError, match=message):
        list(read_clips(path))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\x04",
        b"junk",
        b"\x1f\x8b",
        gzip.compress(b"", mtime=0),
        gzip.compress(b"\x80\x04]", mtime=0)[:-9],
    ],
    ids=["empty", "one byte", "header", "text", "magic of gzip", "gzip of nothing", "cut gzip"],
)
def test_what_is_no_pickle_is_an_error_of_ours(tmp_path, data):
    (tmp_path / "x.pkl").write_bytes(data)
    with pytest.raises(DataError):
        read_recording(tmp_path / "x.pkl")


def test_a_compressed_pickle_that_swells_is_refused(tmp_path):
    (tmp_path / "x.pkl").write_bytes(gzip.compress(bytes(100 << 20), 6))
    with pytest.raises(DataError, match="expands from"):
        read_recording(tmp_path / "x.pkl")


def test_other_files_with_such_suffixes_are_no_clips(tmp_path):
    for name in ("notes.train", "a.test", "b.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"text", mtime=0) if name.endswith("gz") else b"some text\n")
    np.save(tmp_path / "c.npy", np.ones((4, 9)))
    assert [path.name for path in clips_below(tmp_path)] == ["c.npy"]


def test_a_file_of_several_clips_is_no_clip(tmp_path):
    path = dumped(tmp_path / "x.pkl", isharah())
    with pytest.raises(DataError, match="holds 3 clips: 00_0000, 01_0001"):
        read_recording(path)
    with pytest.raises(DataError, match="no clip 'other'"):
        read_recording(path / "other")


# What commands make of them.


def skels(folder, count=2):
    """The three files that ProgressiveTransformersSLP reads."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays, lines = [], []
    for number in range(count):
        array = RNG.normal(size=(4 + number, 150)).astype(np.float32)
        counter = np.linspace(0, 1, len(array), dtype=np.float32)[:, None]
        lines.append(" ".join(f"{value:.6f}" for value in np.hstack([array, counter]).ravel()))
        arrays.append(array)
    (folder / "train.skels").write_text("\n".join(lines) + "\n")
    (folder / "train.files").write_text("".join(f"train/clip{number}\n" for number in range(count)))
    (folder / "train.gloss").write_text("A B\nC\n")
    return folder / "train.skels", arrays


def test_lines_of_numbers_are_clips_without_their_counter(tmp_path):
    path, arrays = skels(tmp_path)
    found = dict(read_clips(path))
    assert list(found) == ["train/clip0", "train/clip1"]
    for recording, array in zip(found.values(), arrays, strict=True):
        np.testing.assert_allclose(recording.values, array, atol=1e-6)
    assert feature_shape(path / "clip1") == (5, 150)
    (tmp_path / "train.files").unlink()
    assert list(dict(read_clips(path))) == ["train-00001", "train-00002"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_text(path.read_text().replace(" ", " 1 ", 1)), "Line 1 has 605 numbers"),
        (
            lambda path: path.write_text(" ".join(["1"] * 150 + ["1"] + ["1"] * 150 + ["0"]) + "\n" * 2),
            "The file has 2 lines",
        ),
        (lambda path: path.write_text(path.read_text().replace("0", "x", 1)), "could not convert"),
        (lambda path: path.with_suffix(".files").write_text("a\na\n"), "Two clips"),
        (lambda path: path.write_text(""), "damaged|lines|no clip"),
    ],
)
def test_lines_that_are_no_clips_are_errors_of_ours(tmp_path, change, message):
    path, _ = skels(tmp_path)
    change(path)
    with pytest.raises(DataError, match=message):
        list(read_clips(path))


def test_a_counter_that_does_not_count_is_an_error(tmp_path):
    (tmp_path / "a.skels").write_text(" ".join(["1"] * 150 + ["1"] + ["1"] * 150 + ["0"]) + "\n")
    with pytest.raises(DataError, match="does not increase"):
        list(read_clips(tmp_path / "a.skels"))


@pytest.mark.parametrize("kind", ["mska", "isharah", "skels"])
def test_convert_writes_each_clip(tmp_path, kind):
    if kind == "skels":
        path, _ = skels(tmp_path)
    else:
        path = dumped(tmp_path / "x.pkl", mska("train") if kind == "mska" else isharah())
    result = slr("convert", path, tmp_path / "out", "--to", "npz")
    assert result.exit_code == 0, result.output
    wanted = dict(read_clips(path))
    assert len(list((tmp_path / "out").rglob("*.npz"))) == len(wanted)
    for id, recording in wanted.items():
        np.testing.assert_array_equal(read_features(tmp_path / "out" / f"{id}.npz"), recording.values)


TABLE = "id|folder|signer|annotation\n"


def phoenix(folder, names):
    for split in ("train", "dev"):
        table = folder / "annotations" / f"{split}.corpus.csv"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(TABLE + "".join(f"{id}|{id}|s|MORGEN REGEN\n" for id in IDS))
        dumped(folder / "features" / names.format(split), mska(split), zipped=True)
    return folder


@pytest.mark.parametrize("names", ["{}.pkl", "Phoenix-2014T.{}", "phoenix14t_{}.gzip"])
def test_the_clips_of_a_corpus_are_found_in_pickles(tmp_path, names):
    corpus = open_corpus(phoenix(tmp_path, names))
    for split in ("train", "dev"):
        found = corpus.require_features(split)
        assert [str(item.features) for item in found] == [
            str(tmp_path / "features" / names.format(split) / split / id) for id in IDS
        ]
    again = slr("corpus", tmp_path, "--out", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert open_corpus(tmp_path / "again").splits["dev"][1].features == corpus.splits["dev"][1].features


def test_a_clip_in_an_array_goes_before_one_in_a_pickle(tmp_path):
    corpus = phoenix(tmp_path, "{}.pkl")
    for name in (f"{IDS[0]}.npy", f"{IDS[0]}.pkl"):
        np.save(corpus / "features" / "x.npy", np.ones((4, 9)))
        (corpus / "features" / "x.npy").rename(corpus / "features" / name)
    assert open_corpus(corpus).splits["train"][0].features == corpus / "features" / f"{IDS[0]}.npy"


def test_two_pickles_with_the_same_clip_are_not_chosen_between(tmp_path):
    corpus = phoenix(tmp_path, "{}.pkl")
    dumped(corpus / "features" / "train.flipped.pkl", mska("train"))
    with pytest.raises(DataError, match=r"2 files hold the clip .*flipped"):
        open_corpus(corpus)
    found = open_corpus(corpus, features=corpus / "features" / "train.flipped.pkl").splits["train"][0].features
    assert found.relative_to(corpus / "features").parts[0] == "train.flipped.pkl"


def test_a_clip_that_is_missing_from_the_pickle_of_its_split_is_missing(tmp_path):
    corpus = phoenix(tmp_path, "{}.pkl")
    dumped(corpus / "features" / "dev.pkl", {f"dev/{IDS[0]}": mska("dev")[f"dev/{IDS[0]}"]})
    found = open_corpus(corpus)
    assert [item.features is None for item in found.splits["dev"]] == [False, True]
    assert all(item.features for item in found.splits["train"])


def test_a_recogniser_learns_from_pickles_as_from_their_clips(tmp_path):
    corpus = phoenix(tmp_path / "pickled", "{}.pkl")
    options = ["--arch", "conv-bilstm", "--epochs", 1, "--seed", 3, "--device", "cpu"]
    for name, folder in (("a", corpus), ("b", tmp_path / "files")):
        if name == "b":
            (folder / "annotations").mkdir(parents=True)
            for split in ("train", "dev"):
                table = f"annotations/{split}.corpus.csv"
                (folder / table).write_text((corpus / table).read_text())
                assert slr("convert", corpus / f"features/{split}.pkl", folder / "features").exit_code == 0
        result = slr("train", "--data-dir", folder, "--output-dir", tmp_path / "runs" / name, *options)
        assert result.exit_code == 0, result.output
    one, other = (next((tmp_path / "runs" / name).rglob("best.safetensors")).read_bytes() for name in "ab")
    from safetensors.torch import load

    one, other = load(one), load(other)
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
