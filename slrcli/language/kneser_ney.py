"""Interpolated modified Kneser-Ney estimation (Chen & Goodman 1998, section 3), in the details like KenLM's lmplz.

Counts. The longest n-grams, and all n-grams that begin a sentence, have their number of occurrences. Every other n-gram
has the number of distinct tokens before it, since it is only used if the longer one was not seen.

Discounts. Each length has three, for n-grams counted once, twice and more often, from the number n_k of n-grams with
the count k (their equation 26):  Y = n_1 / (n_1 + 2 n_2),  D_k = k - (k + 1) Y n_(k+1) / n_k.

Probabilities.  p(w | h) = (c(h w) - D) / c(h .) + gamma(h) p(w | h without its first token), where gamma(h) is the
mass of the discounts of h; below the unigrams is the uniform distribution over all glosses, `</s>` and `<unk>`.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from slrcli.errors import DataError, UsageError
from slrcli.language.ngram import END, LOG_OF_ZERO, SPECIALS, START, UNKNOWN, Ngram, NgramModel, Table

MAX_ORDER = 6
FALLBACK = (0.5, 1.0, 1.5)  # lmplz's, where the discounts cannot be had from the counts


@dataclass(frozen=True)
class Discount:
    """The discounts of the counts of one n-gram length.

    Attributes:
        length: of the n-grams.
        values: for counts of 1, of 2, and of 3 or more.
        reason: why `FALLBACK` was used; "" if the values come from the counts.
    """

    length: int
    values: tuple[float, float, float]
    reason: str = ""

    def of(self, count: int) -> float:
        """The discount of this count."""
        return self.values[min(count, 3) - 1]


def estimate(
    sentences: Iterable[Sequence[str]], order: int, normaliser: str = "", source: str = ""
) -> tuple[NgramModel, tuple[Discount, ...]]:
    """The model of some sentences, and the discounts of its lengths.

    Args:
        sentences: normalised glosses; a sentence may be empty.
        order: tokens of the longest n-grams, 1 .. 6. If no sentence is long enough, the order of the model is lower.
        normaliser, source: metadata of the model.

    Raises:
        UsageError: the order is not supported.
        DataError: there is no gloss, or one is named `<s>`, `</s>` or `<unk>`.
    """
    if not 1 <= order <= MAX_ORDER:
        raise UsageError(f"An order of {order} is not supported.", "--order", f"Use 1 to {MAX_ORDER}.")
    counts = adjusted_counts(sentences, order, source)
    discounts = tuple(discount_of(length, table) for length, table in enumerate(counts, 1))
    probabilities: list[dict[Ngram, float]] = []
    backoffs: list[dict[Ngram, float]] = []
    for table, discount in zip(counts, discounts, strict=True):
        found, left_over = _probabilities(table, discount, probabilities[-1] if probabilities else None)
        probabilities.append(found)
        backoffs.append(left_over)
    tables = tuple(
        _logarithms(found, backoffs[length + 1] if length + 1 < len(counts) else {})
        for length, found in enumerate(probabilities)
    )
    return NgramModel(tables, normaliser, source), discounts


def adjusted_counts(sentences: Iterable[Sequence[str]], order: int, source: str = "") -> list[Counter[Ngram]]:
    """The adjusted counts of each length 1 .. order (see the head of this file).

    Raises:
        DataError: as `estimate`.
    """
    counts: list[Counter[Ngram]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        for gloss in sentence:
            if gloss in SPECIALS:
                raise DataError(
                    f"A gloss has the name {gloss}, which is reserved in language models.", source, "Rename it."
                )
        whole = (START, *sentence, END)
        for place in range(1, len(whole)):
            ngram = whole[max(0, place - order + 1) : place + 1]  # shorter than the order at the beginning alone
            counts[len(ngram) - 1][ngram] += 1
    for longer, shorter in zip(counts[:0:-1], counts[-2::-1], strict=True):
        shorter.update(ngram[1:] for ngram in longer)
    if set(counts[0]) <= {(END,)}:
        raise DataError("There is no gloss to estimate a model from.", source, "Use a text with gloss sentences.")
    return [table for table in counts if table]


def discount_of(length: int, counts: Counter[Ngram]) -> Discount:
    """The three discounts of one length; `FALLBACK` if the counts are too few, or too irregular, for the formula."""
    n = Counter(count for count in counts.values() if count <= 4)
    missing = [str(count) for count in (1, 2, 3) if not n[count]]
    if missing:
        return Discount(length, FALLBACK, f"none is counted {' or '.join(missing)} times")
    y = n[1] / (n[1] + 2 * n[2])
    once, twice, thrice = (k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))
    values = (once, twice, thrice)
    if any(not 0 <= value <= k for k, value in enumerate(values, 1)):
        shown = ", ".join(f"{value:.2f}" for value in values)
        return Discount(length, FALLBACK, f"the formula gives {shown}, beyond what can be taken off")
    return Discount(length, values)


def _probabilities(
    counts: Counter[Ngram], discount: Discount, shorter: dict[Ngram, float] | None
) -> tuple[dict[Ngram, float], dict[Ngram, float]]:
    """Interpolated probabilities of one length's n-grams, and gamma of their histories.

    Args:
        shorter: the probabilities of one token less; None for unigrams, to which those of `<unk>` and `<s>` are added.
    """
    totals: dict[Ngram, int] = defaultdict(int)
    taken: dict[Ngram, float] = defaultdict(float)
    for ngram, count in counts.items():
        totals[ngram[:-1]] += count
        taken[ngram[:-1]] += discount.of(count)
    gamma = {history: taken[history] / total for history, total in totals.items()}
    found = {}
    uniform = 1 / (len(counts) + 1)  # over the glosses and </s>, and <unk> for the one that is added
    for ngram, count in counts.items():
        history = ngram[:-1]
        below = uniform if shorter is None else shorter[ngram[1:]]
        found[ngram] = (count - discount.of(count)) / totals[history] + gamma[history] * below
    if shorter is None:
        found[UNKNOWN,] = gamma[()] * uniform
        found[START,] = 1.0  # it is never foretold, only told
    return found, gamma


def _logarithms(probabilities: dict[Ngram, float], backoffs: dict[Ngram, float]) -> Table:
    return {
        ngram: (min(0.0, _log10(probability)), _log10(backoffs.get(ngram, 1.0)))
        for ngram, probability in sorted(probabilities.items())
    }


def _log10(value: float) -> float:
    # Discounts of frequent n-grams may be nothing, so that a history leaves nothing over.
    return math.log10(value) if value > 0 else LOG_OF_ZERO
