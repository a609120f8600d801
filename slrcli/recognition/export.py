"""A checkpoint as one ONNX file that decodes without torch: frontend and network as a graph, all else as metadata.

The graph is made by torch's own exporter from a trace with symbolic sizes, so that clips of any length and batches of
any size go through it. (The older exporter, which records one run, writes that run's sizes into it.) Everything here
works on bytes in memory and in a temporary folder; nobody sees a file before it has been found to agree with torch.
"""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor, nn

from slrcli import __version__
from slrcli.errors import DependencyError, SlrError, out_of_memory, reason_of, with_extra
from slrcli.features.clip import padded
from slrcli.files import temporary_folder
from slrcli.models.base import Output, SignModel
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.recognition.from_onnx import (
    ERRORS_ONLY,
    INPUTS,
    LOCAL,
    OUTPUTS,
    PROVIDERS,
    ExportedRecogniser,
    load_runtime,
    properties,
)
from slrcli.recognition.lstm_operator import translations, with_operators

TRACED = (2, 37)  # clips and frames of the batch that is traced; no size of it stays in the graph
TRIED = ((1,), (2,), (3,), (8,), (50,), (233,), (61, 1, 40))  # frames of the clips of made-up batches
TOLERANCE = 1e-3  # nats; rounding alone stays a hundred times below
BROKEN = 100.0  # nats; integers in place of weights change a few at most
MISSING = 0.1  # share of the values of a made-up clip
# Convolutions are left as they are: onnxruntime's are slower in integers than in floating point.
QUANTISED = ("MatMul", "Gemm", "LSTM")


@dataclass(frozen=True)
class Graph:
    """An exported model.

    Attributes:
        data: the file's bytes.
        difference: the largest one of a log-probability from torch's, on made-up clips.
    """

    data: bytes
    difference: float


class _Plain(nn.Module):
    """What the graph is made of: tensors in, tensors out; inner heads only as they take part in placing glosses."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        output = Output(*self.model(x, lengths))
        return output.log_probs, output.lengths, *((output.local,) if output.aux else ())


def export(recogniser: Recogniser, checkpoint: str) -> Graph:
    """The graph of a recogniser, in float32.

    Args:
        recogniser: on the processor, with its `meta`.
        checkpoint: hash of its file, for the metadata.

    Raises:
        DependencyError: a library of the extra `export` is not installed.
        SlrError: the network has something that cannot be exported, or the graph says something else than torch.
    """
    onnx = require_exporter()
    recogniser.model.eval()
    try:
        proto = folded(_traced(recogniser.model, recogniser.meta.layout.width))
    except Exception as error:  # of many kinds, all of them the exporter's
        if advice := out_of_memory(error):
            raise advice from error
        what = f"The network cannot be exported: {reason_of(error)}."
        fix = "Use an architecture of slr, or avoid Python numbers that are computed from tensor sizes in your own."
        raise SlrError(what, recogniser.meta.config.model.arch, fix) from error
    onnx.helper.set_model_props(proto, _properties(recogniser, checkpoint, "float32"))
    return _checked(recogniser, proto.SerializeToString(), TOLERANCE)


def quantised(recogniser: Recogniser, graph: Graph, checkpoint: str) -> Graph:
    """The same with the weights of linear layers and LSTMs as 8-bit integers (onnxruntime's dynamic quantisation)."""
    onnx = require_exporter()
    quantization = load_runtime("onnxruntime.quantization")
    with temporary_folder() as folder, hushed():
        before, after = folder / "before.onnx", folder / "after.onnx"
        before.write_bytes(graph.data)
        quantization.quantize_dynamic(
            before, after, op_types_to_quantize=list(QUANTISED), weight_type=quantization.QuantType.QInt8
        )
        proto = onnx.load(after)
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, _properties(recogniser, checkpoint, "int8"))
    return _checked(recogniser, proto.SerializeToString(), BROKEN)


def _traced(model: SignModel, width: int):
    """The model as an `onnx.ModelProto` whose numbers of clips and frames are free."""
    x, lengths = torch.zeros(*TRACED, width), torch.tensor([TRACED[1], TRACED[1] // 2])
    free = torch.export.Dim.DYNAMIC
    with hushed(), torch.no_grad():
        names = (*OUTPUTS, LOCAL) if Output(*model(x, lengths)).aux else OUTPUTS
        program = torch.onnx.export(
            _Plain(with_operators(model)), (x, lengths), dynamo=True, verbose=False, external_data=False,
            custom_translation_table=translations(),
            input_names=INPUTS, output_names=names, dynamic_shapes=({0: free, 1: free}, {0: free}),
        )  # fmt: skip
    assert program is not None  # as always with `dynamo`
    proto = program.model_proto
    for value, name in zip(proto.graph.input, INPUTS, strict=True):
        for node in proto.graph.node if value.name != name else ():  # torch 2.7 renames one that is an output as well
            node.input[:] = [name if taken == value.name else taken for taken in node.input]
        value.name = name
    for value in (*proto.graph.input, *proto.graph.output):
        for dimension, name in zip(value.type.tensor_type.shape.dim, SIZES[value.name], strict=False):
            dimension.dim_param = name
    del proto.graph.value_info[:]  # among them sizes of the trace that the exporter took for fixed
    return proto


SIZES = {
    **dict(zip(INPUTS, (("clips", "frames"), ("clips",)), strict=True)),
    **dict(zip((*OUTPUTS, LOCAL), (("clips", "steps"), ("clips",), ("clips", "steps")), strict=True)),
}


def folded(proto):
    """The same with all computed that depends on weights alone: smaller, quicker to load, and open to quantisation."""
    import onnx

    runtime = load_runtime()
    with temporary_folder() as folder:
        path = folder / "folded.onnx"
        options = runtime.SessionOptions()
        options.log_severity_level = ERRORS_ONLY
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC  # standard operators
        options.optimized_model_filepath = str(path)
        runtime.InferenceSession(proto.SerializeToString(), options, providers=PROVIDERS)
        found = onnx.load(path)
    used = {node.domain for node in found.graph.node}
    sets = [item for item in found.opset_import if item.domain in used]  # onnxruntime names all that it knows
    del found.opset_import[:]
    found.opset_import.extend(sets)
    return found


def _properties(recogniser: Recogniser, checkpoint: str, weights: str) -> dict[str, str]:
    made_with = {"slrcli": __version__, **{name: version(name) for name in ("torch", "onnx", "onnxscript")}}
    return properties(
        recogniser.meta,
        stride=repr(recogniser.stride),
        least_frames=str(recogniser.least_frames),
        late=str(recogniser.late),
        checkpoint=checkpoint,
        weights=weights,
        exported_with=json.dumps(made_with),
    )


def _checked(recogniser: Recogniser, data: bytes, tolerance: float) -> Graph:
    """The graph with its largest difference from torch on made-up clips; SlrError where that is beyond rounding."""
    with temporary_folder() as folder:
        path = folder / "model.onnx"
        path.write_bytes(data)
        other = ExportedRecogniser.open(path)
    difference = max(_difference(recogniser, other, frames) for frames in TRIED)
    if not difference <= tolerance:
        what = f"The exported graph differs from torch by {difference:.2g} nats, so nothing was written."
        fix = "Use another version of torch or onnxruntime."
        raise SlrError(what, recogniser.meta.config.model.arch, fix)
    return Graph(data, difference)


def _difference(recogniser: Recogniser, other: ExportedRecogniser, frames: tuple[int, ...]) -> float:
    """The largest difference of two recognisers' log-probabilities on noise with holes."""
    noise, width = np.random.default_rng(frames), recogniser.meta.layout.width
    clips = [noise.normal(0.5, 0.2, (count, width)).astype(np.float32) for count in frames]
    for clip in clips:
        clip[noise.random(clip.shape) < MISSING] = np.nan
    batch, both = padded(clips), (recogniser, other)
    return max(
        largest_difference(*(each.log_probs(*batch) for each in both)),
        largest_difference(*(each.local_log_probs(*batch) for each in both)),
    )


def largest_difference(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    """Of two batches of log-probabilities with lengths, what lies beyond a clip's end left out; NaN counts as much."""
    (first, lengths), (second, others) = one, other
    if first.shape != second.shape or (lengths != others).any():
        return np.inf
    rows = [np.abs(a[:n] - b[:n]).max(initial=0.0) for a, b, n in zip(first, second, lengths.tolist(), strict=True)]
    return float(np.nan_to_num(np.max(rows), nan=np.inf))


@contextmanager
def hushed() -> Iterator[None]:
    """Within it the exporter's and the quantiser's remarks on themselves are not heard."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def require_exporter():
    """The library onnx; DependencyError unless all of the extra `export` is installed."""
    try:
        load_runtime()  # before what may load it in its own way
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        what = f"Exporting needs the library {error.name}, which is not installed."
        raise DependencyError(what, fix=with_extra("export")) from error
    return onnx
