"""What a frame of a stream costs on one core, against the 40 ms that it lasts at 25 frames a second.

    python tests/benchmarks/stream_cost.py

The default network of the architecture `streaming`, 1,296 classes, frames of noise of which a tenth of the points is
missing. Gaps, normalising, network and best path are all in it, landmarks out of pictures are not. Frame by frame is
the dearest way; what frames cost that come in chunks of 25 stands beside it.
"""

import argparse
import time

import numpy as np
import torch

from slrcli.features.layout import load_layout
from slrcli.glosses.vocabulary import Vocabulary
from slrcli.models.registry import build_model
from slrcli.recognition.streaming import StreamingRecogniser

LASTS = 40.0  # ms
LAYOUTS = ("kinect-20", "mediapipe-225", "mediapipe-1629")
CLASSES = 1296
WARM_UP = 50  # frames


def frames_of(count: int, width: int) -> np.ndarray:
    """Noise with holes."""
    rng = np.random.default_rng(1)
    x = rng.normal(0.5, 0.1, (count, width)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def costs(name: str, count: int, chunk: int) -> np.ndarray:
    """Milliseconds of each frame; those of a chunk share its time."""
    torch.manual_seed(1)
    layout = load_layout(name)
    vocabulary = Vocabulary(("<blank>", *map(str, range(1, CLASSES))), (0,) * CLASSES)
    model = build_model("streaming", layout, CLASSES).eval()
    stream = StreamingRecogniser(model, vocabulary, 4.0, 5)
    spent = []
    x = frames_of(WARM_UP + count, layout.width)
    for start in range(0, len(x), chunk):
        before = time.perf_counter()
        stream.push(x[start : start + chunk])
        spent.append(1000 * (time.perf_counter() - before) / chunk)
    return np.array(spent[WARM_UP // chunk :])


def main() -> None:
    """Print a line a layout."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=1500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"ms a frame, one thread, {CLASSES} classes; a frame lasts {LASTS:g} ms")
    print(f"{'layout':16} {'median':>7} {'99 %':>7} {'worst':>7} {'of 40 ms':>9} {'in chunks of 25':>16}")
    for name in LAYOUTS:
        single, chunks = costs(name, options.frames, 1), costs(name, options.frames, 25)
        middle, late, worst = np.median(single), np.quantile(single, 0.99), single.max()
        share = f"{100 * middle / LASTS:.0f} %"
        print(f"{name:16} {middle:7.2f} {late:7.2f} {worst:7.2f} {share:>9} {np.median(chunks):16.3f}")


if __name__ == "__main__":
    main()
