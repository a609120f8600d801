#!/usr/bin/env bash
# Cross-validation on boston104's train split by sentences: its test split shares many with train, and it has no dev.
# Usage: bash examples/folds/boston104.sh CORPUS RUNS [options of slr train]
set -euo pipefail
corpus=${1:?the folder of the corpus} runs=${2:?a folder for the runs}
slr train --data-dir "$corpus" --output-dir "$runs" --config examples/recipes/boston104.toml \
    --folds sentence:3 --fold-splits train "${@:3}"
