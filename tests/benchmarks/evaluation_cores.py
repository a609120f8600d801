"""Whether evaluation keeps all cores busy, and whether glosses depend on how it is divided.

    python tests/benchmarks/evaluation_cores.py RUN CORPUS [--split dev]

A split is recognised by the best path and by a beam of 10, with batches of 1, 4, 16 and 64, on one core and on
all. `cores` is processor time over wall time, of this process and of those that search for it. Hypotheses that are not
the same as those of the first row are counted, and of these the ones whose log-probabilities are further apart than a
tie's.
"""

import argparse
import os
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import torch

from slrcli.config import DataConfig
from slrcli.console import Console
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.evaluation.checkpoint import OpenSplit, open_split
from slrcli.evaluation.evaluate import evaluate
from slrcli.parallel.workers import usable_cores
from slrcli.recognition.load import attach_decoder
from slrcli.recognition.settings import DecoderOptions

TIE = 1e-4  # of log-probabilities
BATCHES = (1, 4, 16, 64)


def spent() -> float:
    """Seconds of the processor so far, with those of child processes that have ended."""
    own, ended = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime


def divisions(cores: int) -> Iterator[tuple[int, int, int]]:
    """Beam, threads and processes alike, and clips a batch."""
    for beam in (0, 10):
        for threads in dict.fromkeys((1, cores)):
            for batch in BATCHES:
                yield beam, threads, batch


def measured(found: OpenSplit, beam: int, jobs: int, batch: int) -> tuple[float, float, dict[str, Hypothesis]]:
    """Wall seconds, cores kept busy, and the hypotheses by id."""
    torch.set_num_threads(jobs)
    wall, used = time.perf_counter(), spent()
    with ExitStack() as stack:
        attach_decoder(
            Console(quiet=True), found.recogniser, found.path, DecoderOptions({"beam": beam}, None, jobs), stack
        )
        evaluation = evaluate(found.recogniser, found.clips, batch)
    wall = time.perf_counter() - wall
    return wall, (spent() - used) / wall, evaluation.hypotheses


def main() -> None:
    """Print a row for every division."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("corpus")
    parser.add_argument("--split", default="dev")
    options = parser.parse_args()
    found = open_split(Console(quiet=True), options.run, DataConfig(data_dir=options.corpus), options.split, "cpu")
    frames, cores = sum(found.clips.frames), usable_cores()
    measured(found, 0, 1, 16)  # warms up
    print(f"{len(found.clips)} clips, {frames:,} frames, {cores} cores, load {os.getloadavg()[0]:.1f}")
    print(
        f"{'decoder':10}{'threads':>8}{'batch':>7}{'seconds':>9}{'cores':>7}{'frames/s':>10}{'differ':>8}{'no tie':>8}"
    )
    first: dict[int, dict[str, Hypothesis]] = {}
    for beam, jobs, batch in divisions(cores):
        wall, busy, found_here = measured(found, beam, jobs, batch)
        base = first.setdefault(beam, found_here)
        differing = [id for id in base if base[id].glosses != found_here[id].glosses]
        apart = sum(abs(base[id].score - found_here[id].score) > TIE for id in differing)
        name = f"beam {beam}" if beam else "best path"
        row = f"{name:10}{jobs:8}{batch:7}{wall:9.2f}{busy:7.2f}{frames / wall:10,.0f}{len(differing):8}{apart:8}"
        print(row, flush=True)


if __name__ == "__main__":
    main()
