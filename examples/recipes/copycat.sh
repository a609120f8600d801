#!/usr/bin/env bash
# CopyCat's rows: five folds, each of a signer and sentences that are both new, by what a bare run chooses; then all folds
# pooled by best path and with bigrams, whose weight and bonus are chosen on the other folds.
# Usage, from the project's folder: bash examples/recipes/copycat.sh CORPUS FOLDS RUNS [options of slr train]
set -euo pipefail
corpus=${1:?the folder of the corpus} folds=${2:?a new folder for the folds} runs=${3:?a folder for the runs}
python examples/folds/both_new.py "$corpus" "$folds"
for fold in "$folds"/*/; do
    slr train --data-dir "$fold" --output-dir "$runs/$(basename "$fold")" "${@:4}"
done
python examples/folds/language_model.py "$folds" "$runs"              # both new
python examples/folds/language_model.py "$folds" "$runs" --split test # new sentences of the other signers
