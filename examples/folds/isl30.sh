#!/usr/bin/env bash
# Each of isl30's eight signers held out in turn, by what a bare run chooses and ten epochs.
# Usage: bash examples/folds/isl30.sh CORPUS RUNS [options of slr train]
set -euo pipefail
corpus=${1:?the folder of the corpus} runs=${2:?a folder for the runs}
slr train --data-dir "$corpus" --output-dir "$runs" --epochs 10 --folds signer "${@:3}"
