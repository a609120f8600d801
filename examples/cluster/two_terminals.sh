#!/usr/bin/env bash
# One of two machines (or terminals) that train one model. Run it in both, with the numbers 0 and 1.
# Usage, from the project's folder: bash examples/cluster/two_terminals.sh NUMBER HOST CORPUS RUN [options of slr train]
# HOST is the name or address of the machine with the number 0; on one machine 127.0.0.1, with GLOO_SOCKET_IFNAME=lo set.
set -euo pipefail
number=${1:?0 or 1} host=${2:?the machine of number 0} corpus=${3:?the folder of the corpus} run=${4:?a folder for the run}
torchrun --nnodes 2 --node-rank "$number" --nproc-per-node 1 --master-addr "$host" --master-port 29511 \
    -m slrcli train --data-dir "$corpus" --output-dir "$run" "${@:5}"
