"""Files that were made to do harm, or came to it, among sound ones: named, counted, and no bar to the others."""

import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from support.calling import slr

from slrcli.errors import DataError
from slrcli.features.readers import feature_shape, read_recording

RNG = np.random.default_rng(0)


def saved(array, save=np.save, **more) -> bytes:
    stream = io.BytesIO()
    save(stream, array, **more)
    return stream.getvalue()


def announced(shape: str, kind: str = "<f4") -> bytes:
    """An `.npy` of a hundred bytes that says it has this shape."""
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(100)


class Evil:
    """Unpickled, it would leave a folder behind."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def archive(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return stream.getvalue()


@cache
def bomb() -> bytes:
    """An archive of a few kilobytes that unpacks to more than 64 MB."""
    return archive({"features.npy": announced("(280000, 60)") + bytes(67_200_000)})


def zoo(marker: Path) -> dict[str, tuple[bytes, str]]:
    """Files by name, and what is to be said of them."""
    good = RNG.normal(size=(20, 60)).astype(np.float32)
    tensors = json.dumps({"features": {"dtype": "F32", "shape": [10**12, 60], "data_offsets": [0, 24 * 10**13]}})
    evil = np.array([Evil(marker)], dtype=object)
    return {
        "cut.npy": (saved(good)[:900], "damaged or cut short"),
        "no_frames.npy": (saved(good[:0]), "empty"),
        "one_axis.npy": (saved(good[0]), "not [frames, columns]"),
        "four_axes.npy": (saved(good.reshape(2, 10, 20, 3)), "not [frames, columns]"),
        "nobody.npy": (saved(np.full((9, 60), np.nan, np.float32)), "Nobody was seen"),
        "zeros.npy": (saved(np.zeros((9, 1629), np.float32)), "Nobody was seen"),
        "words.npy": (saved(np.array([["a"]])), "not real numbers"),
        "huge.npy": (announced("(1000000000000, 60)"), "more than 2 GB"),
        "below_zero.npy": (announced("(-5, 60)"), "empty"),
        "nested.npy": (announced("(" * 3000 + ")" * 3000), "damaged or cut short"),
        "pickle.npy": (pickle.dumps(Evil(marker)), "damaged or cut short"),
        "objects.npy": (saved(evil, allow_pickle=True), "never loaded"),
        "objects.npz": (saved(evil, lambda stream, array: np.savez(stream, features=array)), "never loaded"),
        "bomb.npz": (bomb(), "expands from"),
        "thousands.npz": (archive({f"{number}.npy": b"" for number in range(1500)}), "holds 1,500 files"),
        "outside.npz": (archive({"../outside.npy": b"junk", "/etc/outside.npy": b"junk"}), "damaged or cut short"),
        "huge.safetensors": (struct.pack("<Q", len(tensors)) + tensors.encode() + bytes(99), "damaged or cut short"),
        "header.safetensors": (struct.pack("<Q", 2**60) + b"{}", "damaged or cut short"),
    }


TEXTS = {
    "cut.json": (b'{"instance_info": [', "damaged or cut short"),
    "nested.json": (b"[" * 100_000, "nested deeper"),
    "far.json": (b'[{"frame_id": 0, "instances": []}, {"frame_id": 1000000000000, "instances": []}]', "frame_id range"),
    "nobody.json": (b'[{"frame_id": 0, "instances": []}]', "Nobody was seen"),
    "empty.csv": (b"", "empty"),
    "uneven.csv": (b"x\n1,2\n", "Line 2 has 2 cells"),
    "binary.csv": (b"\0\1\2" * 99, "not a text file"),
    "nobody.csv": (b"frame,a,b\n0,,\n1,,\n", "Nobody was seen"),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with two sound clips, the zoo, and links that lead nowhere, in a circle, or to a device."""
    place = tmp_path / "clips"
    place.mkdir()
    for name in ("a_sound.npy", "z_sound.npy"):
        (place / name).write_bytes(saved(RNG.normal(size=(20, 60)).astype(np.float32)))
    for name, (data, _) in zoo(tmp_path / "unpickled").items():
        (place / name).write_bytes(data)
    for name, target in (("circle.npy", "circle.npy"), ("nowhere.npy", "not_there"), ("device.npy", "/dev/zero")):
        (place / name).symlink_to(target)
    os.mkfifo(place / "pipe.npy")
    return place


def test_a_folder_of_them_is_converted_as_far_as_it_is_sound(folder, tmp_path):
    result = slr("convert", folder, tmp_path / "out", "--to", "npy")
    assert result.exit_code == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_sound.npy", "z_sound.npy"]
    bad = len(list(folder.iterdir())) - 2
    assert f"{bad} of {bad + 2} clips could not be converted" in result.stderr
    told = json.loads(slr("convert", folder, tmp_path / "out", "--to", "npy", "--json").stdout)
    reasons = {Path(item["source"]).name: item["error"] for item in told if "error" in item}
    for name, (_, said) in zoo(tmp_path).items():
        assert said in reasons[name] and len(reasons[name]) < 600, name
    assert "symbolic links" in reasons["circle.npy"] and "no such feature file" in reasons["nowhere.npy"]
    assert all("neither a file nor a folder" in reasons[name] for name in ("device.npy", "pipe.npy"))
    assert not (tmp_path / "unpickled").exists() and not list((tmp_path / "out").rglob("outside*"))


def test_the_first_of_them_ends_all_only_where_that_is_wanted(folder, tmp_path):
    result = slr("convert", folder, tmp_path / "out", "--stop-on-error")
    assert result.exit_code == 1 and result.stderr.count("Error:") == 1


@pytest.mark.parametrize("name", list(TEXTS))
def test_texts_by_themselves(tmp_path, name):
    data, said = TEXTS[name]
    (tmp_path / name).write_bytes(data)
    result = slr("convert", tmp_path / name, tmp_path / "out.npy")
    assert result.exit_code == 1 and said in result.stderr and name in result.stderr.replace("\n", "")
    assert not (tmp_path / "out.npy").exists()


def test_each_of_them_is_named_where_it_is_shown(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in sorted(folder.iterdir()):
        result = slr("show", path, "--out", "page.html")
        if path.name in ("a_sound.npy", "z_sound.npy", "nobody.npy", "zeros.npy"):
            assert result.exit_code == 0  # what shows nobody is looked at to see that
        else:
            assert result.exit_code == 1 and "Error:" in result.stderr and path.name in result.stderr
            assert "defect" not in result.stderr
        (tmp_path / "page.html").unlink(missing_ok=True)


@pytest.fixture
def corpus(folder, tmp_path) -> Path:
    """The folder as the train split of a corpus, with a dev split that is sound."""
    root = tmp_path / "corpus"
    (root / "features" / "dev").mkdir(parents=True)
    folder.rename(root / "features" / "train")
    rows = ["id|folder|signer|annotation"]
    for number, path in enumerate(sorted((root / "features" / "train").iterdir())):
        renamed = path.rename(path.with_name(f"{number:02}_{path.name}"))
        rows.append(f"{renamed.stem}|{renamed.stem}|s|{'AB'[number % 2]}")
    circle = next((root / "features" / "train").glob("*circle.npy"))
    circle.unlink()
    circle.symlink_to(circle.name)
    (root / "features" / "dev" / "d.npy").write_bytes(saved(RNG.normal(size=(20, 60)).astype(np.float32)))
    (root / "annotations").mkdir()
    (root / "annotations" / "train.corpus.csv").write_text("\n".join(rows) + "\n")
    (root / "annotations" / "dev.corpus.csv").write_text("id|folder|signer|annotation\nd|d|s|A\n")
    return root


def test_a_corpus_with_them_is_summed_up_and_they_are_counted(corpus, tmp_path):
    result = slr("corpus", corpus)
    bad = len(list((corpus / "features" / "train").iterdir())) - 4  # two are sound, two can be read and show nobody
    assert result.exit_code == 1 and f"{bad} feature files cannot be read" in " ".join(result.stderr.split())
    assert "Utterances" in result.stdout and not (tmp_path / "unpickled").exists()


def test_sentences_are_composed_of_what_is_sound(corpus, tmp_path):
    options = ["--signs", "1", "1", "--split-by", "given", "--dev", "0", "--test", "0", "--sentences", "4"]
    result = slr("compose", corpus, "--out", tmp_path / "composed", *options)
    said = " ".join(result.stderr.split())
    assert result.exit_code == 1 and "clips are left out; composed/manifest.json lists them all" in said
    manifest = json.loads(next((tmp_path / "composed").rglob("manifest.json")).read_text())
    assert "never loaded" in json.dumps(manifest["left_out"])
    assert len(list((tmp_path / "composed" / "features").rglob("*.npy"))) >= 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("count = 1000000000000", "more than 100,000 points"),
        ("count = -3", "no points"),
        ("count = true", "count must be of type int"),
        ("count = 3\nlimbs = [[0, 99]]", "unknown point"),
        ('points = ["a", "a"]', "named twice"),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
    ],
)
def test_layouts_that_were_made_to_do_harm_are_named(tmp_path, text, said):
    head = '[[groups]]\nname = "p"\nkind = "pose"\ncoordinates = ["x", "y"]\n'
    (tmp_path / "own.toml").write_text(f"{head}{text}\n")
    result = slr("layout", tmp_path / "own.toml")
    assert result.exit_code in (1, 2) and said in " ".join(result.stderr.split()) and "own.toml" in result.stderr


def test_a_layout_cannot_reach_for_other_files(tmp_path):
    (tmp_path / "own.toml").write_text('like = "../../../../etc/passwd"\n')
    result = slr("layout", tmp_path / "own.toml")
    assert result.exit_code == 1 and "no shipped layout" in result.stderr


def test_pipes_and_devices_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    for read in (read_recording, feature_shape):
        with pytest.raises(DataError, match="neither a file nor a folder"):
            read(tmp_path / "pipe.npz")


def far_apart(place: Path, last: int) -> dict[str, Path]:
    """Clips of two frames, of which the second has the number `last`, in every format that numbers frames."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    frames = [{"frame_id": number, "instances": []} for number in (0, last)]
    (place / "a.json").write_text(json.dumps(frames))
    rows = {"frame": [0, last], "type": ["pose"] * 2, "landmark_index": [0, 0], "x": [0.5] * 2, "y": [0.5] * 2}
    pq.write_table(pa.table({**rows, "z": [0.5] * 2}), place / "a.parquet")
    (place / "frames").mkdir()
    for number in (0, last):
        (place / "frames" / f"{number:012}_keypoints.json").write_text('{"people": []}')
    return {"json": place / "a.json", "parquet": place / "a.parquet", "folder": place / "frames"}


@pytest.mark.parametrize("kind", ["json", "parquet", "folder"])
@pytest.mark.parametrize("last", [20_000, 300_000, 1_000_000])
def test_frames_that_are_nearly_all_missing_take_no_memory(tmp_path, kind, last):
    with pytest.raises(DataError, match=f"from 0 to {last}"):
        read_recording(far_apart(tmp_path, last)[kind])


def test_a_clip_may_have_gaps(tmp_path):
    assert read_recording(far_apart(tmp_path, 500)["parquet"]).values.shape[0] == 501


@pytest.mark.parametrize("error", ["lzma", "token"])
def test_one_damaged_clip_stops_no_others(tmp_path, error):
    """Errors that libraries keep in modules of their own: of the compression of an archive, of a header's text."""
    place = tmp_path / "clips"
    place.mkdir()
    good = RNG.normal(size=(20, 60)).astype(np.float32)
    (place / "z.npy").write_bytes(saved(good))
    if error == "lzma":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as file:
            file.writestr("features.npy", saved(good))
        data = bytearray(stream.getvalue())
        data[60:200] = bytes(140)
        (place / "a.npz").write_bytes(data)
    else:
        head = b"{'descr': '<f4', 'fortran_order': False, 'shape': ((20, 60), "
        data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(99)
        (place / "a.npy").write_bytes(data)
    result = slr("convert", place, tmp_path / "out", "--to", "csv")
    assert result.exit_code == 1 and "1 of 2 clips could not be converted" in result.stderr
    assert (tmp_path / "out" / "z.csv").exists() and "damaged or cut short" in result.stderr


def test_a_pack_that_announces_more_than_it_holds_takes_no_memory(tmp_path):
    numbers, names = saved(np.array([5])), saved(np.array(["A"]))
    members = {"x.npy": announced("(1000000000, 60)"), "length.npy": numbers, "gloss.npy": names}
    (tmp_path / "pack.npz").write_bytes(archive(members))
    result = slr("compose", tmp_path / "pack.npz", "--out", tmp_path / "out")
    assert result.exit_code == 1 and "announces 240,000,000,000 bytes" in " ".join(result.stderr.split())


def swelling(place: Path) -> dict[str, Path]:
    """Files of a few kilobytes, or of a megabyte, that stand for gigabytes."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    def written(name: str, rows: int, packed: str = "", **columns) -> Path:
        delta = {"use_dictionary": list(columns), "column_encoding": {packed: "DELTA_BINARY_PACKED"}} if packed else {}
        table = pa.table(
            {name: np.full(rows, value) if np.isscalar(value) else value for name, value in columns.items()}
        )
        pq.write_table(table, place / name, compression="zstd", **delta)
        return place / name

    def repeated(text: str, rows: int):
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))

    long = {"landmark_index": 0, "x": 0.5, "y": 0.5, "z": 0.5}
    pose = pa.array(["pose"] * 40_000)
    files = {
        "frames": written("a.parquet", 40_000, frame=np.arange(40_000, dtype=np.int32), type=pose, **long),
        "rows": written("b.parquet", 3_000_000, frame=0, type=repeated("pose", 3_000_000), **long),
        "a long type": written("c.parquet", 20_000, frame=0, type=repeated("pose" + "x" * 100_000, 20_000), **long),
        "columns": written("d.parquet", 50_000, frame=0, x_face_0=0.5, z_right_hand_20=0.5),
    }
    for name, text in (("people", f"[{','.join(['[]'] * 50_000)}]"), ("cells", "x_face_0\n" + "1\n" * 50_000)):
        files[name] = place / f"{name}.{'json' if name == 'people' else 'csv'}"
        files[name].write_text(text)
    return files


@pytest.mark.parametrize("name", ["frames", "rows", "a long type", "columns", "people", "cells"])
def test_a_file_that_stands_for_gigabytes_is_refused_before_they_are_taken(tmp_path, name):
    path = swelling(tmp_path)[name]
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="expands from" if name != "a long type" else "is unknown") as told:
            read_recording(path)
        assert len(str(told.value)) < 600 and tracemalloc.get_traced_memory()[1] < 150 << 20
    finally:
        tracemalloc.stop()


def test_a_long_id_of_many_rows_is_kept_once(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    id = pa.DictionaryArray.from_arrays(pa.array(np.zeros(9_000, np.int32)), pa.array(["x" * 100_000]))
    pq.write_table(pa.table({"sequence_id": id.cast(pa.string()), "x_pose_0": np.ones(9_000)}), tmp_path / "a.parquet")
    tracemalloc.start()
    try:
        assert len(read_recording(tmp_path / "a.parquet").values) == 9_000
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
