#!/usr/bin/env bash
# What approximate search finds, by planes and probes: a model of generated data is trained once, and
# each pair of numbers is asked for everybody's top 10, beside the exact ones.
#
#   configs/sweeps/lsh-recall.sh [RANKINE [RUN]]     RUN: a trained run of yours instead
set -euo pipefail
rankine=${1:-rankine}
run=${2:-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -z "$run" ]; then
    run=$scratch/run
    "$rankine" synth "$scratch/data" --users 2000 --items 20000 --interactions 200000 \
        --clusters 100 --quiet >"$scratch/log"
    "$rankine" train "$scratch/data/synth.yaml" --run "$run" --device cpu --quiet \
        --set model.kind=mf --set model.dim=32 --set train.epochs=10 --set eval.every=0 \
        --set eval.select=last >"$scratch/log"
fi
lists() { # OUT [OPTION...]
    "$rankine" recommend "$run" --all --top 10 --out "$1" --device cpu --quiet --force "${@:2}"
}
lists "$scratch/exact.tsv"
printf '%8s %8s %10s\n' planes probes recall@10
for planes in 8 10 12; do
    for probes in 4 16 64 256; do
        lists "$scratch/near.tsv" --approximate --planes $planes --probes $probes
        awk -v planes=$planes -v probes=$probes '
            NR == FNR { exact[$1, $3]; n++; next }
            ($1, $3) in exact { found++ }
            END { printf "%8d %8d %10.3f\n", planes, probes, found / n }
        ' <(tail -n +2 "$scratch/exact.tsv") <(tail -n +2 "$scratch/near.tsv")
    done
done
