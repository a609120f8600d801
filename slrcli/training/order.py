"""The order of the clips of an epoch: any clip anywhere, or shard by shard for a corpus larger than memory."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from slrcli.corpus.clips import TOGETHER

POOL_BATCHES = 50  # so many batches' clips are drawn at random and then sorted by length: 1.03x padding, still random


def bucketed(frames: Sequence[int], batch_size: int, rng: np.random.Generator) -> list[list[int]]:
    """Every clip once, in batches of like length and random order.

    Clips are shuffled, sorted by length within pools of `POOL_BATCHES` batches, cut, and the batches shuffled.
    """
    order = rng.permutation(len(frames))
    pool = batch_size * POOL_BATCHES
    batches = []
    for start in range(0, len(order), pool):
        part = sorted(order[start : start + pool].tolist(), key=lambda index: frames[index])
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def by_shard(
    shards: Sequence[Sequence[int]],
    frames: Callable[[int], int],
    batch_size: int,
    rng: np.random.Generator,
    processes: int = 1,
    coming: Callable[[Sequence[int]], None] = lambda shards: None,
) -> Iterator[list[int]]:
    """Every clip once, in batches of like length: as `bucketed`, from `TOGETHER` shards at a time in random order.

    Which clips are in a batch does not depend on the number of processes. A batch has its clips so that those that
    `distributed.share` deals out to a process come from as few shards as possible.

    Args:
        shards: the clips of each.
        frames: of a clip; asked for those of the shards that are read.
        processes: among which each batch is dealt out.
        coming: called with the shards that follow when those before them are begun.
    """
    left: list[tuple[int, int]] = []
    order = rng.permutation(len(shards)).tolist()
    for start in range(0, len(order), TOGETHER):
        group = order[start : start + TOGETHER]
        coming(order[start + TOGETHER : start + 2 * TOGETHER])
        for pool in _pools([shards[number] for number in group], frames, batch_size, rng):
            found = left + [(group[lane], index) for lane, index in pool]
            whole = len(found) // batch_size * batch_size
            batches = [found[at : at + batch_size] for at in range(0, whole, batch_size)]
            left = found[whole:]
            yield from (dealt(batches[i], processes) for i in rng.permutation(len(batches)))
    if left:
        yield dealt(left, processes)


def _pools(
    lanes: Sequence[Sequence[int]], frames: Callable[[int], int], batch_size: int, rng: np.random.Generator
) -> Iterator[list[tuple[int, int]]]:
    """The clips of some shards, `(lane, clip)`, in pools with the same share of every shard, sorted by length."""
    count = max(1, sum(map(len, lanes)) // (batch_size * POOL_BATCHES))
    parts = [np.array_split(rng.permutation(np.asarray(lane)), count) for lane in lanes]
    for pool in zip(*parts, strict=True):
        found = [(lane, index) for lane, part in enumerate(pool) for index in part.tolist()]
        yield sorted(found, key=lambda item: frames(item[1]))


def dealt(batch: Sequence[tuple[int, int]], processes: int) -> list[int]:
    """The clips of a batch `(shard, clip)`, ordered so that every `processes`-th comes from neighbouring shards."""
    if processes == 1 or len(batch) < processes:
        return [index for _, index in batch]
    sizes = [len(batch[rank::processes]) for rank in range(processes)]
    order = [0] * len(batch)
    ordered = iter(sorted(batch, key=lambda item: item[0]))
    for rank, size in enumerate(sizes):
        order[rank::processes] = [next(ordered)[1] for _ in range(size)]
    return order
