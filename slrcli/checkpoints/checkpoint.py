"""A checkpoint: one safetensors file that is enough to decode, and beside it the state that training goes on from.

Weights and buffers are the tensors; everything else stands as JSON in the file's metadata. Nothing is unpickled.
"""

import json
import struct
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from slrcli.checkpoints.meta import Meta
from slrcli.errors import CheckpointError, SlrError, reason_of
from slrcli.files import atomic_file
from slrcli.models.base import SignModel
from slrcli.models.registry import ARCHITECTURES, build_model
from slrcli.models.trust import require_allowed

FORMAT = "slr-checkpoint-1"
STATE_FORMAT = "slr-training-state-1"


def save_checkpoint(path: Path, model: SignModel, meta: Meta) -> None:
    """Write a checkpoint; a reader finds the old one or the whole new one, never half of either."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    _write(path, tensors, FORMAT, meta.to_dict())


def amend_checkpoint(path: Path, **values: Any) -> None:
    """Rewrite a checkpoint with other plain values (see `Meta.to_dict`); its weights stay as they are, bit for bit.

    Raises:
        CheckpointError: not a checkpoint, or damaged.
        SlrError: it cannot be written.
    """
    tensors, known = read_checkpoint(path)
    known |= values
    Meta.from_dict(known, str(path))
    _write(path, tensors, FORMAT, known)


def empty_model(meta: Meta) -> SignModel:
    """The model that a checkpoint is of, without weights: names and shapes alone (torch's device `meta`).

    A user-defined one is made with weights: it may hold tensors that no checkpoint has.
    """
    chosen = meta.config.model
    with torch.device("meta") if chosen.arch in ARCHITECTURES else nullcontext():
        return build_model(
            chosen.arch, meta.layout, len(meta.vocabulary.tokens), dropout=chosen.dropout, options=chosen.options
        )


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the plain values of a checkpoint, none of which is looked at.

    Raises:
        CheckpointError: not a checkpoint, or damaged.
    """
    return _read(path, FORMAT)


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> tuple[SignModel, Meta]:
    """The model, in evaluation mode, and what is known about it.

    Raises:
        CheckpointError: not a checkpoint, damaged, incomplete, or of another architecture than it says.
    """
    tensors, values = read_checkpoint(path)
    try:
        meta = Meta.from_dict(values, str(path))
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, SlrError) as error:
        raise _inconsistent(path, reason_of(error)) from error
    require_allowed(meta.config.model.arch, str(path))
    try:
        model = empty_model(meta)
        model.load_state_dict(tensors, assign=True)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, SlrError) as error:
        raise _inconsistent(path, reason_of(error, lines=2)) from error  # torch names the fault in the second
    return model.to(device).eval(), meta


def _inconsistent(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(f"The checkpoint is inconsistent: {reason}.", str(path), _REMEDY)


def save_state(path: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Write what training needs, beyond the weights, to go on."""
    _write(path, {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, STATE_FORMAT, values)


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_state` wrote."""
    return _read(path, STATE_FORMAT)


_REMEDY = "Train it again, or use another checkpoint."


def _write(path: Path, tensors: dict[str, Tensor], kind: str, values: dict[str, Any]) -> None:
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, {"format": kind, "slr": json.dumps(values, ensure_ascii=False)})


def _read(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except FileNotFoundError as error:
        fix = "Name a .safetensors file or a run."
        raise CheckpointError("There is no such checkpoint.", str(path), fix) from error
    except (SafetensorError, OSError, struct.error) as error:
        raise CheckpointError(f"The checkpoint cannot be read: {reason_of(error)}.", str(path), _REMEDY) from error
    if metadata.get("format") != kind:
        raise CheckpointError("The file is not of the expected kind.", f"{path} (expected {kind})", _REMEDY)
    try:
        return tensors, json.loads(metadata["slr"])
    except (KeyError, json.JSONDecodeError) as error:
        raise CheckpointError("The checkpoint's metadata are damaged.", str(path), _REMEDY) from error
