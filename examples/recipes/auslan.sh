#!/usr/bin/env bash
# auslan's row: three seeds of auslan.toml, each scored on dev test.
# Usage, from the project's folder: bash examples/recipes/auslan.sh CORPUS RUNS [options of slr train, such as --jobs 2]
set -euo pipefail
corpus=${1:?the folder of the corpus} runs=${2:?a folder for the runs}
slr train --data-dir "$corpus" --output-dir "$runs" --config examples/recipes/auslan.toml --seeds 3 "${@:3}"
python examples/recipes/row.py "$corpus" "$runs" dev test
