#!/usr/bin/env bash
# boston104's row: three seeds of boston104.toml, each scored on test, without and with trigrams of the training sentences.
# Weight and bonus are those that have the fewest errors in folds of train:
#   slr train --data-dir CORPUS --output-dir FOLDS --config examples/recipes/boston104.toml --folds utterance:5
#   python examples/folds/language_model.py CORPUS FOLDS --order 3
# Usage, from the project's folder: bash examples/recipes/boston104.sh CORPUS RUNS [options of slr train, such as --jobs 2]
set -euo pipefail
corpus=${1:?the folder of the corpus} runs=${2:?a folder for the runs}
slr train --data-dir "$corpus" --output-dir "$runs" --config examples/recipes/boston104.toml --seeds 3 --score-split test "${@:3}"
slr lm "$corpus/annotations/train.corpus.csv" --order 3 --out "$runs/train.arpa"
python examples/recipes/row.py "$corpus" "$runs" test \
    -- --lm "$runs/train.arpa" --lm-weight 1.2 --insertion-bonus 3 --beam 20
