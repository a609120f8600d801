"""Start-up: what a person waits for before anything of theirs is looked at.

    python tests/benchmarks/startup.py [--runs 15]

`slr --help` against `python -c 'import torch'`, in turn, the smallest of all runs; and where the time of decoding one
clip goes, by a fresh network of each architecture. Processor time (`cpu`) stands beside the clock's (`wall`), because
it does not grow with what else the machine does.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

MOST = 0.12  # `slr --help` as a share of importing torch
OURS = 0.10  # share of a decode's wall time
# Compiled files as every installed package has them; the first run of each command, which is not counted, writes them.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
COMMANDS = {
    "python -c 'import torch'": ["-c", "import torch"],
    "slr --help": ["-m", "slrcli", "--help"],
    "slr --version": ["-m", "slrcli", "--version"],
    "slr vocab --help": ["-m", "slrcli", "vocab", "--help"],
    "python -c 'import typer'": ["-c", "import typer"],
    "python -c pass": ["-c", "pass"],
}

# What a decode consists of, in one process: each part is imported before what needs it, so that nobody's time is
# counted as another's.
STAGES = """
import gc, json, sys, time
from slrcli.parallel.memory import expect_many_objects
expect_many_objects()
clocks = (time.perf_counter, time.process_time)
marks = [("begin", *(clock() for clock in clocks))]
def mark(name): marks.append((name, *(clock() for clock in clocks)))
import typer, rich.console, rich.progress
mark("Typer and rich")
import numpy
mark("numpy")
import torch, safetensors.torch
import torch.utils.checkpoint
mark("torch")
from pathlib import Path
from slrcli.cli import app
app.info
import slrcli.cli.decode
import slrcli.recognition.decode
import slrcli.recognition.from_checkpoint
mark("our imports")
from slrcli.console import Console
from slrcli.recognition.load import open_recogniser
recogniser = open_recogniser(Console(quiet=True), Path(sys.argv[1]), "cpu")
mark("our checkpoint")
clip = recogniser.load(Path(sys.argv[2]))
mark("our reading of the clip")
recogniser.recognise([clip])
mark("forward and decoding")
rows = [(name, wall - before[1], cpu - before[2]) for before, (name, wall, cpu) in zip(marks, marks[1:])]
print(json.dumps(rows))
"""


def spent(arguments: list[str]) -> tuple[float, float]:
    """Seconds by the clock and of the processor that a run of Python takes."""
    before, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    wall, now = time.perf_counter() - before, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime


def commands(runs: int) -> None:
    """The smallest of all runs, in turn."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for arguments in COMMANDS.values():
        spent(arguments)
    for _ in range(runs):
        for name, arguments in COMMANDS.items():
            found[name].append(spent(arguments))
    least = {name: tuple(min(column) for column in zip(*rows, strict=True)) for name, rows in found.items()}
    torch = least["python -c 'import torch'"]
    print(f"{'':28}{'wall s':>8}{'cpu s':>8}{'of torch, wall':>16}{'cpu':>7}")
    for name, (wall, cpu) in least.items():
        print(f"{name:28}{wall:8.3f}{cpu:8.3f}{wall / torch[0]:16.3f}{cpu / torch[1]:7.3f}")
    share = least["slr --help"][1] / torch[1]
    print(f"slr --help takes {share:.3f} of importing torch (cpu): {'at most' if share <= MOST else 'ABOVE'} {MOST}")


def decodes(runs: int, folder: Path) -> None:
    """Where the time of a decode goes; of each stage the smallest of all runs."""
    for arch, layout in (("conv-bilstm", "mediapipe-258"), ("mobilenetv3", "mediapipe-1629")):
        model, clip = checkpoint(folder, arch, layout)
        rows = [stages(model, clip) for _ in range(runs + 1)][1:]
        names = [name for name, *_ in rows[0]]
        least = {name: [min(run[i][clock] for run in rows) for clock in (1, 2)] for i, name in enumerate(names)}
        totals = [sum(values[clock] for values in least.values()) for clock in (0, 1)]
        ours = [sum(values[clock] for name, values in least.items() if name.startswith("our")) for clock in (0, 1)]
        print(f"one clip of 140 frames, {arch}, {layout}: ms wall, cpu")
        for name, values in least.items():
            print(f"  {name:28}{1000 * values[0]:8.1f}{1000 * values[1]:8.1f}")
        shares = [own / total for own, total in zip(ours, totals, strict=True)]
        print(f"  ours before the forward pass: {shares[0]:.1%} wall, {shares[1]:.1%} cpu"
              f" ({'below' if shares[1] < OURS else 'ABOVE'} {OURS:.0%})")  # fmt: skip


def stages(model: str, clip: str) -> list[tuple[str, float, float]]:
    """Name, wall and processor seconds of each stage of one decode."""
    done = subprocess.run(
        [sys.executable, "-c", STAGES, model, clip], check=True, capture_output=True, text=True, env=ENVIRONMENT
    )
    return json.loads(done.stdout)


def checkpoint(folder: Path, arch: str, layout: str) -> tuple[str, str]:
    """A network with fresh weights as a checkpoint, and a clip for it."""
    from slrcli.checkpoints.checkpoint import save_checkpoint
    from slrcli.checkpoints.meta import Meta
    from slrcli.config import Config, ModelConfig
    from slrcli.features.layout import load_layout
    from slrcli.glosses.vocabulary import Vocabulary
    from slrcli.models.registry import build_model

    vocabulary = Vocabulary(("<blank>", *map(str, range(1, 1296))), (0,) * 1296)
    place = load_layout(layout)
    config = Config(model=ModelConfig(arch=arch))
    model, clip = folder / f"{arch}.safetensors", folder / f"{arch}.npy"
    save_checkpoint(model, build_model(arch, place, 1296), Meta(config, vocabulary, place))
    np.save(clip, np.random.default_rng(1).normal(0.5, 0.1, (140, place.width)).astype(np.float32))
    return str(model), str(clip)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
    commands(options.runs)
    with tempfile.TemporaryDirectory() as name:
        decodes(max(3, options.runs // 3), Path(name))


if __name__ == "__main__":
    main()
