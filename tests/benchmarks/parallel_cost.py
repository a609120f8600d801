"""What training together costs: one process against two and three on this machine, the same global batches.

    python tests/benchmarks/parallel_cost.py [--epochs N]

The processes share this machine's cores, so nothing is won here; the table says what the exchange costs, and that the
losses agree (what little they differ grows from epoch to epoch). The first epoch, which warms up, is left out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from slrcli.demo.synth import SynthOptions, write_corpus


def epochs_of(processes: int, corpus: Path, run: Path, epochs: int) -> list[dict]:
    """The numbers of every epoch of a run in so many processes."""
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    options = ["--epochs", epochs, "--batch-size", 12, "--lr", 1e-3, "--dropout", 0, "--precision", "fp32"]
    command = [sys.executable, *launcher, "-m", "slrcli", "train", "--data-dir", corpus, "--output-dir", run, *options]
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def main() -> None:
    """Print one row a number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4)
    epochs = parser.parse_args().epochs
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, a thread a process")
    print("processes   frames/s   against one   loss of the last epoch")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "corpus", SynthOptions(train=240, dev=8))
        alone = 0.0
        for processes in (1, 2, 3):
            found = epochs_of(processes, folder / "corpus", folder / f"run{processes}", epochs)
            rate = max(item["frames_per_second"] for item in found[1:])
            alone = alone or rate
            print(f"{processes:9} {rate:10,.0f} {rate / alone:12.2f}x   {found[-1]['loss']:.6f}", flush=True)


if __name__ == "__main__":
    main()
