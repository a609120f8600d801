"""Whether a checkpoint is whole, sound and of one piece with what lies beside it in the run's folder."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from slrcli import __version__
from slrcli.checkpoints.checkpoint import empty_model, load_checkpoint, load_state, read_checkpoint
from slrcli.checkpoints.meta import Meta
from slrcli.config import Config, check_bounds
from slrcli.corpus.clips import Clips
from slrcli.doctor.context import Checks, Context, error, many, note, some, warning
from slrcli.doctor.machine.environment import older
from slrcli.doctor.model.probe import made_up_clip
from slrcli.features.layout import Layout
from slrcli.findings import Finding
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.base import SignModel
from slrcli.models.registry import read_options
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.recognition.recogniser import ClipRecogniser

CHECKPOINT_CHECKS = Checks()

PARTS = ("config", "vocabulary", "layout", "metrics", "data_hash", "versions")
STATISTICS = ("frontend.mean", "frontend.std")
STATE_WEIGHTS = "model."  # before the names of the weights in the training state
AVERAGE = "average."  # before those of the averaged ones
CLIP_FRAMES = 150  # of the made-up clip: six seconds
SHORTEST = 8  # frames of another one, shorter than any sign
RENEW = "use another checkpoint of the run, or train it again"


@dataclass
class CheckpointContext(Context):
    """A checkpoint and the files that may lie beside it.

    Attributes:
        path: the checkpoint.
        state: the training state beside it; None: there is none.
        is_last: whether it is the checkpoint of the last epoch, whose weights the state has as well.
        vocab_file: the run's vocabulary; None: there is none.
        metrics_file: the run's metrics, a line an epoch; None: there is none.
        seed: of the made-up clips, and of new orders of signs.
        open_dev: gives the recogniser and the clips of dev; None where no corpus is named.
        measured: what checks have to say beyond their findings, by name, in a plain form or with one.
    """

    path: Path
    state: Path | None = None
    is_last: bool = False
    vocab_file: Path | None = None
    metrics_file: Path | None = None
    seed: int = 1
    open_dev: Callable[[], tuple[ClipRecogniser, Clips]] | None = None
    measured: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def raw(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Its tensors and its plain values."""
        return read_checkpoint(self.path)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Weights and buffers by name."""
        return self.raw[0]

    @property
    def values(self) -> dict[str, Any]:
        """Everything else."""
        return self.raw[1]

    @cached_property
    def config(self) -> Config:
        """Of the run."""
        return Config.from_dict(self.values["config"], str(self.path), trained=True)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Names of the classes."""
        return Vocabulary.from_dict(self.values["vocabulary"], self.path)

    @cached_property
    def layout(self) -> Layout:
        """Meaning of the features' columns."""
        return Layout.from_dict(self.values["layout"], str(self.path))

    @cached_property
    def empty(self) -> SignModel:
        """The model that it is of, without weights."""
        return empty_model(Meta(self.config, self.vocabulary, self.layout))

    @cached_property
    def training_state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and values of the state beside it."""
        return load_state(self.state)


@CHECKPOINT_CHECKS.add("SLR-C01", "the file can be read and describes a model")
def readable(context: CheckpointContext) -> Iterator[Finding]:
    """A safetensors file of ours with all parts; configuration and layout are valid, as loading wants them."""
    missing = [name for name in PARTS if name not in context.values]
    if missing:
        yield error(f"The metadata lack {', '.join(missing)}.", str(context.path), RENEW)
        return
    check_bounds(context.config)
    chosen = context.config.model
    read_options(chosen.arch, chosen.options)
    weight = sum(item.numel() * item.element_size() for item in context.tensors.values()) / 2**20
    yield note(
        f"architecture {chosen.arch}, seed {context.config.run.seed}, features {context.layout.name}; "
        f"{many(len(context.tensors), 'tensor')}, {weight:.2f} MB"
    )


@CHECKPOINT_CHECKS.add("SLR-C03", "its vocabulary is sound and that of its run", needs=("SLR-C01",))
def vocabulary(context: CheckpointContext) -> Iterator[Finding]:
    """A bijection whose hash agrees with its tokens, and the same as in the file beside it."""
    own = context.vocabulary
    if context.vocab_file is not None:
        beside = Vocabulary.load(context.vocab_file)
        if beside.hash != own.hash:
            what = f"the checkpoint's vocabulary ({len(own):,} classes) is not that beside it ({len(beside):,} classes)"
            fix = "the checkpoint's own is the one that counts; put the file of its run beside it"
            yield error(what, str(context.vocab_file), fix)
    yield note(f"{len(own):,} classes, hash {own.hash[:12]}")


@CHECKPOINT_CHECKS.add(
    "SLR-C05", "every weight is there, in its shape, and none too many", needs=("SLR-C01", "SLR-C03")
)
def complete(context: CheckpointContext) -> Iterator[Finding]:
    """Against the model that configuration, vocabulary and layout describe."""
    wanted, found = context.empty.state_dict(), context.tensors
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    if missing:
        yield error(f"{many(len(missing), 'weight is', 'weights are')} missing: {some(missing)}", missing[0], RENEW)
    if extra:
        yield error(f"{many(len(extra), 'tensor')} belong to no layer: {some(extra)}", extra[0], RENEW)
    for name in wanted.keys() & found.keys() - set(STATISTICS):  # those are SLR-C07's
        (shape, kind), (got, type_) = [(list(item.shape), item.dtype) for item in (wanted[name], found[name])]
        if (shape, kind) != (got, type_):
            yield error(f"the weight is {got} of {type_}, the model wants {shape} of {kind}", name, RENEW)
    yield note(f"{context.empty.parameter_count:,} parameters of {len(wanted)} tensors")


@CHECKPOINT_CHECKS.add("SLR-C06", "all weights are finite", needs=("SLR-C01",))
def finite_weights(context: CheckpointContext) -> Iterator[Finding]:
    """No NaN, no infinity, no negative variance in a normalisation."""
    weights = {name: item for name, item in context.tensors.items() if name not in STATISTICS}
    broken = [name for name, item in weights.items() if not item.isfinite().all()]
    negative = [name for name, item in weights.items() if name.endswith("running_var") and (item < 0).any()]
    fix = "use an earlier checkpoint; lower --lr before training again"
    if broken:
        yield error(f"{many(len(broken), 'tensor holds', 'tensors hold')} NaN or infinity: {some(broken)}", fix=fix)
    if negative:
        yield error(f"variances are negative: {some(negative)}", negative[0], fix)
    trained = {name: item for name, item in weights.items() if item.dim() > 1 and item.numel()}
    still = [name for name, item in trained.items() if not item.count_nonzero()]
    if still:
        yield warning(f"{many(len(still), 'weight is', 'weights are')} zero throughout: {some(still)}", still[0], RENEW)
    largest = max((item.float().abs().max().item() for item in trained.values()), default=0.0)
    yield note(f"the largest weight is {largest:.3g}")


@CHECKPOINT_CHECKS.add("SLR-C07", "the statistics of the features are sane", needs=("SLR-C05",))
def statistics(context: CheckpointContext) -> Iterator[Finding]:
    """Mean and deviation of the training data: finite, as wide as the frontend, no deviation of 0."""
    mean, std = (context.tensors[name] for name in STATISTICS)
    frontend = context.empty.frontend
    fix = "train it again; the statistics come from the train split"
    for name, item in zip(STATISTICS, (mean, std), strict=True):
        if list(item.shape) != [frontend.width]:
            yield error(f"the statistics are {list(item.shape)}, the network reads {frontend.width} columns", name, fix)
            return
        if not item.isfinite().all():
            yield error(f"{many(int((~item.isfinite()).sum()), 'column')} of the statistics are not finite", name, fix)
            return
    if (std <= 0).any():
        yield error(f"{many(int((std <= 0).sum()), 'column')} have a deviation of 0 or less", STATISTICS[1], fix)
        return
    if frontend.options.standardise and not mean.any() and (std == 1).all():
        yield warning("the statistics were never set: features enter as they come", fix=fix)
    yield note(f"deviations from {std.min():.3g} to {std.max():.3g} in {many(len(std), 'column')}")


@CHECKPOINT_CHECKS.add("SLR-C08", "its metrics are there and those of its run", needs=("SLR-C01",))
def metrics(context: CheckpointContext) -> Iterator[Finding]:
    """Epoch and word error rate, as numbers that can be, and the same as in the run's record."""
    own = context.values["metrics"]
    epoch, wer = own.get("epoch"), own.get("wer")
    if not epoch or wer is None:
        yield warning("it does not say how good it is: no epoch had been evaluated", fix="run slr eval on it")
        return
    if not isinstance(wer, int | float) or not math.isfinite(wer) or wer < 0 or not isinstance(epoch, int):
        yield error(f"epoch {epoch!r} and WER {wer!r} can not be", "metrics", RENEW)
        return
    recorded = recorded_wer(context.metrics_file, epoch) if context.metrics_file else None
    if recorded is not None and not math.isclose(recorded, wer, rel_tol=1e-9):
        what = f"epoch {epoch} has a WER of {wer:.2f} % in the checkpoint, {recorded:.2f} % in the run's record"
        yield error(what, str(context.metrics_file), "the files are of different runs: put back those that go together")
    yield note(f"WER {wer:.2f} % on dev after epoch {epoch}")


def recorded_wer(path: Path, epoch: int) -> float | None:
    """The WER that a run's record has for an epoch; None where it has none."""
    for line in path.read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        if values.get("epoch") == epoch:
            return values.get("wer")
    return None


@CHECKPOINT_CHECKS.add(
    "SLR-C09", "it decodes a clip to glosses of its vocabulary", needs=("SLR-C05", "SLR-C06", "SLR-C07")
)
def decodes(context: CheckpointContext) -> Iterator[Finding]:
    """Made-up clips, a long and a very short one, through the very path that `slr decode` takes."""
    model, meta = load_checkpoint(context.path)
    recogniser = Recogniser(model, meta.vocabulary, meta)
    clips = [
        made_up_clip(frames, meta.layout.width, meta.layout, [context.seed, frames]).numpy()
        for frames in (CLIP_FRAMES, SHORTEST)
    ]
    for clip, found in zip(clips, recogniser.recognise(clips, ["made up"] * 2), strict=True):
        strange = [gloss for gloss in found.glosses if gloss not in meta.vocabulary]
        if strange or not math.isfinite(found.score) or found.score > 0:
            what = f"a clip of {len(clip)} frames gives {some(strange) or 'nothing'} with log-probability {found.score}"
            yield error(what, fix="run slr check model on it")
        else:
            said = some(found.glosses) if found.glosses else "nothing"
            yield note(f"a made-up clip of {len(clip)} frames is read as {said}")


@CHECKPOINT_CHECKS.add("SLR-C10", "the training state beside it can be read")
def state_readable(context: CheckpointContext) -> Iterator[Finding]:
    """Optimiser, random state and progress are there, and finite."""
    if context.state is None:
        yield note("no training state lies beside it: it decodes, but no run can go on from it")
        return
    tensors, values = context.training_state
    where, fix = str(context.state), "start a new run; this one cannot go on to the same weights"
    lacking = [name for name in ("progress", "batches") if name not in values]
    lacking += [name for name in ("random",) if name not in tensors]
    if lacking:
        yield error(f"the training state lacks {', '.join(lacking)}", where, fix)
        return
    broken = [name for name, item in tensors.items() if item.is_floating_point() and not item.isfinite().all()]
    if broken:
        yield error(f"the training state holds NaN or infinity: {some(broken)}", where, fix)
        return
    progress = values["progress"]
    yield note(f"training can go on at epoch {progress['epoch']}, step {progress['step']}")


@CHECKPOINT_CHECKS.add("SLR-C11", "the training state belongs to it", needs=("SLR-C05", "SLR-C07", "SLR-C10"))
def state_belongs(context: CheckpointContext) -> Iterator[Finding]:
    """The same weights by name and shape, in the last checkpoint by value too, and of the same epoch."""
    if context.state is None:
        yield note("no training state lies beside it")
        return
    tensors, values = context.training_state
    progress, where = values["progress"], str(context.state)
    fix = "the files are of different runs or moments: put back those that go together"
    weights = {name.removeprefix(STATE_WEIGHTS): t for name, t in tensors.items() if name.startswith(STATE_WEIGHTS)}
    if not weights:
        yield warning("the training state holds no weights, as those of early versions: no run can go on", where)
        return
    if {name: t.shape for name, t in weights.items()} != {name: t.shape for name, t in context.tensors.items()}:
        yield error("the training state is of another model", where, fix)
        return
    averaged = {name.removeprefix(AVERAGE): t for name, t in tensors.items() if name.startswith(AVERAGE)}
    kept = averaged or weights  # what the checkpoint holds is the average, where one is made
    other = [name for name in weights if not torch.equal(kept[name], context.tensors[name])]
    if context.is_last and other:
        yield error(f"{many(len(other), 'weight')} of the training state differ: {some(other)}", where, fix)
    epoch = context.values["metrics"].get("epoch")
    expected = progress["epoch"] - 1 if context.is_last else progress["best"].get("epoch")
    if epoch != expected:
        yield error(f"the checkpoint is of epoch {epoch}, the training state says {expected}", where, fix)
    yield note(f"the training state is of the same model, {progress['epoch'] - 1} epochs old")


@CHECKPOINT_CHECKS.add("SLR-C12", "it says where it comes from", needs=("SLR-C01",))
def origin(context: CheckpointContext) -> Iterator[Finding]:
    """Versions and the hash of the annotations, without which a result cannot be repeated."""
    versions = context.values["versions"]
    made_by = versions.get("slrcli", "")
    if not made_by or not context.values["data_hash"]:
        lacks = "by which version it was made" if not made_by else "on which annotations it was trained"
        yield warning(f"it does not say {lacks}", fix="results of it cannot be repeated for certain")
    elif older(__version__, made_by):
        yield warning(f"it was made by slr {made_by}, this is {__version__}", fix="update slr")
    yield note(", ".join(f"{name} {version}" for name, version in versions.items()))
