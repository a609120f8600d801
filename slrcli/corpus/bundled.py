"""A corpus of the field's pickles, and of `.skels`, which hold the glosses of their clips: no table is needed."""

import re
from collections.abc import Sequence
from pathlib import Path

from slrcli.corpus.utterances import SPLITS, Corpus, Utterance, ordered
from slrcli.errors import DataError
from slrcli.features.readers.bundles import open_bundle

FIX = "Name each file after its split, such as corpus.train and corpus.dev."


def bundled_corpus(files: Sequence[Path]) -> Corpus:
    """The clips of some files as utterances, in the splits that the names of the files say.

    Clips without a gloss are left out, with a note. Where no name says a split, all utterances are train.

    Raises:
        DataError: a file cannot be read, its name says several splits, some names say a split and others none, or no
            clip has a gloss.
    """
    said = {file: split_of(file) for file in files}
    silent = [file for file, split in said.items() if not split]
    if silent and len(silent) < len(files):
        raise DataError("The name of this file does not say its split, those of others do.", silent[0], FIX)
    splits: dict[str, list[Utterance]] = {}
    notes = []
    for file, split in said.items():
        members = open_bundle(file).members
        own = splits.setdefault(split or "train", [])
        for id, member in members.items():
            if member.glosses:
                place = Path(f"{file}/{id}") if id else file
                own.append(Utterance(id or file.stem, member.glosses, place, member.signer, split or "train"))
        if silent_clips := sum(not member.glosses for member in members.values()):
            notes.append(f"{silent_clips} of {len(members)} clips of {file.name} have no gloss and are left out.")
    if not any(splits.values()):
        fix = "Write a table with the columns id and glosses beside it: see examples/own-data.md."
        raise DataError("No clip of these files has a gloss.", files[0], fix)
    if silent:
        notes.append("All utterances are taken as train: no file name says otherwise.")
    return Corpus("phoenix2014", files[0].parent, ordered(splits), (), {}, tuple(notes))


def split_of(file: Path) -> str:
    """The split in the name of a file; "" if there is none, a DataError if there are several."""
    words = re.split(r"[\W_]+", file.name.lower())
    found = {split for split, names in SPLITS.items() if not {*names}.isdisjoint(words)}
    if len(found) > 1:
        raise DataError(f"The name of this file says several splits: {', '.join(sorted(found))}.", file, FIX)
    return next(iter(found), "")
