"""Splits that share no signer, or no sentence.

Utterances that belong together stand in one split. Which ones go where depends on the seed and on what the utterances
say, not on their order, the machine or a version.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from slrcli.config import nearest
from slrcli.corpus.utterances import SPLITS, Utterance
from slrcli.errors import DataError, UsageError, first_five

KINDS: dict[str, Callable[[Utterance], str]] = {
    "signer": lambda item: item.signer,
    "sentence": lambda item: " ".join(item.glosses),
}


def divide(utterances: Sequence[Utterance], by: str, dev: float, test: float, seed: int) -> dict[str, list[Utterance]]:
    """Train, dev and test without a common signer or sentence; each is as near to its share as whole groups allow.

    Args:
        utterances: those of a whole corpus, whatever their present split.
        by: a name in `KINDS`.
        dev, test: shares of the utterances, 0 for none; train gets the rest.
        seed: of the draw of groups.

    Returns:
        Split -> utterances in their old order; no dev or test where its share is 0.

    Raises:
        UsageError: there is no such kind, or the shares leave nothing for train.
        DataError: an id occurs twice, a signer is unknown, or there are fewer groups than splits.
    """
    if by not in KINDS:
        raise UsageError(f"A corpus cannot be split by {by!r}.", "--split-by", nearest(by, KINDS))
    if not (0 <= dev < 1 and 0 <= test < 1 and dev + test < 1):
        raise UsageError(
            f"Shares of {dev:g} and {test:g} leave no train split.", "--dev, --test", "Let them add up to less than 1."
        )
    _distinct(utterances)
    groups = _groups(utterances, by)
    wanted = {name: share for name, share in (("test", test), ("dev", dev)) if share > 0}
    if len(groups) <= len(wanted):
        what = f"{len(groups)} {by}{'' if len(groups) == 1 else 's'} cannot be divided into {len(wanted) + 1} splits."
        raise DataError(what, fix="Ask for fewer splits (--dev 0 or --test 0), or split by something else.")
    left = sorted(groups, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    place: dict[str, str] = {}
    for number, (split, share) in enumerate(wanted.items()):
        spare = len(wanted) - number  # one group for each split that comes after, train among them
        drawn = _draw(left, {name: len(members) for name, members in groups.items()}, share * len(utterances), spare)
        place.update(dict.fromkeys(drawn, split))
        left = [name for name in left if name not in place]
    key = KINDS[by]
    divided: dict[str, list[Utterance]] = {name: [] for name in SPLITS if name == "train" or name in wanted}
    for item in utterances:
        split = place.get(key(item), "train")
        divided[split].append(replace(item, split=split))
    return divided


def _draw(names: Sequence[str], size: dict[str, int], wanted: float, spare: int) -> list[str]:
    """Some of `names`, in their order, that come near to `wanted` utterances; at least one, all but `spare` at most.

    A group is taken where it brings the sum nearer, so one that is too large waits for a smaller one.
    """
    drawn: list[str] = []
    total = 0
    for name in names:
        if len(drawn) == len(names) - spare:
            break
        if abs(total + size[name] - wanted) < abs(total - wanted):
            drawn.append(name)
            total += size[name]
    return drawn or [min(names, key=lambda name: size[name])]


def _groups(utterances: Sequence[Utterance], by: str) -> dict[str, list[Utterance]]:
    groups: dict[str, list[Utterance]] = {}
    for item in utterances:
        groups.setdefault(KINDS[by](item), []).append(item)
    nobody = [item for item in utterances if not item.signer_known]
    if by == "signer" and nobody:
        raise DataError(
            f"{len(nobody)} utterances have no known signer: {_some(nobody)}",
            fix="Add a column 'signer', or split by sentence.",
        )
    return groups


def _distinct(utterances: Sequence[Utterance]) -> None:
    seen: set[str] = set()
    twice = []
    for item in utterances:
        if item.id in seen:
            twice.append(item)
        seen.add(item.id)
    if twice:
        raise DataError(f"{len(twice)} ids occur more than once: {_some(twice)}", fix="Rename them in the tables.")


def _some(utterances: Sequence[Utterance]) -> str:
    return first_five([item.id for item in utterances], end=".")
