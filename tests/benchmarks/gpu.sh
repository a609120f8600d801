#!/usr/bin/env bash
# Everything that wants a GPU, on data made on the spot, in less than ten minutes.
#
#     tests/benchmarks/gpu.sh [OUT]              # on a machine with an NVIDIA GPU
#     DEVICE=cpu tests/benchmarks/gpu.sh [OUT]   # the same at its smallest size, to try the script
#
# Tests of the device; frames per second of mobilenetv3, of the default recogniser and of the plain loop, with what torch
# compiles; how often a step waits for the device; how busy it is; a run by torchrun with one process; evaluation.
set -euo pipefail
cd "$(dirname "$0")/../.."
device=${DEVICE:-cuda}
out=${1:-$(mktemp -d)}
mkdir -p "$out"
python=${PYTHON:-python}
if [ "$device" = cpu ]; then
    size=(--clips 4 --rounds 1) parts=(--part race --part waits) epochs=1
else
    size=(--clips 256 --rounds 3) parts=(--part race --part waits) epochs=5
    nvidia-smi --query-gpu=timestamp,utilization.gpu,memory.used,power.draw --format=csv -l 1 >"$out/usage.csv" &
    trap 'kill %1' EXIT
fi
tell() { echo "+ $(date +%T) $*" | tee -a "$out/log.txt"; }

tell "tests of the device"
"$python" -m pytest -n 0 tests/training/test_device.py | tee -a "$out/log.txt"
tell "training, side by side"
"$python" tests/benchmarks/training_speed.py --device "$device" "${size[@]}" "${parts[@]}" | tee "$out/training.txt"
tell "a corpus and runs on it"
"$python" -m slrcli demo --small --keep "$out/demo" >"$out/demo.txt" 2>&1
corpus=$(dirname "$(find "$out/demo" -name annotations -type d | head -1)")
for arch in tcn mobilenetv3; do
    "$python" -m torch.distributed.run --standalone --nproc-per-node 1 -m slrcli train --data-dir "$corpus" \
        --arch "$arch" --device "$device" --epochs "$epochs" --output-dir "$out/$arch" >"$out/$arch.txt" 2>&1
    tail -3 "$out/$arch.txt" | tee -a "$out/log.txt"
    tell "evaluation, $arch"
    "$python" - "$out/$arch" "$corpus" "$device" <<'PY' | tee -a "$out/log.txt"
import sys, time
from slrcli.config import DataConfig
from slrcli.checkpoints.runs import find_checkpoint
from slrcli.corpus.clips import Clips
from slrcli.corpus.opening import open_data
from slrcli.evaluation.evaluate import evaluate
from slrcli.recognition.load import load_recogniser
from pathlib import Path
run, corpus, device = sys.argv[1:]
recogniser = load_recogniser(find_checkpoint(Path(run)), device)
clips = Clips(open_data(DataConfig(data_dir=corpus)).splits["dev"], recogniser.meta.layout)
evaluate(recogniser, clips)
began = time.perf_counter()
score = evaluate(recogniser, clips).score
print(f"{sum(clips.frames) / (time.perf_counter() - began):,.0f} frames/s of evaluation on {device}, WER {score.wer:.1f} %")
PY
done
if [ -s "$out/usage.csv" ]; then
    awk -F, 'NR > 1 {gsub(/[^0-9.]/, "", $2); used += $2} END {print "mean utilisation of the GPU:", used / (NR - 1), "%"}' \
        "$out/usage.csv" | tee -a "$out/log.txt"
fi
tell "done: $out"
