"""Pickles read as data: what pickle, numpy and torch wrote, and nothing that would act."""

import contextlib
import datetime
import io
import os
import pickle
import struct
import tracemalloc
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from slrcli.pickles import Array, Damaged, Refused, load

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(5, 4, 3)).astype(np.float32)


def plain(value):
    """What was read, with arrays as numpy has them."""
    if isinstance(value, Array):
        return plain(value.items) if value.items is not None else value.numpy()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(item) for item in value)
    return bytes(value) if isinstance(value, memoryview) else value


VALUES = [
    {"a": [1, -2, 3.5, 10**18, True, False, None], "ä\n日": ("x", b"y" * 300, ()), 7: {}, "deep": [[[{}]]]},
    [2**70, -(2**70), 0.1, float("inf"), "", b"", "x" * 70000, 255, 256, 65536, -1],
    [[i, str(i)] for i in range(3000)],
    OrderedDict(a=1, b=2),
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", VALUES)
def test_plain_values_are_those_that_were_pickled(value, protocol):
    assert plain(load(pickle.dumps(value, protocol))) == value
    assert plain(load(pickle._dumps(value, protocol))) == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", ">f4", "i8", "u1", "b1", ">i2"])
@pytest.mark.parametrize(
    "change", [np.asarray, np.asfortranarray, lambda x: x[::2, 1:], lambda x: x[0, 0, 0], lambda x: x[:0]]
)
def test_arrays_of_numpy_are_those_that_were_pickled(protocol, dtype, change):
    array = np.asarray(change((10 * POINTS).astype(dtype)))
    found = load(pickle.dumps({"x": array}, protocol))["x"].numpy()
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("GEHEN"), np.float64("nan")])
def test_single_numbers_and_texts_of_numpy_are_those_that_were_pickled(protocol, value):
    np.testing.assert_equal(load(pickle.dumps([value], protocol))[0], value.item())


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "uint8", "bool"])
@pytest.mark.parametrize(
    "change", [lambda x: x, lambda x: x.permute(2, 0, 1), lambda x: x[1:4, ::2], lambda x: x[0, 0, 0]]
)
def test_tensors_of_torch_are_those_that_were_pickled(protocol, dtype, change):
    tensor = change((10 * torch.tensor(POINTS)).to(getattr(torch, dtype)))
    found = load(pickle.dumps({"x": tensor, "y": [tensor]}, protocol))
    wanted = tensor.float().numpy() if dtype == "bfloat16" else tensor.numpy()
    np.testing.assert_array_equal(found["x"].numpy(), wanted)
    assert found["x"].numpy().dtype == wanted.dtype
    np.testing.assert_array_equal(found["y"][0].numpy(), wanted)


@pytest.mark.parametrize("old", [False, True])
def test_arrays_of_older_numpy_are_read(old):
    data = pickle.dumps([POINTS], 2)
    data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray") if old else data
    np.testing.assert_array_equal(load(data)[0].numpy(), POINTS)


class Calling:
    """Calls something when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "function",
    [os.system, eval, exec, getattr, __import__, open, np.load, np.fromfile, np.zeros, torch.load, torch.zeros,
     pickle.loads, bytearray, list, set, io.BytesIO, datetime.timedelta],
)  # fmt: skip
def test_a_call_of_anything_else_is_refused(tmp_path, protocol, function):
    trace = tmp_path / "trace"
    with pytest.raises(Refused, match="does not need"):
        load(pickle.dumps({"a": Calling(function, f"touch {trace}")}, protocol))
    assert not trace.exists()


def test_the_calls_of_these_tests_would_act_if_they_could(tmp_path):
    pickle.loads(pickle.dumps(Calling(os.system, f"touch {tmp_path / 'trace'}")))
    assert (tmp_path / "trace").exists()


def test_a_call_inside_the_file_of_a_tensor_is_refused(tmp_path):
    trace = tmp_path / "trace"
    inner = io.BytesIO()
    torch.save(Calling(os.system, f"touch {trace}"), inner, _use_new_zipfile_serialization=False)
    with pytest.raises(Refused):
        load(pickle.dumps(Calling(torch.storage._load_from_bytes, inner.getvalue())))
    assert not trace.exists()


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, frozenset(), {(1, 2): 3}, 1j, slice(1), datetime.date(2020, 1, 1), Array(),
     np.array([(1, 2)], "i4,i4"), np.array([1j]), np.array(["2020-01-01"], "M8[D]")],
)  # fmt: skip
def test_values_that_data_do_not_need_are_refused(value):
    with pytest.raises((Refused, Damaged)):
        plain(load(pickle.dumps({"a": value}, 4)))


BUILD = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nI0\ntC\x01btR"
KIND = b"cnumpy\ndtype\n(S'f8'\nI00\nI01\ntR"
BOMBS = {
    "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N.",
    "frame of all bits": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
    "bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "bytearray": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",
    "text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x.",
    "negative text": b"T\xff\xff\xff\xffabc.",
    "number": b"\x8b" + struct.pack("<i", 1 << 30) + b"\0" * 99 + b".",
    "digits": b"L" + b"9" * 100_000 + b"L\n.",
    "allocating call": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(L99999999999999L\ntC\x01btR.",
    "array of a great shape": BUILD + b"(I1\n(L99999999999999L\nt" + KIND + b"I00\nC\x08\0\0\0\0\0\0\0\0tb.",
    "array below zero": BUILD + b"(I1\n(I-1\nt" + KIND + b"I00\nC\x08\0\0\0\0\0\0\0\0tb.",
    "persistent": b"Pabc\n.",
    "persistent on the stack": b"(X\x07\0\0\0storagetQ.",
    "extension": b"\x82\x01.",
    "call of a text": b"X\x01\0\0\0a)R.",
    "call of a number": b"K\x01)R.",
    "completed name": b"cnumpy\ndtype\n}b.",
    "completed dictionary": b"}(X\x09\0\0\0__class__Nub}b.",
    "object": b"cnumpy\nndarray\n)\x81.",
    "inst": b"(ios\nsystem\n.",
    "buffer": b"\x80\x05\x97.",
    "no stack": b"0.",
    "no mark": b"t.",
    "below a mark": b"N(\x85.",
    "no memory": b"h\x07.",
    "empty": b"",
    "no end": b"(((((",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_memory_is_taken(name):
    tracemalloc.start()
    try:
        with pytest.raises((Refused, Damaged)):
            plain(load(BOMBS[name]))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_memo_of_a_great_number_takes_no_more_than_a_small_one():
    tracemalloc.start()
    try:
        assert load(b"N" + b"r\xff\xff\xff\xff" + b"j\xff\xff\xff\xff\x86.") == (None, None)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_tuples_in_tuples_are_no_keys():
    """Each holds the one before twice, so that hashing the last would take for ever."""
    with pytest.raises(Refused, match="as a key"):
        load(b"}" + b"N" + b"2\x86" * 200 + b"Ns.")


@pytest.mark.parametrize(
    "again",
    [
        b"c_codecs\nencode\n(h\x00X\x06\0\0\0latin1tR0",
        b"ccollections\nOrderedDict\n(h\x01tR0",
    ],
)
def test_what_is_copied_again_and_again_comes_to_an_end(again):
    text = b"X" + struct.pack("<I", 1 << 20) + b"x" * (1 << 20) + b"q\x00"
    pairs = b"]q\x01(" + b"(K\x01K\x02l" * 10_000 + b"e"
    with pytest.raises(Damaged, match="without end"):
        load(text + pairs + again * 3000 + b".")


def test_more_values_than_anyone_needs_are_an_error(monkeypatch):
    monkeypatch.setattr("slrcli.pickles.MOST_STEPS", 1000)
    with pytest.raises(Damaged, match="lists of numbers"):
        load(pickle.dumps(list(range(5000))))


SHARED = b"K\x01q\x01" + (b"0(" + b"h\x01" * 10 + b"lq\x01") * 9


@pytest.mark.parametrize(
    "data", [SHARED + b".", SHARED + b"\x85.", b"}K\x01" + SHARED + b"s.", SHARED.replace(b"l", b"t") + b"."]
)
def test_lists_that_share_their_parts_are_not_a_thousand_million_values(data):
    with pytest.raises(Damaged, match="shared without end"):
        load(data)


@pytest.mark.parametrize("data", [b"]q\x01h\x01a.", b"}q\x01K\x01h\x01s.", b"]q\x01]h\x01aa."])
def test_a_value_does_not_lie_in_itself(data):
    with pytest.raises(Damaged, match="in itself"):
        load(data)


def test_what_is_shared_now_and_then_stays():
    row = [1.5, 2.5]
    assert load(pickle.dumps({"a": [row] * 1000, "b": (row, row)})) == {"a": [row] * 1000, "b": (row, row)}


@pytest.mark.parametrize("step", [b"]", b"}", b"(", b"\x94", b"2\x85", b"q\x01"])
def test_a_byte_that_makes_a_hundred_is_not_repeated_without_end(monkeypatch, step):
    monkeypatch.setattr("slrcli.pickles.MOST_MADE", 1 << 20)
    load(b"N" + step * 1_000 + b"0N.")
    with pytest.raises(Damaged, match="more lists"):
        load(b"N" + step * 20_000 + b"0N.")


@pytest.mark.parametrize(
    ("offset", "size", "strides"),
    [
        (0, (7, 3), (3, 1)),
        (1, (6, 3), (3, 1)),
        (0, (1 << 40,), (0,)),
        (0, (2, 2), (-1, 1)),
        (-1, (2,), (1,)),
        (0, (2,), (1, 1)),
        (0, (6, 3), (4, 1)),
    ],
)
def test_a_tensor_stays_within_its_numbers(offset, size, strides):
    bytes_of = torch.arange(18.0).untyped_storage()
    storage = torch.storage.TypedStorage(wrap_storage=bytes_of, dtype=torch.float32, _internal=True)
    rest = (offset, size, strides, False, OrderedDict())
    with pytest.raises(Damaged):
        load(pickle.dumps(Calling(torch._utils._rebuild_tensor_v2, storage, *rest)))


SOUND = [
    pickle.dumps({"a": {"keypoint": torch.tensor(POINTS[:2]), "gloss": "A B", "num_frames": 2}}, 4),
    pickle.dumps({"a": {"keypoints": POINTS[:2]}, "b": {"keypoints": POINTS[:1].astype(np.float64)}}, 5),
    pickle.dumps([{"name": "a", "sign": POINTS[:1]}], 2),
    pickle.dumps({"a": [1, 2.5, POINTS[0, 0, 0]]}, 0),
]


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(SOUND), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_give_an_error_or_values(data, flips):
    wrong = bytearray(data)
    for place, byte in flips:
        wrong[place % len(wrong)] = byte
    with contextlib.suppress(Refused, Damaged):
        plain(load(bytes(wrong)))


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=60))
def test_random_bytes_give_an_error_or_values(data):
    with contextlib.suppress(Refused, Damaged):
        plain(load(b"\x80\x04" + data + b"."))


@pytest.mark.parametrize("data", SOUND)
def test_a_pickle_cut_at_any_byte_is_an_error(data):
    for size in range(len(data)):
        with pytest.raises((Refused, Damaged)):
            load(data[:size])
