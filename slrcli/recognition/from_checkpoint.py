"""Joins model and decoder: feature arrays in, hypotheses out, whole clips at a time."""

from pathlib import Path

import numpy as np
import torch

from slrcli.checkpoints.checkpoint import load_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.checkpoints.runs import find_checkpoint
from slrcli.corpus.clips import Batch
from slrcli.features.hands import free_hands
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.base import Output, SignModel, device_of, log_softmax
from slrcli.models.streaming import Streaming
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.streaming import StreamingRecogniser

LONG_CLIP = 4096  # frames; a multiple of any usual stride


class Recogniser(ClipRecogniser):
    """A model with its vocabulary.

    Args:
        model: put in evaluation mode while it is used.
        vocabulary: names of its classes.
        meta: what else is known of it.
    """

    def __init__(self, model: SignModel, vocabulary: Vocabulary, meta: Meta):
        super().__init__(vocabulary, meta)
        self.model = model

    @classmethod
    def from_checkpoint(cls, path: Path, device: torch.device | str = "cpu") -> "Recogniser":
        """The recogniser that a checkpoint, or the best one of a run, holds; CheckpointError where it is damaged.

        It reads clips as training found out; `slrcli.recognition.load` adds what was tuned and calibrated since.
        """
        model, meta = load_checkpoint(find_checkpoint(path), device)
        return cls(model, meta.vocabulary, meta)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return device_of(self.model)

    @property
    def stride(self) -> float:
        """See `ClipRecogniser`; read off a length at which rounding up does not matter."""
        return LONG_CLIP / int(self.model.output_length(LONG_CLIP))

    @property
    def late(self) -> int:
        """See `ClipRecogniser`."""
        return getattr(self.model, "late", 0)  # a module of somebody else may not say it

    @property
    def least_frames(self) -> int:
        """See `ClipRecogniser`."""
        return next(frames for frames in range(1, LONG_CLIP) if self.model.output_length(frames) > 0)

    def running(self) -> StreamingRecogniser | None:
        """See `ClipRecogniser`; what `streaming` made can, unless its frontend or its preparation needs whole clips."""
        if not (isinstance(self.model, Streaming) and self.model.frontend.runs):
            return None
        if self.meta.config.data.assign_hands and free_hands(self.meta.layout):
            return None
        sure = {"confidence": self.calibration.of} if self.calibration else {}
        max_gap = self.meta.config.data.max_gap
        return StreamingRecogniser(self.model.eval(), self.vocabulary, self.stride, max_gap, **sure)

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

    def log_probs(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `ClipRecogniser`."""
        output = self._output(x, lengths)
        return output.log_probs.float().cpu().numpy(), output.lengths.cpu().numpy()

    @torch.inference_mode()
    def local_log_probs(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `ClipRecogniser`; inner heads take part where the network has some."""
        output = self._output(x, lengths)
        return output.local.float().cpu().numpy(), output.lengths.cpu().numpy()

    @torch.inference_mode()
    def inner_log_probs(self, x: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """See `ClipRecogniser`."""
        output = self._output(x, lengths)
        if not output.aux:
            return None
        mean = log_softmax(sum(output.aux[1:], output.aux[0]) / len(output.aux))
        return mean.cpu().numpy(), output.lengths.cpu().numpy()

    def _output(self, x: np.ndarray, lengths: np.ndarray) -> Output:
        nothing = torch.zeros(0, dtype=torch.int64)
        return self.posteriors(Batch(torch.from_numpy(x), torch.from_numpy(lengths), nothing, nothing, ()))
