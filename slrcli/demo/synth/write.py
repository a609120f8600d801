"""A small corpus in the Phoenix-2014 layout, signed by nobody: options, the grammar of its sentences, and the files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from slrcli.corpus.write import Entry, require_room, write_table
from slrcli.demo.synth.lexicon import MOST_SIGNS, Sign, lexicon
from slrcli.demo.synth.motion import sentence_track
from slrcli.demo.synth.render import render
from slrcli.demo.synth.signer import Signer, draw_signers
from slrcli.errors import UsageError
from slrcli.files import written

SPLITS = ("train", "dev", "test")
FPS = 25


@dataclass(frozen=True)
class SynthOptions:
    """What `write_corpus` writes; the same options give the same bytes (on one machine and version of numpy)."""

    name: str = "demo"  # first part of every id
    signs: int = MOST_SIGNS  # size of the lexicon
    train: int = 540  # sentences
    dev: int = 40
    test: int = 60
    shortest: int = 1  # signs in a sentence
    longest: int = 4
    train_signers: int = 6
    dev_signers: int = 1  # people who sign in no other split
    test_signers: int = 1
    left_handed: int = 0  # how many of the training signers are left-handed
    missing: float = 0.08  # share of frames in which a hand is lost
    noise: float = 1.0  # multiplies the sensor's jitter
    seed: int = 0

    @classmethod
    def tiny(cls, **changes) -> "SynthOptions":
        """The smallest size that still trains: for smoke runs of seconds."""
        return replace(cls(signs=8, train=60, dev=8, test=12, longest=3, train_signers=3), **changes)

    def sentences(self, split: str) -> int:
        """How many sentences `split` gets."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[split]


@dataclass(frozen=True)
class Summary:
    """What was written."""

    root: Path
    signs: int
    sentences: dict[str, int]
    signers: dict[str, tuple[str, ...]]
    glosses: int  # running glosses of all splits
    frames: int
    bytes: int

    @property
    def seconds(self) -> float:
        """Length of all clips."""
        return self.frames / FPS


def write_corpus(
    out: Path, options: SynthOptions | None = None, progress: Callable[[int], None] | None = None
) -> Summary:
    """Write annotations/{train,dev,test}.corpus.csv and features/{split}/{id}.npy under `out`.

    Args:
        out: a folder without a corpus in it; made if need be.
        options: sizes and difficulty.
        progress: called with 1 after every clip.

    Raises:
        DataError: `out` already holds annotations or features.
        UsageError: options that make no corpus.
    """
    options = options or SynthOptions()
    _check(options)
    require_room(out)
    signs = lexicon(options.signs)
    cast = split_signers(options)
    glosses = frames = size = 0
    for number, split in enumerate(SPLITS):
        folder = out / "features" / split
        with written(folder):
            folder.mkdir(parents=True)
        rows: list[Entry] = []
        for index in range(options.sentences(split)):
            # A stream of chance for every clip: a clip stays the same when others are added.
            rng = np.random.default_rng([options.seed, 1 + number, index])
            signer = cast[split][index % len(cast[split])]
            sentence = draw_sentence(signs, options, rng)
            x = render(sentence_track(sentence, signer, rng), signer, rng, options.noise, options.missing)
            identifier = f"{options.name}-{split}-{index + 1:05d}"
            with written(folder / f"{identifier}.npy"):
                np.save(folder / f"{identifier}.npy", x)
            rows.append((identifier, f"{identifier}.npy", signer.name, [sign.gloss for sign in sentence]))
            glosses, frames, size = glosses + len(sentence), frames + len(x), size + x.nbytes
            if progress:
                progress(1)
        write_table(out, split, rows)
    counts = {split: options.sentences(split) for split in SPLITS}
    names = {split: tuple(signer.name for signer in people) for split, people in cast.items()}
    return Summary(out, len(signs), counts, names, glosses, frames, size)


def split_signers(options: SynthOptions) -> dict[str, tuple[Signer, ...]]:
    """Who signs in which split; nobody in two."""
    counts = (options.train_signers, options.dev_signers, options.test_signers)
    people = draw_signers(sum(counts), options.left_handed, np.random.default_rng([options.seed, 0]))
    first, second = counts[0], counts[0] + counts[1]
    return dict(zip(SPLITS, (people[:first], people[first:second], people[second:]), strict=True))


def draw_sentence(signs: Sequence[Sign], options: SynthOptions, rng: np.random.Generator) -> list[Sign]:
    """A sentence: some families in their usual order, one of them often moved to the front, any sign of each.

    All signs of a family are equally likely, so the order of families never tells the alike signs apart.
    """
    families = list(dict.fromkeys(sign.family for sign in signs))
    count = int(rng.integers(options.shortest, options.longest + 1))
    chosen = sorted(rng.choice(len(families), count, replace=count > len(families)))
    if rng.random() < 0.4:
        chosen.insert(0, chosen.pop(int(rng.integers(count))))
    groups = [[sign for sign in signs if sign.family == families[index]] for index in chosen]
    return [group[int(rng.integers(len(group)))] for group in groups]


def _check(options: SynthOptions) -> None:
    if min(options.train_signers, options.dev_signers, options.test_signers) < 1:
        raise UsageError("Every split needs a signer.", "train_signers, dev_signers, test_signers", "Use at least 1.")
    if options.left_handed > options.train_signers:
        what = "There are more left-handed signers than training signers."
        raise UsageError(what, "left_handed", f"Use at most {options.train_signers}.")
    if not 1 <= options.shortest <= options.longest:
        raise UsageError("The sentence lengths need 1 <= shortest <= longest.", "shortest, longest")
    if not 0 <= options.missing < 1:
        raise UsageError(f"A share of frames cannot be {options.missing}.", "missing", "Use 0 to below 1.")
