"""What gradient checkpointing saves: memory of one forward and backward pass on long clips, without and with it.

    python tests/benchmarks/checkpointing_memory.py [--clips 8] [--frames 2000]

Each row is a process of its own. Counted is what its peak lies above what it held after a first pass over two short
clips: torch itself, the weights, and some 70 MB that its checkpointing loads when it is first used are left out (on
small batches those are more than there is to save). The gradients of both must be the same.
"""

import argparse
import resource
import subprocess
import sys
import time

import torch

from slrcli.ctc.loss import ctc_loss
from slrcli.features.layout import load_layout
from slrcli.models.base import Output
from slrcli.models.registry import build_model

ARCHITECTURES, LAYOUT = ("conv-bilstm", "conformer", "streaming", "mobilenetv3"), "kinect-20"
CLASSES, GLOSSES, WARM = 101, 5, 40


def one_pass(model: torch.nn.Module, clips: int, frames: int, width: int) -> None:
    """Forward and backward over a made-up batch."""
    x, lengths = torch.randn(clips, frames, width), torch.full((clips,), frames)
    output = Output(*model(x, lengths))
    targets = torch.randint(1, CLASSES, (clips * GLOSSES,))
    ctc_loss(output.log_probs, output.lengths, targets, torch.full((clips,), GLOSSES)).backward()


def measure(arch: str, on: bool, clips: int, frames: int) -> None:
    """Print megabytes above the start, seconds of processor, and a sum over the gradient."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layout = load_layout(LAYOUT)
    model = build_model(arch, layout, CLASSES, dropout=0.0).train()
    model.gradient_checkpointing = on
    one_pass(model, 2, WARM, layout.width)
    model.zero_grad()
    held, began = peak(), time.process_time()
    one_pass(model, clips, frames, layout.width)
    seconds = time.process_time() - began
    gradient = sum(part.grad.double().abs().sum().item() for part in model.parameters() if part.grad is not None)
    print(peak() - held, seconds, repr(gradient))


def peak() -> float:
    """The most that this process has held so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print one row an architecture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        return measure(given.one[0], given.one[1] == "on", given.clips, given.frames)
    print(f"torch {torch.__version__}, {given.clips} clips of {given.frames} frames, one thread")
    print("architecture     MB without    with           time   same gradient")
    for arch in ARCHITECTURES:
        command = [sys.executable, __file__, "--clips", str(given.clips), "--frames", str(given.frames), "--one", arch]
        without, with_it = (
            subprocess.run([*command, on], capture_output=True, text=True, check=True).stdout.split()
            for on in ("off", "on")
        )
        saved = float(with_it[0]) / float(without[0])
        print(
            f"{arch:16} {float(without[0]):10.0f} {float(with_it[0]):7.0f} ({saved:4.2f}x) "
            f"{float(with_it[1]) / float(without[1]):5.2f}x   {without[2] == with_it[2]}",
            flush=True,
        )


if __name__ == "__main__":
    main()
