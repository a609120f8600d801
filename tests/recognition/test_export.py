"""An exported model says what its checkpoint says, without torch, and tells all that decoding needs."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from support.planted_hands import signing, swapped
from typer.testing import CliRunner

import slrcli.recognition.export
from slrcli.checkpoints.checkpoint import save_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.cli import app
from slrcli.config import Config, DecodeConfig
from slrcli.errors import CheckpointError, SlrError, UsageError
from slrcli.features.clip import padded
from slrcli.features.hands import free_hands
from slrcli.features.layout import generic_layout, load_layout
from slrcli.files import file_hash
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.layers import MaskedBatchNorm1d
from slrcli.models.registry import build_model
from slrcli.recognition.export import largest_difference
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.recognition.from_onnx import ExportedRecogniser
from slrcli.recognition.lstm_operator import with_operators

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


GLOSSES = ("HELLO", "YOU", "NAME", "WHAT", "Ü-1")
TINY = {
    "conv-bilstm": (generic_layout(9), {"width": 12}),
    "ensemble": (generic_layout(9), {"width": 8, "members": 2, "layers": 1}),
    "conformer": (generic_layout(9), {"width": 12, "heads": 2, "layers": 2, "window": 3, "kernel": 3}),
    "mobilenetv3": (generic_layout(9), {"width": 0.1}),
    "streaming": (load_layout("kinect-20"), {"width": 12, "layers": 1, "lookahead": 4}),
    "tcn": (
        load_layout("mediapipe-126"),
        {"width": 12, "dilations": [1], "frontend": {"derivatives": 0, "bones": False}},
    ),
}
SENTENCES = ("0123456789abcdef", "fedcba9876543210")
LENGTHS = [1, 2, 3, 4, 5, 7, 12, 13, 50, 51, 301]


def trained(arch: str) -> Recogniser:
    """A tiny model that is no fresh one: statistics, running ones too, are set."""
    torch.manual_seed(1)
    layout, options = TINY[arch]
    vocabulary = Vocabulary(("<blank>", *GLOSSES), (0, 5, 4, 3, 2, 1))
    model = build_model(arch, layout, len(vocabulary), options=options)
    for part in model.modules():
        if isinstance(part, MaskedBatchNorm1d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    model.frontend.set_statistics(torch.randn(model.frontend.width), torch.rand(model.frontend.width) + 0.5)
    sections = {"model": {"arch": arch, "options": options}, "data": {"max_gap": 3}}
    decode = DecodeConfig(sign_frames=12.0, insertion_bonus=9.0) if arch == "tcn" else DecodeConfig()
    meta = Meta(Config.from_dict(sections), vocabulary, layout, sentences=SENTENCES, decode=decode)
    return Recogniser(model.eval(), vocabulary, meta)


def noise(frames: int, width: int, seed: int = 0, missing: float = 0.15) -> np.ndarray:
    """A clip with holes."""
    rng = np.random.default_rng([seed, frames])
    clip = rng.normal(0.3, 0.4, (frames, width)).astype(np.float32)
    clip[rng.random(clip.shape) < missing] = np.nan
    return clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module", autouse=True)
def traces():
    """Tracing takes seconds: each architecture is traced once, and its trace taken again where it is exported again."""
    kept, traced = {}, slrcli.recognition.export._traced

    def once(model, width):
        if type(model) not in kept:
            kept[type(model)] = traced(model, width).SerializeToString()
        return onnx.ModelProto.FromString(kept[type(model)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slrcli.recognition.export, "_traced", once)
        yield


@pytest.fixture(scope="module", params=TINY)
def pair(request, folder):
    """A checkpoint's recogniser, and that of the file that `slr export` makes of it."""
    recogniser = trained(request.param)
    checkpoint, target = folder / f"{request.param}.safetensors", folder / f"{request.param}.onnx"
    save_checkpoint(checkpoint, recogniser.model, recogniser.meta)
    done = CliRunner().invoke(app, ["export", str(checkpoint), str(target), "--json"])
    assert done.exit_code == 0, done.output
    (_, written) = json.loads(done.stdout)["parity"]
    assert written["weights"] == "float32" and written["difference"] < 1e-4
    return recogniser, ExportedRecogniser.open(target), checkpoint


def test_clips_of_any_length_alone_and_together_give_what_torch_gives(pair):
    recogniser, exported, _ = pair
    clips = [noise(frames, recogniser.meta.layout.width) for frames in LENGTHS]
    for clip in clips:
        alone = recogniser.log_probs(*padded([clip]))
        assert largest_difference(alone, exported.log_probs(*padded([clip]))) < 1e-4
    together, steps = exported.log_probs(*padded(clips))
    for row, count, clip in zip(together, steps.tolist(), clips, strict=True):
        alone, (frames,) = exported.log_probs(*padded([clip]))
        assert count == frames == recogniser.model.output_length(len(clip))
        np.testing.assert_allclose(row[:count], alone[0], atol=1e-4)


def test_clips_of_which_little_or_nothing_is_seen_give_what_torch_gives(pair):
    recogniser, exported, _ = pair
    width = recogniser.meta.layout.width
    nothing, late = np.full((20, width), np.nan, np.float32), noise(33, width)
    late[:25] = np.nan
    for clip in (nothing, late, noise(40, width, missing=0.9), np.zeros((9, width), np.float32)):
        batch = padded([clip])
        assert largest_difference(recogniser.log_probs(*batch), exported.log_probs(*batch)) < 1e-4


def test_hypotheses_are_the_same_with_spans_and_confidences(pair):
    recogniser, exported, _ = pair
    clips = [noise(frames, recogniser.meta.layout.width, 7) for frames in (30, 64)]
    for ours, theirs in zip(recogniser.recognise(clips), exported.recognise(clips), strict=True):
        assert (ours.glosses, ours.spans, ours.peaks) == (theirs.glosses, theirs.spans, theirs.peaks)
        assert ours.confidences == pytest.approx(theirs.confidences, abs=1e-4)
        assert ours.glosses


def test_feature_files_are_prepared_alike_and_hands_assigned(pair, tmp_path):
    recogniser, exported, _ = pair
    layout = recogniser.meta.layout
    clips = {"noise": noise(50, layout.width)}
    if free_hands(layout):
        clips = {"signed": (x := signing(50)), "swapped": np.where(np.arange(50)[:, None] % 7 < 3, swapped(x), x)}
    for name, x in clips.items():
        np.save(tmp_path / f"{name}.npy", x)
    prepared = {name: recogniser.load(tmp_path / f"{name}.npy") for name in clips}
    for name, x in prepared.items():
        np.testing.assert_array_equal(exported.load(tmp_path / f"{name}.npy"), x)
        np.testing.assert_array_equal(x, next(iter(prepared.values())))
        (ours,), (theirs,) = recogniser.recognise([x]), exported.recognise([x])
        assert (ours.glosses, ours.spans) == (theirs.glosses, theirs.spans)


def test_the_file_tells_what_it_is(pair):
    recogniser, exported, checkpoint = pair
    meta = recogniser.meta
    assert exported.meta == meta
    assert (exported.stride, exported.least_frames) == (recogniser.stride, recogniser.least_frames)
    told = {item.key: item.value for item in onnx.load(checkpoint.with_suffix(".onnx")).metadata_props}
    assert told["architecture"] == meta.config.model.arch and told["max_gap"] == "3"
    assert told["assign_hands"] == "true"
    assert told["checkpoint"] == exported.checkpoint == file_hash(checkpoint)
    assert json.loads(told["tokens"]) == ["<blank>", *GLOSSES] and told["normaliser"] == "none@1"
    assert float(told["fps"]) == meta.layout.fps and told["weights"] == "float32"
    assert json.loads(told["exported_with"])["torch"] == version("torch")


def test_a_file_that_does_not_say_what_sentences_were_learnt_opens(pair, tmp_path):
    graph = onnx.load(pair[2].with_suffix(".onnx"))
    kept = {item.key: item.value for item in graph.metadata_props if item.key != "sentences"}
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, kept)
    onnx.save(graph, tmp_path / "old.onnx")
    assert ExportedRecogniser.open(tmp_path / "old.onnx").meta.sentences == ()


def test_only_standard_operators_are_used(pair):
    graph = onnx.load(pair[2].with_suffix(".onnx"))
    onnx.checker.check_model(graph, full_check=True)
    assert {node.domain for node in graph.graph.node} <= {"", "ai.onnx"}
    assert [item.domain for item in graph.opset_import] == [""]


@pytest.fixture(scope="module")
def conformer(folder):
    """A checkpoint and a small corpus for it."""
    recogniser = trained("conformer")
    checkpoint, corpus = folder / "small.safetensors", folder / "corpus"
    save_checkpoint(checkpoint, recogniser.model, recogniser.meta)
    rows = []
    for split in ("train", "dev"):
        (corpus / "features" / split).mkdir(parents=True)
        for number in range(3):
            id = f"{split}{number}"
            np.save(corpus / "features" / split / f"{id}.npy", noise(30 + number, 9, number))
            rows.append(f"{id},HELLO YOU,{split}")
    (corpus / "table.csv").write_text("id,glosses,split\n" + "\n".join(rows) + "\n")
    return checkpoint, corpus


def test_int8_is_smaller_and_is_compared_on_dev(conformer, folder):
    checkpoint, corpus = conformer
    target = folder / "int8.onnx"
    done = CliRunner().invoke(
        app, ["export", str(checkpoint), str(target), "--int8", "--data-dir", str(corpus), "--json"]
    )
    assert done.exit_code == 0, done.output
    whole, float32, int8 = json.loads(done.stdout)["parity"]
    assert [row["weights"] for row in (whole, float32, int8)] == ["torch", "float32", "int8"]
    assert whole["dev_difference"] == 0 < float32["dev_difference"] < 1e-4 < int8["dev_difference"] < 1
    assert whole["wer"] == float32["wer"] and int8["wer"] >= 0
    kinds = {node.op_type for node in onnx.load(target).graph.node}
    assert "MatMulInteger" in kinds or "DynamicQuantizeMatMul" in kinds
    assert ExportedRecogniser.open(target).meta.vocabulary.glosses == GLOSSES
    evaluated = CliRunner().invoke(app, ["eval", str(target), "--data-dir", str(corpus), "--split", "dev", "--json"])
    assert json.loads(evaluated.stdout)["errors"] == round(int8["wer"] * 6 / 100)


@torch.no_grad()
@pytest.mark.parametrize("layers", [1, 2])
def test_the_operator_is_the_lstm_that_it_stands_for(layers):
    torch.manual_seed(2)
    plain = torch.nn.LSTM(5, 3, layers, batch_first=True)
    x = torch.randn(2, 7, 5)
    torch.testing.assert_close(with_operators(torch.nn.ModuleList([plain]))[0](x)[0], plain(x)[0])
    assert isinstance(plain, torch.nn.LSTM)


def test_lstms_of_other_kinds_are_refused():
    with pytest.raises(ValueError, match="one direction"):
        with_operators(torch.nn.ModuleList([torch.nn.LSTM(5, 3, bidirectional=True, batch_first=True)]))


WITHOUT_TORCH = """
import sys
for name in ("torch", "safetensors", "onnx", "onnxscript", "rapidfuzz", "tomli_w"):
    sys.modules[name] = None  # as if it were not installed
from slrcli.cli import app
try:
    app(sys.argv[1:])
except SystemExit as stop:
    sys.exit(stop.code)
"""


def without_torch(*arguments) -> str:
    """What the command line writes where torch is not installed."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_checkpoint_without_torch_is_named(conformer, tmp_path):
    command = [sys.executable, "-c", WITHOUT_TORCH, "decode", str(tmp_path / "clip.npy"), "--model", str(conformer[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "A checkpoint needs" in done.stderr and "defect" not in done.stderr


def test_decoding_and_aligning_need_no_torch(conformer, tmp_path):
    checkpoint, _ = conformer
    recogniser = Recogniser.from_checkpoint(checkpoint)
    model, layout = tmp_path / "model.onnx", recogniser.meta.layout
    assert CliRunner().invoke(app, ["export", str(checkpoint), str(model)]).exit_code == 0
    clip = tmp_path / "clip.npy"
    np.save(clip, noise(64, layout.width, 7))
    (expected,) = recogniser.recognise([recogniser.load(clip)])
    (told,) = json.loads(without_torch("decode", clip, "--model", model, "--json"))
    assert [item["gloss"] for item in told["glosses"]] == list(expected.glosses)
    assert [(item["start"], item["end"]) for item in told["glosses"]] == list(expected.spans)
    assert without_torch("decode", clip, "--model", model, "--beam", "5").split()
    without_torch("decode", clip, "--model", model, "--out", tmp_path / "clip.srt")
    assert (tmp_path / "clip.srt").read_text()
    streamed = without_torch("decode", "--stream", clip, "--patience", 0, "--model", model, "--json")
    assert {"gloss", "latency"} <= json.loads(streamed.splitlines()[0]).keys()
    aligned = without_torch("align", clip, "--glosses", "HELLO YOU", "--model", model, "--fps", "25")
    assert [line.split("\t")[3] for line in aligned.splitlines()] == ["HELLO", "YOU"]


def fails(*arguments) -> str:
    """What is said about a mistake, on one line."""
    done = CliRunner().invoke(app, [str(item) for item in arguments])
    assert done.exit_code in (1, 2) and "Traceback" not in done.output
    return " ".join(done.output.split())


def test_mistakes_are_named_and_leave_nothing_behind(conformer, tmp_path):
    checkpoint, _ = conformer
    assert "ends in .onnx" in fails("export", checkpoint, tmp_path / "model.bin")
    assert "no such checkpoint" in fails("export", tmp_path / "none.safetensors", tmp_path / "model.onnx")
    assert "already exported" in fails("export", _junk(tmp_path / "a.onnx"), tmp_path / "model.onnx")
    assert "onnxruntime" not in fails("export", checkpoint, tmp_path / "model.onnx", "--data-dir", tmp_path / "no")
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


def _junk(path: Path) -> Path:
    path.write_bytes(b"\x08\x07junk")
    return path


def test_a_graph_that_says_something_else_than_torch_is_not_written(conformer, tmp_path, monkeypatch):
    monkeypatch.setattr("slrcli.recognition.export.largest_difference", lambda *_: 0.5)
    assert "differs from torch by 0.5 nats" in fails("export", conformer[0], tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_exported_models_are_refused(tmp_path):
    from onnx import TensorProto, helper

    with pytest.raises(CheckpointError, match="cannot be read"):
        ExportedRecogniser.open(_junk(tmp_path / "junk.onnx"))
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    other = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [other])
    foreign = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(CheckpointError, match="not a model exported by slr"):
        ExportedRecogniser.open(tmp_path / "foreign.onnx")
    helper.set_model_props(foreign, {"format": "slr-exported-1", "config": "[[["})
    onnx.save(foreign, tmp_path / "damaged.onnx")
    with pytest.raises(CheckpointError, match="metadata of the model are damaged"):
        ExportedRecogniser.open(tmp_path / "damaged.onnx")
    data = (tmp_path / "damaged.onnx").read_bytes().replace(b"[[[", b"[\xff[")
    (tmp_path / "binary.onnx").write_bytes(data)
    with pytest.raises(CheckpointError, match="metadata of the model are damaged"):
        ExportedRecogniser.open(tmp_path / "binary.onnx")
    with pytest.raises(UsageError, match="runs on the CPU only"):
        ExportedRecogniser.open(tmp_path / "damaged.onnx", "cuda")


@pytest.mark.parametrize(
    ("library", "command", "extra"),
    [("onnxruntime", ["decode", "clip.npy", "--model", "MODEL"], "onnx"), ("onnxscript", ["export"], "export")],
)
def test_a_library_that_is_missing_is_named(conformer, tmp_path, monkeypatch, library, command, extra):
    monkeypatch.setitem(sys.modules, library, None)
    if command == ["export"]:
        command = ["export", conformer[0], tmp_path / "model.onnx"]
    told = fails(*[_junk(tmp_path / "m.onnx") if item == "MODEL" else item for item in command])
    assert library in told and f"slrcli[{extra}]" in told


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("stride", "nan", "a stride of nan"),
        ("stride", "-4.0", "a stride of -4"),
        ("least_frames", "0", "at least 0 frames"),
        ("layout", json.dumps(generic_layout(8).to_dict()), "the layout's columns are 8"),
        ("vocabulary", json.dumps(Vocabulary(("<blank>", "A"), (0, 1)).to_dict()), "the vocabulary's tokens are 2"),
    ],
)
def test_metadata_that_do_not_belong_to_the_graph_are_refused(conformer, folder, tmp_path, key, value, said):
    model = folder / "whole.onnx"
    if not model.exists():
        assert CliRunner().invoke(app, ["export", str(conformer[0]), str(model)]).exit_code == 0
    graph = onnx.load(model)
    next(item for item in graph.metadata_props if item.key == key).value = value
    onnx.save(graph, tmp_path / "other.onnx")
    with pytest.raises(CheckpointError, match="metadata of the model are damaged") as told:
        ExportedRecogniser.open(tmp_path / "other.onnx")
    assert said in told.value.what


def test_what_the_runtime_cannot_take_is_named(pair, monkeypatch):
    exported, width = pair[1], pair[0].meta.layout.width
    with pytest.raises(SlrError, match="fails on 1 clips of 5 frames"):
        exported.log_probs(np.zeros((1, 5, width + 1), np.float32), np.array([5]))


def test_glosses_are_placed_by_inner_heads_as_torch_places_them(pair):
    recogniser, exported, _ = pair
    batch = padded([noise(frames, recogniser.meta.layout.width, 3) for frames in (40, 17)])
    local = recogniser.local_log_probs(*batch)
    assert largest_difference(local, exported.local_log_probs(*batch)) < 1e-4
    has_inner = recogniser.meta.config.model.arch != "mobilenetv3"
    assert (largest_difference(local, recogniser.log_probs(*batch)) > 0.01) == has_inner
    np.testing.assert_allclose(np.exp(local[0]).sum(axis=-1), 1, atol=1e-4)


def test_what_a_graph_asks_for_without_measure_is_refused_and_takes_no_memory(pair, tmp_path):
    graph = onnx.load(pair[2].with_suffix(".onnx"))
    for node in graph.graph.node:
        for names in (node.input, node.output):
            names[:] = ["honest" if name == "log_probs" else name for name in names]
    side = onnx.numpy_helper.from_array(np.array([48_000, 48_000]), "side")
    graph.graph.initializer.append(side)
    for kind, taken, given, more in (
        ("ReduceMax", ["honest"], "top", {"keepdims": 0}),
        ("Expand", ["top", "side"], "wide", {}),
        ("ReduceMin", ["wide"], "low", {"keepdims": 0}),
        ("Add", ["honest", "low"], "log_probs", {}),
    ):
        graph.graph.node.append(onnx.helper.make_node(kind, taken, [given], **more))
    onnx.save(graph, tmp_path / "wide.onnx")
    exported, before = ExportedRecogniser.open(tmp_path / "wide.onnx"), peak()
    with pytest.raises(SlrError, match="more than 4 GB of memory for 1 clips of 50 frames") as told:
        exported.log_probs(*padded([noise(50, pair[0].meta.layout.width)]))
    assert told.value.where.endswith("wide.onnx") and peak() - before < 300 << 10


def peak() -> int:
    """The most memory that this process has had, in kilobytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
