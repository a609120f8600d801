"""What a frame costs in clips of 50 to 5,000 frames: a training step, and decoding, of each architecture.

    python tests/benchmarks/scaling.py [--frames 50 500 5000] [--batch-frames 5000]

Batches of as many frames, however long their clips are: 100 clips of 50 frames, one of 5,000. Noise in the layout that
the table names, a gloss every 12 frames, 1,296 classes, float32, one thread; processor time, the least of some runs.
The lattice of the CTC loss has T times 2 L + 1 cells, so that the loss (and it alone) grows with the square of a clip's
length where its glosses grow with it; it stands apart. With `--batch-frames 1` every batch is a single clip, and what a
step costs whatever its length shows in the short ones.
"""

import argparse
import os
import time
from collections.abc import Callable

import torch

from slrcli.config import Config
from slrcli.corpus.clips import Batch
from slrcli.decoding.decoder import BestPath
from slrcli.features.layout import load_layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.base import Output, SignModel
from slrcli.models.registry import build_model
from slrcli.training.loss.criterion import Criterion

CLASSES = 1296
FRAMES_A_GLOSS = 12
NETWORKS = {"conv-bilstm": "mediapipe-258", "conformer": "mediapipe-258", "streaming": "mediapipe-258",
            "mobilenetv3": "mediapipe-1629"}  # fmt: skip


def least(work: Callable[[], None], times: int) -> float:
    """Milliseconds of the processor, of the quickest run."""
    spent = []
    for _ in range(times):
        before = time.process_time()
        work()
        spent.append(1000 * (time.process_time() - before))
    return min(spent)


def batch_of(clips: int, frames: int, width: int) -> Batch:
    """Clips of noise with random glosses."""
    count = max(1, frames // FRAMES_A_GLOSS)
    x, targets = torch.randn(clips, frames, width), torch.randint(1, CLASSES, (clips * count,))
    return Batch(x, torch.full((clips,), frames), targets, torch.full((clips,), count), tuple(range(clips)))


def costs(model: SignModel, clips: int, frames: int, width: int, vocabulary: Vocabulary) -> tuple[float, float, float]:
    """Microseconds a frame of a training step without its loss, of the loss forth and back, and of decoding."""
    batch, times = batch_of(clips, frames, width), 2 if clips * frames > 1000 else 4
    criterion = Criterion(Config())

    def step() -> None:
        model.train()
        output = Output(*model(batch.x, batch.lengths))
        sum(item.mean() for item in (output.log_probs, *output.aux)).backward()

    def loss() -> None:
        criterion(Output(given, lengths), batch)[0].backward()

    def decode() -> None:
        model.eval()
        with torch.inference_mode():
            output = Output(*model(batch.x, batch.lengths))
        names, counts = [f"clip {number}" for number in batch.index], [frames] * clips
        BestPath(vocabulary)(output.log_probs.numpy(), output.lengths.tolist(), 4.0, counts, names)

    with torch.no_grad():
        model.eval()
        given, lengths, *_ = model(batch.x, batch.lengths)
    given.requires_grad_(True)
    return tuple(1000 * least(work, times) / (clips * frames) for work in (step, loss, decode))


def main() -> None:
    """Print a line a length and network."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, nargs="+", default=[50, 160, 500, 1600, 5000])
    parser.add_argument("--batch-frames", type=int, default=5000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    print(f"torch {torch.__version__}, one thread, load {', '.join(f'{value:.1f}' for value in os.getloadavg())}")
    print(f"{'network':14}{'layout':16}{'T':>6}{'clips':>7}{'step us/frame':>15}{'loss':>15}{'decoding':>19}")
    vocabulary = Vocabulary(("<blank>", *map(str, range(1, CLASSES))), (0,) * CLASSES)
    for arch, name in NETWORKS.items():
        layout = load_layout(name)
        model = build_model(arch, layout, CLASSES)
        costs(model, 1, 50, layout.width, vocabulary)  # warms up
        for frames in options.frames:
            clips = max(1, options.batch_frames // frames)
            step, loss, decoding = costs(model, clips, frames, layout.width, vocabulary)
            print(f"{arch:14}{name:16}{frames:6}{clips:7}{step:15.0f}{loss:15.0f}{decoding:19.0f}", flush=True)


if __name__ == "__main__":
    main()
