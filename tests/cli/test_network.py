"""No command calls anybody: no socket is opened to the outside, and nothing is left in the user's folders."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from support.offline import run, traceable, traced
from support.quick_corpus import write_corpus

from slrcli.cli import COMMANDS

SCRIPT = Path(__file__).parents[1] / "support" / "offline.py"
SMALL = ["--epochs", "1", "--batch-size", "4", "--set", "model.options.width=16"]
DATA = ["--data-dir", "corpus"]
MODEL = ["--model", "run"]
CLIP = "corpus/features/test/test0.npy"

TRACEABLE = traceable()
needs_strace = pytest.mark.skipif(not TRACEABLE, reason="strace is not installed: what C libraries do is not seen")


def commands() -> dict[str, list[str]]:
    """One call of every command at least, and those that use other libraries or several processes."""
    calls = {
        "train": [*SMALL, *DATA, "--output-dir", "run"],
        "train, folds": [*SMALL, *DATA, "--folds", "sentence:2", "--jobs", "2", "--output-dir", "folds"],
        "eval": ["run", *DATA, "--report", "report"],
        "decode": [CLIP, *MODEL],
        "decode, beam on two cores": ["corpus/features/test", *MODEL, "--beam", "4", "--jobs", "2"],
        "decode, stream": ["--stream", CLIP, *MODEL, "--fps", "25"],
        "align": [CLIP, "--glosses", "LEFT", *MODEL, "--fps", "25"],
        "corpus": ["corpus"],
        "vocab": DATA,
        "convert": ["corpus/features/test", "converted", "--to", "npz"],
        "layout": [],
        "show": [CLIP],
        "runs": ["."],
        "compose": ["signs", "--out", "composed", "--sentences", "8", "--signs", "1", "2"],
        "pack": [*DATA, "--out", "packed", "--jobs", "2"],
        "lm": [*DATA, "--out", "lm.arpa"],
        "score": ["ref.txt", "ref.txt"],
        "demo": ["--small"],
        "check": [],
        "check data": DATA,
        "check env": [],
        "check model": [],
        "check checkpoint": ["run"],
        "check overfit": [*DATA, "--steps", "2"],
    }
    if all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript")):
        calls["export"] = ["run", "model.onnx", *DATA]
        calls["decode, exported"] = [CLIP, "--model", "model.onnx"]
    if importlib.util.find_spec("optuna"):
        sweep = ["--sweep", "optim.lr=1e-3..1e-2", "--search", "2"]
        calls["train, search"] = [*SMALL, *DATA, *sweep, "--output-dir", "search"]
    return {name: [*name.split(",")[0].split(), *arguments] for name, arguments in calls.items()}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


def environment(home: Path) -> dict[str, str]:
    """This process's, with another home folder, and without what forbids reports to the makers of a library."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_", "DO_NOT_TRACK"))}
    return {**kept, "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_every_command_is_among_those_that_are_watched():
    assert {arguments[0] for arguments in commands().values()} >= {*COMMANDS} - {"export", "extract", "record", "serve"}


@pytest.mark.slow
def test_no_command_looks_outwards_or_leaves_anything_at_home(tmp_path, home):
    write_corpus(tmp_path / "corpus")
    (tmp_path / "ref.txt").write_text("a LEFT RIGHT\n")
    write_signs(tmp_path / "signs")
    code, options = [str(SCRIPT), json.dumps(commands()), "out.json"], {"cwd": tmp_path, "env": environment(home)}
    if TRACEABLE:
        found = traced(code, tmp_path / "trace", **options)
        assert {name: calls for name, calls in found.items() if calls} == {}
        assert found.keys() == {"", *commands(), "the end"}
    else:
        run([sys.executable, *code], **options)
    out = json.loads((tmp_path / "out.json").read_text())
    assert out["reached"] == [] and files(home) == []
    assert [name for name in commands() if out["codes"][name] and not name.startswith("check")] == []


def write_signs(folder: Path) -> None:
    """Clips of single signs, as `slr compose` reads them."""
    rng = np.random.default_rng(0)
    for gloss in ("LEFT", "RIGHT"):
        for number in range(12):
            (folder / gloss / "ann").mkdir(parents=True, exist_ok=True)
            np.save(folder / gloss / "ann" / f"{number}.npy", rng.random((12, 4)).astype(np.float32))


LOOK_UP = (
    "import ctypes; ctypes.CDLL(None).getaddrinfo(b'example.invalid', None, None, ctypes.byref(ctypes.c_void_p()))"
)
CALLS = {
    "a name looked up by a C library": LOOK_UP,
    "the same in a child": f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LOOK_UP!r}], check=True)",
    "a datagram": "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
}


@needs_strace
@pytest.mark.parametrize("code", CALLS.values(), ids=CALLS.keys())
def test_what_looks_outwards_is_seen(tmp_path, home, code):
    mark = f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); from offline import announce; announce('it')\n"
    found = traced(["-c", mark + code], tmp_path / "trace", env=environment(home))
    assert found["it"] and not found[""]


@needs_strace
@pytest.mark.skipif(not importlib.util.find_spec("onnxruntime"), reason="the extra onnx is not installed")
def test_the_makers_of_onnxruntime_are_told_nothing_whatever_the_environment_says(tmp_path):
    code = "from slrcli.recognition.from_onnx import need_runtime; need_runtime().get_available_providers()"
    for said in ({}, {"ORT_DISABLE_TELEMETRY": "0"}):
        found = traced(["-c", code], tmp_path / "trace", env={**environment(tmp_path), **said})
        assert found == {"": []} and files(tmp_path) == ["trace"]
