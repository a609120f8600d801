"""Labelled clips of single signs, in any of three forms.

- an `.npz` pack: all frames joined in `x [N, D]`, one entry per clip in `length` and `gloss` (or `sign`, `label`),
  and, if known, in `signer` (`speaker`, `subject`, `session`) and `split` (`part`, `subset`);
- a corpus whose utterances have one gloss each: its folder, or an annotation table;
- one folder per gloss: `GLOSS/clip.npy`, or `GLOSS/SIGNER/clip.npy`.

Clips that cannot be used are left out, with the reason.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from slrcli.corpus import NoTableError, open_corpus, split_name
from slrcli.errors import DataError, UsageError, understood
from slrcli.features.layout import Layout
from slrcli.features.readers import SUFFIXES, read_features
from slrcli.features.readers.npz import member
from slrcli.files import open_regular

GLOSS_KEYS = ("gloss", "sign", "label")
SIGNER_KEYS = ("signer", "speaker", "subject", "session")
SPLIT_KEYS = ("split", "part", "subset")
UNKNOWN = "unknown"  # the signer, where nothing says who it is


@dataclass(frozen=True)
class Clip:
    """A recorded sign.

    Attributes:
        id: its name, unique among the clips.
        gloss: its gloss, without white space.
        signer: its signer, or `UNKNOWN`.
        split: the split it has to stay in; empty if the source names none.
        load: returns its frames, float32 `[T, D]`; raises a DataError if they cannot be read. Another process can call
            it, too.
    """

    id: str
    gloss: str
    signer: str
    split: str
    load: Callable[[], np.ndarray]


@dataclass(frozen=True)
class Collection:
    """The clips of a source.

    Attributes:
        clips: in an order that depends only on the content of the source.
        left_out: place in the source -> why there is no usable clip.
    """

    clips: tuple[Clip, ...]
    left_out: dict[str, str]


def read_clips(source: Path, signer_pattern: str = "", layout: Layout | None = None) -> Collection:
    """The labelled clips of a source, in one of the three forms described above.

    Args:
        source: a pack, a table, or a folder.
        signer_pattern: a regular expression that finds the signer in the name of a clip (its first group, if it has
            one); "" takes the signers of the source.
        layout: target layout of files that name their points; None keeps them as they are.

    Raises:
        DataError: the source has none of the three forms, or holds no usable clip.
        UsageError: the pattern is not a regular expression.
    """
    if source.suffix.lower() == ".npz" and source.is_file():
        collection = _pack(source)
    elif source.is_file():
        collection = _corpus(source.parent, source, layout)
    elif source.is_dir():
        collection = _folder(source, layout)
    else:
        raise DataError("There is no such file or folder of clips.", source, "Check the name.")
    if signer_pattern:
        collection = replace(collection, clips=tuple(_named_signers(collection.clips, signer_pattern)))
    if not collection.clips:
        reason = next(iter(collection.left_out.items()), ("", "it holds no clip of a single sign"))
        shown = ": ".join(filter(None, reason)).removesuffix(".")
        raise DataError(f"No clip can be used: {shown}.", source, "See slr compose --help.")
    return collection


def fingerprint(frames: np.ndarray) -> str:
    """SHA-256 of a clip's shape and numbers."""
    return hashlib.sha256(repr(frames.shape).encode() + np.ascontiguousarray(frames).tobytes()).hexdigest()


def _named_signers(clips: tuple[Clip, ...], pattern: str) -> Iterator[Clip]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"The pattern is not a regular expression: {error}.", f"--signer-pattern {pattern}") from error
    for clip in clips:
        match = compiled.search(clip.id)
        if not match:
            raise DataError(f"The pattern {pattern!r} finds no signer.", clip.id, "Correct --signer-pattern.")
        yield replace(clip, signer=match[1] if compiled.groups else match[0])


def _gloss(name: str) -> str:
    """A label as one gloss: white space inside becomes a hyphen."""
    return "-".join(name.split())


# Packs


def _pack(path: Path) -> Collection:
    with (
        understood("The pack cannot be read", path, "Write it with numpy.savez."),
        open_regular(path) as stream,
        np.load(stream, allow_pickle=False) as pack,
    ):
        found = {key: member(pack, key) for key in pack.files if key in {"x", "length", *_KEYS}}
    glosses, signers, splits = (_first(found, keys) for keys in (GLOSS_KEYS, SIGNER_KEYS, SPLIT_KEYS))
    x, length = found.get("x"), found.get("length")
    if x is None or length is None or glosses is None:
        wanted = f"x, length and {' or '.join(GLOSS_KEYS)}"
        raise DataError(f"A pack of clips holds {wanted}; this one holds {', '.join(found) or 'none of them'}.", path)
    entries = [array for array in (length, glosses, signers, splits) if array is not None]
    if (
        x.ndim != 2
        or x.dtype.kind not in "fiu"
        or length.dtype.kind not in "iu"
        or len({array.shape for array in entries}) != 1
    ):
        raise DataError("The array x is not [N, D] numbers, or another array does not have one entry per clip.", path)
    if length.ndim != 1 or (length < 0).any() or int(length.sum()) != len(x):
        raise DataError(f"The lengths add up to {int(length.sum())} frames, but x has {len(x)}.", path)
    ends = np.cumsum(length)
    clips, left_out = [], {}
    numbers: Counter[str] = Counter()
    for place, (end, count) in enumerate(zip(ends.tolist(), length.tolist(), strict=True)):
        gloss = _gloss(str(glosses[place]))
        numbers[gloss] += 1
        id = f"{gloss}-{numbers[gloss]:04d}"
        signer = UNKNOWN if signers is None else str(signers[place])
        split = "" if splits is None else split_name(str(splits[place]))
        if not gloss or not count:
            left_out[f"clip {place}"] = "It has no label." if count else "It has no frames."
            continue
        clips.append(Clip(id, gloss, signer, split, partial(_copied, x[end - count : end])))
    return Collection(tuple(clips), left_out)


_KEYS = (*GLOSS_KEYS, *SIGNER_KEYS, *SPLIT_KEYS)


def _first(found: dict[str, np.ndarray], keys: tuple[str, ...]) -> np.ndarray | None:
    return next((found[key] for key in keys if key in found), None)


def _copied(frames: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frames, dtype=np.float32)


# Tables and folders


def _folder(root: Path, layout: Layout | None) -> Collection:
    """A corpus if the folder has annotation tables, else one folder per gloss."""
    try:
        return _corpus(root, None, layout)
    except NoTableError as error:
        clips = sorted(_labelled_by_folder(root, layout), key=lambda clip: clip.id)
        if not clips:
            raise DataError(
                "The folder holds neither a table of clips nor a folder of clips for each gloss.",
                root,
                f"Put the clips into GLOSS/clip{SUFFIXES[0]}.",
            ) from error
        return Collection(tuple(clips), {})


def _corpus(root: Path, table: Path | None, layout: Layout | None) -> Collection:
    corpus = open_corpus(root, annotations=table)
    several = len([name for name, items in corpus.splits.items() if items]) > 1
    clips, left_out = [], {}
    for split, utterances in corpus.splits.items():
        for item in utterances:
            id = f"{split}/{item.id}"
            if len(item.glosses) != 1:
                left_out[id] = f"It has {len(item.glosses)} glosses, not one."
            elif item.features is None:
                left_out[id] = "It has no feature file."
            else:
                place = split if several else ""
                clips.append(
                    Clip(
                        id,
                        item.glosses[0],
                        item.signer or UNKNOWN,
                        place,
                        _file(item.features, layout),
                    )
                )
    return Collection(tuple(sorted(clips, key=lambda clip: clip.id)), left_out)


def _labelled_by_folder(root: Path, layout: Layout | None) -> Iterator[Clip]:
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if path.suffix.lower() not in SUFFIXES or not path.is_file() or len(parts) not in (2, 3):
            continue
        signer = parts[1] if len(parts) == 3 else UNKNOWN
        yield Clip("/".join(parts[:-1]) + "/" + path.stem, _gloss(parts[0]), signer, "", _file(path, layout))


def _file(path: Path, layout: Layout | None) -> Callable[[], np.ndarray]:
    return partial(read_features, path, layout)
