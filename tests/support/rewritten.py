"""Checkpoints of ours, altered in place."""

import json

from safetensors import safe_open
from safetensors.torch import save_file

BEST, STATE = "best.safetensors", "last.state.safetensors"


def rewrite(path, change):
    """`change(tensors, values)` alters a file of ours in place."""
    with safe_open(path, framework="pt") as file:
        kind, values = file.metadata()["format"], json.loads(file.metadata()["slr"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    change(tensors, values)
    save_file(
        {name: item.contiguous() for name, item in tensors.items()}, path, {"format": kind, "slr": json.dumps(values)}
    )


def assign(where, key, value):
    """A change of one plain value, below the sections in `where`."""

    def change(tensors, values):
        for part in where:
            values = values[part]
        values[key] = value

    return change
