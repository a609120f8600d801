"""Does the demo's corpus need movement? Trains the default recogniser and a frame classifier on it, side by side.

    python tests/benchmarks/demo_needs_movement.py [--seed N]

The frame classifier sees the normalised positions of every fourth frame (the default recogniser's output rate, at which
it does better than at the full one), without velocities and without neighbours, under the same CTC loss, optimiser,
epochs and augmentation. Prints the WER of both on the signer that neither has seen.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from torch import nn

from slrcli.checkpoints.meta import Meta
from slrcli.config import resolve
from slrcli.console import Console
from slrcli.corpus.clips import Clips
from slrcli.demo.demo import SETTINGS
from slrcli.demo.synth import SynthOptions, write_corpus
from slrcli.evaluation.evaluate import evaluate
from slrcli.models.base import Output, SignModel, log_softmax
from slrcli.models.frontend import Frontend, FrontendOptions
from slrcli.models.registry import build_model
from slrcli.recognition.from_checkpoint import Recogniser
from slrcli.training.batches import TrainBatches, feature_statistics
from slrcli.training.data import gather, learnable
from slrcli.training.loop import Trainer

WIDTH = 384
STRIDE = 4


class FrameClassifier(SignModel):
    """Three layers over single frames: no convolution, no recurrence, no velocity."""

    def __init__(self, layout, vocab_size):
        super().__init__(Frontend(layout, FrontendOptions(derivatives=0)), vocab_size)
        self.layers = nn.Sequential(
            nn.Linear(self.frontend.width, WIDTH), nn.LayerNorm(WIDTH), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(WIDTH, vocab_size),
        )  # fmt: skip

    def output_length(self, frames):
        return (frames + STRIDE - 1) // STRIDE

    def forward(self, x, lengths):
        frames = self.frontend(x, lengths)[:, ::STRIDE]
        return Output(log_softmax(self.layers(frames)), self.output_length(lengths))


def wer_of(model, material, config, console):
    """Train `model` as `slr demo` trains; its WER on the test split of the last epoch's weights."""
    utterances, targets = learnable(material, config, model.output_length, console)
    kept = {"max_gap": config.data.max_gap, "cache_mb": config.run.cache_mb}
    clips = Clips(utterances, material.layout, **kept)
    model.frontend.set_statistics(*feature_statistics(clips, model.frontend))
    recogniser = Recogniser(model, material.vocabulary, Meta(config, material.vocabulary, material.layout))
    optim, run = config.optim, config.run
    batches = TrainBatches(clips, targets, config.augment, model.output_length, optim.batch_size, run.seed)
    for _ in Trainer(model, batches, Clips(material.dev, material.layout, **kept), recogniser.meta).run():
        pass
    return evaluate(recogniser, Clips(material.corpus.split("test"), material.layout)).score.wer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    seed = parser.parse_args().seed
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(Path(folder) / "corpus", SynthOptions(seed=seed))
        data = {"data_dir": str(Path(folder) / "corpus"), "layout": "mediapipe-1629"}
        config = resolve({**SETTINGS, "data": data, "run": {"seed": seed}})
        material = gather(config, console)
        classes = len(material.vocabulary.tokens)
        for name in ("conv-bilstm", "frame classifier"):
            torch.manual_seed(seed)
            model = (
                build_model(name, material.layout, classes)
                if name == "conv-bilstm"
                else FrameClassifier(material.layout, classes)
            )
            console.result(f"{name}\t{wer_of(model, material, config, console):.1f} % WER on the unseen signer")


if __name__ == "__main__":
    main()
