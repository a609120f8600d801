"""The clips of a packed corpus by its shards, for corpora larger than memory or than a disk."""

from collections.abc import Iterator, Sequence
from itertools import chain

from slrcli.corpus.utterances import Utterance
from slrcli.errors import UsageError
from slrcli.features.store import array_of, fetch_ahead, store_of

TOGETHER = 8  # shards that are read at a time: 2 GB with shards of 256 MB
ORDERED_BYTES = 16 << 30  # of packed features from which on clips are read shard by shard if nobody says how


def shards_of(utterances: Sequence[Utterance], order: str) -> list[list[int]] | None:
    """The places of the clips of each shard, where an epoch goes shard by shard; None where it does not.

    Args:
        utterances: of train.
        order: `shuffled`, `shards`, or `auto`: from `ORDERED_BYTES` of packed features on.

    Raises:
        UsageError: `shards` of a corpus that is not packed.
    """
    if order == "shuffled":
        return None
    found: dict[tuple[str, int], list[int]] = {}
    total = 0
    for index, item in enumerate(utterances):
        inside = store_of(item.file)
        if inside is None or not inside[0].shards:
            if order == "shards":
                what = "Only a packed corpus has shards to go by."
                raise UsageError(what, "optim.order", "Pack it with slr pack, or leave optim.order at auto.")
            return None
        store, name = inside
        number = store.number(name)
        if (key := (str(store.path), number)) not in found:
            found[key] = []
            total += store.shards[number].size
        found[key].append(index)
    return list(found.values()) if order == "shards" or total >= ORDERED_BYTES else None


def shard_groups(utterances: Sequence[Utterance]) -> Iterator[Sequence[int]]:
    """The places of all clips, those of `TOGETHER` shards at a time where `shards_of` goes by shards by itself."""
    shards = shards_of(utterances, "auto")
    if shards is None:
        yield range(len(utterances))
        return
    for start in range(0, len(shards), TOGETHER):
        expect(utterances, shards[start + TOGETHER : start + 2 * TOGETHER])
        yield sorted(chain.from_iterable(shards[start : start + TOGETHER]))


def expect(utterances: Sequence[Utterance], shards: Sequence[Sequence[int]]) -> None:
    """Let shards of a remote corpus be copied while those before them are read."""
    fetch_ahead(array for shard in shards if (array := array_of(utterances[shard[0]].file)))
