#!/usr/bin/env bash
# What a teacher gives a small student: three seeds alone and taught, each pair compared on dev with its interval.
# Usage, from the project's folder: bash examples/recipes/isl30-student.sh CORPUS RUNS TEACHER
set -euo pipefail
corpus=${1:?the folder of the corpus} runs=${2:?a folder for the runs} teacher=${3:?a run of slr train, the teacher}
for seed in 1 2 3; do
    for kind in alone taught; do
        more=()
        if [ "$kind" = taught ]; then more=(--teacher "$teacher"); fi
        slr train --data-dir "$corpus" --output-dir "$runs/$kind$seed" --config examples/recipes/isl30-student.toml \
            --seed "$seed" "${more[@]}"
        slr eval "$runs/$kind$seed/last.safetensors" --data-dir "$corpus" --split dev --beam 0 --out "$runs/$kind$seed.ctm"
    done
    slr score "$corpus/annotations/dev.corpus.csv" "$runs/alone$seed.ctm" "$runs/taught$seed.ctm"
done
