"""How long `slr check data` takes on a corpus of the size of Phoenix-2014, and how much memory.

    python tests/benchmarks/check_data_scale.py [--utterances 6000] [--data-dir DIR]

Makes a corpus of landmarks in the columns of `mediapipe-258`, some 140 frames a clip, in a temporary folder (about
870 MB), examines it by default, with `--full --jobs 1` and with `--full`, and removes it. `--data-dir` examines a
corpus that is there instead. The peak is the largest resident size of the process itself; the processes of `--jobs`
come on top.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COLUMNS, FRAMES = 258, 140
SIGNERS = 9
SHARES = {"train": 0.84, "dev": 0.08, "test": 0.08}
CHECK = """
import json, resource, sys
from slrcli.cli import app
try:
    app(["check", "data", "--json", *sys.argv[1:]])
except SystemExit as stop:
    code = stop.code
sys.stderr.write(json.dumps([code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


def make(root: Path, utterances: int) -> None:
    """Smooth movement with a few gaps; a second of it is as rough as landmarks are."""
    chance = np.random.default_rng(0)
    glosses = [f"GLOSS-{number}" for number in range(1200)]
    (root / "annotations").mkdir(parents=True)
    for split, share in SHARES.items():
        (root / "features" / split).mkdir(parents=True)
        rows = ["id|folder|signer|annotation"]
        for number in range(round(share * utterances)):
            frames = int(np.clip(chance.normal(FRAMES, 45), 16, 299))
            knots = chance.normal(0.5, 0.1, (frames // 8 + 2, COLUMNS)).astype(np.float32)
            place = np.arange(frames) / 8
            low = place.astype(int)
            weight = (place - low)[:, None].astype(np.float32)
            x = (1 - weight) * knots[low] + weight * knots[low + 1]
            x[frames // 2 : frames // 2 + 5, 132:195] = 0  # a hand is lost
            identifier = f"{split}-{number:05d}"
            np.save(root / "features" / split / f"{identifier}.npy", x)
            words = " ".join(chance.choice(glosses, max(1, frames // 13)))
            rows.append(f"{identifier}|{identifier}|Signer{number % SIGNERS:02d}|{words}")
        (root / "annotations" / f"{split}.corpus.csv").write_text("\n".join(rows) + "\n")


def measure(root: Path, *options: str) -> None:
    """Run the command once in a process of its own and print what it took."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", CHECK, "--data-dir", str(root), *options], capture_output=True, text=True, check=True
    )
    seconds = time.monotonic() - started
    code, peak = json.loads(done.stderr.splitlines()[-1])
    print(f"{' '.join(options) or 'default':18} {seconds:6.1f} s   peak {peak / 1024:5.0f} MB   exit {code or 0}")


def main() -> None:
    """Make the corpus, measure, clean up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=int, default=6000)
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="slr-scale-") as folder:
        root = arguments.data_dir or Path(folder)
        if arguments.data_dir is None:
            make(root, arguments.utterances)
        size = sum(path.stat().st_size for path in root.rglob("*.np?"))
        print(f"{root}: {size / 2**20:,.0f} MB of features, {os.cpu_count()} cores")
        for options in ((), ("--full", "--jobs", "1"), ("--full",)):
            measure(root, *options)


if __name__ == "__main__":
    main()
