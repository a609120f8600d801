#!/usr/bin/env bash
# traduttore's row: three seeds of traduttore.toml, each scored on dev.
# Usage, from the project's folder: bash examples/recipes/traduttore.sh CORPUS RUNS [options of slr train, such as --jobs 2]
set -euo pipefail
corpus=${1:?the folder of the corpus} runs=${2:?a folder for the runs}
slr train --data-dir "$corpus" --output-dir "$runs" --config examples/recipes/traduttore.toml --seeds 3 "${@:3}"
python examples/recipes/row.py "$corpus" "$runs" dev
