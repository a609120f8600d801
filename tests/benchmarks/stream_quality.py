"""How late and how wrong is a running stream, beside whole clips?

    python tests/benchmarks/stream_quality.py CORPUS RUN [RUN ...] --split dev

Every clip of the split runs through each recogniser frame by frame, as `slr decode --stream` does it: a network of the
architecture `streaming` step by step, any other by windows of the last seconds. Latency is the time from the end of a
gloss to the moment at which it is certain, in seconds of the stream; computing is not part of it. The WER of whole
clips by the same checkpoint stands beside that of the stream. The times of the windows are those of `slr decode`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from slrcli.checkpoints.runs import find_checkpoint
from slrcli.config import FRAMES_PER_SECOND, DataConfig, LiveConfig
from slrcli.corpus.clips import Clips
from slrcli.corpus.opening import open_data
from slrcli.decoding.decoder import BestPath
from slrcli.evaluation.evaluate import evaluate
from slrcli.listening import Listening
from slrcli.recognition.load import load_recogniser
from slrcli.recognition.recogniser import ClipRecogniser
from slrcli.recognition.stream import stream_recogniser
from slrcli.scoring.wer import score


def measured(recogniser: ClipRecogniser, clips: Clips, fps: float) -> tuple[float, np.ndarray]:
    """WER of the stream, and latencies in seconds."""
    read, late = {}, []
    for index, item in enumerate(clips.utterances):
        stream = stream_recogniser(Listening(), recogniser, fps, LiveConfig())
        x = clips[index]
        events = [event for frame in x for event in stream.push(frame[None])]
        late += [event.latency / fps for event in events]
        events += stream.finish()
        read[item.id] = [event.gloss for event in events]
    references = {item.id: list(item.glosses) for item in clips.utterances}
    return score(references, read).wer, np.array(late)


def main() -> None:
    """Print a row per run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus")
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--split", default="dev")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{options.corpus}, {options.split}")
    print(f"{'run':16} {'recogniser':24} {'WER clip':>9} {'WER stream':>11} {'latency s':>10} {'95 %':>6}")
    for run in options.runs:
        recogniser = load_recogniser(find_checkpoint(run / "last.safetensors"), "cpu")
        recogniser.decoder = BestPath(recogniser.vocabulary)
        meta = recogniser.meta
        corpus = open_data(DataConfig(data_dir=options.corpus)).normalised(meta.vocabulary.normaliser)
        preparation = {**meta.config.data.preparation, "to": meta.rate}
        utterances = corpus.splits[options.split]
        clips = Clips(utterances, meta.layout, **preparation)
        raw = Clips(utterances, meta.layout, max_gap=0, to=meta.rate)  # a stream is prepared as it comes
        fps = meta.fps or FRAMES_PER_SECOND
        whole = evaluate(recogniser, clips).score.wer
        wer, late = measured(recogniser, raw, fps)
        kind = "windows" if recogniser.running() is None else f"lookahead {recogniser.model.lookahead}"
        median, most = np.percentile(late, [50, 95]) if len(late) else (np.nan, np.nan)
        print(
            f"{run.name:16} {meta.config.model.arch + ', ' + kind:24} {whole:9.1f} {wer:11.1f} "
            f"{median:10.2f} {most:6.2f}"
        )


if __name__ == "__main__":
    main()
