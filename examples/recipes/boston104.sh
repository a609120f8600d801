#!/usr/bin/env bash
# boston104's row: three seeds of boston104.toml, each scored on test.
# Usage, from the project's folder: bash examples/recipes/boston104.sh CORPUS RUNS [options of slr train, such as --jobs 2]
set -euo pipefail
corpus=${1:?the folder of the corpus} runs=${2:?a folder for the runs}
slr train --data-dir "$corpus" --output-dir "$runs" --config examples/recipes/boston104.toml --seeds 3 "${@:3}"
python examples/recipes/row.py "$corpus" "$runs" test
