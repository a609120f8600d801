"""Reading feature files: every form that is admitted, every kind of damage, and never a pickle."""

import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from slrcli.errors import DataError, DependencyError
from slrcli.features import readers
from slrcli.features.layout import load_layout
from slrcli.features.readers import (
    SUFFIXES,
    TEXTS,
    Reader,
    feature_header,
    feature_shape,
    frame_rate,
    own_layout,
    read_clips,
    read_features,
    read_recording,
)
from slrcli.features.recording import Recording

CLIP = np.arange(12, dtype=np.float32).reshape(4, 3)


class Bomb:
    """An object whose unpickling would be noticed."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was loaded",))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8", "bool", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_every_type_become_float32(tmp_path, dtype, order):
    path = tmp_path / "clip.npy"
    np.save(path, np.asarray(CLIP.astype(dtype), order=order))
    x = read_features(path)
    assert x.dtype == np.float32 and x.dtype.isnative and x.flags.c_contiguous
    np.testing.assert_array_equal(x, CLIP.astype(dtype).astype(np.float32))
    assert feature_shape(path) == (4, 3)


def test_a_header_that_claims_more_than_any_machine_holds_is_damage(tmp_path):
    for shape in ((10**30, 6), (10**12, 6)):
        header = str({"descr": "<f4", "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
        (tmp_path / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        with pytest.raises(DataError):
            read_features(tmp_path / "huge.npy")


def test_points_are_flattened_and_missing_ones_stay_nan(tmp_path):
    points = np.arange(24.0).reshape(4, 2, 3)
    points[1, 1] = np.nan
    np.save(tmp_path / "clip.npy", points)
    np.testing.assert_array_equal(read_features(tmp_path / "clip.npy"), points.reshape(4, 6))
    assert feature_shape(tmp_path / "clip.npy") == (4, 6)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("names", [("other", "arr_0", "features"), ("other", "feature"), ("other", "arr_0"), ("only",)])
def test_the_array_of_an_archive_is_chosen_by_name(tmp_path, save, names):
    arrays = {name: np.zeros((2, 2)) for name in names}
    arrays[names[-1]] = CLIP
    save(tmp_path / "clip.npz", **arrays)
    np.testing.assert_array_equal(read_features(tmp_path / "clip.npz"), CLIP)
    assert feature_shape(tmp_path / "clip.npz") == (4, 3)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9), st.sampled_from(["npy", "npz"]))
def test_what_is_saved_is_read(tmp_path_factory, frames, columns, suffix):
    path = tmp_path_factory.mktemp("clips") / f"clip.{suffix}"
    clip = np.random.default_rng(frames).standard_normal((frames, columns)).astype(np.float32)
    np.save(path, clip) if suffix == "npy" else np.savez(path, clip)
    np.testing.assert_array_equal(read_features(path), clip)
    assert feature_shape(path) == clip.shape


@pytest.mark.parametrize("read", [read_features, feature_shape])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_pickles_are_refused_unopened(tmp_path, read, suffix):
    path = tmp_path / f"clip.{suffix}"
    objects = np.array([[Bomb(), Bomb()]], dtype=object)
    np.save(path, objects, allow_pickle=True) if suffix == "npy" else np.savez(path, features=objects)
    with pytest.raises(DataError, match="pickled Python objects"):
        read(path)


@pytest.mark.parametrize("read", [read_features, feature_shape])
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), r"the shape \(5,\)"),
        (np.zeros((1, 2, 3, 4)), "The array has the shape"),
        (np.float32(1.0), r"the shape \(\)"),
        (np.zeros((0, 4)), "The array is empty"),
        (np.zeros((4, 0)), "The array is empty"),
        (np.array([["a", "b"]]), "not real numbers"),
        (np.zeros((2, 2), complex), "not real numbers"),
        (np.zeros((2, 2), [("x", "f4")]), "not real numbers"),
    ],
)
def test_arrays_that_are_no_features_are_named(tmp_path, read, array, message):
    path = tmp_path / "clip.npy"
    np.save(path, array)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert caught.value.where == str(path) and caught.value.fix


@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
def test_files_cut_at_any_byte_are_an_error_of_ours(tmp_path, save):
    whole = tmp_path / ("clip.npy" if save is np.save else "clip.npz")
    save(whole, CLIP)
    data = whole.read_bytes()
    for size in range(len(data)):
        whole.write_bytes(data[:size])
        with pytest.raises(DataError, match="damaged" if size else "empty"):
            read_features(whole)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path, save):
    """An archive has a checksum over its numbers: what a damaged one still gives are the numbers that were saved."""
    path = tmp_path / "clip.npz"
    save(path, CLIP)
    data = bytearray(path.read_bytes())
    refused = set()
    for place in range(len(data)):
        changed = data.copy()
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        try:
            np.testing.assert_array_equal(read_features(path), CLIP, err_msg=f"byte {place}")
        except DataError:
            refused.add(place)
    if save is np.savez:
        numbers = bytes(data).index(CLIP.tobytes())
        assert refused >= set(range(numbers, numbers + CLIP.nbytes))
    assert len(refused) > len(data) / 2


def test_an_archive_that_swells_is_refused_before_it_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        header = str({"descr": "<f4", "fortran_order": False, "shape": (1 << 15, 1 << 10)}).encode().ljust(117) + b"\n"
        start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        with archive.open("features.npy", "w") as member:
            member.write(start)
            for _ in range(128):
                member.write(bytes(1 << 20))
    for read in (read_features, feature_shape, feature_header, own_layout):
        with pytest.raises(DataError, match="expands from"):
            read(tmp_path / "bomb.npz")


def test_an_archive_says_what_its_columns_mean(tmp_path):
    clip = np.random.default_rng(0).random((3, 258), dtype=np.float32)
    np.savez(tmp_path / "said.npz", layout="mediapipe-258", fps=30.0, size=(640, 480), features=clip)
    save_file(
        {"features": clip}, tmp_path / "said.safetensors", {"layout": "mediapipe-258", "fps": "30", "size": "640x480"}
    )
    for name in ("said.npz", "said.safetensors"):
        found = read_recording(tmp_path / name)
        assert (found.layout.name, found.fps, found.size) == ("mediapipe-258", 30.0, (640, 480))
        np.testing.assert_array_equal(found.values, clip)
        assert own_layout(tmp_path / name).name == "mediapipe-258"
        assert feature_shape(tmp_path / name, load_layout("mediapipe-1629")) == (3, 1629)
        assert feature_header(tmp_path / name).columns == 258


@pytest.mark.parametrize("layout", ["mediapipe-1629", "no-such", "/etc/passwd", "../mine.toml"])
def test_an_archive_cannot_name_a_layout_that_is_not_its_own(tmp_path, layout):
    np.savez(tmp_path / "clip.npz", layout=layout, fps=float("nan"), size=[1, 2, 3], features=CLIP)
    found = read_recording(tmp_path / "clip.npz")
    assert (found.layout, found.fps, found.size) == (None, 0.0, None)


def test_safetensors_are_read_and_their_faults_named(tmp_path):
    path = tmp_path / "clip.safetensors"
    save_file({"other": np.zeros((2, 2)), "features": CLIP.astype(np.float64)}, path)
    np.testing.assert_array_equal(read_features(path), CLIP)
    assert feature_shape(path) == (4, 3) and feature_header(path).stored_as == "float64"
    data = path.read_bytes()
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        with pytest.raises(DataError, match=r"damaged|empty"):
            read_features(path)
    save_file({"features": np.zeros((2, 2, 2, 2), np.float32)}, path)
    with pytest.raises(DataError, match="The array has the shape"):
        feature_shape(path)
    head = b'{"a":{"dtype":"F32","shape":[1000000000000,6],"data_offsets":[0,24000000000000]}}'
    path.write_bytes(len(head).to_bytes(8, "little") + head)
    with pytest.raises(DataError):
        read_features(path)


@pytest.mark.parametrize("name", ["no.npy", "no.npz", "no.pose", "no.csv", "no.json", "no.safetensors", "no.parquet"])
def test_files_that_are_not_there(tmp_path, name):
    if name.endswith((".pose", ".parquet")):
        pytest.importorskip("pose_format" if name.endswith(".pose") else "pyarrow")
    with pytest.raises(DataError, match="no such feature file"):
        read_features(tmp_path / name)


def test_other_files_are_named_as_such(tmp_path):
    (tmp_path / "clip.npy").write_text("no numpy here", encoding="utf-8")
    (tmp_path / "clip.txt").write_text("1,2", encoding="utf-8")
    (tmp_path / "folder.npy").mkdir()
    with zipfile.ZipFile(tmp_path / "clip.npz", "w") as archive:
        archive.writestr("readme.txt", "no array")
    for name, message in (
        ("clip.npy", "damaged"),
        ("clip.txt", "end in .npy, .npz"),
        ("clip.npz", "holds no array"),
        ("folder.npy", "cannot be read"),
    ):
        with pytest.raises(DataError, match=message):
            read_features(tmp_path / name)


@pytest.mark.parametrize(("suffix", "library"), [(".pose", "pose_format.pose_header"), (".parquet", "pyarrow.parquet")])
def test_without_an_optional_library_file_and_extra_are_named(tmp_path, monkeypatch, suffix, library):
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, library, None)
    for read in (read_features, feature_shape, own_layout):
        with pytest.raises(DependencyError, match="is not installed") as caught:
            read(path)
        assert caught.value.where == str(path) and caught.value.fix == f"Run pip install 'slrcli[{suffix[1:]}]'."


def test_numbers_beyond_float32_become_infinite_without_a_warning(tmp_path):
    np.save(tmp_path / "clip.npy", np.full((2, 2), 1e300))
    assert np.isinf(read_features(tmp_path / "clip.npy")).all()


def test_the_header_alone_tells_the_shape(tmp_path):
    np.save(tmp_path / "clip.npy", CLIP)
    data = (tmp_path / "clip.npy").read_bytes()
    (tmp_path / "clip.npy").write_bytes(data[: -CLIP.nbytes])
    assert feature_shape(tmp_path / "clip.npy") == (4, 3)


def test_a_format_is_one_reader_in_the_registry(tmp_path, monkeypatch):
    class Words(Reader):
        suffixes = (".words",)

        def read(self, path, layout=None, people="largest"):
            return Recording(np.array([[len(word)] for word in path.read_text().split()], np.float32))

    path = tmp_path / "clip.words"
    path.write_text("one three")
    with pytest.raises(DataError, match=r"end in \.npy"):
        read_features(path)
    monkeypatch.setattr(readers, "READERS", (*readers.READERS, Words()))
    assert read_features(path).tolist() == [[3], [5]] and feature_shape(path) == (2, 1)
    assert [id for id, _ in read_clips(path)] == [""] and own_layout(path) is None and frame_rate(path) == 0
    header = feature_header(path)
    assert (header.frames, header.columns, header.stored_as) == (2, 1, "float32") and header.sample[1] == b"one three"


def test_of_two_files_of_a_clip_the_arrays_go_before_the_texts():
    assert SUFFIXES == (
        ".npy",
        ".npz",
        ".safetensors",
        ".pose",
        ".parquet",
        ".csv",
        ".json",
        ".pkl",
        ".pickle",
        ".skels",
    )
    assert TEXTS == (".csv", ".json")


@pytest.mark.parametrize(("fps", "told"), [("12.5", 12.5), ("-1", 0.0), ("nan", 0.0), (None, 0.0)])
def test_the_frame_rate_of_an_archive_is_told_without_reading_its_arrays(tmp_path, fps, told):
    save_file({"features": CLIP}, tmp_path / "clip.safetensors", {"fps": fps} if fps else None)
    np.savez(tmp_path / "clip.npz", features=CLIP, **({"fps": float(fps)} if fps else {}))
    assert frame_rate(tmp_path / "clip.safetensors") == frame_rate(tmp_path / "clip.npz") == told


def test_real_packs_have_the_shape_that_numpy_sees(real_data):
    path = real_data / "data" / "auslan" / "clips.npz"
    with np.load(path, allow_pickle=False) as pack:
        first = pack[pack.files[0]]
    if first.ndim == 2:
        assert feature_shape(path) == first.shape
        np.testing.assert_array_equal(read_features(path), first.astype(np.float32))
    else:
        with pytest.raises(DataError):
            feature_shape(path)


@pytest.mark.parametrize("save", [np.save, np.savez, lambda path, array: save_file({"features": array}, path)])
@pytest.mark.parametrize("clip", [CLIP, np.arange(40, dtype=np.float32).reshape(8, 5)])
def test_a_batch_of_one_is_one_clip(tmp_path, save, clip):
    suffix = {np.save: "npy", np.savez: "npz"}.get(save, "safetensors")
    path = tmp_path / f"clip.{suffix}"
    save(path, clip[None])
    np.testing.assert_array_equal(read_features(path), clip)
    assert feature_shape(path) == clip.shape
    assert feature_header(path).frames == len(clip)


def test_one_frame_of_the_points_of_a_layout_stays_one_frame(tmp_path):
    np.save(tmp_path / "clip.npy", np.ones((1, 133, 3), np.float32))
    assert feature_shape(tmp_path / "clip.npy") == (1, 399)


def saved_as(path, **arrays):
    np.savez(path, **arrays) if path.suffix == ".npz" else save_file(arrays, path)
    return path


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@pytest.mark.parametrize(
    "arrays",
    [
        {"hands": CLIP, "pose": 2 * CLIP},
        {"arr_0": CLIP, "arr_1": 2 * CLIP},
        {"pose": CLIP.reshape(2, 2, 3), "face": CLIP, "label": np.ones(4, np.float32)},
    ],
)
@pytest.mark.parametrize("read", [read_features, feature_shape, read_recording])
def test_of_two_arrays_that_can_be_the_clip_none_is_taken(tmp_path, suffix, arrays, read):
    path = saved_as(tmp_path / f"clip.{suffix}", **arrays)
    with pytest.raises(DataError, match="2 arrays that can be the clip") as caught:
        read(path)
    assert all(name in caught.value.what for name in list(arrays)[:2])


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@pytest.mark.parametrize(
    ("arrays", "taken", "noted"),
    [
        ({"other": 2 * CLIP, "features": CLIP}, "features", ["other"]),
        ({"other": 2 * CLIP, "arr_0": CLIP}, "arr_0", ["other"]),
        ({"label": np.ones(4, np.float32), "pose": CLIP}, "pose", []),
        ({"timestamps": np.ones(4, np.float32), "features": CLIP}, "features", []),
    ],
)
def test_a_note_says_which_array_is_the_clip(tmp_path, suffix, arrays, taken, noted):
    found = read_recording(saved_as(tmp_path / f"clip.{suffix}", **arrays))
    np.testing.assert_array_equal(found.values, arrays[taken])
    assert len(found.notes) == len(noted)
    assert all(repr(taken) in note and noted[0] in note for note in found.notes)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".csv", ".json"])
def test_an_empty_file_is_called_empty(tmp_path, suffix):
    (tmp_path / f"clip{suffix}").touch()
    with pytest.raises(DataError, match="empty"):
        read_features(tmp_path / f"clip{suffix}")
