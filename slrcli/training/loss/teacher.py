"""Teachers: a checkpoint that recognises each batch, or log-probabilities stored by any system."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from slrcli.checkpoints.checkpoint import load_checkpoint
from slrcli.corpus.clips import Batch, Clips
from slrcli.errors import DataError, understood
from slrcli.features.layout import Layout
from slrcli.features.readers.npy import numbers_in
from slrcli.files import open_regular
from slrcli.glosses.vocabulary import BLANK, Vocabulary
from slrcli.recognition.from_checkpoint import Recogniser

VOCABULARY = "vocab.json"
SHOWN = 5


class CheckpointTeacher:
    """A recogniser of ours, which sees each batch as the student does.

    Attributes:
        recogniser: to be audited.

    Raises:
        DataError: it takes other features, or lacks glosses of the student's.
        CheckpointError: not a checkpoint, or damaged.
    """

    def __init__(self, path: Path, vocabulary: Vocabulary, layout: Layout, device: torch.device):
        model, meta = load_checkpoint(path, device)
        if meta.layout.width != layout.width:
            what = f"The teacher takes {meta.layout.width} columns, but the features have {layout.width}."
            raise DataError(what, str(path), "Use a teacher trained on features of this layout.")
        self.recogniser = Recogniser(model.requires_grad_(False), meta.vocabulary, meta)
        self._columns = columns_of(vocabulary, meta.vocabulary.tokens, str(path), device)

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-probabilities in the student's order `[B, S, V]` and frames of each clip `[B]`."""
        with torch.no_grad():  # not inference mode: what comes out goes into a loss
            log_probs, lengths, *_ = self.recogniser.model(batch.x, batch.lengths)
        return in_order(log_probs, self._columns), lengths


class StoredTeacher:
    """A folder of log-probabilities, `ID.npy` `[S, V]` each, of the training clips as they are.

    The columns are the student's, or those of a `vocab.json` beside the files. Time must not be varied in training: the
    log-probabilities belong to the clip's original speed.

    Raises:
        DataError: files that are missing or do not fit; glosses of the student's that are missing.
    """

    def __init__(self, folder: Path, vocabulary: Vocabulary, clips: Clips, device: torch.device):
        self._files = [folder / f"{item.id}.npy" for item in clips.utterances]
        missing = [file.name for file in self._files if not file.is_file()]
        if missing:
            what = f"{len(missing)} of {len(self._files)} training utterances have no log-probabilities."
            raise DataError(what, f"{folder}: {', '.join(missing[:SHOWN])}", "Name each file after its utterance's id.")
        tokens: Sequence[str] = vocabulary.tokens
        if (folder / VOCABULARY).is_file():
            tokens = Vocabulary.load(folder / VOCABULARY).tokens
        self._classes, self._device = len(tokens), device
        self._columns = columns_of(vocabulary, tokens, str(folder), device)

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-probabilities in the student's order `[B, S, V]` and frames of each clip `[B]`."""
        stored = [self._read(self._files[index]) for index in batch.index]
        lengths = torch.tensor([len(item) for item in stored], device=self._device)
        padded = torch.nn.utils.rnn.pad_sequence(stored, batch_first=True).to(self._device)
        return in_order(padded, self._columns), lengths

    def _read(self, file: Path) -> Tensor:
        with (
            understood("The log-probabilities cannot be read", file, "Write them again."),
            open_regular(file) as stream,
        ):
            stored = numbers_in(stream, file)
        if stored.ndim != 2 or stored.shape[1] != self._classes or not len(stored):
            what = f"The log-probabilities have the shape {list(stored.shape)} instead of [frames, {self._classes}]."
            raise DataError(what, str(file), f"Name the columns in a {VOCABULARY} beside the files.")
        if not np.isfinite(stored).all():
            raise DataError("The log-probabilities are not finite.", str(file), "Use about -30 for impossible classes.")
        return torch.from_numpy(stored.astype(np.float32)).log_softmax(dim=1)


def columns_of(vocabulary: Vocabulary, tokens: Sequence[str], where: str, device: torch.device) -> Tensor | None:
    """For each class of the student's vocabulary the teacher's column, `[V]`; None where they are the same.

    Raises:
        DataError: glosses that the teacher does not know.
    """
    if tuple(tokens) == tuple(vocabulary.tokens):
        return None
    place = {token: number for number, token in enumerate(tokens)}
    glosses = [token for number, token in enumerate(vocabulary.tokens) if number != BLANK]
    unknown = [gloss for gloss in glosses if gloss not in place]
    if unknown:
        what = f"The teacher's vocabulary lacks {len(unknown)} of {len(glosses)} glosses."
        raise DataError(what, f"{where}: {', '.join(unknown[:SHOWN])}", "Use a teacher with the same vocabulary.")
    return torch.tensor([BLANK, *(place[gloss] for gloss in glosses)], device=device)


def in_order(log_probs: Tensor, columns: Tensor | None) -> Tensor:
    """The columns that the student has, normalised again."""
    log_probs = log_probs.float()
    return log_probs if columns is None else log_probs[..., columns].log_softmax(dim=-1)
