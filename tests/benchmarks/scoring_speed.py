"""How fast errors are counted, beside jiwer and sclite, on the same pairs in the same run.

    python tests/benchmarks/scoring_speed.py --pairs 1000000

jiwer counts what `edit_errors` counts, in one call; sclite (Debian's package sctk) counts what `sclite_counts` counts,
files written and read included. Without sclite its rows are left out. All on one thread, but for strings of
characters, which `edit_errors` shares among the cores.
"""

import argparse
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


def timed(function, *arguments) -> tuple[float, object]:
    """Seconds of the quickest of up to three calls (one, if it takes long), and the result."""
    seconds, result = [], None
    for _ in range(3):
        start = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - start)
        if seconds[0] > 20:
            break
    return min(seconds), result


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
    count = parser.parse_args().pairs
    refs, hyps = pairs_of(count)
    names = [f"G{number}" for number in range(1200)]
    ref_tokens, hyp_tokens = ([[names[id] for id in item] for item in side] for side in (refs, hyps))
    coded = [["".join(map(chr, item)) for item in side] for side in (refs, hyps)]
    lines = [[" ".join(item) or "-" for item in side] for side in (ref_tokens, hyp_tokens)]
    rows = [("jiwer process_words", *timed(process_words, *lines))]
    rows[0] = (*rows[0][:2], round(rows[0][2].wer * sum(map(len, refs))))
    rows.append(("edit_errors, ids as characters", *timed(edit_errors, *coded)))
    rows.append(("edit_errors, ids in lists", *timed(edit_errors, refs, hyps)))
    rows.append(("edit_errors, tokens", *timed(edit_errors, ref_tokens, hyp_tokens)))
    show(f"totals of {count:,} pairs", rows)
    rows = [("sclite", *timed(by_sclite, ref_tokens, hyp_tokens))] if SCLITE.exists() else []
    rows.append(("sclite_counts, tokens", *timed(lambda: sclite_counts(ref_tokens, hyp_tokens).sum(0).tolist())))
    rows.append(("sclite_counts, ids in lists", *timed(lambda: sclite_counts(refs, hyps).sum(0).tolist())))
    show(f"hits, substitutions, deletions, insertions of {count:,} pairs", rows)


def show(title: str, rows: list[tuple[str, float, object]]) -> None:
    """One line a row: seconds, how many times as fast as the first, result."""
    print(title)
    for name, seconds, result in rows:
        print(f"  {name:32} {seconds:9.2f} s  {rows[0][1] / seconds:7.1f} x  {result}")


if __name__ == "__main__":
    main()
