"""Prefix beam search: labellings of a clip by their probability over all paths (Graves 2008, Hannun et al. 2014).

A prefix is in the beam once. It carries the mass of its paths that end in a blank and of those that end in its last
gloss, and both count where prefixes are compared. The masses are plain probabilities, brought back near 1 in every
frame, so that a frame costs no logarithm. Written for few Python steps a frame rather than for few lines.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from slrcli.ctc.paths import log_likelihoods
from slrcli.decoding.scorer import Factors
from slrcli.glosses.vocabulary import BLANK

TOKEN_CUT = 6.0
MARGIN = 12.0
NO_LIMIT = 1 << 40


class Labelling(NamedTuple):
    """A gloss sequence that was found.

    Attributes:
        ids: its glosses.
        log_prob: its natural log-probability, summed over all its paths, those that the beam lost too.
        rating: what it is ranked by: `log_prob` and what a scorer adds.
        found: the part of `log_prob` that the beam saw.
    """

    ids: tuple[int, ...]
    log_prob: float
    rating: float
    found: float


class _Entry(NamedTuple):
    """A prefix in the beam, or one that would like to be: `gloss` is 0, or what extends the prefix `node`."""

    mass: float
    in_blank: float
    in_token: float
    node: int
    gloss: int


def prefix_beam_search(
    log_probs: np.ndarray,
    beam: int | None = 10,
    token_cut: float = TOKEN_CUT,
    margin: float = MARGIN,
    factors: Factors | None = None,
) -> list[Labelling]:
    """The likeliest labellings of one clip, the best first.

    Args:
        log_probs: `[T', V]`, natural log-probabilities, blank at 0.
        beam: prefixes that are kept in each frame; None keeps all.
        token_cut: glosses are tried in a frame where they are at most so much below its likeliest class, in nats.
        margin: prefixes are kept that are at most so much below the best one, in nats.
        factors: a scorer that takes part.

    Returns:
        As many as are left at the end, at most `beam`; at least one.

    Raises:
        FloatingPointError: a frame in which every prefix has probability 0.
    """
    beam = beam or NO_LIMIT
    probs = np.exp(np.ascontiguousarray(log_probs))
    tree = _Tree(factors)
    front, scale = [_Entry(1.0, 1.0, 0.0, 0, 0)], 0.0
    floor_share = math.exp(-margin)
    values = memoryview(probs.reshape(-1)) if probs.size else ()
    for base, tokens in _frames(log_probs, probs, beam, token_cut, exact=factors is None):
        entries, taken, floor = _stay(front, tree, values, base, beam, floor_share)
        if tokens:
            _extend(front, tree, tokens, taken, entries, floor, beam)
        entries.sort(reverse=True)
        del entries[beam:]
        best = entries[0][0]
        if not best > 0.0:
            raise FloatingPointError("in one frame every prefix has probability 0")
        scale += math.log(best)
        front = _settle(entries, tree, 1.0 / best, best * floor_share)
    return _ranked(front, tree, scale, probs)


class _Tree:
    """All prefixes that were ever in the beam, numbered; 0 is the empty one.

    Attributes:
        parent, gloss: the prefix without its last gloss, and this gloss.
        repeats: whether it is also the parent's last one.
        factor: what a scorer multiplies the last gloss's probability with.
        state: the scorer's.
        added: logarithm of all factors on the way.
    """

    def __init__(self, factors: Factors | None):
        self.factors = factors
        self.parent, self.gloss, self.repeats = [-1], [0], [False]
        self.factor, self.added = [1.0], [0.0]
        self.state = [factors.scorer.start() if factors else 0]
        self._numbers: dict[tuple[int, int], int] = {}

    def child(self, node: int, gloss: int) -> int:
        """The prefix `node` with one more gloss."""
        number = self._numbers.get((node, gloss))
        if number is None:
            number = self._numbers[node, gloss] = len(self.parent)
            self.parent.append(node)
            self.gloss.append(gloss)
            self.repeats.append(self.gloss[node] == gloss)
            if self.factors is None:
                self.factor.append(1.0)
            else:
                factor = self.factors.row(self.state[node])[0][gloss]
                self.factor.append(factor)
                self.added.append(self.added[node] + math.log(factor))
                self.state.append(self.factors.scorer.next(self.state[node], gloss))
        return number

    def ids(self, node: int) -> tuple[int, ...]:
        """The glosses of a prefix."""
        found = []
        while node:
            found.append(self.gloss[node])
            node = self.parent[node]
        return tuple(reversed(found))

    def rating(self, node: int) -> float:
        """What a scorer adds to a prefix that ends here."""
        return self.added[node] + float(self.factors.scorer.end(self.state[node])) if self.factors else 0.0


def _frames(
    log_probs: np.ndarray, probs: np.ndarray, beam: int, token_cut: float, exact: bool
) -> Iterator[tuple[int, list[tuple[int, float]]]]:
    """For each frame where its row begins in the flat probabilities, and (gloss, probability) of those that are tried.

    The likeliest come first. Where nothing but their probability counts (`exact`), no more of them are given than can
    matter: of the extensions of one prefix at most `beam` survive, besides those that are prefixes already.
    """
    frames, width = probs.shape
    if not frames:
        return
    best = log_probs.max(axis=1, keepdims=True)
    tried = log_probs >= best - token_cut
    tried[:, BLANK] = False
    places = np.flatnonzero(tried)
    rows = places // width
    below = best[rows, 0] - log_probs.reshape(-1)[places]
    order = np.argsort(rows + below / (2 * token_cut + 1.0))  # by frame, and in it the likeliest first
    bounds = np.searchsorted(rows, np.arange(frames + 1))
    if exact and beam < NO_LIMIT:
        order = order[np.arange(len(order)) - bounds[rows] <= 2 * beam]
        bounds = np.searchsorted(rows[order], np.arange(frames + 1))
    places = places[order]
    pairs = list(zip((places - rows[order] * width).tolist(), probs.reshape(-1)[places].tolist(), strict=True))
    for frame, (start, stop) in enumerate(pairwise(bounds.tolist())):
        yield frame * width, pairs[start:stop]


def _stay(front, tree, values, base, beam, floor_share):
    """The prefixes of the beam themselves, one frame later: with a blank, with their last gloss held, and with their
    last gloss begun where the prefix without it is in the beam as well.

    Returns:
        Their entries; for each prefix the glosses that lead to another one of the beam; and the mass below which
        nothing can stay.
    """
    parents, glosses, repeats, factor = tree.parent, tree.gloss, tree.repeats, tree.factor
    masses = {node: (mass, in_blank) for mass, in_blank, _, node, _ in front}
    taken: dict[int, set[int]] = {}
    entries = []
    blank = values[base]
    for mass, _, in_token, node, _ in front:
        in_blank = mass * blank
        gloss = glosses[node]
        if gloss:
            chance = values[base + gloss]
            in_token *= chance
            parent = parents[node]
            above = masses.get(parent)
            if above is not None:
                in_token += above[repeats[node]] * chance * factor[node]
                taken.setdefault(parent, set()).add(gloss)
        entries.append((in_blank + in_token, in_blank, in_token, node, 0))
    floor = max(entries)[0] * floor_share
    if len(entries) == beam:
        floor = max(floor, min(entries)[0])
    return entries, taken, floor


def _extend(front, tree, tokens, taken, entries, floor, beam):
    """Add the extensions of the beam's prefixes that are no prefixes of it yet, as far as they can stay."""
    top = tokens[0][1]
    row, most = None, 1.0
    for mass, in_blank, _, node, _ in front:
        if tree.factors is not None:
            row, most = tree.factors.row(tree.state[node])
        elif mass * top <= floor:
            break
        last, known = tree.gloss[node], taken.get(node, ())
        reach = mass * most
        for gloss, chance in tokens:
            if reach * chance <= floor:
                break
            arriving = (mass if gloss != last else in_blank) * chance
            if row is not None:
                arriving *= row[gloss]
            if arriving > floor and gloss not in known:
                entries.append((arriving, 0.0, arriving, node, gloss))
        if len(entries) > 4 * beam:
            entries.sort(reverse=True)
            del entries[beam:]
            floor = max(floor, entries[-1][0])


def _settle(entries, tree, factor, floor):
    """The next beam: masses relative to the best one, extensions made prefixes of their own."""
    return [
        (mass * factor, in_blank * factor, in_token * factor, tree.child(node, gloss) if gloss else node, 0)
        for mass, in_blank, in_token, node, gloss in entries
        if mass > floor
    ]


def _ranked(front, tree: _Tree, scale: float, probs: np.ndarray) -> list[Labelling]:
    """The prefixes that are left, by what they are worth as whole utterances."""
    labellings = [tree.ids(node) for _, _, _, node, _ in front]
    exact = log_likelihoods(probs, labellings).tolist()
    found = []
    for ids, log_prob, (mass, _, _, node, _) in zip(labellings, exact, front, strict=True):
        seen = math.log(mass) + scale - (tree.added[node] if tree.factors else 0.0)
        found.append(Labelling(ids, log_prob, log_prob + tree.rating(node), seen))
    return sorted(found, key=lambda item: (-item.rating, item.ids))
