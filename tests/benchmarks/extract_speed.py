"""What a frame of a video costs a core, and what for: decoding, MediaPipe, reading its points, writing.

Each part is measured alone, in one process, in seconds of processor time of all its threads, so that other work on the
machine counts little. The fixed costs come once per process (loading the libraries) and once per clip (a new network).

    python tests/benchmarks/extract_speed.py VIDEO ...
    python tests/benchmarks/extract_speed.py --layout mediapipe-258 VIDEO ...   (no face)
"""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2])]

from slrcli.config import ExtractConfig
from slrcli.features.layout import Layout, load_layout
from slrcli.video.extraction import extract, library_versions, write_npz
from slrcli.video.frames import read_frames
from slrcli.video.holistic import Columns, Holistic, in_square
from slrcli.video.library import silence

Found = TypeVar("Found")


def timed(work: Callable[[], Found]) -> tuple[Found, float]:
    """What `work` gives, and its seconds of processor time."""
    start = time.process_time()
    return work(), time.process_time() - start


def opened(face: bool = True) -> Holistic:
    """A network that has seen a picture: models are loaded at the first one."""
    network = Holistic(face)
    network(np.zeros((64, 64, 3), np.uint8))
    return network


def costs(path: Path, layout: Layout, options: ExtractConfig) -> tuple[dict[str, float], int, float]:
    """Seconds of each part of a clip, its frames, and the seconds that its extraction as a whole took."""
    found: dict[str, float] = {}
    columns = Columns.of(layout)
    frames, found["decoding"] = timed(lambda: list(read_frames(path, options.max_side)))
    _, found["a new network"] = timed(lambda: opened(columns.face).__exit__(None, None, None))
    with Holistic(columns.face) as network:
        network(frames[0].image)
        results, found["MediaPipe"] = timed(lambda: [network._network.process(frame.image) for frame in frames])
        network._network.process = lambda image, each=iter(results): next(each)
        points, found["points read"] = timed(lambda: [network(frame.image) for frame in frames])
    square = [in_square(item, frame.size) for item, frame in zip(points, frames, strict=True)]
    _, found["columns"] = timed(lambda: columns.complete(columns.positions(np.stack(square))))
    clip, whole = timed(lambda: extract(path, layout, options))
    with tempfile.TemporaryDirectory() as folder:
        _, found["writing"] = timed(lambda: write_npz(Path(folder) / "clip.npz", clip, layout, clip.facts()))
    return found, len(frames), whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--layout", default="mediapipe-1629")
    arguments = parser.parse_args()
    layout, options = load_layout(arguments.layout), ExtractConfig()
    with silence():
        _, loading = timed(lambda: opened().__exit__(None, None, None))
        measured = [(path, *costs(path, layout, options)) for path in arguments.videos]
    versions = library_versions()
    print(f"{platform.machine()}, mediapipe {versions['mediapipe']}, av {versions['av']}; seconds of the processor")
    print(f"once per process: {loading:.2f} s for the libraries and a first network")
    for path, found, frames, whole in measured:
        total = sum(found.values())
        print(f"\n{path.name}: {frames} frames, {whole:.2f} s, {frames / whole:.1f} frames/s per core")
        for name, seconds in found.items():
            print(f"  {name:<14} {1000 * seconds / frames:8.2f} ms/frame  {seconds / total:6.1%}")


if __name__ == "__main__":
    main()
