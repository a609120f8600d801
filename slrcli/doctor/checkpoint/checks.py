"""Whether a checkpoint is complete, sound and consistent with the files beside it in the folder of its run."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slrcli import __version__
from slrcli.checkpoints.checkpoint import load_checkpoint, load_state
from slrcli.checkpoints.meta import Meta
from slrcli.config import check_bounds
from slrcli.corpus.clips import Clips
from slrcli.doctor.context import Checks, Context, error, many, note, some, warning
from slrcli.doctor.machine.environment import older
from slrcli.doctor.model.probe import made_up_clip
from slrcli.errors import DataError, understood
from slrcli.findings import Finding
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.base import SignModel
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.training.watch.history import RunHistory

CHECKPOINT_CHECKS = Checks()

MEAN, DEVIATION = "frontend.mean", "frontend.std"  # statistics of the features
STATE_WEIGHTS = "model."  # prefix of the weights in the training state
AVERAGE = "average."  # prefix of the averaged weights
CLIP_FRAMES = 150  # of the synthetic clip: six seconds
SHORTEST = 8  # frames of another one, shorter than any sign
MOST_WER = 1e9  # percent; no utterance has so many insertions
RENEW = "use another checkpoint of the run, or train it again"


def no_dev() -> tuple[ClipRecogniser, Clips]:
    """What opens dev where no corpus is named."""
    raise DataError("No corpus is named.", "--data-dir", "Name the corpus that the checkpoint was trained on.")


@dataclass
class CheckpointContext(Context):
    """A checkpoint and the files that may lie beside it.

    Attributes:
        path: the checkpoint.
        state: the training state beside it; None: there is none.
        is_last: whether it is the checkpoint of the last epoch, whose weights the state has as well.
        vocab_file: the run's vocabulary; None: there is none.
        metrics_file: the run's metrics, a line per epoch; None: there is none.
        seed: of the synthetic clips, and of new orders of signs.
        open_dev: gives the recogniser and the clips of dev; DataError where no corpus is named.
        measured: measurements beyond the findings, by name, as plain values or with a plain form.
    """

    path: Path
    state: Path | None = None
    is_last: bool = False
    vocab_file: Path | None = None
    metrics_file: Path | None = None
    seed: int = 1
    open_dev: Callable[[], tuple[ClipRecogniser, Clips]] = no_dev
    measured: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def loaded(self) -> tuple[SignModel, Meta]:
        """The model and its metadata."""
        return load_checkpoint(self.path)

    @property
    def meta(self) -> Meta:
        """Everything but the weights."""
        return self.loaded[1]

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Weights and buffers by name."""
        return self.loaded[0].state_dict()


@CHECKPOINT_CHECKS.add("SLR-C01", "the checkpoint can be loaded")
def loadable(context: CheckpointContext) -> Iterator[Finding]:
    """Format, metadata, vocabulary, layout, and the name and shape of every weight: loading refuses any fault."""
    model, meta = context.loaded
    check_bounds(meta.config)
    weight = sum(item.numel() * item.element_size() for item in context.tensors.values()) / 2**20
    yield note(
        f"architecture {meta.config.model.arch}, seed {meta.config.run.seed}, features {meta.layout.name}, "
        f"{len(meta.vocabulary):,} classes; {model.parameter_count:,} parameters in "
        f"{many(len(context.tensors), 'tensor')}, {weight:.2f} MB"
    )


@CHECKPOINT_CHECKS.add("SLR-C06", "weights and feature statistics are finite and in use", needs=("SLR-C01",))
def finite_weights(context: CheckpointContext) -> Iterator[Finding]:
    """No NaN, no infinity, no variance below 0, no deviation of 0; statistics that were set, weights that are not 0."""
    broken = [name for name, item in context.tensors.items() if not item.isfinite().all()]
    negative = [name for name, item in context.tensors.items() if name.endswith("running_var") and (item < 0).any()]
    fix = "use an earlier checkpoint; lower --lr before training again"
    if broken:
        yield error(f"{many(len(broken), 'tensor holds', 'tensors hold')} NaN or infinity: {some(broken)}", fix=fix)
    if negative:
        yield error(f"variances are negative: {some(negative)}", negative[0], fix)
    mean, deviation = context.tensors[MEAN], context.tensors[DEVIATION]
    flat = int((deviation <= 0).sum())
    fix = "train it again; the statistics come from the train split"
    if flat:
        yield error(f"{many(flat, 'column has', 'columns have')} a deviation of 0 or less", DEVIATION, fix)
    elif context.loaded[0].frontend.options.standardise and not mean.any() and (deviation == 1).all():
        yield warning("the statistics were never set: features enter unstandardised", fix=fix)
    weights = {name: item for name, item in context.tensors.items() if item.dim() > 1 and item.numel()}
    still = [name for name, item in weights.items() if not item.count_nonzero()]
    if still:
        yield warning(f"{many(len(still), 'weight is', 'weights are')} zero throughout: {some(still)}", still[0], RENEW)
    largest = max((item.float().abs().max().item() for item in weights.values()), default=0.0)
    yield note(f"the largest weight is {largest:.3g}; deviations of the features: {deviation.min():.3g} to "
               f"{deviation.max():.3g}")  # fmt: skip


@CHECKPOINT_CHECKS.add("SLR-C08", "metrics and vocabulary agree with those of its run", needs=("SLR-C01",))
def of_its_run(context: CheckpointContext) -> Iterator[Finding]:
    """Epoch and word error rate are plausible and those of the run's log; the vocabulary beside it is its own."""
    own, other = context.meta.vocabulary, Vocabulary.load(context.vocab_file) if context.vocab_file else None
    if other is not None and other.hash != own.hash:
        what = f"the vocabulary ({len(own):,} classes) differs from the one beside it ({len(other):,} classes)"
        fix = "the checkpoint's own vocabulary is the one in use; put the file of its run beside it"
        yield error(what, str(context.vocab_file), fix)
    epoch, wer = context.meta.metrics.get("epoch"), context.meta.metrics.get("wer")
    if not epoch or wer is None:
        yield warning("no metrics: it was written before any epoch was evaluated", fix="run slr eval on it")
        return
    if not isinstance(wer, int | float) or not 0 <= wer < MOST_WER or not isinstance(epoch, int):
        yield error(f"epoch {epoch!r} and WER {wer!r} are impossible", "metrics", RENEW)
        return
    recorded = recorded_wer(context.metrics_file, epoch) if context.metrics_file else None
    if recorded is not None and not math.isclose(recorded, wer, rel_tol=1e-9):
        what = f"epoch {epoch} has a WER of {wer:.2f} % in the checkpoint, {recorded:.2f} % in the run's log"
        yield error(
            what, str(context.metrics_file), "the files are of different runs: restore those that belong together"
        )
    yield note(f"WER {wer:.2f} % on dev after epoch {epoch}")


def recorded_wer(path: Path, epoch: int) -> float | None:
    """The WER of an epoch in a run's log; None where it has none.

    Raises:
        DataError: the log is damaged.
    """
    found = [values.get("wer") for values in RunHistory.of(path.parent).epochs if values.get("epoch") == epoch]
    with understood("The numbers of the epochs cannot be read", path):
        return None if not found or found[0] is None else float(found[0])


@CHECKPOINT_CHECKS.add("SLR-C09", "it decodes a clip to glosses of its vocabulary", needs=("SLR-C01", "SLR-C06"))
def decodes(context: CheckpointContext) -> Iterator[Finding]:
    """Synthetic clips, a long and a very short one, on the same path as `slr decode`."""
    model, meta = context.loaded
    recogniser = Recogniser(model, meta.vocabulary, meta)
    clips = [
        made_up_clip(frames, meta.layout.width, meta.layout, [context.seed, frames]).numpy()
        for frames in (CLIP_FRAMES, SHORTEST)
    ]
    for clip, found in zip(clips, recogniser.recognise(clips, ["synthetic"] * 2), strict=True):
        strange = [gloss for gloss in found.glosses if gloss not in meta.vocabulary]
        if strange or not math.isfinite(found.score) or found.score > 0:
            what = f"a clip of {len(clip)} frames gives {some(strange) or 'nothing'} with log-probability {found.score}"
            yield error(what, fix="run slr check model on it")
        else:
            said = some(found.glosses) if found.glosses else "nothing"
            yield note(f"a synthetic clip of {len(clip)} frames is decoded to {said}")


@CHECKPOINT_CHECKS.add("SLR-C10", "the training state is complete and belongs to it", needs=("SLR-C01",))
def resumable(context: CheckpointContext) -> Iterator[Finding]:
    """Optimiser, random state and progress are there and finite; the weights have the same names and shapes.

    Beside the last checkpoint the weights are equal in value too. The epochs agree.
    """
    if context.state is None:
        yield note("there is no training state beside it: it decodes, but no run can resume from it")
        return
    tensors, values = load_state(context.state)
    where, fix = str(context.state), "start a new run; this one cannot be resumed"
    lacking = [name for name in ("progress", "batches") if name not in values]
    lacking += [name for name in ("random",) if name not in tensors]
    if lacking:
        yield error(f"the training state lacks {', '.join(lacking)}", where, fix)
        return
    broken = [name for name, item in tensors.items() if item.is_floating_point() and not item.double().isfinite().all()]
    if broken:
        yield error(f"the training state holds NaN or infinity: {some(broken)}", where, fix)
        return
    with understood("The training state is damaged", where, fix):
        yield from _belongs(context, tensors, values["progress"])


def _belongs(context: CheckpointContext, tensors: dict[str, Tensor], progress: dict[str, Any]) -> Iterator[Finding]:
    where, fix = str(context.state), "the files are of different runs or epochs: restore those that belong together"
    weights = {name.removeprefix(STATE_WEIGHTS): t for name, t in tensors.items() if name.startswith(STATE_WEIGHTS)}
    if not weights:
        yield warning("the training state holds no weights, as in early versions: no run can resume", where, RENEW)
        return
    if {name: t.shape for name, t in weights.items()} != {name: t.shape for name, t in context.tensors.items()}:
        yield error("the training state is of another model", where, fix)
        return
    averaged = {name.removeprefix(AVERAGE): t for name, t in tensors.items() if name.startswith(AVERAGE)}
    kept = averaged or weights  # the checkpoint holds the average where there is one
    other = [name for name in weights if not torch.equal(kept[name], context.tensors[name])]
    if context.is_last and other:
        yield error(f"{many(len(other), 'weight')} of the training state differ: {some(other)}", where, fix)
    epoch = context.meta.metrics.get("epoch")
    expected = progress["epoch"] - 1 if context.is_last else progress["best"].get("epoch")
    if epoch != expected:
        yield error(f"the checkpoint is of epoch {epoch}, the training state says {expected}", where, fix)
    yield note(f"training can resume at epoch {progress['epoch']}, step {progress['step']}")


@CHECKPOINT_CHECKS.add("SLR-C12", "it says where it comes from", needs=("SLR-C01",))
def origin(context: CheckpointContext) -> Iterator[Finding]:
    """Versions and the hash of the annotations, without which a result cannot be reproduced."""
    made_by = context.meta.versions.get("slrcli", "")
    if not made_by or not context.meta.data_hash:
        lacks = "by which version it was made" if not made_by else "on which annotations it was trained"
        yield warning(f"it does not say {lacks}", fix="its results may not be reproducible")
    elif older(__version__, made_by):
        yield warning(f"it was made by slr {made_by}, this is {__version__}", fix="update slr")
    yield note(", ".join(f"{name} {version}" for name, version in context.meta.versions.items()))
