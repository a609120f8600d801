"""The decoder that settings ask for: best path, rows of signs by their length, or beam search with what takes part."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from slrcli.config import DecodeConfig, check_section, nearest
from slrcli.decoding.beam import BeamSearch
from slrcli.decoding.greedy import greedy_batch
from slrcli.decoding.hotwords import HotWords
from slrcli.decoding.hypothesis import Decodes, Hypothesis
from slrcli.decoding.scorer import Fusion, Scorer
from slrcli.decoding.segments import Lengths, SegmentSearch
from slrcli.errors import UsageError, reason_of
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.language import BoundModel, coverage, read_arpa
from slrcli.language.stored import model_bytes


class Decoder(Protocol):
    """Anything that makes a hypothesis of each clip of a padded batch; see `greedy_batch` for the arguments."""

    def __call__(
        self,
        log_probs: np.ndarray,
        lengths: Sequence[int],
        stride: float,
        input_lengths: Sequence[int] | None = None,
        clips: Sequence[str] | None = None,
    ) -> list[Hypothesis]: ...


class BestPath:
    """`greedy_batch` as a `Decoder`."""

    def __init__(self, vocab: Decodes):
        self._vocab = vocab

    def __call__(self, log_probs, lengths, stride, input_lengths=None, clips=None) -> list[Hypothesis]:
        """See `Decoder`."""
        return greedy_batch(log_probs, lengths, stride, self._vocab, input_lengths, clips)


def make_decoder(options: DecodeConfig, vocab: Decodes) -> Decoder:
    """The decoder of a vocabulary.

    Raises:
        SlrError: settings beyond their bounds, a language model that cannot be read or knows none of the glosses, a
            hot word that the vocabulary lacks.
    """
    check_section(options, "decode.")
    if options.sign_frames:
        _require_no_search(options)
        lengths = Lengths(options.sign_frames, options.sign_spread)
        return SegmentSearch(vocab, lengths, options.length_weight, options.insertion_bonus)
    if not options.width:
        return BestPath(vocab)
    if options.nbest > options.width:
        what = f"A beam of {options.width} is too narrow for {options.nbest} hypotheses."
        raise UsageError(what, "--nbest", f"Use --beam {options.nbest} or more.")
    scorer = make_scorer(options, vocab)
    return BeamSearch(vocab, options.width, options.nbest, options.token_cut, options.margin, scorer)


def _require_no_search(options: DecodeConfig) -> None:
    if options.searched:
        what = f"Decoding by sign lengths does not use {', '.join(options.searched)}."
        raise UsageError(what, "decode.sign_frames", "Leave out one or the other.")


def make_scorer(options: DecodeConfig, vocab: Decodes) -> Scorer | None:
    """What counts in a beam search besides the recogniser, or None; errors as `make_decoder` says."""
    parts: list[tuple[Scorer, float]] = []
    if options.lm and options.lm_weight:
        parts.append((BoundModel(read_arpa(options.lm), vocab), options.lm_weight))
    if options.hot_words and options.hot_word_weight:
        phrases = [_ids(phrase, vocab) for phrase in options.hot_words]
        parts.append((HotWords(phrases, len(vocab.tokens)), options.hot_word_weight))
    return Fusion(parts, len(vocab.tokens), options.insertion_bonus) if parts or options.insertion_bonus else None


def lm_warnings(options: DecodeConfig, vocab: Vocabulary) -> tuple[str, ...]:
    """What should be said of the language model before it decodes glosses of a vocabulary; errors as `make_decoder`."""
    if not (options.width and options.lm and options.lm_weight):
        return ()
    return coverage(read_arpa(options.lm), vocab.glosses, vocab.normaliser).warnings


def _ids(phrase: str, vocab: Decodes) -> list[int]:
    glosses = phrase.split()
    if not glosses:
        raise UsageError("A hot word is empty.", "--hot-word")
    for gloss in glosses:
        if gloss not in vocab.tokens[1:]:
            what = f"The vocabulary has no gloss {gloss!r}."
            raise UsageError(what, "--hot-word", _hint(gloss, vocab.tokens[1:]))
    return [vocab.tokens.index(gloss) for gloss in glosses]


def _hint(gloss: str, known: Sequence[str]) -> str:
    """The nearest gloss; of a vocabulary of thousands nobody wants the whole list."""
    hint = nearest(gloss, known)
    return hint if hint.startswith("Did") else "Run slr vocab to see the glosses of a vocabulary."


def decoder_signature(options: DecodeConfig) -> str:
    """What a score depends on, in one word.

    `greedy`, or such as `beam10;lm=0a1b2c3d4e5f*0.5;bonus=0.2`, or `signs=36.5~0.28*0.5;bonus=-3`.

    Raises:
        UsageError: the language model cannot be read.
    """
    plain = DecodeConfig()
    if options.sign_frames:
        lengths = f"signs={options.sign_frames:g}~{options.sign_spread:g}*{options.length_weight:g}"
        return f"{lengths};bonus={options.insertion_bonus:g}"
    if not options.width:
        return "greedy"
    parts = [f"beam{options.width}"]
    parts += [
        f"{key}={value:g}" for key in ("token_cut", "margin") if (value := getattr(options, key)) != getattr(plain, key)
    ]
    if options.lm:
        parts.append(f"lm={_hash(_bytes(options.lm))}*{options.lm_weight:g}")
    if options.insertion_bonus:
        parts.append(f"bonus={options.insertion_bonus:g}")
    if options.hot_words:
        parts.append(f"hot={_hash(repr(sorted(options.hot_words)).encode())}*{options.hot_word_weight:g}")
    return ";".join(parts)


def _bytes(path: str) -> bytes:
    try:
        return model_bytes(path)
    except OSError as error:
        raise UsageError(f"The language model cannot be read: {error.strerror or reason_of(error)}.", path) from error


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]
