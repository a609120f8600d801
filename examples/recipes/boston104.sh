#!/usr/bin/env bash
# boston104's row: three seeds of boston104.toml, each scored on test, without and with 4-grams of the training sentences.
# Their order, weight and bonus are those with the fewest errors in three drawings of five folds of train, of every N:
#   slr train --data-dir CORPUS --output-dir FOLDS --config examples/recipes/boston104.toml --folds utterance:5 --seed N
#   python examples/folds/language_model.py CORPUS FOLDS --seed N --order 4
# Usage, from the project's folder: bash examples/recipes/boston104.sh CORPUS RUNS [options of slr train, such as --jobs 2]
set -euo pipefail
corpus=${1:?the folder of the corpus} runs=${2:?a folder for the runs}
slr train --data-dir "$corpus" --output-dir "$runs" --config examples/recipes/boston104.toml --seeds 3 "${@:3}"
slr lm "$corpus/annotations/train.corpus.csv" --order 4 --out "$runs/train.arpa"
python examples/recipes/row.py "$corpus" "$runs" test \
    -- --lm "$runs/train.arpa" --lm-weight 0.75 --insertion-bonus 2 --beam 20
