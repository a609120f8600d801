"""The page's scripts, called from Python: each call is a process of Node, which tests do without where it is not."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import slrcli

SITE = Path(slrcli.__file__).parent / "web" / "site"
CALLER = Path(__file__).parent / "call_script.mjs"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node is not installed: the page's scripts are not run")


def rows(clip: np.ndarray) -> dict[str, Any]:
    """A clip `[T, D]` as an argument; NaN where a value is missing."""
    return {"rows": [[None if np.isnan(value) else value for value in row] for row in clip.tolist()]}


def clip(answer: Sequence[Sequence[float | None]]) -> np.ndarray:
    """A clip that a script answered with."""
    return np.array([[np.nan if value is None else value for value in row] for row in answer], np.float32)


def call(module: str, *steps: Sequence[Any]) -> list[Any]:
    """The answers of calls of a script; see `call_script.mjs`."""
    assert NODE
    told = json.dumps({"site": SITE.as_uri(), "module": module, "steps": steps}, allow_nan=False)
    done = subprocess.run([NODE, CALLER], input=told, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
