"""Beam search: hypotheses of clips with their times, from the labellings that `prefixes` finds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from slrcli.decoding.alignment import align
from slrcli.decoding.greedy import check_numbers, check_shapes
from slrcli.decoding.hypothesis import Decodes, Hypothesis
from slrcli.decoding.prefixes import MARGIN, TOKEN_CUT, Labelling, prefix_beam_search
from slrcli.decoding.scorer import Factors, Scorer
from slrcli.errors import DataError


class BeamSearch:
    """A decoder of one vocabulary.

    Args:
        vocab: its V tokens name the columns of log-probabilities.
        beam: prefixes that are kept; None keeps all.
        nbest: hypotheses of a clip.
        token_cut, margin: see `prefix_beam_search`.
        scorer: what else counts, such as a language model.
    """

    def __init__(
        self,
        vocab: Decodes,
        beam: int | None = 10,
        nbest: int = 1,
        token_cut: float = TOKEN_CUT,
        margin: float = MARGIN,
        scorer: Scorer | None = None,
    ):
        self._vocab, self._beam, self._nbest = vocab, beam, nbest
        self._token_cut, self._margin = token_cut, margin
        self._factors = Factors(scorer) if scorer is not None else None

    def __call__(
        self,
        log_probs: np.ndarray,
        lengths: Sequence[int],
        stride: float,
        input_lengths: Sequence[int] | None = None,
        clips: Sequence[str] | None = None,
    ) -> list[Hypothesis]:
        """Decode a padded batch; the result for a clip does not depend on the others. See `greedy_batch`.

        Returns:
            For each clip the best hypothesis: `score` is the log-probability of its glosses over all alignments, the
            rest as `align` says. The next best ones are its `others`.

        Raises:
            ValueError: shapes that do not fit each other.
            SlrError: NaN among the log-probabilities, or a frame in which all prefixes have probability 0.
        """
        log_probs, valid_frames = np.asarray(log_probs), np.asarray(lengths, dtype=np.int64)
        check_shapes(log_probs, valid_frames, len(self._vocab.tokens))
        valid = np.arange(log_probs.shape[1]) < valid_frames[:, None]
        check_numbers(np.where(valid, log_probs.max(axis=2), 0.0), clips)
        return [
            self._clip(
                log_probs[index, :length],
                stride,
                None if input_lengths is None else int(input_lengths[index]),
                clips[index] if clips else "",
            )
            for index, length in enumerate(valid_frames.tolist())
        ]

    def _clip(self, log_probs: np.ndarray, stride: float, input_length: int | None, name: str) -> Hypothesis:
        try:
            found = prefix_beam_search(log_probs, self._beam, self._token_cut, self._margin, self._factors)
        except FloatingPointError as error:
            fix = "Check the language model (slr lm) and the checkpoint."
            raise DataError(f"The beam search failed: {error}.", name, fix) from error
        best, *others = [self._placed(log_probs, item, stride, input_length) for item in found[: self._nbest]]
        return replace(best, others=tuple(others))

    def _placed(self, log_probs: np.ndarray, found: Labelling, stride: float, input_length: int | None) -> Hypothesis:
        rating = None if self._factors is None else found.rating
        if not found.ids:
            return Hypothesis((), (), (), (), found.log_prob, rating=rating)
        placed = align(log_probs, found.ids, stride, self._vocab, input_length)
        return replace(placed, score=found.log_prob, rating=rating)
