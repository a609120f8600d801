"""Errors of very many pairs at once, where nobody will look at single alignments.

The counts are those of `align` and `align_sclite`, pair by pair; a million pairs take seconds.
"""

from collections.abc import Hashable, Sequence
from itertools import chain

import numpy as np
from rapidfuzz.distance import Levenshtein

from slrcli.scoring.align import GAP_WEIGHT, SUBSTITUTION_WEIGHT

Pairs = Sequence[Sequence[Hashable]]

BLOCK = 4096  # pairs at a time: a row of the table then stays in the processor's cache

# One number holds a path: its weight, then two bits that decide between equal weights (pair, insertion, deletion, in
# this order), then its substitutions. The smallest number is the path that sclite takes.
_SUBSTITUTIONS, _TIES = 12, 2
_WEIGHT = 1 << (_SUBSTITUTIONS + _TIES)
_SUBSTITUTION = SUBSTITUTION_WEIGHT * _WEIGHT + 1
_INSERTION = GAP_WEIGHT * _WEIGHT + (1 << _SUBSTITUTIONS)
_DELETION = GAP_WEIGHT * _WEIGHT + (2 << _SUBSTITUTIONS)
_WITHOUT_TIES = ~(3 << _SUBSTITUTIONS)
LONGEST = 4000  # tokens on one side: more would not fit into the twelve bits


def edit_errors(refs: Pairs, hyps: Pairs) -> int:
    """Sum of the edit distances of all pairs (every error costs one).

    Args:
        refs, hyps: as many sequences on both sides, of tokens or of ids. Quickest are strings in which every character
            stands for a gloss: half of the time for lists goes into looking at their tokens one by one. A string takes
            0.2 microseconds, less than sharing blocks of them among threads costs.

    Raises:
        ValueError: not as many on both sides.
    """
    if len(refs) != len(hyps):
        raise ValueError(f"{len(refs)} references and {len(hyps)} hypotheses")
    return sum(map(Levenshtein.distance, refs, hyps))


def sclite_counts(refs: Pairs, hyps: Pairs) -> np.ndarray:
    """Hits, substitutions, deletions and insertions of every pair, as sclite counts them: int64 `[pairs, 4]`.

    Args:
        refs, hyps: as many sequences on both sides, of tokens or of ids, none longer than `LONGEST`.

    Raises:
        ValueError: not as many on both sides, or a sequence that is too long.
    """
    if len(refs) != len(hyps):
        raise ValueError(f"{len(refs)} references and {len(hyps)} hypotheses")
    sizes = np.array([[len(ref), len(hyp)] for ref, hyp in zip(refs, hyps, strict=True)], dtype=np.int64).reshape(-1, 2)
    if sizes.size and sizes.max() > LONGEST:
        raise ValueError(f"a sequence of {sizes.max()} tokens; at most {LONGEST} can be counted at once")
    numbers: dict[Hashable, int] = {}
    flat = [_flat(side, numbers) for side in (refs, hyps)]
    starts = [np.concatenate([[0], np.cumsum(sizes[:, side])[:-1]]) if len(refs) else sizes[:, side] for side in (0, 1)]
    counts = np.zeros((len(refs), 4), dtype=np.int64)
    order = np.lexsort((sizes[:, 1], sizes[:, 0]))
    for first in range(0, len(order), BLOCK):
        part = order[first : first + BLOCK]
        ref, hyp = (_padded(flat[side], starts[side][part], sizes[part, side], -1 - side) for side in (0, 1))
        counts[part] = _counts(_lightest(ref, hyp, sizes[part]), sizes[part])
    return counts


def _flat(side: Pairs, numbers: dict[Hashable, int]) -> np.ndarray:
    """All tokens of one side in a row, as numbers."""
    for token in set(chain.from_iterable(side)):
        numbers.setdefault(token, len(numbers))
    return np.fromiter(map(numbers.__getitem__, chain.from_iterable(side)), dtype=np.int32)


def _padded(flat: np.ndarray, starts: np.ndarray, sizes: np.ndarray, filler: int) -> np.ndarray:
    """Sequences as columns `[longest, pairs]`, filled up with what equals nothing on the other side."""
    steps = np.arange(sizes.max(initial=0))[:, None]
    inside = steps < sizes
    places = np.where(inside, starts + steps, 0)
    return np.where(inside, flat[places], filler) if flat.size else np.full(inside.shape, filler)


def _lightest(ref: np.ndarray, hyp: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The number of the path that sclite takes for each pair; pairs are ordered by the length of their reference.

    Args:
        ref: `[longest reference, pairs]`.
        hyp: `[longest hypothesis, pairs]`.
        sizes: `[pairs, 2]`.
    """
    pairs = len(sizes)
    row = np.repeat(np.arange(len(hyp) + 1, dtype=np.int64)[:, None] * (GAP_WEIGHT * _WEIGHT), pairs, axis=1)
    found = np.empty(pairs, dtype=np.int64)
    done = np.searchsorted(sizes[:, 0], np.arange(len(ref) + 1), side="right")
    _take(found, row, sizes, 0, done[0])
    for i, tokens in enumerate(ref):
        above, row = row, np.empty_like(row)
        paired = above[:-1] + (hyp != tokens) * np.int64(_SUBSTITUTION)
        best = np.minimum(paired, above[1:] + _DELETION)
        row[0] = (i + 1) * GAP_WEIGHT * _WEIGHT
        for j in range(len(hyp)):
            np.minimum(best[j], row[j] + _INSERTION, out=row[j + 1])
            row[j + 1] &= _WITHOUT_TIES
        _take(found, row, sizes, done[i], done[i + 1])
    return found


def _take(found: np.ndarray, row: np.ndarray, sizes: np.ndarray, first: int, last: int) -> None:
    """Keep what stands at the end of the hypotheses of those pairs whose reference ends with this row."""
    pairs = np.arange(first, last)
    found[pairs] = row[sizes[pairs, 1], pairs]


def _counts(paths: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Hits, substitutions, deletions, insertions: three equations in what is known of a path."""
    substitutions = paths & ((1 << _SUBSTITUTIONS) - 1)
    gaps = ((paths // _WEIGHT) - SUBSTITUTION_WEIGHT * substitutions) // GAP_WEIGHT
    insertions = (gaps + sizes[:, 1] - sizes[:, 0]) // 2
    deletions = gaps - insertions
    hits = sizes[:, 0] - substitutions - deletions
    return np.stack([hits, substitutions, deletions, insertions], axis=1)
