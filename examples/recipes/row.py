"""One row of the recipes' table: runs of several seeds, as they read by themselves, by best path and by a beam of 10.

Usage: python examples/recipes/row.py CORPUS RUNS SPLIT... [-- options of slr eval for one more way to decode]
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean

DECODERS = {"by itself": [], "best path": ["--beam", "0"], "beam 10": ["--beam", "10"]}


def wer_of(checkpoint: Path, corpus: Path, split: str, decoder: list[str]) -> float:
    """Plain WER of a checkpoint on a split, in percent, by `slr eval`."""
    command = [sys.executable, "-m", "slrcli", "eval", checkpoint, "--data-dir", corpus, "--split", split]
    said = subprocess.run([*command, *decoder, "--json", "--quiet"], capture_output=True, text=True)
    if said.returncode:
        raise SystemExit(said.stderr)
    return json.loads(said.stdout)["wer"]


def main() -> None:
    """Print the row, a line a split and decoder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("runs", type=Path, help="what slr train --seeds wrote: seed1, seed2, ...")
    parser.add_argument("splits", nargs="+")
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    given, further = parser.parse_args(arguments[:end]), arguments[end + 1 :]
    seeds = sorted(given.runs.glob("seed*/best.safetensors"))
    if not seeds:
        raise SystemExit(f"{given.runs} holds no seed1/best.safetensors: let slr train --seeds 3 write there first")
    decoders = {**DECODERS, **({"as told": further} if further else {})}
    print(f"{given.runs.name}: best.safetensors of {len(seeds)} seeds, plain WER in percent")
    for split in given.splits:
        for name, decoder in decoders.items():
            rates = [wer_of(checkpoint, given.corpus, split, decoder) for checkpoint in seeds]
            print(f"{split:5} {name:10} {mean(rates):6.2f}   ({', '.join(f'{rate:.2f}' for rate in rates)})")


if __name__ == "__main__":
    main()
