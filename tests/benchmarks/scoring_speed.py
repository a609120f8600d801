"""How fast errors are counted, beside jiwer and sclite, on the same pairs in the same run.

    python tests/benchmarks/scoring_speed.py --pairs 1000000
    python tests/benchmarks/scoring_speed.py --pairs 20000 --at-least 20

The second takes seconds and fails (exit code 1) where totals come less than so many times as fast as by jiwer, or
differ: both are measured in the same run, so that the ratio says little of the machine.

jiwer counts what `edit_errors` counts, in one call; sclite (Debian's package sctk) counts what `sclite_counts` counts,
files written and read included. Without sclite its rows are left out. All on one thread; processor time is shown
beside the clock's, because it says the same on a machine that is busy with other things. The pairs are frozen before
anything is timed: jiwer makes so many objects that Python would otherwise search all the lists of this benchmark for
garbage, at jiwer's expense.
"""

import argparse
import gc
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path

from jiwer import process_words

from slrcli.scoring.bulk import edit_errors, sclite_counts

SCLITE = Path("/usr/lib/sctk/bin/sclite")
PART = 20_000  # pairs


def pairs_of(count: int, glosses: int = 1200) -> tuple[list[list[int]], list[list[int]]]:
    """Random references of 5 to 17 ids and hypotheses with about a quarter of their tokens wrong."""
    rng = random.Random(1)
    refs, hyps = [], []
    for _ in range(count):
        ref = [rng.randrange(glosses) for _ in range(rng.randint(5, 17))]
        refs.append(ref)
        hyps.append([rng.randrange(glosses) if rng.random() < 0.18 else id for id in ref if rng.random() > 0.07])
    return refs, hyps


def timed(function, *arguments) -> tuple[float, float, object]:
    """Seconds by the clock, seconds of processors (the least of a few calls) and what the function gave."""
    clock, busy, result = [], [], None
    while len(clock) < 5 and sum(clock) < 20:
        before = time.perf_counter(), processor_time()
        result = function(*arguments)
        clock.append(time.perf_counter() - before[0])
        busy.append(processor_time() - before[1])
    return min(clock), min(busy), result


def processor_time() -> float:
    """Seconds of processors so far, of this process, all its threads, and of processes that it ran."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def by_sclite(refs: list[list[str]], hyps: list[list[str]]) -> list[int]:
    """Totals of sclite: hits, substitutions, deletions, insertions; it would not get a million pairs into memory."""
    parts = [sclite_part(refs[i : i + PART], hyps[i : i + PART]) for i in range(0, len(refs), PART)]
    return [sum(column) for column in zip(*parts, strict=True)]


def sclite_part(refs: list[list[str]], hyps: list[list[str]]) -> list[int]:
    """The same of as many pairs as sclite holds at once."""
    with tempfile.TemporaryDirectory() as folder:
        for name, side in (("ref", refs), ("hyp", hyps)):
            with (Path(folder) / name).open("w") as file:
                file.writelines(f"{' '.join(item)} (s_{number:07})\n" for number, item in enumerate(side))
        command = [SCLITE, "-r", "ref", "trn", "-h", "hyp", "trn", "-i", "rm", "-o", "rsum", "stdout"]
        said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    (row,) = [line for line in said.splitlines() if "| Sum " in line]
    return [int(word) for word in row.replace("|", " ").split()[3:7]]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--at-least", type=float, default=0.0, metavar="RATIO", help="fail below that of jiwer's speed")
    options = parser.parse_args()
    count = options.pairs
    refs, hyps = pairs_of(count)
    names = [f"G{number}" for number in range(1200)]
    ref_tokens, hyp_tokens = ([[names[id] for id in item] for item in side] for side in (refs, hyps))
    coded = [["".join(map(chr, item)) for item in side] for side in (refs, hyps)]
    lines = [[" ".join(item) or "-" for item in side] for side in (ref_tokens, hyp_tokens)]
    gc.freeze()
    tokens = sum(map(len, refs))
    rows = [("jiwer process_words", *timed(lambda: round(process_words(*lines).wer * tokens)))]
    rows.append(("edit_errors, ids as characters", *timed(edit_errors, *coded)))
    rows.append(("edit_errors, ids in lists", *timed(edit_errors, refs, hyps)))
    rows.append(("edit_errors, tokens", *timed(edit_errors, ref_tokens, hyp_tokens)))
    show(f"totals of {count:,} pairs", rows)
    if options.at_least:
        require(rows, options.at_least)
        return
    rows = [("sclite", *timed(by_sclite, ref_tokens, hyp_tokens))] if SCLITE.exists() else []
    rows.append(("sclite_counts, tokens", *timed(lambda: sclite_counts(ref_tokens, hyp_tokens).sum(0).tolist())))
    rows.append(("sclite_counts, ids in lists", *timed(lambda: sclite_counts(refs, hyps).sum(0).tolist())))
    show(f"hits, substitutions, deletions, insertions of {count:,} pairs", rows)


def require(rows: list[tuple[str, float, float, object]], least: float) -> None:
    """Leave with exit code 1 where a result is not that of the first row, or the second row is too slow beside it."""
    if len({result for *_, result in rows}) > 1:
        raise SystemExit("the totals differ")
    (_, _, theirs, _), (name, _, ours, _), *_ = rows
    if theirs < least * ours:
        raise SystemExit(f"{name}: {theirs / ours:.1f} times as fast as jiwer, not {least:g} times")
    print(f"{name}: {theirs / ours:.1f} times as fast as jiwer, {least:g} times are asked")


def show(title: str, rows: list[tuple[str, float, float, object]]) -> None:
    """One line a row: seconds by the clock and of processors, how many times as fast as the first, result."""
    print(f"{title:48} clock              processors")
    for name, clock, busy, result in rows:
        (_, first, first_busy, _), *_ = rows
        print(f"  {name:32} {clock:9.2f} s {first / clock:7.1f} x {busy:9.2f} s {first_busy / busy:7.1f} x  {result}")


if __name__ == "__main__":
    main()
