"""Alignment of a reference with a hypothesis: hits, substitutions, deletions and insertions."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any, NamedTuple

from rapidfuzz.distance import Levenshtein

from slrcli.console import finite

HIT, SUBSTITUTION, DELETION, INSERTION = "=", "S", "D", "I"
# Names of RapidFuzz; jiwer says "substitute" for "replace".
_OPERATION = {
    "equal": HIT,
    "replace": SUBSTITUTION,
    "substitute": SUBSTITUTION,
    "delete": DELETION,
    "insert": INSERTION,
}


class Edit(NamedTuple):
    """One column of an alignment: `op` is one of `=SDI`; a deletion has no `hyp`, an insertion no `ref`."""

    op: str
    ref: str | None
    hyp: str | None


@dataclass(frozen=True)
class Counts:
    """The numbers of hits, substitutions, deletions and insertions, and the rates that follow."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """Substitutions + deletions + insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def ref_tokens(self) -> int:
        """Tokens of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def hyp_tokens(self) -> int:
        """Tokens of the hypothesis."""
        return self.hits + self.substitutions + self.insertions

    @property
    def wer(self) -> float:
        """Word error rate in percent, 100 * errors / reference tokens: never capped, NaN if the reference is empty."""
        return 100.0 * self.errors / self.ref_tokens if self.ref_tokens else math.nan

    def to_dict(self) -> dict[str, Any]:
        """The rate and the counts as JSON values; a rate without reference tokens is null."""
        names = ("hits", "substitutions", "deletions", "insertions", "errors", "ref_tokens", "hyp_tokens")
        return {"wer": finite(self.wer), **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True)
class Alignment:
    """The edits that turn a reference into a hypothesis, in order."""

    edits: tuple[Edit, ...]

    @property
    def ref(self) -> tuple[str, ...]:
        """The tokens of the reference."""
        return tuple(edit.ref for edit in self.edits if edit.ref is not None)

    @property
    def hyp(self) -> tuple[str, ...]:
        """The tokens of the hypothesis."""
        return tuple(edit.hyp for edit in self.edits if edit.hyp is not None)

    @property
    def ops(self) -> str:
        """Only the operations, such as `==SD=I`."""
        return "".join(edit.op for edit in self.edits)

    @cached_property
    def counts(self) -> Counts:
        """The number of each operation."""
        ops = self.ops
        return Counts(ops.count(HIT), ops.count(SUBSTITUTION), ops.count(DELETION), ops.count(INSERTION))


def align(ref: Sequence[str], hyp: Sequence[str]) -> Alignment:
    """Align two lists of tokens with the fewest edits (Levenshtein: every error costs one).

    Tokens are compared as a whole: they may hold any characters and are never split. If several alignments have the
    same number of errors, RapidFuzz chooses, so the breakdown equals that of jiwer.

    Raises:
        TypeError: a string was given instead of a list of tokens.
    """
    _require_lists(ref, hyp)
    sides = _numbered(ref, hyp)
    found = Levenshtein.opcodes(*sides)
    return _joined(((one.tag, one.src_start, one.src_end, one.dest_start, one.dest_end) for one in found), ref, hyp)


def align_jiwer(ref: Sequence[str], hyp: Sequence[str]) -> Alignment:
    """The same alignment by jiwer, whose counts are quoted in the field.

    jiwer would split sentences into words; it gets lists of tokens and a transform that does not change them, so
    tokens may hold any characters and either side may be empty.

    Raises:
        TypeError: a string was given instead of a list of tokens.
    """
    import jiwer

    _require_lists(ref, hyp)
    sides: Any = [list(ref)], [list(hyp)], _as_they_are, _as_they_are  # jiwer's own types know sentences alone
    found = jiwer.process_words(*sides)
    (chunks,) = found.alignments
    return _joined(
        ((one.type, one.ref_start_idx, one.ref_end_idx, one.hyp_start_idx, one.hyp_end_idx) for one in chunks), ref, hyp
    )


def _as_they_are(sides: list[list[str]]) -> list[list[str]]:
    return sides


def _joined(blocks: Iterable[tuple[str, int, int, int, int]], ref: Sequence[str], hyp: Sequence[str]) -> Alignment:
    """The edits of blocks of one operation each: its name, and where it begins and ends on either side."""
    edits: list[Edit] = []
    for tag, ref_start, ref_end, hyp_start, hyp_end in blocks:
        gone, come = ref[ref_start:ref_end], hyp[hyp_start:hyp_end]
        # zip_longest fills the missing side of deletions and insertions; hits and substitutions are equally long.
        edits.extend(Edit(_OPERATION[tag], *pair) for pair in zip_longest(gone, come))
    return Alignment(tuple(edits))


def align_sclite(ref: Sequence[str], hyp: Sequence[str]) -> Alignment:
    """Align like NIST's sclite: insertions and deletions have the weight 3, substitutions 4.

    Errors are counted on that path, so there can be more than with `align`. Of several paths of least weight, it takes
    the one that, traced from the end, prefers a pair of tokens to an insertion and an insertion to a deletion. (Weights
    and order follow from alignments by sclite 2.10.) Tokens are compared as they are: folding of ASCII case, as in
    sclite, belongs to the protocol.

    Raises:
        TypeError: a string was given instead of a list of tokens.
    """
    return _align_weighted(ref, hyp, (HIT, INSERTION, DELETION))


def align_vac(ref: Sequence[str], hyp: Sequence[str]) -> Alignment:
    """Align like the Python scorer of VAC_CSLR: the same weights, but it prefers a deletion to an insertion.

    Raises:
        TypeError: a string was given instead of a list of tokens.
    """
    return _align_weighted(ref, hyp, (HIT, DELETION, INSERTION))


GAP_WEIGHT, SUBSTITUTION_WEIGHT = 3, 4


def _align_weighted(ref: Sequence[str], hyp: Sequence[str], preferred: Sequence[str]) -> Alignment:
    """The lightest path, ties broken from the end by `preferred`, where HIT stands for any pair of tokens."""
    _require_lists(ref, hyp)
    costs = _costs(*_numbered(ref, hyp))
    edits: list[Edit] = []
    i, j = len(ref), len(hyp)
    while i or j:
        here = costs[i][j]
        for move in preferred:
            if move is HIT and i and j:
                equal = ref[i - 1] == hyp[j - 1]
                if here == costs[i - 1][j - 1] + (0 if equal else SUBSTITUTION_WEIGHT):
                    i, j = i - 1, j - 1
                    edits.append(Edit(HIT if equal else SUBSTITUTION, ref[i], hyp[j]))
                    break
            if move is INSERTION and j and here == costs[i][j - 1] + GAP_WEIGHT:
                j -= 1
                edits.append(Edit(INSERTION, None, hyp[j]))
                break
            if move is DELETION and i and here == costs[i - 1][j] + GAP_WEIGHT:
                i -= 1
                edits.append(Edit(DELETION, ref[i], None))
                break
    return Alignment(tuple(reversed(edits)))


def _costs(ref: Sequence[int], hyp: Sequence[int]) -> list[list[int]]:
    """Weight of the lightest path to every pair of prefixes, `[len(ref) + 1][len(hyp) + 1]`."""
    rows = [[GAP_WEIGHT * j for j in range(len(hyp) + 1)]]
    for i, token in enumerate(ref, 1):
        above, row = rows[-1], [GAP_WEIGHT * i]
        for j, other in enumerate(hyp, 1):
            pair = above[j - 1] + (0 if token == other else SUBSTITUTION_WEIGHT)
            row.append(min(pair, row[-1] + GAP_WEIGHT, above[j] + GAP_WEIGHT))
        rows.append(row)
    return rows


def _numbered(*sides: Sequence[str]) -> list[list[int]]:
    """Small numbers in place of tokens: equal exactly where the tokens are, whatever their hashes."""
    numbers: dict[str, int] = {}
    return [[numbers.setdefault(token, len(numbers)) for token in side] for side in sides]


def _require_lists(*sides: Sequence[str]) -> None:
    if any(isinstance(side, str) for side in sides):
        raise TypeError("alignments are made of lists of tokens, not of strings")
