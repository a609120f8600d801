"""Reading feature files: every form that is admitted, every kind of damage, and never a pickle."""

import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slrcli.errors import DataError
from slrcli.features.readers import feature_shape, read_features

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
        (np.zeros((1, 2, 3, 4)), "the array has the shape"),
        (np.float32(1.0), r"the shape \(\)"),
        (np.zeros((0, 4)), "the array is empty"),
        (np.zeros((4, 0)), "the array is empty"),
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
        with pytest.raises(DataError, match="damaged"):
            read_features(whole)


def test_flipped_bytes_never_show_as_a_foreign_error(tmp_path):
    path = tmp_path / "clip.npz"
    np.savez_compressed(path, CLIP)
    data = bytearray(path.read_bytes())
    for place in range(len(data)):
        changed = data.copy()
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        try:
            read_features(path)
        except DataError:
            continue


@pytest.mark.parametrize("name", ["no.npy", "no.npz"])
def test_files_that_are_not_there(tmp_path, name):
    with pytest.raises(DataError, match="no such feature file"):
        read_features(tmp_path / name)


def test_other_files_are_named_as_such(tmp_path):
    (tmp_path / "clip.npy").write_text("no numpy here", encoding="utf-8")
    (tmp_path / "clip.csv").write_text("1,2", encoding="utf-8")
    (tmp_path / "folder.npy").mkdir()
    with zipfile.ZipFile(tmp_path / "clip.npz", "w") as archive:
        archive.writestr("readme.txt", "no array")
    for name, message in (
        ("clip.npy", "damaged"),
        ("clip.csv", "end in .npy or .npz"),
        ("clip.npz", "holds no array"),
        ("folder.npy", "cannot read"),
    ):
        with pytest.raises(DataError, match=message):
            read_features(tmp_path / name)


def test_numbers_beyond_float32_become_infinite_without_a_warning(tmp_path):
    np.save(tmp_path / "clip.npy", np.full((2, 2), 1e300))
    assert np.isinf(read_features(tmp_path / "clip.npy")).all()


def test_the_header_alone_tells_the_shape(tmp_path):
    np.save(tmp_path / "clip.npy", CLIP)
    data = (tmp_path / "clip.npy").read_bytes()
    (tmp_path / "clip.npy").write_bytes(data[: -CLIP.nbytes])
    assert feature_shape(tmp_path / "clip.npy") == (4, 3)


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
