"""A recogniser that was exported: an ONNX file, run by onnxruntime. Torch is neither needed nor loaded.

The graph takes clips whose gaps are filled (`x`, `lengths`) and gives log-probabilities and their lengths; the shared
frontend is part of it. All else stands in the file's metadata, a text for each key: the parts of a `Meta` as JSON, and
what `properties` adds.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from slrcli.clip_recogniser import ClipRecogniser
from slrcli.errors import CheckpointError, DependencyError, SlrError, UsageError
from slrcli.meta import Meta
from slrcli.processes import usable_cores

FORMAT = "slr-exported-1"
INPUTS, OUTPUTS = ("x", "lengths"), ("log_probs", "output_lengths")
REMEDY = "export it again with slr export"
ERRORS_ONLY = 3  # of onnxruntime's levels of logging
PROVIDERS = ["CPUExecutionProvider"]


def properties(meta: Meta, **more: str) -> dict[str, str]:
    """What an exported file says of itself, in texts: `Meta`, readable copies of what other programs need, and more."""
    return {
        "format": FORMAT,
        **{key: json.dumps(value, ensure_ascii=False) for key, value in meta.to_dict().items()},
        "tokens": json.dumps(meta.vocabulary.tokens, ensure_ascii=False),
        "architecture": meta.config.model.arch,
        "normaliser": meta.vocabulary.normaliser,
        "max_gap": str(meta.config.data.max_gap),
        "fps": f"{meta.layout.fps:g}",
        **more,
    }


class ExportedRecogniser(ClipRecogniser):
    """See the module.

    Args:
        session: of onnxruntime.
        meta: what the file's metadata say.
        known: all of the metadata.

    Attributes:
        checkpoint: hash of the checkpoint that was exported, as `slrcli.files.file_hash` gives it.
    """

    def __init__(self, session: Any, meta: Meta, known: Mapping[str, str]):
        super().__init__(meta.vocabulary, meta)
        self._session = session
        self.stride, self.least_frames = float(known["stride"]), int(known["least_frames"])
        self.checkpoint = known["checkpoint"]

    @classmethod
    def open(cls, path: Path, device: str = "auto") -> "ExportedRecogniser":
        """The recogniser that a file holds.

        Raises:
            CheckpointError: not such a file, or damaged.
            DependencyError: onnxruntime is not installed.
            UsageError: another device than the processor.
        """
        if device not in ("auto", "cpu"):
            fix = "leave --device out, or decode with the checkpoint itself"
            raise UsageError("an exported model runs on the processor", f"--device {device}", fix)
        session = open_session(path)
        known = session.get_modelmeta().custom_metadata_map
        if known.get("format") != FORMAT:
            raise CheckpointError("the file is no model that slr exported", f"{path} (expected {FORMAT})", REMEDY)
        try:
            values = {key: json.loads(known[key]) for key in META_KEYS}
            return cls(session, Meta.from_dict(values, str(path)), known)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, SlrError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise CheckpointError(f"the metadata of the model are damaged: {reason}", str(path), REMEDY) from error

    def log_probs(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `ClipRecogniser`."""
        found, steps = self._session.run(OUTPUTS, dict(zip(INPUTS, (x, lengths), strict=True)))
        return found, steps


META_KEYS = ("config", "vocabulary", "layout", "metrics", "data_hash", "versions")


def open_session(path: Path) -> Any:
    """A session of onnxruntime on the usable cores.

    Raises:
        CheckpointError: the file cannot be read as a model.
        DependencyError: onnxruntime is not installed.
    """
    runtime = need_runtime()
    options = runtime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = usable_cores()
    # What depends on weights alone was computed when the file was made; to look for more costs more than it saves.
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    try:
        return runtime.InferenceSession(str(path), options, providers=PROVIDERS)
    except Exception as error:  # its exceptions have no base of their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"the model cannot be read: {reason}", str(path), REMEDY) from error


def need_runtime() -> ModuleType:
    """onnxruntime; DependencyError where it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        fix = "pip install 'slrcli[onnx]'"
        raise DependencyError("exported models need the library onnxruntime", ".onnx", fix) from error
    return onnxruntime
