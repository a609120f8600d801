"""Folds whose signer and sentences are both new: fold k leaves out the k-th signer and every sixth sentence.

Usage: python examples/folds/both_new.py CORPUS FOLDS

For each signer of a corpus, FOLDS/NAME gets tables that refer to the features where they lie: `train` (the other
signers and sentences), `dev` (this signer, held-out sentences: both new) and `test` (the other signers, held-out
sentences). Then `slr train --data-dir FOLDS/NAME`, and `slr eval RUN/last.safetensors --split dev ...`
(or test): the last epoch, which dev has not chosen.
"""

import argparse
from pathlib import Path

from slrcli.corpus import open_corpus
from slrcli.corpus.write import write_division

EVERY = 6  # of so many sentences, in the order of the alphabet, one is left out


def main() -> None:
    """Write the folds, and say how many utterances each split has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("folds", type=Path, help="a new folder")
    given = parser.parse_args()
    corpus = open_corpus(given.corpus)
    utterances = [item for split in ("train", "dev") for item in corpus.splits.get(split, ())]
    sentences = sorted({item.glosses for item in utterances})
    for place, signer in enumerate(sorted({item.signer for item in utterances})):
        held = set(sentences[place % EVERY :: EVERY])
        splits = {"train": [], "dev": [], "test": []}
        for item in utterances:
            own, new = item.signer == signer, item.glosses in held
            if new or not own:  # the signer's known sentences are nobody's
                splits[("dev" if own else "test") if new else "train"].append(item)
        write_division(given.folds / signer, corpus, splits)
        print(signer, ", ".join(f"{name} {len(items)}" for name, items in splits.items()))


if __name__ == "__main__":
    main()
