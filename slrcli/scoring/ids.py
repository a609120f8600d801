"""Ids of one side that name an utterance of the other in another way: decomposed letters, folders, file extensions."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable

from slrcli.glosses.variants import composed

# What files of clips, annotations and features are called in the field. Other endings belong to the id: `s01.take2`.
_EXTENSIONS = (
    "mp4 m4v mov avi mkv webm wmv flv mpg mpeg mts gif png jpg jpeg npy npz pkl pickle pose h5 hdf5 mat pt pth json "
    "jsonl csv tsv txt parquet safetensors eaf srt vtt gloss lab ctm stm"
)
_EXTENSION = re.compile(rf"(\.({'|'.join(_EXTENSIONS.split())}))?(\.(gz|xz|zip))?$", re.IGNORECASE)
_FRAMES = re.compile(r"(/\d+)?/\*\.\w+$")  # as tables of Phoenix-2014 name the pictures of a clip: `u1/1/*.png`


def same_ids(refs: Collection[str], hyps: Collection[str]) -> dict[str, str]:
    """Hypothesis id -> reference id, for ids that are not equal but name the same utterance.

    First ids that are equal once composed (Unicode NFC), then those that are equal without file extensions, then those
    of which one is the end of the other, as a path: `dev/u1.mp4` and `u1`. `dev/u1` and `test/u1` are two utterances.
    A pair is found only if no other id of either side comes into question, so that nothing is guessed.
    """
    found: dict[str, str] = {}
    for key, agree in ((composed, _always), (_path, _always), (_name, _one_ends_the_other)):
        left = [id for id in refs if id not in hyps and id not in found.values()]
        open_hyps = [id for id in hyps if id not in refs and id not in found]
        if not (left and open_hyps):
            break
        found |= _pairs(left, open_hyps, key, agree)
    return found


def other_path(first: str, second: str) -> bool:
    """Whether two ids differ in more than the composition of their letters."""
    return composed(first) != composed(second)


def _pairs(
    refs: Iterable[str], hyps: Iterable[str], key: Callable[[str], Hashable], agree: Callable[[str, str], bool]
) -> dict[str, str]:
    """Hypothesis id -> reference id where both have one key, agree, and are each other's only choice."""
    by_key = defaultdict(list)
    for ref in refs:
        by_key[key(ref)].append(ref)
    choices = {hyp: [ref for ref in by_key.get(key(hyp), ()) if agree(ref, hyp)] for hyp in hyps}
    wanted: dict[str, int] = defaultdict(int)
    for found in choices.values():
        for ref in found:
            wanted[ref] += 1
    return {hyp: found[0] for hyp, found in choices.items() if len(found) == 1 and wanted[found[0]] == 1}


def _path(id: str) -> tuple[str, ...]:
    """An id as the parts of a path, without a file extension."""
    text = _FRAMES.sub("", composed(id).replace("\\", "/"))
    stem = _EXTENSION.sub("", text, count=1)
    return tuple(part for part in (stem or text).split("/") if part not in ("", "."))


def _name(id: str) -> tuple[str, ...]:
    return _path(id)[-1:]


def _one_ends_the_other(first: str, second: str) -> bool:
    one, other = sorted((_path(first), _path(second)), key=len)
    return bool(one) and other[-len(one) :] == one


def _always(_first: str, _second: str) -> bool:
    return True
