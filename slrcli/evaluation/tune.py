"""What `slr eval --tune` does: language-model weight, insertion bonus and beam by what they leave of errors on dev."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from slrcli.checkpoints.checkpoint import amend_checkpoint
from slrcli.checkpoints.meta import decoder_values
from slrcli.config import DataConfig, DecodeConfig
from slrcli.console import Console
from slrcli.corpus.clips import Clips
from slrcli.decoding.calibration import weights_hash
from slrcli.decoding.cores import ManyCores
from slrcli.decoding.decoder import decoder_signature, lm_warnings, make_decoder
from slrcli.evaluation.checkpoint import open_split
from slrcli.evaluation.evaluate import EVAL_BATCH
from slrcli.features.clip import padded
from slrcli.files import require_place
from slrcli.recognition.load import EXPORTED
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.settings import DECODER_FILE, DecoderOptions, carried, write_decoder
from slrcli.scoring.protocols import Protocol, get_protocols
from slrcli.scoring.wer import Score

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
BONUSES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, -0.25, -0.5, -1.0)
SIGN_BONUSES = (-6.0, -4.0, -3.0, -2.0, -1.0)  # where clips are read by how long signs last
BEAMS = (10, 5, 20, 40)
ROUNDS = 3  # of weight and bonus in turn; they seldom move after the second

Decoded = dict[str, list[str]]


@dataclass(frozen=True)
class Tried:
    """Settings, and what they leave of errors."""

    options: DecodeConfig
    score: Score

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {
            "decoder": decoder_signature(self.options),
            "beam": self.options.width,
            "lm_weight": self.options.lm_weight if self.options.lm else 0.0,
            "insertion_bonus": self.options.insertion_bonus,
            "errors": self.score.errors,
            "wer": self.score.wer,
        }


@dataclass(frozen=True)
class Tuned:
    """All that was tried, in order, and what was chosen.

    Attributes:
        path: the file beside the checkpoint that holds the choice.
        split: what it was tried on.
    """

    tried: tuple[Tried, ...]
    best: Tried
    path: Path
    split: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--json`."""
        return {
            "split": self.split,
            "tried": [item.to_dict() for item in self.tried],
            "chosen": self.best.to_dict(),
            "written": str(self.path),
        }


def tune(
    console: Console,
    checkpoint: Path | None,
    data: DataConfig,
    split: str = "",
    wanted: DecoderOptions | None = None,
    batch_size: int = EVAL_BATCH,
    device: str = "auto",
    protocol: str = "plain",
) -> Tuned:
    """Search the settings with the fewest errors on dev and write them into the checkpoint, and beside it.

    The recogniser runs once; its log-probabilities are kept. Best path and a plain beam are tried first, then weight
    and bonus in turn, then other beams. Of settings that are equally good the ones tried first win.

    Args:
        split: what they are tried on; "" is dev.
        wanted: what stays as it is said: the language model, wished-for glosses, and any number that is given.
        protocol: how errors are counted; of several the first.

    Raises:
        SlrError: as `evaluate_checkpoint`, and settings that cannot be.
    """
    wanted = wanted or DecoderOptions()
    found = open_split(console, checkpoint, data, split or "dev", device, "--tune")
    untuned = replace(found.recogniser.meta, tuned=None)  # earlier tuning is not what another one starts from
    base = DecoderOptions({"nbest": 1, **wanted.given}, wanted.file, wanted.jobs).settings(found.path, untuned)
    for path in (found.path.parent / DECODER_FILE, found.path):
        require_place(path)
    decoder_signature(base)  # a language model that is not there should not cost the recogniser's time
    for warning in lm_warnings(base, found.recogniser.vocabulary):
        console.warn(warning)
    clips = found.clips
    with console.progress(f"recognising {found.split}", len(clips)) as task:
        material = _Material.of(found.recogniser, clips, batch_size, task.advance)
    search = _Search(material, get_protocols(protocol)[0], wanted)
    with console.progress("tuning", search.most(base)) as task:
        for _ in search.run(base):
            task.advance(1)
    best = search.best()
    said = f"{best.score.errors} errors in {best.score.ref_tokens} glosses"
    written = keep(found.path, best.options, f"chosen by slr eval --tune on {found.split}: {said}")
    return Tuned(tuple(search.tried.values()), best, written, found.split)


def keep(checkpoint: Path, options: DecodeConfig, why: str) -> Path:
    """Write settings into their checkpoint (an exported model stays as it is), and beside it, where a person can change
    them; the name of the file beside it."""
    if checkpoint.suffix != EXPORTED:
        amend_checkpoint(checkpoint, tuned=decoder_values(carried(options, checkpoint.parent)))
    path = checkpoint.parent / DECODER_FILE
    write_decoder(path, options, (why,), weights_hash(checkpoint))
    return path


class _Material:
    """Log-probabilities of all clips, kept, and their references."""

    def __init__(self, recogniser: ClipRecogniser, references: Decoded, log_probs: dict[str, np.ndarray]):
        self.vocabulary, self.references = recogniser.vocabulary, references
        self.log_probs, self.stride = log_probs, recogniser.stride

    @classmethod
    def of(cls, recogniser: ClipRecogniser, clips: Clips, batch_size: int, advance) -> "_Material":
        """Run the recogniser over all clips once."""
        found: dict[int, np.ndarray] = {}
        for part in clips.batches(batch_size):
            rows, lengths = recogniser.log_probs(*padded([clips[i] for i in part]))
            for row, index, length in zip(rows, part, lengths.tolist(), strict=True):
                found[index] = row[:length].copy()
            advance(len(part))
        references = {item.id: list(item.glosses) for item in clips.utterances}
        log_probs = {item.id: found[index] for index, item in enumerate(clips.utterances)}
        return cls(recogniser, references, log_probs)

    def decoded(self, options: DecodeConfig, jobs: int) -> Decoded:
        """What settings make of all clips."""
        if jobs > 1 and options.width:
            with ManyCores(options, self.vocabulary.tokens, jobs) as decoder:
                return self._by(decoder, len(self.log_probs))
        return self._by(make_decoder(options, self.vocabulary), 1)

    def _by(self, decoder, size: int) -> Decoded:
        """Decode `size` clips at a time."""
        found: Decoded = {}
        ids = list(self.log_probs)
        for start in range(0, len(ids), size):
            part = ids[start : start + size]
            log_probs, lengths = padded([self.log_probs[id] for id in part])
            hypotheses = decoder(log_probs, lengths, self.stride, clips=part)
            found |= {id: list(item.glosses) for id, item in zip(part, hypotheses, strict=True)}
        return found


class _Search:
    """Settings tried one after the other; none twice."""

    def __init__(self, material: _Material, protocol: Protocol, wanted: DecoderOptions):
        self._material, self._protocol = material, protocol
        self._fixed, self._jobs = set(wanted.given), wanted.jobs
        self.tried: dict[DecodeConfig, Tried] = {}

    def most(self, base: DecodeConfig) -> int:
        """How many steps `run` takes at most."""
        signs = len(SIGN_BONUSES) + 1 if base.sign_frames else 0
        return signs + 2 + ROUNDS * (len(self._weights(base)) + len(self._bonuses())) + len(self._beams())

    def run(self, base: DecodeConfig) -> Iterator[Tried]:
        """Try settings around `base`; what reads clips by how long signs last is tried beside the searches."""
        if base.sign_frames:
            for bonus in (base.insertion_bonus, *(SIGN_BONUSES if "insertion_bonus" not in self._fixed else ())):
                yield self._try(replace(base, insertion_bonus=bonus))
            base = DecodeConfig()
        beam = base.width or BEAMS[0]
        if not self._fixed - {"lm", "nbest"}:
            yield self._try(DecodeConfig())
            yield self._try(DecodeConfig(beam=beam))
        now = replace(base, beam=beam)
        for _ in range(ROUNDS):
            before = now
            for name, values in (("lm_weight", self._weights(base)), ("insertion_bonus", self._bonuses())):
                asked: list[dict[str, Any]] = [{name: value} for value in values]
                for change in asked:
                    yield self._try(replace(now, **change))
                if asked:
                    now = min((self.tried[replace(now, **change)] for change in asked), key=_errors).options
            if now == before:
                break
        yield self._try(now)
        for beam in self._beams():
            yield self._try(replace(now, beam=beam))

    def best(self) -> Tried:
        """The first of those with the fewest errors."""
        return min(self.tried.values(), key=_errors)

    def _weights(self, base: DecodeConfig) -> tuple[float, ...]:
        return WEIGHTS if base.lm and "lm_weight" not in self._fixed else ()

    def _bonuses(self) -> tuple[float, ...]:
        return BONUSES if "insertion_bonus" not in self._fixed else ()

    def _beams(self) -> tuple[int, ...]:
        return BEAMS if "beam" not in self._fixed else ()

    def _try(self, options: DecodeConfig) -> Tried:
        if options not in self.tried:
            hypotheses = self._material.decoded(options, self._jobs)
            self.tried[options] = Tried(options, self._protocol.score(self._material.references, hypotheses))
        return self.tried[options]


def _errors(item: Tried) -> int:
    return item.score.errors
