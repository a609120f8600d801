"""ONNX files that ask for more memory than they have bytes are refused before onnxruntime opens them."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slrcli.errors import CheckpointError
from slrcli.recognition.from_onnx import open_session
from slrcli.recognition.onnx_form import check_form

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

node = helper.make_node
SIDE = 48_000  # a square of so many numbers has 9 GB


def whole(value, name):
    return numpy_helper.from_array(np.array(value, np.int64), name)


def number(value, name):
    return numpy_helper.from_array(np.array(value, np.float32), name)


def announced(kind=TensorProto.FLOAT, dims=(SIDE, SIDE), data=b"", **more):
    return TensorProto(name="bomb", data_type=kind, dims=dims, raw_data=data, **more)


def elsewhere(location: str):
    parts = {"location": location, "offset": "0", "length": str(4 * SIDE * SIDE)}
    found = announced(data_location=TensorProto.EXTERNAL)
    found.external_data.extend(onnx.StringStringEntryProto(key=key, value=value) for key, value in parts.items())
    return found


def sparse():
    return helper.make_sparse_tensor(number([1], "values"), whole([0], "places"), [SIDE, SIDE])


def model(nodes=(), weights=(), **more) -> onnx.ModelProto:
    """A graph that adds the size of what is called `bomb` to its input."""
    sides = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["frames"]) for name in ("x", "y")]
    end = [node("Size", ["bomb"], ["size"]), node("Cast", ["size"], ["real"], to=1), node("Add", ["x", "real"], ["y"])]
    graph = helper.make_graph([*nodes, *end], "g", sides[:1], sides[1:], [*weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8, **more)


def branch(*nodes):
    """A graph of a node, which gives `bomb`."""
    return helper.make_graph(nodes, "b", [], [helper.make_tensor_value_info("bomb", TensorProto.FLOAT, None)])


def doubling():
    body = helper.make_graph(
        [node("Concat", ["a", "a"], ["b"], axis=0), node("Identity", ["go"], ["on"])],
        "body",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in (("i", 7), ("go", 9), ("a", 1))],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in (("on", 9), ("b", 1))],
    )
    return node("Loop", ["times", "", "one"], ["bomb"], body=body)


def calling(depth=30):
    """Functions of which each calls the one before twice."""
    sets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    rows = [[node("Neg", ["a"], ["b"])]]
    rows += [[node(f"F{k}", [a], [b], domain="own") for a, b in ("at", "tb")] for k in range(depth)]
    return [helper.make_function("own", f"F{k}", ["a"], ["b"], row, sets) for k, row in enumerate(rows)]


def nested(depth=25):
    inner = branch(node("Constant", [], ["bomb"], value=number([1], "v")))
    for _ in range(depth):
        inner = branch(node("If", ["yes"], ["bomb"], then_branch=inner))
    return inner.node[0]


def chosen():
    """The clip itself or a square, as the clip will have it."""
    square, clip = branch(node("ConstantOfShape", ["side"], ["bomb"])), branch(node("Identity", ["x"], ["bomb"]))
    rest = node("ReduceMax", ["x"], ["top"]), node("Cast", ["top"], ["yes"], to=TensorProto.BOOL)
    return [*rest, node("If", ["yes"], ["bomb"], then_branch=square, else_branch=clip)]


SQUARE, ONE = whole([SIDE, SIDE], "side"), number([[1]], "one")
ENDS = [whole(0, "a"), whole(1 << 40, "b"), whole(1, "c")]
BYTES = numpy_helper.from_array(np.arange(4, dtype=np.int8), "a")
BOMBS = {
    "constant of a shape": (model([node("ConstantOfShape", ["side"], ["bomb"])], [SQUARE]), "does not depend"),
    "expanded": (model([node("Expand", ["one", "side"], ["bomb"])], [SQUARE, ONE]), "does not depend"),
    "tiled": (model([node("Tile", ["one", "side"], ["bomb"])], [SQUARE, ONE]), "does not depend"),
    "random": (model([node("RandomNormal", [], ["bomb"], shape=[SIDE, SIDE])]), "does not depend"),
    "outer product": (model([node("MatMul", ["one", "one"], ["bomb"])], [ONE]), "does not depend"),
    "counted": (model([node("Range", ["a", "b", "c"], ["bomb"])], ENDS), "does not depend"),
    "doubled": (model([doubling()], [whole(40, "times"), ONE]), "does not depend"),
    "in a branch": (model(chosen(), [SQUARE]), "does not depend"),
    "nested": (model([node("ReduceMax", ["x"], ["yes"]), nested()]), "nested too deeply"),
    "announced": (model([], [announced()]), "announces 2,304,000,000 numbers"),
    "announced with a few": (model([], [announced(data=bytes(4))]), "announces 2,304,000,000 numbers"),
    "texts": (model([], [announced(TensorProto.STRING, [1 << 40])]), "announces"),
    "below zero": (model([], [announced(dims=[-1, 5])]), "announces"),
    "axes": (model([], [announced(dims=[1] * 99)]), "99 axes"),
    "announced in a node": (model([node("Constant", [], ["bomb"], value=announced())]), "announces"),
    "a device": (model([], [elsewhere("/dev/zero")]), "in another file"),
    "a file beside it": (model([], [elsewhere("big.bin")]), "in another file"),
    "sparse": (model([node("Constant", [], ["bomb"], sparse_value=sparse())]), "sparse"),
    "functions": (model([node("F30", ["x"], ["bomb"], domain="own")], functions=calling()), "functions"),
}  # fmt: skip


def saved(found: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(found.SerializeToString())
    return path


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_they_are_opened(tmp_path, name):
    found, said = BOMBS[name]
    with pytest.raises(CheckpointError, match=said) as told:
        open_session(saved(found, tmp_path))
    assert told.value.where.endswith("model.onnx") and len(told.value.what) < 250


def test_sparse_weights_are_refused(tmp_path):
    found = model()
    found.graph.sparse_initializer.append(sparse())
    with pytest.raises(CheckpointError, match="sparse"):
        open_session(saved(found, tmp_path))


SOUND = {
    "weights": model([], [number(range(6), "bomb")]),
    "a constant": model([node("Constant", [], ["bomb"], value=number([1], "v"))]),
    "small numbers": model([node("Cast", ["a"], ["bomb"], to=1)], [whole(range(9), "a")]),
    "bytes": model([node("DequantizeLinear", ["a", "one"], ["bomb"])], [BYTES, number(1, "one")]),
    "of the clip": model([node("Shape", ["x"], ["n"]), node("ConstantOfShape", ["n"], ["bomb"])]),
    "nothing at all": model([], [number([], "bomb")]),
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_what_is_sound_is_opened(tmp_path, name):
    session = open_session(saved(SOUND[name], tmp_path))
    assert session.run(None, {"x": np.zeros(3, np.float32)})[0].shape == (3,)


def test_weights_may_be_named_among_the_inputs_as_old_files_do(tmp_path):
    found = model([], [number(range(6), "bomb")])
    found.graph.input.append(helper.make_tensor_value_info("bomb", TensorProto.FLOAT, [6]))
    check_form(saved(found, tmp_path))
    bomb = BOMBS["expanded"][0]
    bomb.graph.input.append(helper.make_tensor_value_info("one", TensorProto.FLOAT, [1, 1]))
    with pytest.raises(ValueError, match="does not depend"):
        check_form(saved(bomb, tmp_path))


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(sorted(SOUND)),
    st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), max_size=4),
    st.integers(0, 999),
)
def test_damage_is_named_or_goes_unseen(tmp_path_factory, name, flips, end):
    data = bytearray(SOUND[name].SerializeToString())
    for place, byte in flips:
        data[place % len(data)] = byte
    path = tmp_path_factory.getbasetemp() / f"damaged-{os.getpid()}.onnx"
    path.write_bytes(data[: end or None])
    with suppress(ValueError):
        check_form(path)
