"""A checkpoint: one safetensors file that is enough to decode, and beside it the state that training goes on from.

Weights and buffers are the tensors; everything else stands as JSON in the file's metadata. Nothing is unpickled.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from slrcli.checkpoints.meta import Meta
from slrcli.errors import CheckpointError, SlrError, damage_of, is_damage, understood
from slrcli.files import atomic_file, json_text, open_regular
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
    with _consistent(path):
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
    with _consistent(path):
        meta = Meta.from_dict(values, str(path))
    require_allowed(meta.config.model.arch, str(path))
    with _consistent(path):
        model = empty_model(meta)
        own = model.state_dict()
        tensors = {name: _full(tensor, own.get(name)) for name, tensor in tensors.items()}
        if other := [name for name, tensor in tensors.items() if name in own and tensor.dtype != own[name].dtype]:
            raise TypeError(f"{other[0]} is stored as {tensors[other[0]].dtype}")
        model.load_state_dict(tensors, assign=True)
    return model.to(device).eval(), meta


def _full(tensor: Tensor, own: Tensor | None) -> Tensor:
    """A weight that is stored at half precision, to halve the file, as the model has it."""
    stored_half = own is not None and tensor.dtype == torch.float16 and own.dtype == torch.float32
    return tensor.float() if stored_half else tensor


@contextmanager
def _consistent(path: Path) -> Iterator[None]:
    """Turn what contents that do not fit together cause into a CheckpointError."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, SlrError) and not is_damage(error):
            raise
        what = f"The checkpoint is inconsistent: {damage_of(error)}."  # torch names the fault in the second line
        raise CheckpointError(what, str(path), _REMEDY) from error


def save_state(path: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Write what training needs, beyond the weights, to go on."""
    _write(path, {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, STATE_FORMAT, values)


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `save_state` wrote."""
    return _read(path, STATE_FORMAT)


_REMEDY = "Train it again, or use another checkpoint."


def _write(path: Path, tensors: dict[str, Tensor], kind: str, values: dict[str, Any]) -> None:
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, {"format": kind, "slr": json_text(values)})


def _read(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        open_regular(path).close()
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except FileNotFoundError as error:
        fix = "Name a .safetensors file or a run."
        raise CheckpointError("There is no such checkpoint.", str(path), fix) from error
    except Exception as error:
        if not isinstance(error, OSError) and not is_damage(error):
            raise
        raise CheckpointError(f"The checkpoint cannot be read: {damage_of(error)}.", str(path), _REMEDY) from error
    if metadata.get("format") != kind:
        raise CheckpointError("The file is not of the expected kind.", f"{path} (expected {kind})", _REMEDY)
    with understood("The checkpoint's metadata are damaged", path, _REMEDY, CheckpointError):
        return tensors, dict(json.loads(metadata["slr"]))
