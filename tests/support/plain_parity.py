"""How far a step of ours is from the same step of the plain loop, on one batch of clips of one length."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from slrcli.checkpoints.meta import Meta
from slrcli.config import PRESETS, Config, ModelConfig, OptimConfig, RunConfig
from slrcli.config.sections import NO_VARIATION, AugmentConfig
from slrcli.corpus.clips import Clips
from slrcli.features.layout import load_layout
from slrcli.models.registry import build_model
from slrcli.training.batches import TrainBatches, feature_statistics
from slrcli.training.loop import Trainer
from support.generated_corpus import generate
from support.plain_training import PlainLoop, StoredClips, plain_batch, plain_name, plain_twin

CLIPS = 4
EPOCHS = 100
LR = PRESETS["forerunner"]["optim"]["lr"]


@dataclass(frozen=True)
class Apart:
    """Relative distances of the loss, of the gradient of all weights and of what a step changes about them.

    `halved` is how far the plain loop's own gradient is from itself under torch's bf16 autocast, without anything of
    ours; 0 where not asked for.
    """

    loss: float
    gradient: float
    weights: float
    halved: float = 0.0


def apart(folder: Path, precision: str, layout: str, frames: int, classes: int, width: float = 1.0) -> Apart:
    """Train one step of both, without dropout, and compare.

    The weights are compared after a step of the optimiser of each, at the learning rate of the plain loop's authors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = load_layout(layout)
    corpus = generate(folder, CLIPS, found.positions, classes, stored=3, frames=frames)
    trainer = _trainer(corpus, found, precision, width)
    twin = plain_twin(trainer.model, 0.0)
    loop = PlainLoop(twin, LR, 0.0, float("inf"))
    loop.model.train()
    trainer.model.train()
    batch = next(trainer.batches.epoch(1))
    stored = StoredClips([corpus.stored[i] for i in batch.index], [corpus.targets[i] for i in batch.index])
    arrays = plain_batch([stored[i] for i in range(CLIPS)])
    halved = _halved(plain_twin(trainer.model, 0.0), arrays) if precision == "bf16" else []
    theirs = loop.step(*arrays)
    loss, _ = trainer._losses(batch)
    loss.backward()
    pairs = _gradients(trainer.model, twin)
    gradient = _relative([own for own, _ in pairs], [other for _, other in pairs])
    own = _relative(halved, [item.grad for item in twin.parameters()]) if halved else 0.0
    return Apart(abs(loss.item() - theirs) / abs(theirs), gradient, _updated(trainer, twin, batch), own)


def _halved(twin: torch.nn.Module, arrays: tuple[Tensor, ...]) -> list[Tensor]:
    """The plain loop's gradient of a batch under autocast."""
    twin.train()
    with torch.autocast("cpu", torch.bfloat16):
        PlainLoop(twin, 0.0, 0.0, float("inf")).step(*arrays)
    return [item.grad for item in twin.parameters()]


def _trainer(corpus, layout, precision: str, width: float) -> Trainer:
    torch.manual_seed(1)
    config = Config(
        model=ModelConfig(arch="mobilenetv3", dropout=0.0),
        optim=OptimConfig(lr=LR, weight_decay=0.0, clip_norm=0.0, warmup_epochs=0, epochs=EPOCHS, ema=0.0),
        augment=AugmentConfig(**NO_VARIATION),
        run=RunConfig(precision=precision),
    )
    model = build_model("mobilenetv3", layout, len(corpus.vocabulary.tokens), dropout=0.0, options={"width": width})
    model.frontend.set_statistics(*feature_statistics(Clips(corpus.positions, layout), model.frontend))
    clips = Clips(corpus.positions, layout)
    batches = TrainBatches(clips, corpus.targets, config.augment, model.output_length, CLIPS, 1)
    return Trainer(model, batches, clips, Meta(config, corpus.vocabulary, layout))


def _gradients(model: torch.nn.Module, twin: torch.nn.Module) -> list[tuple[Tensor, Tensor]]:
    theirs = dict(twin.named_parameters())
    return [(item.grad, theirs[plain_name(name)].grad) for name, item in model.named_parameters()]


def _relative(ours: list[Tensor], theirs: list[Tensor]) -> float:
    """Length of the difference by the length of theirs, of all tensors together."""
    off = sum(float((a - b).detach().double().square().sum()) for a, b in zip(ours, theirs, strict=True))
    return (off / sum(float(b.detach().double().square().sum()) for b in theirs)) ** 0.5


def _updated(trainer: Trainer, twin: torch.nn.Module, batch) -> float:
    """How far the weights are apart after our optimiser's step, and theirs."""
    trainer.model.zero_grad()
    trainer._step(batch)
    theirs = dict(twin.named_parameters())
    names = [name for name, _ in trainer.model.named_parameters()]
    ours = dict(trainer.model.named_parameters())
    return _relative([ours[name] for name in names], [theirs[plain_name(name)] for name in names])
