"""The demo's corpus with stored derivatives, `[T, 6516]`: the default recogniser beside `mobilenetv3`, in one run.

    python tests/benchmarks/demo_with_derivatives.py [--seed N] [--minutes M]

Both get the same corpus, learning rate, batches, augmentation and minutes: an architecture trains as many whole epochs
as fit, measured on its first, and each follows its own schedule to the end. Prints the WER of both on a signer that
neither has seen, of the checkpoint that was best on dev.
"""

import argparse
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from slrcli.config import resolve
from slrcli.console import Console
from slrcli.demo.demo import SETTINGS
from slrcli.demo.synth import SynthOptions, write_corpus
from slrcli.evaluation.checkpoint import evaluate_checkpoint
from slrcli.features.augment import derivatives
from slrcli.training.run import train

LAYOUT = "mediapipe-6516"
STORED = 3  # derivatives


def store_derivatives(corpus: Path) -> None:
    """Put three derivatives behind the positions of every clip."""
    for file in sorted((corpus / "features").rglob("*.npy")):
        positions = np.load(file)
        np.save(file, np.hstack([positions, derivatives(positions, STORED)]).astype(np.float32))


def run(arch: str, corpus: Path, folder: Path, seed: int, epochs: int, console: Console):
    """Train `arch` for `epochs`, as the demo trains the default one; the result and the seconds it took."""
    alike = resolve(SETTINGS).to_dict()
    config = resolve(
        {
            "optim": {**alike["optim"], "epochs": epochs},
            "augment": alike["augment"],
            "model": {**SETTINGS["model"], "arch": arch},
            "data": {"data_dir": str(corpus), "layout": LAYOUT},
            "run": {"output_dir": str(folder), "seed": seed},
        }
    )
    began = time.perf_counter()
    result = train(config, console, newest=False)
    return result, config, time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0)
    given = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "corpus", replace(SynthOptions(), seed=given.seed))
        store_derivatives(folder / "corpus")
        for arch in ("conv-bilstm", "mobilenetv3"):
            _, _, first = run(arch, folder / "corpus", folder / f"{arch}-first", given.seed, 1, console)
            shutil.rmtree(folder / f"{arch}-first")
            epochs = max(1, int(given.minutes * 60 / first))
            result, config, seconds = run(arch, folder / "corpus", folder / arch, given.seed, epochs, console)
            score = evaluate_checkpoint(console, result.checkpoint, config.data, "test").score
            console.result(
                f"{arch}\t{epochs} epochs, {seconds / 60:.1f} min\t{score.wer:.1f} % WER on the unseen signer"
            )


if __name__ == "__main__":
    main()
