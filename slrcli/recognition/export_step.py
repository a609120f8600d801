"""A streaming network as a graph of one step: four frames and the state before them in, a row and the state after them
out. Whoever runs it, a page in a browser for one, carries the state on; the start is zeros (false) throughout.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from slrcli.errors import SlrError, out_of_memory, reason_of
from slrcli.files import temporary_folder
from slrcli.models.frontend import Cache
from slrcli.models.streaming import STRIDE, Stream, Streaming
from slrcli.recognition.export import MISSING, TOLERANCE, folded, hushed, require_exporter
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.recognition.from_onnx import open_session

NEXT = "_next"  # what the state is called where it comes out
TRIED = 61  # frames of a made-up clip
Row = tuple[str, str, list[int]]


@dataclass(frozen=True)
class StepGraph:
    """An exported step.

    Attributes:
        data: the file's bytes. Inputs: `x [1, 4, D]`, NaN where a point is missing, gaps filled; `there [1, 4]`, false
            for frames beyond the end of the clip; the state. Outputs: `log_probs [1, V]`; the state, `_next` behind
            each name.
        state: name, type and shape of each part of the state.
        step: frames per step.
        skip: rows at the beginning that stand for nothing.
        lookahead: frames without a person that follow a clip.
        difference: the largest one of a log-probability from torch's, on a made-up clip.
    """

    data: bytes
    state: tuple[Row, ...]
    step: int
    skip: int
    lookahead: int
    difference: float


class _Step(nn.Module):
    """Tensors in, tensors out; the state in the order of its names."""

    def __init__(self, model: Streaming, names: list[str]):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, x: Tensor, there: Tensor, frames: Tensor, hidden: Tensor, cell: Tensor, *rest: Tensor):
        tails, kept = rest[: len(self.model.blocks)], rest[len(self.model.blocks) :]
        cache = Cache(frames, dict(zip(self.names, kept, strict=True)))  # type: ignore[arg-type] # a number in a tensor
        found = torch.where(there[0].unsqueeze(1), self.model.frontend.step(x[0], cache), 0.0)
        stream = Stream(list(tails), (hidden, cell), 0, 0)
        row = self.model.step(found, stream)
        assert stream.memory is not None
        after = (frames + STRIDE, *stream.memory, *stream.tails, *(cache.kept[name] for name in self.names))
        return (row, *after)


def export_step(recogniser: Recogniser) -> StepGraph:
    """The graph of a step of a recogniser whose network is `streaming` and takes a clip in parts.

    Raises:
        DependencyError: a library of the extra `export` is not installed.
        SlrError: the network has something that cannot be exported, or the graph says something else than torch.
    """
    require_exporter()
    model, arch = recogniser.model.eval(), recogniser.meta.config.model.arch
    assert isinstance(model, Streaming)
    try:
        data, state = _traced(model, recogniser.meta.layout.width)
    except Exception as error:  # of many kinds, all of them the exporter's
        if advice := out_of_memory(error):
            raise advice from error
        what = f"The network cannot be exported step by step: {reason_of(error)}."
        raise SlrError(what, arch, "Use another version of torch or onnxruntime.") from error
    graph = StepGraph(data, state, STRIDE, model.lookahead // STRIDE, model.lookahead, 0.0)
    difference = _difference(recogniser, graph)
    if not difference <= TOLERANCE:
        what = f"The exported step differs from torch by {difference:.2g} nats, so nothing was written."
        raise SlrError(what, arch, "Use another version of torch or onnxruntime.")
    return replace(graph, difference=difference)


def _traced(model: Streaming, width: int) -> tuple[bytes, tuple[Row, ...]]:
    """The bytes of the graph, and the parts of its state."""
    x, there = torch.full((1, STRIDE, width), 0.25), torch.ones((1, STRIDE), dtype=torch.bool)
    with hushed(), torch.no_grad():
        cache = Cache()
        model.frontend.step(x[0], cache)  # which fills it, so that its parts are known
        names, lstm = list(cache.kept), model.recurrence
        memory = [torch.zeros(lstm.num_layers, 1, lstm.hidden_size) for _ in range(2)]
        kept = [torch.zeros_like(cache.kept[name]) for name in names]
        state = [torch.tensor(0), *memory, *model.start().tails, *kept]
        called = [f"state_{number}" for number in range(len(state))]
        program = torch.onnx.export(
            _Step(model, names), (x, there, *state), dynamo=True, verbose=False, external_data=False,
            input_names=["x", "there", *called], output_names=["log_probs", *(name + NEXT for name in called)],
        )  # fmt: skip
    assert program is not None  # as always with `dynamo`
    rows = tuple(
        (name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape))
        for name, tensor in zip(called, state, strict=True)
    )
    return folded(program.model_proto).SerializeToString(), rows


def _difference(recogniser: Recogniser, graph: StepGraph) -> float:
    """The largest difference of a log-probability from torch's on noise with holes."""
    noise = np.random.default_rng(TRIED)
    clip = noise.normal(0.5, 0.2, (TRIED, recogniser.meta.layout.width)).astype(np.float32)
    clip[noise.random(clip.shape) < MISSING] = np.nan
    expected, lengths = recogniser.log_probs(clip[None], np.array([TRIED]))
    found = run_steps(graph, clip)
    same = found.shape == expected[0, : lengths[0]].shape
    return float(np.nan_to_num(np.abs(found - expected[0, : lengths[0]]).max(), nan=np.inf)) if same else np.inf


def run_steps(graph: StepGraph, clip: np.ndarray) -> np.ndarray:
    """Log-probabilities `[S, V]` of a whole clip `[T, D]` whose gaps are filled, step by step by onnxruntime."""
    with temporary_folder() as folder:
        path = folder / "step.onnx"
        path.write_bytes(graph.data)
        session = open_session(path)
    state: dict[str, Any] = {name: np.zeros(shape, kind) for name, kind, shape in graph.state}
    missing = -len(clip) % graph.step + graph.lookahead
    padded = np.concatenate([clip, np.full((missing, clip.shape[1]), np.nan, np.float32)])
    there = np.arange(len(padded)) < len(clip)
    rows = []
    for at in range(0, len(padded), graph.step):
        part = slice(at, at + graph.step)
        row, *after = session.run(None, {"x": padded[None, part], "there": there[None, part], **state})
        state = dict(zip(state, after, strict=True))
        rows.append(row)
    return np.concatenate(rows)[graph.skip :]
