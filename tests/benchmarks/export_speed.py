"""One clip decoded from start to end, by a checkpoint and by what `slr export` made of it, in turn, in one run.

    slr export RUN model.onnx && python tests/benchmarks/export_speed.py RUN model.onnx CLIP.npy

Whole processes are timed, imports included: that is what a user waits for.
"""

import argparse
import statistics
import subprocess
import sys
import time


def seconds(model: str, clip: str) -> tuple[float, str]:
    """Wall time of one decode, and what it said."""
    before = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "slrcli", "decode", clip, "--model", model, "--quiet"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return time.perf_counter() - before, done.stdout


def main() -> None:
    """Print both medians, their ratio, and whether both say the same."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint")
    parser.add_argument("exported")
    parser.add_argument("clip")
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    spent: dict[str, list[float]] = {"checkpoint": [], "exported": []}
    said: dict[str, str] = {}
    for _ in range(options.runs + 1):
        for name in spent:
            time_taken, said[name] = seconds(getattr(options, name), options.clip)
            spent[name].append(time_taken)
    medians = {}
    for name, values in spent.items():
        medians[name] = statistics.median(values[1:])  # the first one warms the disk's cache
        print(f"{name:10} {medians[name]:.3f} s ({min(values[1:]):.3f} to {max(values[1:]):.3f})")
    print(f"ratio      {medians['exported'] / medians['checkpoint']:.3f}")
    print("both say the same" if said["checkpoint"] == said["exported"] else f"they differ: {said}")


if __name__ == "__main__":
    main()
