"""Joins model and decoder: feature arrays in, hypotheses out, whole clips at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from slrcli.checkpoint import Meta, load_checkpoint
from slrcli.data import Batch, collate, is_blind, load_clip
from slrcli.decoding.calibration import Calibration
from slrcli.decoding.decoder import BestPath, Decoder
from slrcli.decoding.hypothesis import Hypothesis
from slrcli.errors import DataError, UsageError
from slrcli.models.base import Output, SignModel
from slrcli.vocab import Vocabulary

LONG_CLIP = 4096  # frames; a multiple of any usual stride


def choose_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one, else the CPU.

    Raises:
        SlrError: a device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"The device '{name}' cannot be used: {reason}", "--device", "Use --device auto.") from error
    return device


class Recogniser:
    """A model with its vocabulary.

    Args:
        model: put in evaluation mode while it is used.
        vocabulary: names of its classes.

    Attributes:
        decoder: makes hypotheses of log-probabilities; the best path unless another one is put here.
        calibration: what the confidences go through; None leaves them as the model has them.
    """

    calibration: Calibration | None = None

    def __init__(self, model: SignModel, vocabulary: Vocabulary, meta: Meta | None = None):
        self.model, self.vocabulary, self.meta = model, vocabulary, meta
        self.decoder: Decoder = BestPath(vocabulary)

    @classmethod
    def from_checkpoint(cls, path: Path, device: torch.device | str = "cpu") -> "Recogniser":
        """The recogniser that a checkpoint holds; CheckpointError where it is damaged."""
        model, meta = load_checkpoint(path, device)
        return cls(model, meta.vocabulary, meta)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    def load(self, path: Path) -> np.ndarray:
        """A feature file as this recogniser wants it; DataError where it does not fit or nobody is seen in it."""
        clip = load_clip(path, self.meta.layout, self.meta.config.data.max_gap)
        if is_blind(clip):
            what = f"no person was seen in {Path(path).name}: every value of its {len(clip):,} frames is missing"
            raise DataError(what, path, "look at it with slr show, and extract it again")
        return clip

    @torch.inference_mode()
    def posteriors(self, batch: Batch) -> Output:
        """Log-probabilities of a batch, `[B, T', V]`, in evaluation mode."""
        training = self.model.training
        self.model.eval()
        try:
            batch = batch.to(self.device)
            return Output(*self.model(batch.x, batch.lengths))
        finally:
            self.model.train(training)

    def recognise(self, clips: Sequence[np.ndarray], names: Sequence[str] | None = None) -> list[Hypothesis]:
        """Hypotheses of clips `[T, D]`, computed as one batch."""
        batch = collate(clips, [()] * len(clips), range(len(clips)))
        return self.decode(batch, self.posteriors(batch), names)

    def decode(self, batch: Batch, output: Output, names: Sequence[str] | None = None) -> list[Hypothesis]:
        """The decoder's hypotheses of a batch's log-probabilities, spans in input frames."""
        frames = output.lengths.tolist()
        stride = stride_of(self.model)  # the model's, not the batch's: spans must not depend on what else is in it
        found = self.decoder(output.log_probs.float().cpu().numpy(), frames, stride, batch.lengths.tolist(), names)
        return [self.calibration.applied(item) for item in found] if self.calibration else found


def stride_of(model: SignModel) -> float:
    """Input frames an output frame stands for, read off a length at which rounding up does not matter."""
    return LONG_CLIP / int(model.output_length(LONG_CLIP))


def by_length(frames: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Every clip once, in batches of like length, the longest first, so that memory runs out at once or never."""
    order = sorted(range(len(frames)), key=lambda index: -frames[index])
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
