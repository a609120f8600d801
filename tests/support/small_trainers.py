"""Trainers of a few sentences, and one that is stopped and resumed."""

import numpy as np
import torch

from slrcli.checkpoints.checkpoint import load_state, save_state
from slrcli.checkpoints.meta import Meta
from slrcli.config import AugmentConfig, Config, ModelConfig, OptimConfig, RunConfig
from slrcli.corpus import Utterance
from slrcli.corpus.clips import Clips
from slrcli.features.layout import generic_layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.registry import build_model
from slrcli.training.batches import TrainBatches
from slrcli.training.loop import Stopped, Trainer

LAYOUT = generic_layout(4)
GLOSSES = ("LEFT", "RIGHT", "STOP")
SMALL = {"width": 32, "layers": 1}
LEARNS = {"lr": 5e-3, "warmup_epochs": 0.5, "batch_size": 4}


def write_corpus(folder, sentences):
    """Clips in which every gloss is a bump of twelve frames in a column of its own."""
    rng = np.random.default_rng(0)
    utterances = []
    for number in range(sentences):
        glosses = [GLOSSES[i] for i in rng.integers(0, 3, 1 + number % 3)]
        x = 0.1 * rng.normal(size=(4 + 16 * len(glosses), 4))
        for place, gloss in enumerate(glosses):
            x[4 + 16 * place : 16 + 16 * place, GLOSSES.index(gloss)] += 2
        path = folder / f"u{number}.npy"
        np.save(path, x.astype(np.float32))
        utterances.append(Utterance(f"u{number}", tuple(glosses), path))
    return utterances


def trainer_on(utterances, epochs=3, seed=1, patience=0, device="cpu", **optim):
    config = Config(
        model=ModelConfig(arch="conv-bilstm", options=SMALL),
        optim=OptimConfig(**{**LEARNS, "epochs": epochs, "patience": patience, **optim}),
        augment=AugmentConfig(),
        run=RunConfig(seed=seed),
    )
    torch.manual_seed(seed)
    vocabulary = Vocabulary.build([item.glosses for item in utterances])
    model = build_model("conv-bilstm", LAYOUT, len(vocabulary.tokens), dropout=0.1, options=SMALL)
    clips = Clips(utterances, LAYOUT, cache_mb=10)
    targets = [vocabulary.encode(item.glosses) for item in utterances]
    batches = TrainBatches(clips, targets, config.augment, model.output_length, 4, seed)
    return Trainer(model.to(device), batches, clips, Meta(config, vocabulary, LAYOUT))


def weights(trainer):
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def stopped_and_resumed(make, stop_after, folder):
    """A trainer that `make` made and another one stopped after so many steps, at its end."""
    stopped, steps = make(), 0

    def interrupted():
        nonlocal steps
        steps += 1
        return steps == stop_after

    assert isinstance(list(stopped.run(interrupted))[-1], Stopped)
    kept = weights(stopped)
    save_state(folder / "state.safetensors", *stopped.state())
    torch.manual_seed(99)
    resumed = make()
    resumed.model.load_state_dict(kept)
    resumed.restore(*load_state(folder / "state.safetensors"))
    list(resumed.run())
    return resumed


def failing(trainer, fails):
    """Let the loss be NaN where `fails(epoch, step, share)` says so; share: of the learning rate."""
    losses = trainer._losses

    def spoilt(batch):
        progress = trainer.progress
        total, terms = losses(batch)
        if fails(progress.epoch, progress.step, progress.share):
            total, terms = total * float("nan"), {**terms, "ctc": terms["ctc"] * float("nan")}
        return total, terms

    trainer._losses = spoilt
    return trainer
