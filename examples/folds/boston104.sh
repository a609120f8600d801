#!/usr/bin/env bash
# Cross-validation on boston104's train split by sentences: its test split shares many with train, and it has no dev.
# Usage: bash examples/folds/boston104.sh CORPUS RUNS [options of slr train]
set -euo pipefail
corpus=${1:?the folder of the corpus} runs=${2:?a folder for the runs}
slr train --data-dir "$corpus" --output-dir "$runs" --layout examples/recipes/boston104-layout.toml \
    --folds sentence:5 --fold-splits train "${@:3}"
python examples/folds/language_model.py "$corpus" "$runs" --order 4
