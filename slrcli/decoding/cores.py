"""One decoder on several cores: the clips of a batch are divided among processes that stay."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from slrcli.config import DecodeConfig
from slrcli.decoding.decoder import Decoder, make_decoder
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.parallel.workers import Workers


@dataclass(frozen=True)
class Tokens:
    """A vocabulary as decoders need it, small enough to be sent to another process."""

    tokens: tuple[str, ...]

    def decode(self, ids: Sequence[int]) -> list[str]:
        """The glosses of `ids`."""
        return [self.tokens[id] for id in ids]


class ManyCores:
    """A `Decoder` that hands clips to processes; the results are those of a single process.

    Use it in a `with` block, at whose end the processes go.

    Args:
        options: of the decoder that each process makes for itself.
        tokens: of the vocabulary.
        jobs: processes.

    Raises:
        SlrError: as `make_decoder` says.
    """

    def __init__(self, options: DecodeConfig, tokens: Sequence[str], jobs: int):
        make_decoder(options, Tokens(tuple(tokens)))  # a mistake is said here, not in each of the processes
        self._pool = Workers(jobs, _start, (options, tuple(tokens)))

    def __call__(
        self,
        log_probs: np.ndarray,
        lengths: Sequence[int],
        stride: float,
        input_lengths: Sequence[int] | None = None,
        clips: Sequence[str] | None = None,
    ) -> list[Hypothesis]:
        """See `Decoder`.

        Raises:
            WorkerDied: a process was ended from outside, as when memory runs out.
        """
        jobs = [
            self._pool.submit(
                _clip,
                np.asarray(log_probs[index])[: int(length)],
                stride,
                None if input_lengths is None else int(input_lengths[index]),
                clips[index] if clips else "",
            )
            for index, length in enumerate(lengths)
        ]
        return [job.result() for job in jobs]

    def __enter__(self) -> "ManyCores":
        return self

    def __exit__(self, *error: Any) -> None:
        self._pool.__exit__(*error)


_own: list[Decoder] = []  # the decoder of a process that searches


def _start(options: DecodeConfig, tokens: tuple[str, ...]) -> None:
    _own[:] = [make_decoder(options, Tokens(tokens))]


def _clip(log_probs: np.ndarray, stride: float, input_length: int | None, name: str) -> Hypothesis:
    known = None if input_length is None else [input_length]
    return _own[0](log_probs[None], [len(log_probs)], stride, known, [name])[0]
