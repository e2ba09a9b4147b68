#!/usr/bin/env bash
# bench/run --device cuda, with the programs of the emulated build in place of those of a GPU's.
. "$(dirname "$0")/../cli/lib.sh"

mkdir -p build/bin build/bench
ln -s "$RANKINE" build/bin/rankine
ln -s "$WORKER" build/bench/bench_worker
ln -s "$CUSPARSE" build/bench/bench_cusparse
run 0 "$rankine" synth data --users 60 --items 40 --interactions 700 --clusters 4 --quiet
bench=(python3 "$RANKINE_SOURCE/bench/run" --device cuda --data data --build build --threads 1
    --rounds 2 --stretch 0.01 --check 4 --batch 50 --gathers 500 --epoch-seconds 0.01)
# Two of three algorithms do not work here (4, 6, 12: CSR_ALG1 to CSR_ALG3): the third is measured.
export EMU_FAULT=no_spmm:4,bad_spmm:6
run 0 "${bench[@]}" --out result/tiny --arms rankine,rankine-cusparse,p3
prints "rankine-cusparse: "
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
assert rows["p3", "spmm"] > 0
PYTHON
for text in "cuSPARSE" "p3 took CSR_ALG3" "p3 left out CSR_ALG1: " "operation not supported" \
    "p3 left out CSR_ALG2: off by 0.01, more than 1e-05"; do
    grep -qF "$text" result/tiny.md || fail "the page does not say: $text"
done
# None works: the arm is left out, the others are measured.
EMU_FAULT=no_spmm:4,no_spmm:6,no_spmm:12 run 0 "${bench[@]}" --out result/none --arms rankine,p3
prints "p3 was left out: no algorithm of cuSPARSE's works here: " "CSR_ALG3: "
rm -f build/bench/bench_cusparse
run 0 "${bench[@]}" --out result/without --arms rankine,p3
prints "p3 was left out: a build with CUDA"
finish
