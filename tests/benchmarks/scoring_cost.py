"""What `slr score` costs beside plain calls of jiwer, on the same pairs in the same run, and whether all count alike.

    python tests/benchmarks/scoring_cost.py [--pairs 3000] [--at-most 12]

jiwer counts all pairs in one call, which gives totals, and pair by pair, which gives the errors of each. `slr score`
does the latter (`plain` is counted by jiwer), reads both files, keeps every alignment, and adds intervals by bootstrap,
confusions and the signature. Times are processor time, the least of several rounds in which the contenders take turns.
Exit code 1 where the counts differ, or where `slr score` takes over `--at-most` times as long as jiwer pair by pair.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jiwer

from slrcli.console import Console
from slrcli.scoring.score import score_files

GLOSSES = 1200
ROUNDS = 3
Counted = tuple[int, int, int, int]


def pairs_of(count: int) -> tuple[list[str], list[str]]:
    """Random references of 5 to 17 glosses, and hypotheses in which about a quarter of them is wrong."""
    rng = random.Random(1)
    refs, hyps = [], []
    for _ in range(count):
        ref = [f"GLOSS{rng.randrange(GLOSSES)}" for _ in range(rng.randint(5, 17))]
        kept = [gloss for gloss in ref if rng.random() > 0.07] or ref
        hyps.append(" ".join(f"GLOSS{rng.randrange(GLOSSES)}" if rng.random() < 0.18 else gloss for gloss in kept))
        refs.append(" ".join(ref))
    return refs, hyps


def one_by_one(refs: list[str], hyps: list[str]) -> Counted:
    """The sums of what jiwer counts pair by pair."""
    found = [counts(jiwer.process_words(ref, hyp)) for ref, hyp in zip(refs, hyps, strict=True)]
    return tuple(map(sum, zip(*found, strict=True)))


def counts(found: Any) -> Counted:
    """Hits, substitutions, deletions and insertions, which results of both name alike."""
    return found.hits, found.substitutions, found.deletions, found.insertions


def timed(work: Callable[[], Counted]) -> tuple[float, Counted]:
    """Seconds of the processor, and what was counted."""
    before = time.process_time()
    counted = work()
    return time.process_time() - before, counted


def main() -> int:
    """Print a line per contender, with its time relative to that of jiwer pair by pair."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--at-most", type=float, default=12.0)
    options = parser.parse_args()
    refs, hyps = pairs_of(options.pairs)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "ref.txt", Path(folder) / "hyp.txt"
        for file, side in zip(files, (refs, hyps), strict=True):
            file.write_text("".join(f"u{number:06} {text}\n" for number, text in enumerate(side)), encoding="utf-8")
        contenders = {
            "jiwer, all pairs in one call": lambda: counts(jiwer.process_words(refs, hyps)),
            "jiwer, pair by pair": lambda: one_by_one(refs, hyps),
            "slr score": lambda: counts(score_files(Console(quiet=True), files[0], [files[1]]).main.score),
        }
        rounds = [{name: timed(work) for name, work in contenders.items()} for _ in range(ROUNDS)]
    seconds = {name: min(spent[name][0] for spent in rounds) for name in contenders}
    ratios = {name: spent / seconds["jiwer, pair by pair"] for name, spent in seconds.items()}
    for name in contenders:
        print(f"{name:30}{seconds[name]:7.2f} s{ratios[name]:7.2f}   hits, S, D, I: {rounds[0][name][1]}")
    alike = len({counted for spent in rounds for _, counted in spent.values()}) == 1
    quick = ratios["slr score"] <= options.at_most
    print(f"{options.pairs} pairs: counts {'agree' if alike else 'DIFFER'}, {'quick enough' if quick else 'TOO SLOW'}")
    return 0 if alike and quick else 1


if __name__ == "__main__":
    sys.exit(main())
