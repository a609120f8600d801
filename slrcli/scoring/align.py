"""One reference against one hypothesis: which tokens were hit, substituted, deleted and inserted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

HIT, SUBSTITUTION, DELETION, INSERTION = "=", "S", "D", "I"
_OPERATION = {"equal": HIT, "replace": SUBSTITUTION, "delete": DELETION, "insert": INSERTION}


class Edit(NamedTuple):
    """One column of an alignment: `op` is one of `=SDI`; a deletion has no `hyp`, an insertion no `ref`."""

    op: str
    ref: str | None
    hyp: str | None


@dataclass(frozen=True)
class Counts:
    """How many tokens were hit, substituted, deleted and inserted, and the rates that follow."""

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
        """The operations alone, such as `==SD=I`."""
        return "".join(edit.op for edit in self.edits)

    @cached_property
    def counts(self) -> Counts:
        """How often each operation occurs."""
        ops = self.ops
        return Counts(ops.count(HIT), ops.count(SUBSTITUTION), ops.count(DELETION), ops.count(INSERTION))


def align(ref: Sequence[str], hyp: Sequence[str]) -> Alignment:
    """Align two lists of tokens with the fewest edits (Levenshtein: every error costs one).

    Tokens are compared whole: they may hold any characters and are never split. Where several alignments have the same
    number of errors, RapidFuzz chooses, so the breakdown is the one jiwer gives.

    Raises:
        TypeError: a string was given where a list of tokens belongs.
    """
    if isinstance(ref, str) or isinstance(hyp, str):
        raise TypeError("align() takes lists of tokens, not strings")
    # Small numbers in place of tokens: equal exactly where the tokens are, whatever their hashes.
    numbers: dict[str, int] = {}
    sides = [[numbers.setdefault(token, len(numbers)) for token in side] for side in (ref, hyp)]
    edits: list[Edit] = []
    for tag, ref_start, ref_end, hyp_start, hyp_end in Levenshtein.opcodes(*sides):
        gone, come = ref[ref_start:ref_end], hyp[hyp_start:hyp_end]
        # zip_longest fills the missing side of deletions and insertions; hits and substitutions are equally long.
        edits.extend(Edit(_OPERATION[tag], *pair) for pair in zip_longest(gone, come))
    return Alignment(tuple(edits))
