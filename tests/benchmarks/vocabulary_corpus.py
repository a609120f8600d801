"""A SYNTHETIC corpus with a vocabulary of a real size: sentences of a real one, signed by the procedural signer.

    python tests/benchmarks/vocabulary_corpus.py write TABLES OUT
    python tests/benchmarks/vocabulary_corpus.py distinguish TABLES

TABLES holds the annotations of RWTH-PHOENIX-Weather 2014 (`phoenix2014.{train,dev,test}.corpus.csv`) and, beside each,
`phoenix2014.{split}.num_frames.tsv` (id, frames). Sentences, names of signers and frame counts are the real ones; what
is signed is not German Sign Language, and nobody signs it: a WER on OUT says nothing about Phoenix-2014. All ids there
begin with `synthetic-`. Every gloss has a sign of its own (`slrcli.demo.synth.named_lexicon`), every signer's name a
body of its own. A sentence is signed at the procedural signer's pace, and then brought to the real clip's frame count
as a whole. Signs are never left out: in a short clip they are just quick, and how quick is printed.
"""

import argparse
import csv
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from slrcli.corpus import Corpus, open_corpus
from slrcli.corpus.write import require_room, write_table
from slrcli.demo.synth.lexicon import MOST_NAMED, PARAMETERS, Sign, minimal_pairs, named_lexicon
from slrcli.demo.synth.motion import paced, sentence_track, sign_track, varied
from slrcli.demo.synth.render import hand_course, render
from slrcli.demo.synth.signer import Signer, draw_signers

SPLITS = ("train", "dev", "test")
SHORT = 6.0  # frames a gloss below which a clip counts as short
SAMPLES = 8  # points of time at which two signs are compared


def real(tables: Path) -> tuple[Corpus, dict[str, int]]:
    """The real corpus's sentences, and the frames of every clip by id."""
    frames: dict[str, int] = {}
    for split in SPLITS:
        with (tables / f"phoenix2014.{split}.num_frames.tsv").open(newline="") as file:
            frames |= {id: int(count) for id, count in csv.reader(file, delimiter="\t")}
    return open_corpus(tables, format="phoenix2014"), frames


def cast(corpus: Corpus, seed: int) -> dict[str, Signer]:
    """A made-up person for the name of every signer."""
    names = sorted({item.signer for split in SPLITS for item in corpus.split(split)})
    people = draw_signers(len(names), 0, np.random.default_rng([seed, 0]))
    return {name: replace(person, name=name) for name, person in zip(names, people, strict=True)}


def signs_for(corpus: Corpus, seed: int) -> dict[str, Sign]:
    """A sign for every gloss of any split."""
    return named_lexicon((gloss for split in SPLITS for item in corpus.split(split) for gloss in item.glosses), seed)


def write(tables: Path, out: Path, seed: int) -> None:
    """Write the corpus in the Phoenix-2014 layout, [T, 1629] float32 a clip, and say how quick its signs are."""
    corpus, frames = real(tables)
    require_room(out)
    people, signs = cast(corpus, seed), signs_for(corpus, seed)
    print(f"SYNTHETIC: {len(signs)} glosses of {MOST_NAMED} possible signs, {len(people)} invented people", flush=True)
    for number, split in enumerate(SPLITS):
        start, rows, pace = time.process_time(), [], []
        folder = out / "features" / split
        folder.mkdir(parents=True)
        for index, item in enumerate(corpus.split(split)):
            rng = np.random.default_rng([seed, 1 + number, index])
            person = people[item.signer]
            course = sentence_track([signs[gloss] for gloss in item.glosses], person, rng)
            x = render(paced(course, frames[item.id]), person, rng)
            id = f"synthetic-{item.id}"
            np.save(folder / f"{id}.npy", x)
            rows.append((id, f"{id}.npy", item.signer, item.glosses))
            pace.append((len(x), len(item.glosses), len(course) / len(x)))
        write_table(out, split, rows)
        told(split, np.array(pace), time.process_time() - start)


def told(split: str, pace: np.ndarray, seconds: float) -> None:
    """Print what was written; `pace` [clips, 3]: frames, glosses, times as fast as the procedural signer signs."""
    frames, glosses, faster = pace.T
    short = int((frames / glosses < SHORT).sum())
    print(
        f"{split:6}{len(pace):6} clips {frames.sum():9,.0f} frames {glosses.sum():7,.0f} glosses"
        f"{frames.sum() / glosses.sum():6.1f} frames a gloss (least {(frames / glosses).min():.1f}, {short} clips below"
        f" {SHORT:g}), signed {np.median(faster):.1f} times as fast (at most {faster.max():.1f}); {seconds:.0f} s",
        flush=True,
    )


def distinguish(tables: Path, seed: int) -> None:
    """Print how far signs lie apart, and how far one sign lies apart in two people."""
    corpus, _ = real(tables)
    people, signs = list(cast(corpus, seed).values()), list(signs_for(corpus, seed).values())
    rng = np.random.default_rng([seed, 9])
    seen = np.stack([[course(sign, person, rng) for sign in signs] for person in people]).astype(np.float32)
    print(
        f"SYNTHETIC: {len(signs)} signs, {len(people)} people, two hands at {SAMPLES} points of time, every sign once"
    )
    pairs = minimal_pairs(tuple(signs))
    said = ", ".join(f"{sum(pair.parameter == name for pair in pairs):,} in {name}" for name in PARAMETERS)
    print(f"pairs that differ in one parameter alone: {len(pairs):,} ({said})")
    same, other, right = [], [], []
    for one, given in enumerate(seen):
        for two, asked in enumerate(seen):
            if one != two:
                apart = distances(given, asked)
                same.append(np.diag(apart).copy())
                np.fill_diagonal(apart, np.inf)
                other.append(apart.min(axis=1))
    for name, found in (("one sign, two people", same), ("nearest other sign, two people", other)):
        low, middle, high = np.quantile(np.concatenate(found), (0.05, 0.5, 0.95))
        print(f"{name:32} {middle:.3f} shoulder widths (5 to 95 %: {low:.3f} to {high:.3f})")
    print(f"nearest of one other person's signs is the same sign: {(np.stack(same) < np.stack(other)).mean():.1%}")
    centred = seen - seen.mean(axis=1, keepdims=True)  # what a person does with every sign taken off
    for number in range(len(people)):
        mean = np.delete(centred, number, axis=0).mean(axis=0)
        right.append((distances(centred[number], mean).argmin(axis=1) == np.arange(len(signs))).mean())
    print(f"nearest of the other people's mean signs, each person's own mean off: {np.mean(right):.1%} "
          f"(by person {min(right):.1%} to {max(right):.1%})")  # fmt: skip


def course(sign: Sign, person: Signer, rng: np.random.Generator) -> np.ndarray:
    """Where the points of both hands are while a person makes a sign, once: [SAMPLES * 42 * 3] shoulder widths."""
    return hand_course(varied(sign_track(sign, person, SAMPLES), sign, rng), person).reshape(-1)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Root mean square distance of a point, [len(a), len(b)], of courses [N, D]."""
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0) / (a.shape[1] / 3))


def main() -> None:
    """Write the corpus, or say how different its signs are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("write", "distinguish"))
    parser.add_argument("tables", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.what == "write":
        write(options.tables, options.out or parser.error("write wants a folder"), options.seed)
    else:
        distinguish(options.tables, options.seed)


if __name__ == "__main__":
    main()
