"""The word error rate of a set of utterances, with the alignment of each of them."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slrcli.console import finite
from slrcli.errors import DataError, first_five
from slrcli.scoring.align import Alignment, Counts, align

Aligner = Callable[[Sequence[str], Sequence[str]], Alignment]


@dataclass(frozen=True, kw_only=True)
class UtteranceScore(Counts):
    """The counts of one utterance, with its alignment."""

    id: str
    alignment: Alignment

    def to_dict(self) -> dict[str, Any]:
        """Plain values: counts, both token lists, and the operations as a string over `=SDI`."""
        alignment = self.alignment
        ref, hyp = list(alignment.ref), list(alignment.hyp)
        return {"id": self.id, **super().to_dict(), "ref": ref, "hyp": hyp, "ops": alignment.ops}


@dataclass(frozen=True, kw_only=True)
class Score(Counts):
    """The counts of a set of utterances: sums over `utterances`, in the order of the references.

    `wer` is therefore the rate over all tokens, not the mean of the rates of utterances.
    """

    utterances: tuple[UtteranceScore, ...]

    @property
    def emission(self) -> float:
        """Emitted tokens in percent of reference tokens; near 0 if only blank is emitted, NaN without reference."""
        return 100.0 * self.hyp_tokens / self.ref_tokens if self.ref_tokens else math.nan

    @property
    def distinct_ref(self) -> int:
        """Number of distinct glosses in the references."""
        return len({token for utterance in self.utterances for token in utterance.alignment.ref})

    @property
    def distinct_hyp(self) -> int:
        """Number of distinct glosses in the hypotheses; 1 means that the model has collapsed to a single gloss."""
        return len({token for utterance in self.utterances for token in utterance.alignment.hyp})

    @property
    def top_share_ref(self) -> float:
        """Share of the most frequent gloss in the references, 0 to 1; 0 if there are none."""
        return _top_share(utterance.alignment.ref for utterance in self.utterances)

    @property
    def top_share_hyp(self) -> float:
        """Share of the most frequent gloss in the hypotheses, 0 to 1; 0 if there are none."""
        return _top_share(utterance.alignment.hyp for utterance in self.utterances)

    @property
    def empty_hyp(self) -> int:
        """Number of empty hypotheses."""
        return sum(not utterance.hyp_tokens for utterance in self.utterances)

    def worst(self, count: int) -> list[UtteranceScore]:
        """The `count` utterances that contribute most to the rate: most errors first, then highest WER, then by id.

        Utterances without errors are left out.
        """
        wrong = [utterance for utterance in self.utterances if utterance.errors]
        return sorted(wrong, key=lambda one: (-one.errors, one.ref_tokens, one.id))[:count]

    def to_dict(self, groups: "Mapping[str, Score] | None" = None, utterances: bool = False) -> dict[str, Any]:
        """The score as JSON values.

        Args:
            groups: result of `by_group`; adds `groups`.
            utterances: whether to add every utterance with its tokens and operations.
        """
        result = {
            **super().to_dict(),
            "utterances": len(self.utterances),
            "emission": finite(self.emission),
            "distinct_ref": self.distinct_ref,
            "distinct_hyp": self.distinct_hyp,
            "empty_hyp": self.empty_hyp,
        }
        if groups is not None:
            result["groups"] = {name: group.to_dict() for name, group in groups.items()}
        if utterances:
            result["per_utterance"] = [utterance.to_dict() for utterance in self.utterances]
        return result


def score(refs: Mapping[str, Sequence[str]], hyps: Mapping[str, Sequence[str]], aligner: Aligner = align) -> Score:
    """Score hypotheses against references, both given as utterance id -> list of tokens.

    Empty references and empty hypotheses count like any others.

    Raises:
        DataError: the two sides do not hold the same ids.
    """
    require_same_ids(refs, hyps)
    return total(scored(id, aligner(ref, hyps[id])) for id, ref in refs.items())


def total(utterances: Iterable[UtteranceScore]) -> Score:
    """The score of a set of scored utterances."""
    utterances = tuple(utterances)
    return Score(
        hits=sum(utterance.hits for utterance in utterances),
        substitutions=sum(utterance.substitutions for utterance in utterances),
        deletions=sum(utterance.deletions for utterance in utterances),
        insertions=sum(utterance.insertions for utterance in utterances),
        utterances=utterances,
    )


def by_group(score: Score, signer_of: Mapping[str, str]) -> dict[str, Score]:
    """The score per signer (or any other value of `signer_of`), sorted by name; unknown ids belong to ''."""
    groups: dict[str, list[UtteranceScore]] = {}
    for utterance in score.utterances:
        groups.setdefault(signer_of.get(utterance.id, ""), []).append(utterance)
    return {name: total(groups[name]) for name in sorted(groups)}


def by_signer(score: Score, signer_of: Mapping[str, str]) -> dict[str, Score]:
    """The score per signer; empty if no signer is named."""
    return by_group(score, signer_of) if any(signer_of.values()) else {}


def scored(id: str, alignment: Alignment) -> UtteranceScore:
    """The counts of one alignment, with the id of its utterance."""
    counts = alignment.counts
    return UtteranceScore(
        hits=counts.hits,
        substitutions=counts.substitutions,
        deletions=counts.deletions,
        insertions=counts.insertions,
        id=id,
        alignment=alignment,
    )


def _top_share(sentences: Iterable[Sequence[str]]) -> float:
    counts = Counter(token for sentence in sentences for token in sentence)
    return max(counts.values()) / counts.total() if counts else 0.0


def require_same_ids(refs: Mapping[str, Sequence[str]], hyps: Mapping[str, Sequence[str]]) -> None:
    """Check that both sides hold the same ids.

    Raises:
        DataError: they do not; names the first missing and the first additional ids.
    """
    missing = [id for id in refs if id not in hyps]
    extra = [id for id in hyps if id not in refs]
    if not missing and not extra:
        return
    raise DataError(
        apart_text(missing, extra, len(refs), len(hyps)),
        fix="Give exactly one hypothesis per reference, even if it is empty.",
    )


def apart_text(missing: list[str], extra: list[str], refs: int, hyps: int, kind: str = "utterances") -> str:
    """A sentence on ids without a hypothesis and ids without a reference.

    Args:
        missing, extra: the ids.
        refs, hyps: number of ids on each side.
        kind: the word for references.
    """
    parts = []
    if missing:
        parts.append(f"{len(missing)} of {refs} {kind} have no hypothesis: {first_five(missing)}")
    if extra:
        parts.append(f"{len(extra)} of {hyps} hypotheses have no reference: {first_five(extra)}")
    text = "; ".join(parts)
    return text if text.endswith("...") else f"{text}."
