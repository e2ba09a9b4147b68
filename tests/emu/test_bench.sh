#!/usr/bin/env bash
# bench/run --device cuda, with the programs of the emulated build in place of those of a GPU's.
. "$(dirname "$0")/../cli/lib.sh"

mkdir -p build/bin build/bench
ln -s "$RANKINE" build/bin/rankine
ln -s "$WORKER" build/bench/bench_worker
run 0 "$rankine" synth data --users 60 --items 40 --interactions 700 --clusters 4 --quiet
run 0 python3 "$RANKINE_SOURCE/bench/run" --device cuda --data data --build build \
    --out result/tiny --arms rankine,rankine-cusparse,p3 --threads 1 --rounds 2 --stretch 0.01 \
    --check 4 --batch 50 --gathers 500 --epoch-seconds 0.01
prints "p3 was left out: a build with CUDA" "rankine-cusparse: "
python3 - <<'PYTHON' || fail "the table"
import csv
with open("result/tiny.csv", newline="") as file:
    rows = {(row["arm"], row["metric"]): float(row["median"]) for row in csv.DictReader(file)
            if row["device"] == "cuda"}
for arm in ("rankine", "rankine-cusparse"):
    for metric in ("step", "epoch_estimate", "memory_host", "memory_device", "sample_triplets.ms"):
        assert rows[arm, metric] > 0, (arm, metric)
for metric in ("gather_fp32", "gather_fp16", "copy", "launch", "flops"):
    assert rows["ceiling", metric] > 0, metric
assert rows["rankine-cusparse", "loss_error"] < 1e-5
PYTHON
grep -qF "cuSPARSE" result/tiny.md || fail "the page does not name the arm"
finish
