"""A recogniser that was exported: an ONNX file, run by onnxruntime. Torch is neither needed nor loaded.

The graph takes clips whose gaps are filled (`x`, `lengths`) and gives log-probabilities and their lengths, and those by
which known glosses are placed where the network has inner heads; the shared frontend is part of it. All else stands in
the file's metadata, a text for each key: the parts of a `Meta` as JSON, and what `properties` adds.
"""

import importlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from slrcli.checkpoints.meta import Meta
from slrcli.errors import (
    CheckpointError,
    DependencyError,
    SlrError,
    UsageError,
    damage_of,
    is_damage,
    reason_of,
    understood,
    with_extra,
)
from slrcli.files import json_text
from slrcli.parallel.workers import usable_cores
from slrcli.recognition.onnx_form import check_form
from slrcli.recognition.recogniser import ClipRecogniser

FORMAT = "slr-exported-1"
INPUTS, OUTPUTS = ("x", "lengths"), ("log_probs", "output_lengths")
LOCAL = "local_log_probs"
REMEDY = "Export it again with slr export."
ERRORS_ONLY, FATAL_ONLY = 3, 4  # of onnxruntime's levels of logging; its errors are raised, too
PROVIDERS = ["CPUExecutionProvider"]
TOO_MUCH = "smaller than requested bytes"  # what its allocator says at its limit
MOST_MEMORY = 4 << 30  # bytes of all sessions of a process; networks take about 30 kB per frame


def properties(meta: Meta, **more: str) -> dict[str, str]:
    """What an exported file says of itself, in texts: `Meta`, readable copies of what other programs need, and more."""
    return {
        "format": FORMAT,
        **{key: json_text(value) for key, value in meta.to_dict().items()},
        "tokens": json_text(meta.vocabulary.tokens),
        "architecture": meta.config.model.arch,
        "normaliser": meta.vocabulary.normaliser,
        "max_gap": str(meta.config.data.max_gap),
        "assign_hands": str(meta.config.data.assign_hands).lower(),
        "fps": f"{meta.fps:g}",
        **more,
    }


class ExportedRecogniser(ClipRecogniser):
    """See the module.

    Args:
        session: of onnxruntime.
        meta: what the file's metadata say.
        known: all of the metadata.
        path: of the file, for messages.

    Attributes:
        checkpoint: hash of the checkpoint that was exported, as `slrcli.files.file_hash` gives it.
    """

    def __init__(self, session: Any, meta: Meta, known: Mapping[str, str], path: Path):
        super().__init__(meta.vocabulary, meta)
        self._session, self._path = session, path
        self._stride, self._least_frames = float(known["stride"]), int(known["least_frames"])
        self._late = int(known.get("late", "0"))  # files that were exported before do not say it
        self.checkpoint = known["checkpoint"]
        self._local = LOCAL if LOCAL in [item.name for item in session.get_outputs()] else OUTPUTS[0]

    @property
    def stride(self) -> float:
        """See `ClipRecogniser`."""
        return self._stride

    @property
    def least_frames(self) -> int:
        """See `ClipRecogniser`."""
        return self._least_frames

    @property
    def late(self) -> int:
        """See `ClipRecogniser`."""
        return self._late

    @classmethod
    def open(cls, path: Path, device: str = "auto") -> "ExportedRecogniser":
        """The recogniser that a file holds.

        Raises:
            CheckpointError: not such a file, or damaged.
            DependencyError: onnxruntime is not installed.
            UsageError: another device than the processor.
        """
        if device not in ("auto", "cpu"):
            fix = "Leave --device out, or decode with the checkpoint itself."
            raise UsageError("An exported model runs on the CPU only.", f"--device {device}", fix)
        session = open_session(path)
        with understood("The metadata of the model are damaged", path, REMEDY, CheckpointError):
            known = session.get_modelmeta().custom_metadata_map
        if known.get("format") != FORMAT:
            raise CheckpointError("The file is not a model exported by slr.", f"{path} (expected {FORMAT})", REMEDY)
        try:
            values = {key: json.loads(known[key]) for key in META_KEYS if key in known}
            recogniser = cls(session, Meta.from_dict(values, str(path)), known, path)
            recogniser._check_fit()
            return recogniser
        except Exception as error:
            if not isinstance(error, SlrError) and not is_damage(error):
                raise
            what = f"The metadata of the model are damaged: {damage_of(error)}."
            raise CheckpointError(what, str(path), REMEDY) from error

    def log_probs(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `ClipRecogniser`."""
        return self._run(OUTPUTS, x, lengths)

    def local_log_probs(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `ClipRecogniser`; inner heads take part where the network has some."""
        return self._run((self._local, OUTPUTS[1]), x, lengths)

    def _run(self, outputs: Sequence[str], x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        try:
            found, steps = self._session.run(outputs, dict(zip(INPUTS, (x, lengths), strict=True)))
        except Exception as error:  # its exceptions have no base of their own
            what = f"The exported model fails on {len(x)} clips of {x.shape[1]:,} frames: {reason_of(error)}."
            if TOO_MUCH in str(error):
                most = f"{MOST_MEMORY >> 30} GB of memory"
                what = f"The exported model asks for more than {most} for {len(x)} clips of {x.shape[1]:,} frames."
            raise SlrError(what, self._path, "Decode long clips one by one, or in parts.") from error
        return found, steps

    def _check_fit(self) -> None:
        """ValueError where the metadata do not belong to this graph."""
        shapes = {item.name: item.shape for item in (*self._session.get_inputs(), *self._session.get_outputs())}
        if missing := [name for name in (*INPUTS, *OUTPUTS) if name not in shapes]:
            raise ValueError(f"the graph has no {', '.join(missing)}")
        for name, size, of in (
            (INPUTS[0], self.meta.layout.width, "the layout's columns"),
            (OUTPUTS[0], self.vocabulary.size, "the vocabulary's tokens"),
        ):
            if len(shapes[name]) != 3 or shapes[name][2] != size:
                raise ValueError(f"{name} has the shape {shapes[name]}, but {of} are {size}")
        if not 0 < self.stride < math.inf or self.least_frames < 1:
            raise ValueError(f"a stride of {self.stride:g} with at least {self.least_frames} frames is impossible")


META_KEYS = (
    "config", "vocabulary", "layout", "metrics", "data_hash", "versions", "utterances", "sentences", "decode", "tuned",
    "calibration", "rate",
)  # fmt: skip


def open_session(path: Path) -> Any:
    """A session of onnxruntime on the usable cores.

    Raises:
        CheckpointError: the file cannot be read as a model.
        DependencyError: onnxruntime is not installed.
    """
    runtime = need_runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.intra_op_num_threads = usable_cores()
    # All of this was done when the file was made, and what is computed here is under no limit.
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.use_env_allocators", "1")
    try:
        check_form(path)
        _limit_memory()
        return runtime.InferenceSession(str(path), options, providers=PROVIDERS)
    except Exception as error:  # its exceptions have no base of their own
        raise CheckpointError(f"The model cannot be read: {reason_of(error)}.", str(path), REMEDY) from error


@cache
def _limit_memory() -> None:
    """Give the sessions of this process, which ask for it, one allocator that refuses what nobody needs."""
    runtime = need_runtime()
    kinds = runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT
    with suppress(RuntimeError):  # the program that we are part of has given one already
        runtime.create_and_register_allocator(
            runtime.OrtMemoryInfo("Cpu", *kinds), runtime.OrtArenaCfg({"max_mem": MOST_MEMORY})
        )


def need_runtime() -> ModuleType:
    """onnxruntime; DependencyError where it is not installed."""
    try:
        return load_runtime()
    except ImportError as error:
        raise DependencyError("Exported models need the library onnxruntime.", ".onnx", with_extra("onnx")) from error


def load_runtime(module: str = "onnxruntime") -> ModuleType:
    """onnxruntime, or a module of it; nothing else loads it.

    Once loaded, it records for its makers what runs it, with paths, and sends that after some seconds. Only the
    environment prevents it, and processes started from here on inherit that.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return importlib.import_module(module)
