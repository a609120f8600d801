"""How near to the best labelling a beam search comes, and in what time, beside other decoders, on the same clips.

    pip install flashlight-text==0.0.7 pyctcdecode==0.5.0 ctc-beam-decoder==0.2.0
    OMP_NUM_THREADS=1 python tests/benchmarks/beam_speed.py

Every decoder's best labelling is scored by torch's exact CTC loss. A clip's distance is how far, in nats, it lies from
the better of two labellings: those of our beam of 200 and of flashlight's. Times are processor time of one thread, the
least of several rounds in which the decoders take turns. A peer that is not installed is left out.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import torch

from slrcli.decoding.beam import BeamSearch
from slrcli.decoding.cores import Tokens
from slrcli.decoding.greedy import greedy
from slrcli.decoding.prefixes import prefix_beam_search

CLASSES = 1296
Decode = Callable[[np.ndarray], Sequence[int]]


def ambiguous_clip(rng: np.random.Generator, frames: int, every: int, rivals: int, blank: float) -> np.ndarray:
    """Log-probabilities float32 `[frames, CLASSES]` of a recogniser in doubt.

    Places where a sign may be lie at random, one for so many frames (`every`). At each, `rivals` glosses of nearly the
    same height rise and fall over a few frames, none quite where the others do; blank stands above the noise.
    """
    logits = rng.normal(size=(frames, CLASSES))
    logits[:, 0] += blank + rng.normal(size=frames)
    when = np.arange(frames)
    for _ in range(max(1, frames // every)):
        centre, width, height = rng.uniform(0, frames), rng.uniform(0.8, 2.5), rng.uniform(9, 12)
        for rank, gloss in enumerate(rng.integers(1, CLASSES, rivals)):
            bump = np.exp(-0.5 * ((when - centre - rng.normal() * 0.5) / width) ** 2)
            logits[:, gloss] += bump * (height - 0.7 * rank * rng.uniform())
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def loss(log_probs: np.ndarray, ids: Sequence[int]) -> float:
    """The exact CTC loss of a labelling."""
    scores = torch.from_numpy(log_probs.astype(np.float64))[:, None]
    targets = torch.tensor([list(ids)], dtype=torch.long)
    return float(
        torch.nn.functional.ctc_loss(
            scores, targets, torch.tensor([len(log_probs)]), torch.tensor([len(ids)]), reduction="none"
        )
    )


def collapsed(path: Sequence[int]) -> list[int]:
    """The labelling of a path."""
    return [label for place, label in enumerate(path) if label and (not place or path[place - 1] != label)]


def flashlight(beam: int, tokens: int) -> Decode:
    """flashlight-text: masses added (`log_add`), the blank as silence too, float32."""
    from flashlight.lib.text.decoder import CriterionType, LexiconFreeDecoder, LexiconFreeDecoderOptions, ZeroLM

    options = LexiconFreeDecoderOptions(
        beam_size=beam, beam_size_token=tokens, beam_threshold=1e9, lm_weight=0.0, sil_score=0.0, log_add=True,
        criterion_type=CriterionType.CTC,
    )  # fmt: skip
    decoder = LexiconFreeDecoder(options, ZeroLM(), 0, 0, [])
    return lambda clip: collapsed(decoder.decode(clip.ctypes.data, *clip.shape)[0].tokens)


def by_letters(build: Callable) -> Decode:
    """A decoder of pyctcdecode's kind, with a character of its own for every gloss."""
    letters = [chr(0x4E00 + number) for number in range(CLASSES)]
    number = {letter: place for place, letter in enumerate(letters)}
    decoder = build(["", *letters[1:]])
    return lambda clip: [number[letter] for letter in decoder.decode(clip, beam_width=10)]


def decoders() -> dict[str, Decode]:
    """What is compared, by name."""
    search = BeamSearch(Tokens(tuple(f"G{number}" for number in range(CLASSES))))
    found: dict[str, Decode] = {
        "best path": lambda clip: greedy(clip, 1, Tokens(tuple(map(str, range(CLASSES))))).ids,
        "slr, beam 10": lambda clip: prefix_beam_search(clip, 10)[0].ids,
        "slr, beam 10, with times": lambda clip: search(clip[None], [len(clip)], 1)[0].ids,
        "slr, beam 20": lambda clip: prefix_beam_search(clip, 20)[0].ids,
    }
    with suppress(ImportError):
        found |= {f"flashlight-text, beam {beam}, top-20": flashlight(beam, 20) for beam in (10, 20)}
    with suppress(ImportError):
        import pyctcdecode

        found["pyctcdecode, beam 10"] = by_letters(pyctcdecode.build_ctcdecoder)
    with suppress(ImportError):
        import ctc_beam_decoder

        found["ctc-beam-decoder, beam 10"] = by_letters(ctc_beam_decoder.build_ctcdecoder)
    return found


def measure(clips: Sequence[np.ndarray], rounds: int) -> None:
    """Print one table."""
    wide = [lambda clip: prefix_beam_search(clip, 200)[0].ids]
    names = decoders()
    if any(name.startswith("flashlight") for name in names):
        wide.append(flashlight(200, 50))
    best = [min(loss(clip, decode(clip)) for decode in wide) for clip in clips]
    found, seconds = {}, dict.fromkeys(names, float("inf"))
    for _ in range(rounds):
        for name, decode in names.items():
            start = time.process_time()
            found[name] = [decode(clip) for clip in clips]
            seconds[name] = min(seconds[name], time.process_time() - start)
    first = next((name for name in names if name.startswith("flashlight")), "slr, beam 10")
    distances = {
        name: statistics.mean(
            loss(clip, ids) - least for clip, ids, least in zip(clips, found[name], best, strict=True)
        )
        for name in names
    }
    print(f"  {'':32} {'nats':>8} {'ratio':>7} {'ms a clip':>10} {'ratio':>7}")
    for name in names:
        away, spent = distances[name] / max(distances[first], 1e-9), seconds[name] / seconds[first]
        print(f"  {name:32} {distances[name]:8.3f} {away:7.2f} {seconds[name] / len(clips) * 1e3:10.2f} {spent:7.2f}")


def main() -> None:
    """Print a table for each length and kind of clip."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for frames in (50, 200):
        for every, rivals, blank in ((4, 4, 9.0), (3, 5, 9.0), (6, 3, 10.0)):
            rng = np.random.default_rng(options.seed)
            clips = [ambiguous_clip(rng, frames, every, rivals, blank) for _ in range(options.clips)]
            print(f"T={frames}, a place every {every} frames, {rivals} rivals, blank {blank:g}; {len(clips)} clips")
            measure(clips, options.rounds)


if __name__ == "__main__":
    main()
